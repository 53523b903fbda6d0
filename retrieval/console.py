"""What is typed to retrieve.py: arguments, brought to what Fire takes, and queries line by line."""

import sys
from collections.abc import Callable

from errors import UserError, shown

AWAY, HOW = {"--not": "--without"}, {"--index": "--by"}  # Python does not allow one, INDEX has one
OTHER_NAMES = {"search": AWAY, "radio": AWAY, "index": HOW, "merge": HOW}
SHORT = {"-l": "--like", "-w": "--without", "-o": "--only_tag"}  # as Fire has them for `search`
SEVERAL = ("--like", "--without", "--only_tag", "--song")
OF_REMOVE = ("--song", "--help", "-h")  # what else has a dash there is meant for a song


def arguments_of(argv: list[str]) -> list[str]:
    """Return arguments as Fire takes them, which keeps only the last of an option given twice.

    What may stand several times is joined, a line each.

    Raises
    ------
    UserError
        Such an option, or --index, has no value; or --index is given to a command that does not
        take it.
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
        name = OTHER_NAMES.get(argv[0], {}).get(name, name)
        if argv[0] == "remove" and word.startswith("-") and name not in OF_REMOVE:
            raise UserError(
                f"{word} looks like an option: give a song id that begins with a dash as "
                f"--song={word}"
            )
        if name == "--index":  # Fire would take it for INDEX
            raise UserError("--index is an option of `index` and `merge` alone: leave it out")
        if word == "--index" and not (left and left[0][:1] != "-"):  # not told of --by
            raise UserError("--index needs a value: give it, or leave that out")
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
    """Answer each line of standard input; what cannot be answered does not stop the others.

    `UserError` if it is no terminal, and has no query at all.
    """
    lines = sys.stdin or ()  # closed, where nothing can be asked
    is_terminal = bool(sys.stdin) and sys.stdin.isatty()
    prompt = "words (Ctrl-D ends): " if is_terminal else ""
    n_asked = n_failed = 0
    print(prompt, end="", flush=True)
    for query in lines:
        try:
            if query.strip():
                n_asked += 1
                answer(query)
        except UserError as error:
            n_failed += 1
            print(f"error: {shown(str(error))}", file=sys.stderr)
        print(f"\n{prompt}", end="", flush=True)
    if not (n_asked or is_terminal):
        raise UserError(
            "nothing is asked for: give WORDS or --like, or queries in standard input, one a line"
        )
    if n_failed and not is_terminal:
        sys.exit(2)
