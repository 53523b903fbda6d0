"""What is typed to retrieve.py: arguments, brought to what Fire takes, and queries line by line."""

import sys
from collections.abc import Callable

from errors import UserError, shown

OTHER_NAMES = {"--not": "--without", "--index": "--by"}  # that Python does not allow, or are taken
SHORT = {"-l": "--like", "-w": "--without", "-o": "--only_tag"}  # as Fire has them for `search`
SEVERAL = ("--like", "--without", "--only_tag", "--song")
OF_REMOVE = ("--song", "--help", "-h")  # what else has a dash there is meant for a song


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
        if argv[0] == "remove" and word.startswith("-") and name not in OF_REMOVE:
            raise UserError(
                f"{word} looks like an option: give a song id that begins with a dash as "
                f"--song={word}"
            )
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
            print(f"error: {shown(str(error))}", file=sys.stderr)
        print(f"\n{prompt}", end="", flush=True)
    if n_failed and not is_terminal:
        sys.exit(2)
