"""Cultural against acoustic (the paper's Table 2, and its figure by tag category), over seeds.

    python -m experiments.modalities DATA_PATH RESULT_DIR --seeds 0,1,2 [options of main.py]

Trains what the directory has data for: the cultural branch on CF vectors, the acoustic one on
spectrograms, and both together, by concatenation (hybrid) and by masked fusion (fused); --columns
chooses among them. The fused model is tested again with audio or listening data taken away.
Triplets are balanced-weighted. Prints the table, and writes it to RESULT_DIR/modalities.md, the
chart by category to modalities.png, and every run to modalities.json. A second start repeats
nothing that is there.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from command_line import run_or_explain
from dataset.files import existing_directory, subset_prefix
from dataset.mel_index import FRAMES
from dataset.writing import staged
from errors import UserError
from experiments import paper
from experiments.charts import category_chart
from experiments.runs import (
    BALANCED_WEIGHTED,
    Column,
    command_parser,
    open_model,
    parse_command,
    run_seeds,
    write_results,
)
from experiments.tables import Found, first_run, markdown, quoted_table
from options import parse_options
from train_test import score

INPUT_TYPES = {"cultural": "cf", "acoustic": "spec", "hybrid": "hybrid", "fused": "spec+cf"}
TAKEN_AWAY: tuple[dict[str, Any], ...] = ({"vectors": {}}, {"mel": None})  # of a Dataset


def possible_columns(data_path: Path, is_subset: bool) -> list[str]:
    """Columns that the directory has data for."""
    has_cf = (data_path / f"{subset_prefix(is_subset)}ix_to_cf.npy").is_file()
    has_mels = (data_path / FRAMES).is_file() or (data_path / "spec").is_dir()
    has_both = has_cf and has_mels
    needs = {"cultural": has_cf, "acoustic": has_mels, "hybrid": has_both, "fused": has_both}
    return [column for column, is_there in needs.items() if is_there]


def choose_columns(asked: str | None, data_path: Path, is_subset: bool) -> list[str]:
    """Columns to make: as asked, else all that are possible.

    Raises
    ------
    UserError
        None is possible, or one that was asked for is unknown.
    """
    columns = possible_columns(data_path, is_subset) if asked is None else asked.split(",")
    unknown = [column for column in columns if column not in INPUT_TYPES]
    if unknown:
        raise UserError(f"--columns {unknown[0]} is not one of {', '.join(INPUT_TYPES)}")
    if not columns:
        raise UserError(
            f"{data_path} has neither CF vectors nor spectrograms: run step 3 or step 4 first"
        )
    left_out = [column for column in INPUT_TYPES if column not in columns]
    if left_out and asked is None:
        print(f"no data for {', '.join(left_out)}: left out (steps 3 and 4 make it)")
    return columns


def paper_categories() -> str:
    """The paper's figure as a table, said to be quoted."""
    columns = ("cultural", "acoustic")
    rows = [
        (kind, *(f"{one[name]:.3f}" for name in columns)) for kind, one in paper.CATEGORIES.items()
    ]
    return (
        "Quoted from the paper, read off its figure by eye: MAP by category on MSD100.\n\n"
        + markdown(("the paper's", *columns), rows)
    )


def score_alone(runs: list[dict], given: argparse.Namespace) -> dict[str, list[dict]]:
    """Test models of fused inputs anew with one input alone: column -> results of every run."""
    found: dict[str, list[dict]] = {"fused, audio alone": [], "fused, listening alone": []}
    for run in runs:
        trained = open_model(run, given)
        for column, less in zip(found, TAKEN_AWAY, strict=True):
            alone = trained._replace(dataset=replace(trained.dataset, **less))
            found[column].append(score(alone) | {"made_by": run["made_by"]})
    return found


def compare_modalities(given: argparse.Namespace, asked: str | None = None) -> tuple[str, Found]:
    """Run the columns `asked` for, or all possible; write the report; return it and the runs."""
    is_subset = parse_options(given.options).get("is_subset", False)
    columns = choose_columns(asked, existing_directory(given.data_path), is_subset)
    found = run_seeds(
        given,
        {name: Column(["--input_type", INPUT_TYPES[name]], BALANCED_WEIGHTED) for name in columns},
    )
    if "fused" in found:
        found |= score_alone(found["fused"], given)
    has_chart = bool(first_run(found)["categories"])
    parts = ["![MAP by tag category](modalities.png)\n"] if has_chart else []
    quoted = paper.MODALITIES_SUBSET if is_subset else paper.MODALITIES
    parts += [quoted_table(quoted)] + ([] if is_subset else [paper_categories()])
    text = write_results(given, "modalities", found, *parts)
    if has_chart:
        with staged(given.result_dir) as stage:
            category_chart(found, stage / "modalities.png")
    return text, found


def main() -> None:
    """Read the command line and make the report."""
    parser = command_parser(__doc__)
    parser.add_argument("--columns", help="with commas between: cultural,acoustic,hybrid,fused")
    given = parse_command(parser)
    compare_modalities(given, given.columns)


if __name__ == "__main__":
    run_or_explain(main)
