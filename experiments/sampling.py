"""Sampling matters (the paper's Table 1): random, balanced, balanced-weighted over seeds.

    python -m experiments.sampling DATA_PATH RESULT_DIR --seeds 0,1,2 [options of main.py]

Each run trains and tests by main.py into a folder of its own below RESULT_DIR; a run whose
results.json is there is not repeated (an error if its options were others), and one that was
interrupted goes on. Prints the table and writes it to RESULT_DIR/sampling.md.
"""

import argparse
import json
import statistics
from pathlib import Path

from dataset_files import staged
from errors import UserError, run_or_explain
from main import MODEL_OPTIONS, merge_options, parse_options
from main import main as run_main
from metrics import METRICS

SAMPLINGS = {
    "random": [],
    "balanced": ["--is_balanced"],
    "balanced-weighted": ["--is_balanced", "--is_weighted"],
}


def run(data_path: str, folder: Path, options: list[str]) -> dict:
    """Train and test one model, or read what it reached before."""
    results = folder / "results.json"
    where = ["--data_path", data_path]
    if not results.is_file():
        resume = ["--resume"] if (folder / "last.ckpt").is_file() else []
        run_main([*where, "--model_save_path", str(folder), *options, *resume])
        run_main(["--mode", "TEST", *where, "--model_load_path", str(folder)])
    found = json.loads(results.read_text(encoding="utf-8"))
    asked, ran = merge_options(parse_options([*where, *options])), found["made_by"]["options"]
    for name in (*MODEL_OPTIONS, "n_epochs", "data_path"):
        if asked[name] != ran[name]:
            raise UserError(
                f"{results} is from a run with --{name} {ran[name]}, not {asked[name]}: give "
                "another RESULT_DIR"
            )
    return found


def as_table(found: dict[str, list[dict]], data_path: str, seeds: list[int]) -> str:
    """Markdown table: mean ± standard deviation over seeds of each sampling and metric."""
    first = next(iter(found.values()))[0]
    lines = [
        f"{data_path}: {first['n_tags']} tags, {first['n_songs']} test songs, seeds {seeds}, "
        f"MAP at random {first['chance_map']:.3f}",
        "",
        "| | " + " | ".join(found) + " |",
        "| --- " * (len(found) + 1) + "|",
    ]
    for name in METRICS:
        cells = []
        for runs in found.values():
            values = [one[name] for one in runs]
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            cells.append(f"{statistics.mean(values):.4f} ± {spread:.4f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all samplings with all seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("data_path")
    parser.add_argument("result_dir", type=Path)
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated")
    arguments, options = parser.parse_known_args()
    try:
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
    except ValueError:
        raise UserError(f"--seeds {arguments.seeds} is no list of whole numbers: 0,1,2") from None
    found: dict[str, list[dict]] = {name: [] for name in SAMPLINGS}
    for seed in seeds:
        for name, flags in SAMPLINGS.items():
            folder = arguments.result_dir / f"{name}-seed{seed}"
            print(f"--- {name}, seed {seed}")
            more = [*options, *flags, "--seed", str(seed)]
            found[name].append(run(arguments.data_path, folder, more))
    table = as_table(found, arguments.data_path, seeds)
    with staged(arguments.result_dir) as stage:
        (stage / "sampling.md").write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    run_or_explain(main)
