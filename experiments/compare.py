"""Results side by side: all tags, and MAP by tag category, as a table and as a bar chart.

    python -m experiments.compare FOLDER... --to RESULT_DIR

Each FOLDER holds the results.json of a test; its name heads the column. RESULT_DIR gets compare.md
and, where tags have categories, compare.png.
"""

import argparse
import json
from pathlib import Path

from command_line import run_or_explain
from dataset.writing import staged
from errors import UserError
from experiments.charts import category_chart
from experiments.tables import first_run, results_table


def read_results(folder: Path) -> dict:
    """Read the results.json of a folder, or raise `UserError`."""
    file = folder / "results.json"
    if not file.is_file():
        raise UserError(f"{file} is missing: python main.py --mode TEST writes it")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise UserError(f"{file} is not valid JSON: run --mode TEST again") from None


def main() -> None:
    """Print the table and write table and chart."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    found = {folder.resolve().name: [read_results(folder)] for folder in arguments.folders}
    if len(found) < len(arguments.folders):
        raise UserError("two FOLDERs have the same name: it heads their column, so rename one")
    table = results_table(found)
    with staged(arguments.to) as stage:
        (stage / "compare.md").write_text(table, encoding="utf-8")
        if first_run(found)["categories"]:
            category_chart(found, stage / "compare.png")
    print(table)
    print(f"written to {arguments.to}")


if __name__ == "__main__":
    run_or_explain(main)
