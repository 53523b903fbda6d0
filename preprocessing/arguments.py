"""Checks of what Fire made of the command line: a wrong number is a sentence, not a traceback."""

import math
from pathlib import Path

from dataset_files import user_path
from errors import UserError


def whole_number(name: str, value: object, least: int) -> int:
    """Return `value`, or raise `UserError` if it is not a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return value


def number(name: str, value: object, least: float) -> float:
    """Return `value` as a float, or raise `UserError` if it is not a finite one >= `least`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value) and value >= least):
        raise UserError(f"{name} must be a number of at least {least}, not {value!r}")
    return float(value)


def flag(name: str, value: object) -> bool:
    """Return `value`, or raise `UserError` if it is not True or False."""
    if not isinstance(value, bool):
        raise UserError(f"{name} must be True or False, not {value!r}")
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
        raise UserError(f"{path} is missing: {way_out}")
    return path


def names_in(text: str) -> list[str]:
    """Names in a list such as 'google, music'."""
    return [name.strip() for name in text.split(",") if name.strip()]
