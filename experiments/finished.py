"""Runs to make, and those of them that are there: they are kept, if all is as it was.

A finished run counts as long as its options and its data are those of now. Data is opened once for
all runs that read the same of it, before the first training, so that what is missing or has changed
is told then. The code may be another: that is only said.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from checkpoint import open_asked
from data_loader import RetrievalData
from dataset.directory import fingerprint
from errors import UserError
from experiments.tables import read_results
from options import CARRIED_OPTIONS, MODEL_OPTIONS, Options, merge_options
from results import git_revision

N_TESTED, TAGS_TESTED = "number of test songs", "set of tags of test songs"


class Job(NamedTuple):
    """A run to make: the column it is for, its folder, its options as given."""

    column: str
    folder: Path
    given: dict[str, Any]

    @property
    def results(self) -> Path:
        """File that is there when the run is finished."""
        return self.folder / "results.json"


def contents(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """What the data of each job holds now: `dataset.fingerprint`, and what is tested.

    Raises
    ------
    UserError
        A column cannot be made from what is there.
    """
    known: dict[tuple, dict[str, Any]] = {}
    found = []
    for job in jobs:
        asked = merge_options(job.given)
        what: tuple = (asked.data_path, asked.w2v_type, asked.is_subset)
        what += (asked.inputs, asked.any_input, asked.input_length)
        if what not in known:
            known[what] = _contents(job.column, asked)
        found.append(known[what])
    return found


def _contents(column: str, asked: Options) -> dict[str, Any]:
    try:
        dataset = open_asked(asked)
        RetrievalData(dataset, asked)  # which refuses what does not fit
    except UserError as error:
        raise UserError(f"{column}: {error}") from None
    tested = dataset.song_tags[dataset.splits["test"]]  # (n, T)
    n_positive = dict(zip(dataset.tags, tested.sum(axis=0).tolist(), strict=True))
    return {**fingerprint(dataset), N_TESTED: len(tested), TAGS_TESTED: n_positive}


def check_same_test(jobs: Sequence[Job], holding: Sequence[dict[str, Any]]) -> None:
    """Raise `UserError` unless all are tested on the same songs with the same tags."""
    for job, holds in zip(jobs, holding, strict=True):
        if any(holds[name] != holding[0][name] for name in (N_TESTED, TAGS_TESTED)):
            raise UserError(
                f"{jobs[0].column} and {job.column} would be tested on different songs or tags, "
                "and cannot be compared: leave one of them out"
            )


def check_finished(jobs: Sequence[Job], holding: Sequence[dict[str, Any]]) -> None:
    """Check the runs that are there against what is asked for now; say which code made them.

    Raises
    ------
    UserError
        One had other options or other data.
    """
    now = git_revision()
    others: Counter[str] = Counter()
    for job, holds in zip(jobs, holding, strict=True):
        if job.results.is_file():
            found = read_results(job.folder)
            _check_options(job, found)
            _check_data(job, found, holds)
            made_by = found["made_by"].get("git_revision")
            if made_by != now or str(now).endswith("-dirty"):  # which may be changed otherwise
                others[_short(made_by)] += 1
    for revision, count in others.items():
        print(
            f"{count} of {len(jobs)} runs are there, made by revision {revision} of the code, "
            f"which is {_short(now)} now: another RESULT_DIR trains them anew"
        )


def _short(revision: str | None) -> str:
    number, _, dirty = (revision or "unknown").partition("-")
    return number[:12] + ("-dirty" if dirty else "")


def _check_options(job: Job, found: dict) -> None:
    asked = merge_options(job.given).to_store()
    ran = Options().to_store() | found["made_by"]["options"]  # what came later was at its default
    for name in (*MODEL_OPTIONS, *CARRIED_OPTIONS):
        if asked[name] != ran[name]:
            raise UserError(
                f"{job.results} is from a run with --{name} {ran[name]}, not {asked[name]}: give "
                f"another RESULT_DIR, or remove {job.folder}"
            )


def _check_data(job: Job, found: dict, holds: dict[str, Any]) -> None:
    tags = {tag: one["n_positive"] for tag, one in found["tags"].items()}
    ran = found["made_by"].get("fingerprint", {}) | {N_TESTED: found["n_songs"], TAGS_TESTED: tags}
    names = holds if "fingerprint" in found["made_by"] else (N_TESTED, TAGS_TESTED)  # if it is old
    for name in names:
        if ran.get(name, "") != holds[name]:
            raise UserError(
                f"{job.results} is from a run with another {name} than {job.given['data_path']} "
                "holds now: give another RESULT_DIR, or the directory as it was"
            )
