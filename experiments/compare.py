"""Results side by side: all tags, and MAP by tag category, as a table and as a bar chart.

    python -m experiments.compare FOLDER... --to RESULT_DIR

Each FOLDER holds the results.json of a test; its name heads the column. RESULT_DIR gets compare.md
and, where tags have categories, compare.png.
"""

import argparse

from command_line import OptionParser, run_or_explain
from dataset.files import user_path
from dataset.writing import staged
from errors import UserError
from experiments.charts import category_chart
from experiments.tables import Found, digest_told, first_run, results_table
from results import read_results


def _check_same_test(found: Found) -> None:
    """Raise `UserError` where results tell that they are from different test songs.

    Other splits of songs with one tag each have the same counts.
    """
    digests = {name: digest_told(one) for name, (one,) in found.items()}
    known = [name for name, digest in digests.items() if digest]
    for name in known:
        if digests[name] != digests[known[0]]:
            raise UserError(f"{known[0]} and {name} are from different test songs or tags")


def main() -> None:
    """Print the table and write table and chart."""
    parser = OptionParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", metavar="FOLDER", type=user_path, nargs="+")
    parser.add_argument("--to", metavar="RESULT_DIR", type=user_path, required=True)
    arguments = parser.parse_args()
    found = {folder.resolve().name: [read_results(folder)] for folder in arguments.folders}
    if len(found) < len(arguments.folders):
        raise UserError("two FOLDERs have the same name: it heads their column, so rename one")
    _check_same_test(found)
    table = results_table(found)
    with staged(arguments.to) as stage:
        (stage / "compare.md").write_text(table, encoding="utf-8")
        if first_run(found)["categories"]:
            category_chart(found, stage / "compare.png")
    print(table)
    print(f"written to {arguments.to}")


if __name__ == "__main__":
    run_or_explain(main)
