"""Command lines: running a command, telling its errors, checking the arguments it was given."""

import interrupts  # noqa: F401 - before what takes long

# isort: split

import argparse
import contextlib
import errno
import functools
import inspect
import io
import math
import os
import re
import shlex
import signal
import sys
import threading
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dataset.bounded import allowed_memory
from dataset.files import user_path
from errors import UserError, one_line, shown

Command = Callable[..., object]
MOST = 2**32 - 1  # the largest seed of numpy; what is beyond has no use, and raises its errors
LEAST_MEMORY = 400 * 2**20  # bytes: with less, OpenBLAS asks again for ever as scipy is loaded


class Stopped(SystemExit):
    """Raised by Ctrl-C (SIGINT) and by what batch systems send (SIGTERM); its code is the shell's.

    No `KeyboardInterrupt`: Lightning would turn that into exit code 1.
    """

    def __init__(self, signal_number: int, *_):
        super().__init__(128 + signal_number)
        self.is_told = False  # where a command is run within another


@contextlib.contextmanager
def _signals_stop() -> Iterator[None]:
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(signal_number: int, _frame) -> None:
    raise Stopped(signal_number)


def run_or_explain(command: Callable[[], object]) -> None:
    """Call `command`; end the process with code 2 and one sentence if it raises `UserError`.

    So it does when the disk is full, memory short or a file out of reach, wherever that comes out.
    Stopped by a signal, it ends with 130 (SIGINT) or 143 (SIGTERM), so that a script does not go
    on.
    """
    threading.excepthook = _end_with_a_thread
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal need not know every letter
    try:
        if allowed_memory() < LEAST_MEMORY:
            raise MemoryError
        with _signals_stop():
            command()
        if sys.stdout:  # it may be closed
            sys.stdout.flush()
    except UserError as error:
        print(f"error: {shown(str(error))}", file=sys.stderr)
        sys.exit(2)
    except Stopped as stop:
        if not stop.is_told:
            print("interrupted" if stop.code == 130 else "terminated", file=sys.stderr)
        stop.is_told = True
        raise
    except BrokenPipeError:  # whoever reads, such as `head`, has seen enough
        _print_no_more()
        sys.exit(141)  # as the shell tells of a program that the signal ended
    except Exception as error:
        refused = _refused_by_the_machine(error)
        if not refused:
            raise
        _print_no_more()
        print(f"error: {refused}", file=sys.stderr)
        sys.exit(2)


def _end_with_a_thread(failed: threading.ExceptHookArgs) -> None:
    """End the process with a thread that the machine refused something: others may wait for it."""
    refused = isinstance(failed.exc_value, Exception) and _refused_by_the_machine(failed.exc_value)
    if not refused:
        threading.__excepthook__(failed)
        return
    print(f"error: {refused}", file=sys.stderr, flush=True)
    os._exit(2)


def _print_no_more() -> None:
    """Close stdout to a device that takes all: Python would complain again as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


_NO_MEMORY = ("allocate memory", "start new thread", "failed to map segment")


def _refused_by_the_machine(error: Exception) -> str:
    """What the machine does not give: room, memory, a file; '' for any other error."""
    said = str(error)
    if isinstance(error, MemoryError) or any(sign in said for sign in _NO_MEMORY):
        return "the memory is not enough: end other programs, or allow this one more"
    if not isinstance(error, OSError):
        return ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "requested and" in said:  # as numpy says it
        return "the disk is full: make room and start again"
    if error.filename is None:
        return ""
    return f"{error.filename} cannot be used ({error.strerror}): see to that and start again"


class OptionParser(argparse.ArgumentParser):
    """Parser whose errors are `UserError`s, and which reads more options from `@FILE`."""

    def __init__(self, **arguments):
        super().__init__(allow_abbrev=False, **arguments)

    def parse_known_args(self, args=None, namespace=None):
        """As of the parent, with the options that stand in files."""
        given = sys.argv[1:] if args is None else args
        return super().parse_known_args([*_with_files(given)], namespace)

    def error(self, message: str):
        """Raise `UserError`."""
        raise UserError(f"{message} (--help lists the options)")


def _with_files(arguments: Sequence[str]) -> Iterator[str]:
    """Arguments, and in place of each `@FILE` the options in it, where `#` begins a comment."""
    for one in arguments:
        if not one.startswith("@"):
            yield one
            continue
        try:
            text = user_path(one[1:]).read_text("utf-8")
            yield from shlex.split(text, comments=True)
        except (OSError, ValueError) as error:  # as which no UTF-8 and an open quote come out
            raise UserError(
                f"{one} cannot be read ({one_line(error)}): behind @ stands a file of options in "
                "UTF-8, such as @recipes/paper.args"
            ) from error


def fire_commands(commands: dict[str, Command], argv: list[str] | None = None) -> None:
    """Run one of `commands` from the command line with Fire.

    Fire by itself calls the function first and only then complains about arguments that it could
    not use, so a misspelt option would run the whole step with the default. Here Fire does
    nothing but parse; the step starts when every argument has been understood.

    Parameters
    ----------
    commands : dict
        Name on the command line -> function; its signature gives the arguments.
    argv : list of str, optional
        Arguments; `sys.argv[1:]` by default.
    """
    import fire  # only the steps need it: training runs without
    from fire.core import FireExit

    arguments = sys.argv[1:] if argv is None else argv
    asks_help = {"--help", "-h"}.issuperset(arguments[-1:])
    for sign in ("-", "--"):  # to Fire they stand between its own commands, and before its options
        if sign in arguments and not (sign == "--" and asks_help):
            print(f"error: {sign!r} is not understood here: leave it out", file=sys.stderr)
            sys.exit(2)
    bare = _without_a_value(commands.get(arguments[0]) if arguments else None, arguments)
    if bare and not asks_help:
        print(f"error: {bare} needs a value: give it, or leave that out", file=sys.stderr)
        sys.exit(2)
    understood: list[Callable[[], object]] = []
    noted = {name: _noted(function, understood) for name, function in commands.items()}
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            fire.Fire(noted, command=argv)
    except FireExit as leave:
        if leave.code:  # one sentence instead of Fire's page of usage
            problem = _plainly(leave.trace.elements[-1].ErrorAsStr(), commands)
            print(f"error: {problem} (--help shows the arguments)", file=sys.stderr)
        else:
            print("NAME" + said.getvalue().partition("NAME")[2], end="")  # before, the command
        sys.exit(leave.code)
    for call in understood:
        run_or_explain(call)


_PLAIN = {
    "The function received no value for the required argument: ": "{} is missing",
    "Could not consume arg: ": "{} is not understood",
    "Cannot find key: ": "there is no command {}: the commands are {}",
}


def _plainly(problem: str, commands: dict[str, Command]) -> str:
    """What Fire says, in words of a command line."""
    for begin, plain in _PLAIN.items():
        if problem.startswith(begin):
            return plain.format(problem.removeprefix(begin), ", ".join(commands))
    return problem


def _texts(function: Command) -> set[str]:
    """Names of the arguments that are text."""
    hints = typing.get_type_hints(function)
    return {name for name, hint in hints.items() if hint is str or str in typing.get_args(hint)}


def _without_a_value(function: Command | None, arguments: Sequence[str]) -> str:
    """The first option of text that nothing follows, for which Fire takes 'True'; '' if none is."""
    if function is None:
        return ""
    names, texts = [*inspect.signature(function).parameters], _texts(function)
    for one, following in zip(arguments, [*arguments[1:], "--"], strict=True):
        if re.match(r"--?[a-zA-Z][\w-]*$", one) and re.match("--|-[a-zA-Z]", following):
            key = one.lstrip("-").replace("-", "_")
            meant = [key] if key in names else [n for n in names if len(key) == 1 and n[0] == key]
            if len(meant) == 1 and meant[0] in texts:
                return one
    return ""


def _noted(
    function: Callable[..., object], calls: list[Callable[[], object]]
) -> Callable[..., object]:
    """Return a function of the same signature that adds the call to `calls` instead."""

    from fire import decorators
    from fire.parser import DefaultParseValue

    # without the _ each --help has a group of that name
    decorators.FIRE_METADATA = "_fire_metadata"

    @functools.wraps(function)
    def note(*args, **kwargs) -> None:
        calls.append(functools.partial(function, *args, **kwargs))

    # Fire would take a folder called 2024 or 1_000 for a number, and "sad," for a tuple.
    texts = _texts(function)
    parameters = inspect.signature(function).parameters.values()
    parser = {one.name: str if one.name in texts else DefaultParseValue for one in parameters}
    rest = [parser[one.name] for one in parameters if one.kind is one.VAR_POSITIONAL]
    parsed = decorators.SetParseFns(**parser)(note)
    return decorators.SetParseFn(*rest or [DefaultParseValue])(parsed)


# ---------------------------------------------------------------- what Fire made of the arguments


def whole_number(name: str, value: object, least: int) -> int:
    """Return `value`, or raise `UserError` if it is no whole number from `least` to `MOST`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"{name} must be a whole number of at least {least}, not {value!r}")
    if value > MOST:
        raise UserError(f"{name} must be a whole number from {least} to {MOST}, not {value!r}")
    return value


def number(name: str, value: object, least: float, most: float = math.inf) -> float:
    """Return `value` as a float, or raise `UserError` if it is not a finite one in these bounds."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (math.isfinite(value) and least <= value <= most)
    ):
        bound = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
        raise UserError(f"{name} must be a number {bound}, not {value!r}")
    return float(value)


def flag(name: str, value: object) -> bool:
    """Return `value`, or raise `UserError` if it is not True or False."""
    if not isinstance(value, bool):
        raise UserError(
            f"{name} must be True or False, not {value!r}: give it last, without a value"
        )
    return value


def one_of(name: str, value: object, choices: tuple[str, ...]) -> str:
    """Return `value`, or raise `UserError` if it is not one of `choices`."""
    if value not in choices:
        raise UserError(f"{name} must be {' or '.join(choices)}, not {value!r}")
    return str(value)


def existing_file(path: str | Path, way_out: str) -> Path:
    """Return `path` as a Path, or raise `UserError` '<path> is missing: <way out>'."""
    path = user_path(path)
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "is missing"
        raise UserError(f"{path} {what}: {way_out}")
    return path


def names_in(text: str) -> list[str]:
    """Names in a list such as 'google, music'."""
    return [name.strip() for name in text.split(",") if name.strip()]
