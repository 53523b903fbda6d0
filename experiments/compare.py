"""Results side by side: all tags, and MAP by tag category, as a table and as a bar chart.

    python -m experiments.compare FOLDER... --to RESULT_DIR

Each FOLDER holds the results.json of a test; its name heads the column. RESULT_DIR gets compare.md
and, where tags have categories, compare.png.
"""

import argparse
import json
from pathlib import Path

from dataset_files import staged
from errors import UserError, run_or_explain
from metrics import METRICS

CHANCE = "at random"


def read_results(folder: Path) -> dict:
    """Read the results.json of a folder, or raise `UserError`."""
    file = folder / "results.json"
    if not file.is_file():
        raise UserError(f"{file} is missing: python main.py --mode TEST writes it")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise UserError(f"{file} is not valid JSON: run --mode TEST again") from None


def check_comparable(found: dict[str, dict]) -> None:
    """Raise `UserError` unless all were tested on the same songs with the same tags."""
    (first, ours), *others = found.items()
    for name, theirs in others:
        same_size = all(ours[key] == theirs[key] for key in ("n_songs", "n_tags", "chance_map"))
        if not same_size or ours["categories"].keys() != theirs["categories"].keys():
            raise UserError(f"{first} and {name} are from different test songs or tags")


def rows_of(found: dict[str, dict]) -> list[tuple]:
    """Rows of the table: a label, the value of each result, and what is reached at random."""
    first = next(iter(found.values()))
    rows = []
    for metric, label in METRICS.items():
        chance = first["chance_map"] if metric == "map" else None
        rows.append((label, *(one[metric] for one in found.values()), chance))
    for category, about in first["categories"].items():
        values = (one["categories"][category]["map"] for one in found.values())
        rows.append((f"MAP {category} ({about['n_tags']})", *values, about["chance_map"]))
    return rows


def as_table(found: dict[str, dict]) -> str:
    """Markdown table with columns wide enough to be read as it stands."""
    names = [*found, CHANCE]
    label_width = max(len(row[0]) for row in rows_of(found))
    widths = [max(len(name), 6) for name in names]
    lines = [
        _line("", names, label_width, widths),
        f"| {'-' * label_width} | "
        + " | ".join("-" * (width - 1) + ":" for width in widths)
        + " |",
    ]
    for label, *values in rows_of(found):
        cells = ["" if value is None else f"{value:.4f}" for value in values]
        lines.append(_line(label, cells, label_width, widths))
    return "\n".join(lines) + "\n"


def _line(label: str, cells: list[str], label_width: int, widths: list[int]) -> str:
    padded = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"| {label:<{label_width}} | " + " | ".join(padded) + " |"


def draw_chart(found: dict[str, dict], path: Path) -> None:
    """Draw bars of MAP by tag category, one for each result, with the level of chance as a line."""
    from matplotlib.figure import Figure

    first = next(iter(found.values()))
    categories = list(first["categories"])
    figure = Figure(figsize=(1.5 + 1.3 * len(categories), 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(found)
    for number, (name, one) in enumerate(found.items()):
        left = [place - 0.4 + width * (number + 0.5) for place in range(len(categories))]
        heights = [one["categories"][category]["map"] for category in categories]
        axes.bar(left, heights, width * 0.92, label=name)
    chances = [first["categories"][category]["chance_map"] for category in categories]
    places = range(len(categories))
    ends = ([place - 0.42 for place in places], [place + 0.42 for place in places])
    axes.hlines(chances, *ends, colors="black", linestyles="dashed", label=CHANCE)
    labels = [f"{name}\n({first['categories'][name]['n_tags']} tags)" for name in categories]
    axes.set_xticks(list(places), labels)
    axes.set_ylabel("mean average precision")
    axes.set_ylim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(found) + 1, frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Print the table and write table and chart."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    found = {folder.resolve().name: read_results(folder) for folder in arguments.folders}
    if len(found) < len(arguments.folders):
        raise UserError("two FOLDERs have the same name: it heads their column, so rename one")
    check_comparable(found)
    table = as_table(found)
    with staged(arguments.to) as stage:
        (stage / "compare.md").write_text(table, encoding="utf-8")
        if next(iter(found.values()))["categories"]:
            draw_chart(found, stage / "compare.png")
    print(table)
    print(f"written to {arguments.to}")


if __name__ == "__main__":
    run_or_explain(main)
