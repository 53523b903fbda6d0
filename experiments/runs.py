"""What the experiments share: their command line, runs of main.py over seeds, and their files.

Each run trains and tests by main.py into a folder of its own; a run whose results.json is there is
not repeated (an error if its options or data were others), and one that was interrupted goes on.
"""

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from checkpoint import Trained, open_trained
from command_line import OptionParser
from dataset.files import existing_directory, user_path
from dataset.writing import json_text, staged
from errors import UserError
from experiments.finished import (
    Job,
    check_finished,
    check_machine_for,
    check_same_test,
    contents,
    has_options,
)
from experiments.tables import Found, results_section
from option_values import seed_number
from options import Options, parse_options
from results import read_results
from train_test import test, train

BALANCED_WEIGHTED = ["--is_balanced", "--is_weighted"]  # the paper's best
CULTURAL = [f"@{Path(__file__).parents[1] / 'recipes' / 'cultural.args'}"]

ON_MACHINE = ("gpu_id", "num_threads", "cache", "num_workers")


class Column(NamedTuple):
    """A column of a table, by options of main.py; the later ones override those before."""

    fixed: list[str]  # what makes the column what it is: stands after the options of the user
    recipe: Sequence[str] = ()  # stands before them
    folder: str = ""  # of its runs, in RESULT_DIR; '' where `run_name` tells them apart

    def options(self, given: argparse.Namespace) -> dict[str, Any]:
        """All options of the column but data and seed."""
        return parse_options([*self.recipe, *given.options, *self.fixed])

    def job(self, name: str, given: argparse.Namespace, seed: int) -> Job:
        """The run with a seed; in RESULT_DIR/runs experiments share runs."""
        asked = self.options(given) | {"data_path": given.data_path, "seed": seed}
        if self.folder:
            return Job(name, given.result_dir / f"{self.folder}-seed{seed}", asked)
        recipe = "-balanced-weighted" if self.recipe == BALANCED_WEIGHTED else ""
        ours, earlier = (
            Job(name, given.result_dir / "runs" / run_name(Options(**asked), one), asked)
            for one in (recipe, "")  # runs have been named without
        )
        return earlier if has_options(earlier) else ours


def run_name(options: Options, recipe: str = "") -> str:
    """Name of a run's folder: what the experiments vary; all else is fixed in a RESULT_DIR.

    `recipe` stands in it with a loss that `experiments.report` trains by more than one of them.
    """
    if options.asks_all_tags:
        loss = options.loss + ("-mixup" if options.mixup else "") + recipe
        return f"{options.input_type}-{options.w2v_type}-{loss}-seed{options.seed}"
    triplets = ["balanced"] if options.is_balanced else []
    if options.is_weighted:
        weighting = options.negative_weighting
        of_paper = weighting == Options.negative_weighting
        triplets.append("weighted" if of_paper else f"{weighting}-weighted")
    sampling = "-".join(triplets) or "random"
    return f"{options.input_type}-{options.w2v_type}-{sampling}-seed{options.seed}"


def run_seeds(given: argparse.Namespace, columns: dict[str, Column]) -> Found:
    """Make every column, by name, with every seed of the command as `parse_command` reads it."""
    existing_directory(given.data_path)
    jobs = [
        column.job(name, given, seed) for seed in given.seeds for name, column in columns.items()
    ]
    holding = contents(jobs)
    check_same_test(jobs, holding)
    found: Found = {name: [] for name in columns}
    for job, results in zip(jobs, run_all(jobs, holding), strict=True):
        found[job.column].append(results)
    return found


def run_all(jobs: Sequence[Job], holding: Sequence[dict[str, Any]]) -> list[dict]:
    """Make every run, or read what it reached before; return their results.

    As `made_by` each has the checkpoint in its folder, which may have been moved or copied since.

    `holding` is what their data holds now, as `contents` gives it.

    Raises
    ------
    UserError
        A run that is there had other options or other data, or one to be made asks for what this
        machine has not; then none is made.
    """
    check_finished(jobs, holding)
    check_machine_for(jobs)
    for number, job in enumerate(jobs, start=1):
        print(
            f"--- run {number} of {len(jobs)}: {job.column}, seed {job.given['seed']}", flush=True
        )
        if not job.results.is_file():
            where = {"model_save_path": str(job.folder), "resume": job.last.is_file()}
            train(job.given | where)
            where = {"data_path": job.given["data_path"], "model_load_path": str(job.folder)}
            test(on_machine(job.given) | where)
    found = [read_results(job.folder) for job in jobs]
    for job, results in zip(jobs, found, strict=True):
        results["made_by"]["checkpoint"] = str(job.folder / "best.ckpt")
    return found


def on_machine(given: dict[str, Any]) -> dict[str, Any]:
    """What of options as given tells where a model computes, in a test as in training."""
    return {name: given[name] for name in ON_MACHINE if name in given}


def open_model(run: dict, given: argparse.Namespace) -> Trained:
    """Open the model of a run, as `run_all` gives it, to compute where the command says."""
    checkpoint = Path(run["made_by"]["checkpoint"])
    if not checkpoint.is_file():
        raise UserError(
            f"{checkpoint} is missing: bring it back, or remove {checkpoint.parent} to train anew"
        )
    where = {"model_load_path": str(checkpoint), "data_path": given.data_path}
    return open_trained(on_machine(parse_options(given.options)) | where)


def command_parser(description: str) -> argparse.ArgumentParser:
    """Parser of DATA_PATH RESULT_DIR --seeds, to which an experiment adds what is its own."""
    parser = OptionParser(
        description=description,
        epilog="All options of main.py are taken as well.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data_path", metavar="DATA_PATH")
    parser.add_argument("result_dir", metavar="RESULT_DIR", type=user_path)
    parser.add_argument("--seeds", type=parse_seeds, default="0,1,2", help="comma-separated")
    return parser


def parse_command(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line; `options` gets what is left, the options of main.py, checked."""
    given, options = parser.parse_known_args()
    given.options = options
    check_free(parse_options(options))
    with staged(given.result_dir):  # raises UserError before anything is computed in vain
        pass
    return given


def check_free(asked: Collection[str]) -> None:
    """Raise `UserError` if one of the options given is for the experiment to set."""
    for name in ("data_path", "seed", "model_save_path", "model_load_path", "mode", "resume"):
        if name in asked:
            raise UserError(f"--{name} is set by the experiment: leave it out")


def parse_seeds(text: str) -> list[int]:
    """Read '0,1,2'."""
    try:
        seeds = [seed_number(seed.strip()) for seed in text.split(",")]
    except argparse.ArgumentTypeError:
        raise UserError(
            f"--seeds {text} is no list of whole numbers from 0 to 2**32 - 1: give such as 0,1,2"
        ) from None
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
