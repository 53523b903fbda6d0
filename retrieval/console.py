"""What is typed to retrieve.py and what it prints: arguments for Fire, queries, names of files."""

import re
import sys
from collections.abc import Callable

from errors import UserError

OTHER_NAMES = {"--not": "--without", "--index": "--by"}  # that Python does not allow, or are taken
SHORT = {"-l": "--like", "-w": "--without", "-o": "--only_tag"}  # as Fire has them for `search`
SEVERAL = ("--like", "--without", "--only_tag")
# control characters, ends of lines, what turns the direction of writing, bytes that are no UTF-8
_STEERS = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(name: str) -> str:
    """A name on one line, with what would steer a terminal as Python escapes it."""
    return _STEERS.sub(lambda found: found[0].encode("unicode_escape").decode(), name)


def arguments_of(argv: list[str]) -> list[str]:
    """Return arguments as Fire takes them, which keeps only the last of an option given twice.

    What may stand several times is joined, a line each.

    Raises
    ------
    UserError
        Such an option has no value.
    """
    short = SHORT if argv[:1] == ["search"] else {}
    rest: list[str] = []
    given: dict[str, list[str]] = {}
    left = list(argv)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        is_option = word.startswith("--") or name in short
        name = short.get(name, name.replace("-", "_").replace("__", "--", 1))
        name = OTHER_NAMES.get(name, name)
        if not is_option or name not in SEVERAL:
            rest.append(f"{name}{equals}{value}" if is_option else word)
            continue
        if not equals and left and not left[0].startswith("--"):
            value = left.pop(0)
        if not value.strip():
            raise UserError(f"{word.partition('=')[0]} needs a value: give it, or leave that out")
        given.setdefault(name, []).append(value)
    return rest + [f"{name}={chr(10).join(values)}" for name, values in given.items()]


def answer_lines(answer: Callable[[str], None]) -> None:
    """Answer each line of standard input; what cannot be answered does not stop the others."""
    lines = sys.stdin or ()  # closed, where nothing can be asked
    is_terminal = bool(sys.stdin) and sys.stdin.isatty()
    prompt = "words (Ctrl-D ends): " if is_terminal else ""
    n_failed = 0
    print(prompt, end="", flush=True)
    for query in lines:
        try:
            if query.strip():
                answer(query)
        except UserError as error:
            n_failed += 1
            print(f"error: {error}", file=sys.stderr)
        print(f"\n{prompt}", end="", flush=True)
    if n_failed and not is_terminal:
        sys.exit(2)
