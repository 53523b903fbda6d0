r"""Methods of your own side by side: each is a variant, which is a column of the table.

    python -m experiments.variants DATA_PATH RESULT_DIR --variant "NAME=OPTIONS" \
        --variant "NAME=OPTIONS" --seeds 0,1,2 [options of main.py for all]

Each variant is trained and tested with each seed, by the options for all and then its own, which
override them. Prints the table with a paired test over tags and writes it to
RESULT_DIR/variants.md, and every run to variants.json; models stay in
RESULT_DIR/variants/NAME-seedN. A second start repeats nothing that is there.
"""

import argparse
import re
import shlex
from typing import Any

from command_line import run_or_explain
from errors import UserError
from experiments.runs import (
    Column,
    check_free,
    command_parser,
    parse_command,
    run_seeds,
    write_results,
)
from experiments.tables import Found, paired_tests
from options import parse_options

VARIANT: dict[str, Any] = {  # the option --variant, of a parser
    "action": "append",
    "dest": "variants",
    "metavar": "NAME=OPTIONS",
    "help": "a column, and options of main.py that are its own; once for each",
}


def compare_columns(
    given: argparse.Namespace, title: str, columns: dict[str, Column], *parts: str
) -> tuple[str, Found]:
    """Run all columns with all seeds; write the report, with `parts`; return it and the runs."""
    found = run_seeds(given, columns)
    tests = [paired_tests(found)] if len(found) > 1 else []
    return write_results(given, title, found, *tests, *parts), found


def variant_columns(variants: list[str]) -> dict[str, Column]:
    """Columns by name, of variants as they stand on the command line.

    Raises
    ------
    UserError
        A name stands twice or is no name of a folder, or options are none of main.py.
    """
    columns: dict[str, Column] = {}
    for variant in variants:
        name, sign, text = variant.partition("=")
        name = name.strip()
        if not sign or not re.fullmatch(r"\w([\w.+ -]{0,78}[\w+])?", name):
            raise UserError(
                f"--variant {variant!r} does not begin with NAME=: a name of letters, digits, "
                'blanks and . + - _, such as "large steps=--lr 1e-3"'
            )
        if name.casefold() in map(str.casefold, columns):  # some disks take them for the same
            raise UserError(f"--variant {name} stands twice: give each a name of its own")
        columns[name] = Column(_options(name, text), folder=f"variants/{name}")
    return columns


def _options(name: str, text: str) -> list[str]:
    try:
        options = shlex.split(text)
        check_free(parse_options(options))
    except (UserError, ValueError) as error:  # as which an open quote comes out
        raise UserError(f"--variant {name}: {error}") from None
    return options


def main() -> None:
    """Read the command line and compare."""
    parser = command_parser(__doc__)
    parser.add_argument("--variant", required=True, **VARIANT)
    given = parse_command(parser)
    compare_columns(given, "variants", variant_columns(given.variants))


if __name__ == "__main__":
    run_or_explain(main)
