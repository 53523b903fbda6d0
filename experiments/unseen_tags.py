"""Searching for tags that the model never saw, by their word vectors alone (zero-shot).

    python -m experiments.unseen_tags DATA_PATH RESULT_DIR --seeds 0,1,2 [options of main.py]

For every seed the tags are dealt into five parts. Five models are trained, each without the tags of
one part, and rank the test songs for these: so every tag is ranked by a model that knows nothing of
it but its word vector, as `retrieve.py search` ranks for a word that is no tag. Beside it stand a
model trained on all tags, and what such a search has to beat: the ranking of the same five models
for the tag they do know whose word vector is nearest. Triplets are balanced-weighted. Prints the
table and writes it to RESULT_DIR/unseen_tags.md, and every run to unseen_tags.json. A second start
trains nothing that is there. With `--tested N` only the N tags with the most songs are dealt and
asked for; the others are known to every model.

What is asked: Choi, Lee, Park, Nam, "Zero-shot learning for audio-based music classification and
tagging" (ISMIR 2019).
"""

import argparse
import contextlib
import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from checkpoint import open_asked, open_trained
from command_line import run_or_explain
from dataset.directory import NEIGHBOURS, Dataset, write_split_without
from dataset.files import subset_prefix
from dataset.writing import staged
from errors import UserError
from experiments.finished import Job, contents
from experiments.runs import (
    BALANCED_WEIGHTED,
    Column,
    command_parser,
    on_machine,
    parse_command,
    run_all,
    run_name,
    run_seeds,
    write_results,
)
from experiments.tables import Found, paired_tests
from metrics import METRICS, score_tags
from options import merge_options, parse_options
from results import collect_results
from retrieval.embedding import embed_songs
from solver import cosine_similarity

N_PARTS = 5
SEEN, UNSEEN, NEAREST = "trained on it", "never seen", "nearest tag instead"


def deal(n_tags: int, seed: int) -> list[np.ndarray]:
    """Deal the tags into parts of nearly equal size: sorted columns of each."""
    order = np.random.default_rng(seed).permutation(n_tags)
    return [np.sort(order[part::N_PARTS]) for part in range(N_PARTS)]


def with_tags(dataset: Dataset, columns: np.ndarray) -> Dataset:
    """The same songs and splits with some of the tags alone."""
    strengths = dataset.tag_strengths
    return dataclasses.replace(
        dataset,
        tags=[dataset.tags[column] for column in columns],
        song_tags=dataset.song_tags[:, columns],
        tag_vectors=dataset.tag_vectors[columns],
        tag_strengths=strengths if strengths is None else strengths[:, columns],
    )


def most_common_tags(dataset: Dataset, n_tags: int) -> np.ndarray:
    """Sorted columns of the tags with the most songs."""
    n_songs = dataset.song_tags.sum(axis=0)
    return np.sort(np.argsort(-n_songs, kind="stable")[:n_tags])


def results_of_tags(results: dict, tested: Dataset) -> dict:
    """Results of a test, over the tags of `tested` alone."""
    per_tag = {
        metric: np.array([results["tags"][tag][metric] for tag in tested.tags], dtype=float)
        for metric in METRICS
    }
    return collect_results(per_tag, tested, "test") | {"made_by": results["made_by"]}


def write_without(
    dataset: Dataset, dropped: Collection[str], folder: Path, is_subset: bool
) -> None:
    """Make a dataset directory of the same songs and splits without some tags.

    All that does not depend on the tags is linked, not copied.
    """
    with staged(folder) as stage:
        prefix = subset_prefix(is_subset)
        write_split_without(stage, dataset.path, dropped, prefix, keep_untagged=True)
        if not (stage / f"{prefix}tag_strengths.npy").is_file():  # perhaps of an earlier start
            (folder / f"{prefix}tag_strengths.npy").unlink(missing_ok=True)
    for file in dataset.path.iterdir():
        link = folder / file.name
        if link.is_symlink():  # of an earlier start, perhaps to where the directory was then
            link.unlink()
        with contextlib.suppress(FileExistsError):  # of this folder
            link.symlink_to(file.resolve())


def rank_unseen(given: dict[str, Any], unseen: Dataset) -> tuple[dict, dict]:
    """Score the test songs for tags that a model was not trained on.

    `given` are options of main.py as TEST takes them; `unseen` has the songs and splits of the
    model's data, with these tags alone.

    Returns
    -------
    by_vector, by_nearest : dict of ndarray, shape (T,)
        As `metrics.score_tags`: ranked for the unseen tag by its own word vector, and by that of
        the tag nearest to it among those trained on.
    """
    trained = open_trained(given)
    dataset = trained.dataset
    songs = embed_songs(trained, dataset.splits["test"])  # (n, 256)
    wanted, known = torch.from_numpy(unseen.tag_vectors), torch.from_numpy(dataset.tag_vectors)
    nearest = known[(F.normalize(wanted) @ F.normalize(known).T).argmax(dim=1)]
    truth = unseen.song_tags[unseen.splits["test"]].T
    model = trained.solver.cpu().model
    with torch.inference_mode():
        by_vector, by_nearest = (
            score_tags(cosine_similarity(model.embed_tags(vectors), songs), truth)
            for vectors in (wanted, nearest)
        )
    return by_vector, by_nearest


def rank_all_unseen(
    given: argparse.Namespace, options: list[str], dataset: Dataset, tested: Dataset
) -> list[dict]:
    """Train without each part of the tested tags; their results, by vector and by nearest."""
    asked = merge_options(parse_options(options))
    some = "" if len(tested.tags) == len(dataset.tags) else f"-of{len(tested.tags)}"
    parts, jobs = deal(len(tested.tags), asked.seed), []
    for part, columns in enumerate(parts, start=1):
        folder = given.result_dir / "unseen" / f"{run_name(asked)}{some}-part{part}"
        data_path = folder / "data"
        write_without(dataset, with_tags(tested, columns).tags, data_path, asked.is_subset)
        job_options = parse_options(options) | {"data_path": str(data_path)}
        jobs.append(Job(f"without part {part} of the tags", folder, job_options))
    made_by = run_all(jobs, contents(jobs))[-1]["made_by"]
    per_tag: list[dict[str, np.ndarray]] = [{}, {}]
    for columns, job in zip(parts, jobs, strict=True):
        where = {"data_path": job.given["data_path"], "model_load_path": str(job.folder)}
        both = rank_unseen(on_machine(job.given) | where, with_tags(tested, columns))
        for found, ranked in zip(per_tag, both, strict=True):
            for metric, values in ranked.items():
                found.setdefault(metric, np.full(len(tested.tags), np.nan))[columns] = values
    return [collect_results(found, tested, "test") | {"made_by": made_by} for found in per_tag]


def compare_unseen(given: argparse.Namespace, n_tested: int | None) -> Found:
    """Run all seeds, write the report, and return what was found."""
    options = [*BALANCED_WEIGHTED, *given.options, "--data_path", given.data_path]
    asked = merge_options(parse_options(options))
    if NEIGHBOURS in asked.inputs:
        raise UserError(f"{NEIGHBOURS} of --input_type tell the tags left out: give another input")
    dataset = open_asked(asked)
    n_tags = len(dataset.tags) if n_tested is None else n_tested
    if not N_PARTS <= n_tags <= len(dataset.tags):
        raise UserError(
            f"{given.data_path} has {len(dataset.tags)} tags, of which {n_tags} are to be dealt "
            f"into {N_PARTS} parts: give one with {max(n_tags, N_PARTS)} at least, or another "
            "--tested"
        )
    tested = with_tags(dataset, most_common_tags(dataset, n_tags))
    found = run_seeds(given, {SEEN: Column([], BALANCED_WEIGHTED)})
    found = {SEEN: [results_of_tags(one, tested) for one in found[SEEN]], UNSEEN: [], NEAREST: []}
    for seed in given.seeds:
        options = [*BALANCED_WEIGHTED, *given.options, "--seed", str(seed)]
        both = rank_all_unseen(given, options, dataset, tested)
        for column, results in zip((UNSEEN, NEAREST), both, strict=True):
            found[column].append(results)
    write_results(given, "unseen_tags", found, paired_tests(found))
    return found


def main() -> None:
    """Read the command line and make the report."""
    parser = command_parser(__doc__)
    parser.add_argument("--tested", type=int, metavar="N", help="how many tags; default: all")
    given = parse_command(parser)
    compare_unseen(given, given.tested)


if __name__ == "__main__":
    run_or_explain(main)
