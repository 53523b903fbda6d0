"""Sampling matters (the paper's Table 1): four ways to choose triplets, and two losses without.

    python -m experiments.sampling DATA_PATH RESULT_DIR --seeds 0,1,2 [options of main.py]

The paper's random, balanced and balanced-weighted sampling, and balanced with negatives by inverse
density of distances (Wu et al. 2017, arXiv 1706.07567); beyond the paper, the losses of every song
with all tags, with the options of recipes/cultural.args unless spectrograms are asked for. What is
given on the command line holds for all columns; a line below the table says where one is trained
longer than another. Prints the table with a paired test over tags and writes it to
RESULT_DIR/sampling.md, and every run to sampling.json. A second start repeats nothing that is
there.
"""

import argparse

from command_line import run_or_explain
from experiments import paper
from experiments.runs import CULTURAL, Column, command_parser, parse_command
from experiments.tables import Found, quoted_table
from experiments.variants import compare_columns
from options import merge_options, parse_options


def _triplets(is_balanced: bool, weighting: str | None = None) -> Column:
    options = ["--loss", "triplet", "--is_balanced", str(is_balanced)]
    options += ["--is_weighted", str(weighting is not None)]
    return Column(options + (["--negative_weighting", weighting] if weighting else []))


SAMPLINGS = {
    "random": _triplets(is_balanced=False),
    "balanced": _triplets(is_balanced=True),
    "balanced-weighted": _triplets(is_balanced=True, weighting="similarity"),
    "distance-weighted": _triplets(is_balanced=True, weighting="distance"),
}


def compare_samplings(given: argparse.Namespace) -> tuple[str, Found]:
    """Run all samplings and losses with all seeds; write the report; return it and the runs."""
    is_heard = "spec" in merge_options(parse_options(given.options)).inputs
    recipe = [] if is_heard else CULTURAL
    beyond = {name: Column(["--loss", name], recipe) for name in ("sigmoid", "infonce")}
    return compare_columns(given, "sampling", SAMPLINGS | beyond, quoted_table(paper.SAMPLING))


def main() -> None:
    """Read the command line and compare."""
    compare_samplings(parse_command(command_parser(__doc__)))


if __name__ == "__main__":
    run_or_explain(main)
