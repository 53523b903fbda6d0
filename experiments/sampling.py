"""Sampling matters (the paper's Table 1): four ways to choose triplets, and two losses without.

    python -m experiments.sampling DATA_PATH RESULT_DIR --seeds 0,1,2 [options of main.py]

The paper's random, balanced and balanced-weighted sampling, and balanced with negatives by inverse
density of distances (Wu et al. 2017, arXiv 1706.07567); beyond the paper, the losses of every song
with all tags, with the options of recipes/cultural.args unless spectrograms are asked for. Prints
the table with a paired test over tags and writes it to RESULT_DIR/sampling.md, and every run to
sampling.json. A second start repeats nothing that is there.
"""

import argparse
from pathlib import Path

from command_line import run_or_explain
from experiments import paper
from experiments.runs import (
    BALANCED_WEIGHTED,
    command_parser,
    parse_command,
    run_seeds,
    write_results,
)
from experiments.tables import Found, paired_tests, quoted_table
from options import merge_options, parse_options

SAMPLINGS = {
    "random": [],
    "balanced": ["--is_balanced"],
    "balanced-weighted": BALANCED_WEIGHTED,
    "distance-weighted": [*BALANCED_WEIGHTED, "--negative_weighting", "distance"],
}
BEYOND = {name: ["--loss", name] for name in ("sigmoid", "infonce")}
RECIPE = f"@{Path(__file__).parents[1] / 'recipes' / 'cultural.args'}"


def compare_samplings(given: argparse.Namespace) -> tuple[str, Found]:
    """Run all samplings and losses with all seeds; write the report; return it and the runs."""
    is_heard = "spec" in merge_options(parse_options(given.options)).inputs
    beyond = {name: [*([] if is_heard else [RECIPE]), *loss] for name, loss in BEYOND.items()}
    found = run_seeds(given, SAMPLINGS | beyond)
    parts = (paired_tests(found), quoted_table(paper.SAMPLING))
    return write_results(given, "sampling", found, *parts), found


def main() -> None:
    """Read the command line and compare."""
    compare_samplings(parse_command(command_parser(__doc__)))


if __name__ == "__main__":
    run_or_explain(main)
