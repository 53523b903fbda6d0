"""Runs to make, and those of them that are there: they are kept, if all is as it was.

A finished run counts as long as its options and its data are those of now. Data is opened once for
all runs that read the same of it, before the first training, so that what is missing or has changed
is told then. The code may be another: that is only said.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from checkpoint import open_asked, read_checkpoint
from data_loader import RetrievalData
from dataset.directory import differing, digest_of_test, fingerprint
from errors import UserError
from experiments.tables import digest_told, n_positive
from options import CARRIED_OPTIONS, MODEL_OPTIONS, Options, merge_options
from results import git_revision, read_results
from trainer import check_machine

N_TESTED, TAGS_TESTED = "number of test songs", "set of tags of test songs"
TESTED = "set of test songs, or of the tags of each,"
OF_TEST = (N_TESTED, TAGS_TESTED, TESTED)


class Job(NamedTuple):
    """A run to make: the column it is for, its folder, its options as given."""

    column: str
    folder: Path
    given: dict[str, Any]

    @property
    def results(self) -> Path:
        """File that is there when the run is finished."""
        return self.folder / "results.json"

    @property
    def last(self) -> Path:
        """File that is there when an epoch of the run is finished."""
        return self.folder / "last.ckpt"


def contents(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """What the data of each job holds now: `dataset.directory.fingerprint`, and what is tested.

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
        what += (asked.inputs, asked.any_input, asked.input_length, asked.learns_strengths)
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
    of_tags = dict(zip(dataset.tags, tested.sum(axis=0).tolist(), strict=True))
    of_test = {N_TESTED: len(tested), TAGS_TESTED: of_tags, TESTED: digest_of_test(dataset)}
    return fingerprint(dataset) | of_test


def check_same_test(jobs: Sequence[Job], holding: Sequence[dict[str, Any]]) -> None:
    """Raise `UserError` unless all are tested on the same songs with the same tags."""
    for job, holds in zip(jobs, holding, strict=True):
        if holds[TESTED] != holding[0][TESTED]:
            raise UserError(
                f"{jobs[0].column} and {job.column} would be tested on different songs or tags, "
                "and cannot be compared: leave one of them out"
            )


def check_machine_for(jobs: Sequence[Job]) -> None:
    """Raise `UserError` if a run that is still to be made asks for what this machine has not."""
    for job in jobs:
        if not job.results.is_file():
            try:
                check_machine(merge_options(job.given))
            except UserError as error:
                raise UserError(f"{job.column}: {error}") from None


def check_finished(jobs: Sequence[Job], holding: Sequence[dict[str, Any]]) -> None:
    """Check the runs that are there against what is asked for now; say which code made them.

    Those that were stopped, too: they would be refused when their turn comes, perhaps hours later.

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
            _check_options(job, job.results, found["made_by"])
            _check_test(job, found["made_by"])
            _check_data(job, job.results, found["made_by"], _tested(found), holds)
            made_by = found["made_by"].get("git_revision")
            if made_by != now or str(now).endswith("-dirty"):  # which may be changed otherwise
                others[_short(made_by)] += 1
        elif job.last.is_file():
            made_by = read_checkpoint(job.last)["hyper_parameters"].get("made_by")
            if isinstance(made_by, dict):
                _check_options(job, job.last, made_by)
                _check_data(job, job.last, made_by, {}, holds)
    for revision, count in others.items():
        print(
            f"{count} of {len(jobs)} runs are there, made by revision {revision} of the code, "
            f"which is {_short(now)} now: another RESULT_DIR trains them anew"
        )


def _short(revision: str | None) -> str:
    number, _, dirty = (revision or "unknown").partition("-")
    return number[:12] + ("-dirty" if dirty else "")


def has_options(job: Job) -> bool:
    """Whether the run is finished, by the options that are asked for."""
    return job.results.is_file() and not _other_options(job, read_results(job.folder)["made_by"])


def _other_options(job: Job, made_by: dict) -> dict[str, tuple]:
    """Options by which a run was made otherwise: name -> then and now."""
    asked = merge_options(job.given).to_store()
    ran = merge_options({}, made_by.get("options", {})).to_store()
    names = (*MODEL_OPTIONS, *CARRIED_OPTIONS)
    return {name: (ran[name], asked[name]) for name in names if ran[name] != asked[name]}


def _check_options(job: Job, file: Path, made_by: dict) -> None:
    for name, (then, now) in _other_options(job, made_by).items():
        raise UserError(
            f"{file} is from a run with --{name} {then}, not {now}: give another RESULT_DIR, or "
            f"remove {job.folder}"
        )


def _check_test(job: Job, made_by: dict) -> None:
    """Raise `UserError` if the model was tested by hand since, in another way than in training."""
    asked = merge_options(job.given).to_store()
    for name, then in made_by.get("tested_by", {}).get("options", {}).items():
        if then != asked[name]:
            raise UserError(
                f"{job.results} is from a test with --{name} {then}, not {asked[name]}: remove it, "
                "and the model is tested again"
            )
    tested = Path(made_by.get("checkpoint", "best.ckpt")).name
    if tested != "best.ckpt":
        raise UserError(
            f"{job.results} is from a test of {tested}, not of best.ckpt: remove it, and that is "
            "tested"
        )


def _tested(found: dict) -> dict[str, Any]:
    """What is known of the test that results are from; older ones know less."""
    tested = {N_TESTED: found["n_songs"], TAGS_TESTED: n_positive(found)}
    digest = digest_told(found)
    return tested | ({TESTED: digest} if digest else {})


def _check_data(
    job: Job, file: Path, made_by: dict, tested: dict[str, Any], holds: dict[str, Any]
) -> None:
    met = made_by.get("fingerprint", {})
    now = {name: holds[name] for name in holds if name in tested or (met and name not in OF_TEST)}
    for name in differing(now, met | tested):
        raise UserError(
            f"{file} is from a run with another {name} than {job.given['data_path']} "
            "holds now: give another RESULT_DIR, or the directory as it was"
        )
