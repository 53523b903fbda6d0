"""What the experiments share: their command line, runs of main.py over seeds, and their files.

Each run trains and tests by main.py into a folder of its own; a run whose results.json is there is
not repeated (an error if its options were others), and one that was interrupted goes on.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from command_line import OptionParser
from dataset.writing import json_text, staged
from errors import UserError
from experiments.tables import Found, results_section
from options import MODEL_OPTIONS, Options, merge_options, parse_options
from train_test import test, train

BALANCED_WEIGHTED = ["--is_balanced", "--is_weighted"]  # the paper's best


def run(data_path: str, folder: Path, options: list[str]) -> dict:
    """Train and test one model, or read what it reached before; return its results.

    Raises
    ------
    UserError
        The run in the folder had other options.
    """
    results = folder / "results.json"
    where = {"data_path": data_path}
    given = where | parse_options(options)
    if not results.is_file():
        is_stopped = (folder / "last.ckpt").is_file()
        train(given | {"model_save_path": str(folder), "resume": is_stopped})
        test(where | {"mode": "TEST", "model_load_path": str(folder)})
    found = json.loads(results.read_text(encoding="utf-8"))
    asked = merge_options(given).to_store()
    ran = Options().to_store() | found["made_by"]["options"]  # what came later was at its default
    for name in (*MODEL_OPTIONS, "n_epochs", "data_path"):
        if asked[name] != ran[name]:
            raise UserError(
                f"{results} is from a run with --{name} {ran[name]}, not {asked[name]}: give "
                "another RESULT_DIR"
            )
    return found


def run_name(options: Options) -> str:
    """Name of a run's folder: what the experiments vary; all else is fixed in a RESULT_DIR."""
    if options.loss != "triplet":
        mixup = "-mixup" if options.mixup else ""
        return f"{options.input_type}-{options.w2v_type}-{options.loss}{mixup}-seed{options.seed}"
    triplets = ["balanced"] if options.is_balanced else []
    if options.is_weighted:
        is_distance = options.negative_weighting == "distance"
        triplets.append("distance-weighted" if is_distance else "weighted")
    sampling = "-".join(triplets) or "random"
    return f"{options.input_type}-{options.w2v_type}-{sampling}-seed{options.seed}"


def run_seeds(
    given: argparse.Namespace, variants: dict[str, list[str]], defaults: Sequence[str] = ()
) -> Found:
    """Run every variant with every seed, in RESULT_DIR/runs; experiments share runs there.

    Parameters
    ----------
    given : Namespace
        As `parse_command` reads it.
    variants : dict of str to list of str
        Column -> its options of main.py, which stand after those of the user.
    defaults : sequence of str
        Options of all columns that the user's override.
    """
    found: Found = {name: [] for name in variants}
    jobs = [(seed, name) for seed in given.seeds for name in variants]
    for number, (seed, name) in enumerate(jobs, start=1):
        print(f"--- run {number} of {len(jobs)}: {name}, seed {seed}", flush=True)
        options = [*defaults, *given.options, *variants[name], "--seed", str(seed)]
        folder = given.result_dir / "runs" / run_name(merge_options(parse_options(options)))
        found[name].append(run(given.data_path, folder, options))
    return found


def command_parser(description: str) -> argparse.ArgumentParser:
    """Parser of DATA_PATH RESULT_DIR --seeds, to which an experiment adds what is its own."""
    parser = OptionParser(
        description=description,
        epilog="All options of main.py are taken as well.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data_path", metavar="DATA_PATH")
    parser.add_argument("result_dir", metavar="RESULT_DIR", type=Path)
    parser.add_argument("--seeds", type=parse_seeds, default="0,1,2", help="comma-separated")
    return parser


def parse_command(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line; `options` gets what is left, the options of main.py, checked."""
    given, options = parser.parse_known_args()
    given.options = options
    asked = parse_options(options)
    for name in ("data_path", "seed", "model_save_path", "model_load_path", "mode", "resume"):
        if name in asked:
            raise UserError(f"--{name} is set by the experiment: leave it out")
    return given


def parse_seeds(text: str) -> list[int]:
    """Read '0,1,2'."""
    try:
        seeds = [int(seed) for seed in text.split(",")]
    except ValueError:
        raise UserError(f"--seeds {text} is no list of whole numbers: 0,1,2") from None
    if len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds {text} names a seed twice: give each once")
    return seeds


def write_results(given: argparse.Namespace, name: str, found: Found, *parts: str) -> str:
    """Write the table of results, the other parts, and every run; return the text."""
    text = "\n".join((results_section(found, given.data_path, given.seeds), *parts))
    write_report(given.result_dir, name, text, runs_of(found))
    return text


def runs_of(found: Found) -> list[dict]:
    """What a report keeps of each run: its column, metrics by tag and category, what made it."""
    return [{"column": name, **results} for name, runs in found.items() for results in runs]


def write_report(folder: Path, name: str, text: str, found: dict | list) -> None:
    """Write NAME.md and NAME.json, whole or not at all, and print the first."""
    with staged(folder) as stage:
        (stage / f"{name}.md").write_text(text, encoding="utf-8")
        in_full = json_text(found, allow_nan=False)
        (stage / f"{name}.json").write_text(in_full, encoding="utf-8")
    print(f"\n{text}\nwritten to {folder / name}.md and {name}.json")
