"""What the experiments share: runs of main.py over seeds, and their table.

Each run trains and tests by main.py into a folder of its own; a run whose results.json is there is
not repeated (an error if its options were others), and one that was interrupted goes on.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from errors import UserError
from main import MODEL_OPTIONS, merge_options, parse_options
from main import main as run_main
from metrics import METRICS


def run(data_path: str, folder: Path, options: list[str]) -> dict:
    """Train and test one model, or read what it reached before; return its results.

    Raises
    ------
    UserError
        The run in the folder had other options.
    """
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


def run_seeds(
    data_path: str,
    result_dir: Path,
    variants: dict[str, list[str]],
    seeds: list[int],
    options: list[str],
) -> dict[str, list[dict]]:
    """Run every variant (name -> its options) with every seed: name -> results of its seeds."""
    found: dict[str, list[dict]] = {name: [] for name in variants}
    for seed in seeds:
        for name, flags in variants.items():
            print(f"--- {name}, seed {seed}")
            more = [*options, *flags, "--seed", str(seed)]
            found[name].append(run(data_path, result_dir / f"{name}-seed{seed}", more))
    return found


def parse_command(description: str) -> tuple[argparse.Namespace, list[str]]:
    """Read DATA_PATH RESULT_DIR --seeds; what is left are options of main.py."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("data_path")
    parser.add_argument("result_dir", type=Path)
    parser.add_argument("--seeds", type=parse_seeds, default="0,1,2", help="comma-separated")
    return parser.parse_known_args()


def parse_seeds(text: str) -> list[int]:
    """Read '0,1,2'."""
    try:
        return [int(seed) for seed in text.split(",")]
    except ValueError:
        raise UserError(f"--seeds {text} is no list of whole numbers: 0,1,2") from None


def mean_and_deviation(values: Sequence[float]) -> str:
    """Write the mean and, of several values, the standard deviation: '0.3691 ± 0.0013'."""
    spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{spread}"


def as_table(found: dict[str, list[dict]], data_path: str, seeds: list[int]) -> str:
    """Markdown table: mean ± standard deviation over runs of each variant and metric."""
    first = next(iter(found.values()))[0]
    lines = [
        f"{data_path}: {first['n_tags']} tags, {first['n_songs']} test songs, seeds {seeds}, "
        f"MAP at random {first['chance_map']:.3f}",
        "",
        "| | " + " | ".join(found) + " |",
        "| --- " * (len(found) + 1) + "|",
    ]
    for name, label in METRICS.items():
        cells = [mean_and_deviation([one[name] for one in runs]) for runs in found.values()]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
