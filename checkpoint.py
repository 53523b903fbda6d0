"""Checkpoints: read, built into a Solver, checked against the data that they meet.

A checkpoint describes itself, so nothing else is needed to build it; nothing in it is executed.
"""

import argparse
import zipfile
from collections.abc import Collection
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch

from dataset.bounded import memory_bounded_by
from dataset.directory import LABELS, Dataset, differing, fingerprint, open_dataset
from dataset.files import song_inputs, user_path
from dataset.moving import finish_moves
from errors import UserError
from options import NOT_GIVEN, Options, merge_options, tell_idle
from released_checkpoint import read_released
from solver import CHECKPOINT_FORMAT, Solver


class Trained(NamedTuple):
    """A trained model and what it meets: its file, the options in force, the data."""

    path: Path
    solver: Solver
    options: Options
    dataset: Dataset


def open_trained(given: dict[str, Any]) -> Trained:
    """Open the checkpoint of --model_load_path, this program's or a released one, and the data.

    `given` are options as given, see `options.parse_options`.

    Raises
    ------
    UserError
        There is no checkpoint or dataset directory, one is damaged, or they do not fit each other.
    """
    given = given | {"mode": "TEST"}
    path = checkpoint_file(given.get("model_load_path", NOT_GIVEN))
    released = read_released(path, merge_options(given).to_store())
    solver = build_solver(released or read_checkpoint(path), path)
    first_gpu = given.get("gpu_id", Options.gpu_id).partition(",")[0]  # one scores all
    options = merge_options(given | {"gpu_id": first_gpu}, solver.hparams.options)
    tell_idle(given, options)
    dataset = open_asked(options)
    if released:
        _check_lengths(solver.hparams, dataset, path)
    else:  # of the same splits, so that no test song was trained on
        check_same_data(solver.hparams, dataset, path, may_change=LABELS)
    return Trained(path, solver, options, dataset)


def open_asked(options: Options) -> Dataset:
    """Open the dataset directory that the options name, with what their input type needs."""
    if options.data_path == Options.data_path and not list(Path().glob("*tags.npy")):
        raise UserError("--data_path is missing: give the dataset directory")
    return open_dataset(
        options.data_path,
        options.w2v_type,
        options.is_subset,
        options.input_type,
        options.any_input,
        options.learns_strengths,
    )


# ---------------------------------------------------------------- reading


def checkpoint_file(path: str | Path) -> Path:
    """Path of a checkpoint file; a folder stands for its `best.ckpt`."""
    path = user_path(path)
    if path.is_dir():
        finish_moves(path)
        path /= "best.ckpt"
    if not path.is_file():
        raise UserError(
            f"{path} is missing: give --model_load_path (MODEL_LOAD_PATH of eval.sh, MODEL_PATH of "
            "retrieve.py), the checkpoint that --mode TRAIN wrote"
        )
    return path


def read_checkpoint(path: Path) -> dict:
    """Read a checkpoint file, on the CPU; nothing in it is executed.

    Raises
    ------
    UserError
        It is damaged, or not one of this program or version.
    """
    try:
        _check_sums(path)
        with memory_bounded_by(path):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged file raises nearly anything
        raise UserError(
            f"{path} is not a checkpoint, or is damaged: give one that --mode TRAIN wrote"
        ) from None
    version = checkpoint.get("tag_retrieval_format") if isinstance(checkpoint, dict) else None
    is_known = type(version) is int and version in (CHECKPOINT_FORMAT, CHECKPOINT_FORMAT - 1)
    if not is_known or not {"hyper_parameters", "state_dict"} <= set(checkpoint):
        raise UserError(
            f"{path} has checkpoint format {version}, this program reads {CHECKPOINT_FORMAT}: "
            "train again with --mode TRAIN"
        )
    settings = checkpoint["hyper_parameters"]
    saved = settings.get("options", {}) if isinstance(settings, dict) else None
    if not isinstance(saved, dict) or not all(_may_be(one, saved) for one in fields(Options)):
        raise UserError(f"{path} has options that cannot be: give one that --mode TRAIN wrote")
    if version < CHECKPOINT_FORMAT:
        _bring_up(settings)
    return checkpoint


def _check_sums(path: Path) -> None:
    """Raise an error unless the parts of a checkpoint have the sums noted in it.

    torch skips them, and takes weights of which a bit has changed.
    """
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        is_packed = any(one.compress_type != zipfile.ZIP_STORED for one in parts)
        if is_packed or sum(one.file_size for one in parts) > path.stat().st_size:
            raise zipfile.BadZipFile("not as torch writes it: it could take long to read")
        if archive.testzip() is not None:
            raise zipfile.BadZipFile("a part is damaged")


def _may_be(option: Field, saved: dict[str, Any]) -> bool:
    """Whether a checkpoint holds a value that an option can have on the command line."""
    value, rule = saved.get(option.name, option.default), option.metadata
    try:
        return rule["parse"](str(value)) == value and value in (rule["choices"] or [value])
    except argparse.ArgumentTypeError:
        return False


def _bring_up(saved: dict[str, Any]) -> None:
    """Say the song inputs of format 2, which had a length of CF vectors alone."""
    cf_dim = saved.pop("cf_dim", None)
    names = song_inputs(saved.get("options", {}).get("input_type", Options.input_type))
    saved["inputs"] = {name: cf_dim if name == "cf" else None for name in names}


def build_solver(checkpoint: dict, path: Path) -> Solver:
    """Build the Solver of a checkpoint that was read from `path`, for evaluation on the CPU."""
    try:
        solver = Solver(**checkpoint["hyper_parameters"])
        solver.load_state_dict(checkpoint["state_dict"])
        solver.on_load_checkpoint(checkpoint)
    except (RuntimeError, TypeError, KeyError, ValueError):
        raise UserError(
            f"{path} lacks weights or settings of the model: give one that --mode TRAIN wrote"
        ) from None
    return solver.eval()


# ---------------------------------------------------------------- does it fit the data?


def check_same_data(
    solver_args: dict[str, Any], dataset: Dataset, path: Path, may_change: Collection[str] = ()
) -> None:
    """Raise `UserError` unless the checkpoint was trained on such a dataset directory.

    What of it `may_change`, as tags that were corrected since, is only said.
    """
    made_by = solver_args.get("made_by")
    trained_on = made_by.get("fingerprint") if isinstance(made_by, dict) else None
    if not isinstance(trained_on, dict):
        raise UserError(
            f"{path} does not say what it was trained on: give one that --mode TRAIN wrote"
        )
    if solver_args.get("tags") != dataset.tags:
        raise UserError(
            f"{path} was trained on other tags than those of {dataset.path}: give --data_path the "
            "directory that it was trained on"
        )
    _check_mel_settings(solver_args, dataset, path)
    changes = differing(fingerprint(dataset), trained_on)
    for name in changes:
        if name not in may_change:
            raise UserError(
                f"{path} was trained with another {name} than {dataset.path} holds now: give "
                "--data_path the directory as it was, or train again"
            )
    if changes:
        print(
            f"{path} was trained with another {' and '.join(changes)} than {dataset.path} holds "
            "now: it knows those of now if it is trained again"
        )


def _check_mel_settings(solver_args: dict[str, Any], dataset: Dataset, path: Path) -> None:
    if dataset.mel is not None and solver_args["mel_settings"] != dataset.mel.settings:
        raise UserError(
            f"{path} was trained on spectrograms made with other settings than those of "
            f"{dataset.path}: give --data_path the directory that it was trained on, or train again"
        )


def _check_lengths(solver_args: dict[str, Any], dataset: Dataset, path: Path) -> None:
    """Raise `UserError` unless a released checkpoint takes vectors as long as the dataset's.

    No more can be checked: it does not say what it was trained on.
    """
    for kind, length, vectors in (
        ("word", solver_args["tag_dim"], dataset.tag_vectors),
        ("CF", solver_args["inputs"].get("cf"), dataset.vectors.get("cf")),
    ):
        if vectors is not None and vectors.shape[1] != length:
            raise UserError(
                f"{path} takes {kind} vectors of {length} numbers, those of {dataset.path} have "
                f"{vectors.shape[1]}: give --data_path the directory that it was trained on"
            )
    _check_mel_settings(solver_args, dataset, path)
    print(f"{path} is a released checkpoint: its tags, vectors and spectrograms are not checked")
