"""How the values of main.py's options are read; one that does not fit is refused in a sentence."""

import argparse
import re
from collections.abc import Callable
from functools import partial

from dataset.files import song_inputs


def parse_bool(text: str) -> bool:
    """Read True or False, in any case."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"give True or False, not {text!r}")
    return text.lower() == "true"


def parse_auto_bool(text: str) -> bool | str:
    """Read auto, True or False, in any case."""
    if text.lower() not in ("auto", "true", "false"):
        raise argparse.ArgumentTypeError(f"give auto, True or False, not {text!r}")
    return "auto" if text.lower() == "auto" else parse_bool(text)


SWITCHES = {parse_bool: ("True", "False"), parse_auto_bool: ("auto", "True", "False")}


def whole_number(text: str, least: int = 0) -> int:
    """Read a whole number of at least `least`."""
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise argparse.ArgumentTypeError(f"give a whole number of at least {least}, not {text!r}")
    return int(text)


positive_int, two_or_more = partial(whole_number, least=1), partial(whole_number, least=2)


def seed_number(text: str) -> int:
    """Read a whole number that numpy and torch take as a seed."""
    if whole_number(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"give a number below 2**32, not {text}")
    return int(text)


def positive_float(text: str) -> float:
    """Read a finite number above 0."""
    return _number(text, lambda value: 0 < value < float("inf"), "a number above 0")


def fraction(text: str) -> float:
    """Read a number of at least 0 and below 1."""
    return _number(text, lambda value: 0 <= value < 1, "a number of at least 0 and below 1")


def _number(text: str, fits: Callable[[float], bool], wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not fits(value):
        raise argparse.ArgumentTypeError(f"give {wanted}, not {text!r}")
    return value


def input_type_name(text: str) -> str:
    """Read names of song inputs with + between."""
    names = song_inputs(text)
    if len(set(names)) < len(names) or not all(re.fullmatch(r"[\w.-]+", name) for name in names):
        raise argparse.ArgumentTypeError(f"give different names with + between, not {text!r}")
    if "hybrid" in names:
        raise argparse.ArgumentTypeError("hybrid stands alone: with others give spec+cf+NAME")
    return text
