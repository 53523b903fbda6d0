"""One training, or one test of a checkpoint: what `--mode TRAIN` and `--mode TEST` do."""

import sys
import time
from pathlib import Path
from typing import Any

import torch

from checkpoint import Trained, check_same_data, open_asked, open_trained, read_checkpoint
from command_line import Stopped
from data_loader import RetrievalData
from dataset.directory import digest_of_test
from dataset.files import user_path
from dataset.moving import alone, finish_moves
from dataset.writing import staged, writable_file
from errors import UserError
from options import NOT_GIVEN, OPTIONS_OF_TEST, Options, merge_options, tell_idle
from processes import helpers
from results import collect_results, format_results, git_revision, versions, write_results
from threads import shared_cores
from trainer import (
    choose_devices,
    has_stopped,
    make_callbacks,
    make_loggers,
    make_solver,
    make_trainer,
    n_processes_on,
)


def train(given: dict[str, Any]) -> None:
    """Train, by options as `parse_options` gives them; leave models and logs in --model_save_path.

    The models are `best.ckpt` and `last.ckpt`.
    """
    folder = user_path(given.get("model_save_path", Options.model_save_path))
    finish_moves(folder)
    last = folder / "last.ckpt" if given.get("resume") else None
    if last and not last.is_file():
        raise UserError(f"{last} is missing: nothing to --resume in --model_save_path {folder}")
    checkpoint = read_checkpoint(last) if last else None
    saved = checkpoint["hyper_parameters"] if checkpoint else None
    options = merge_options(given, saved["options"] if saved else None)
    tell_idle(given, options)
    if checkpoint and _is_trained(checkpoint, options, last):
        return
    dataset = open_asked(options)
    if saved:
        check_same_data(saved, dataset, last)
    data = RetrievalData(dataset, options)
    with staged(folder):  # raises UserError where nothing can be written
        pass
    devices = choose_devices(options.gpu_id, options.n_processes)
    with alone(folder), helpers(n_processes_on(devices), _fit, options, devices, last):
        _fit(options, devices, last, data)


def _is_trained(checkpoint: dict, options: Options, last: Path) -> bool:
    """Whether nothing is left to train, which is told; `UserError` if there is too much."""
    n_trained = 1 + checkpoint["epoch"] if isinstance(checkpoint.get("epoch"), int) else 0
    if options.n_epochs < n_trained:
        raise UserError(
            f"{last} is of epoch {n_trained}, beyond --n_epochs {options.n_epochs}: give more to "
            "go on, or train anew without --resume"
        )
    if options.n_epochs == n_trained:
        why = f"has all of --n_epochs {n_trained}"
    elif has_stopped(checkpoint, options):
        why = f"ended at epoch {n_trained} by --early_stopping {options.early_stopping}"
    else:
        return False
    best = "" if last.with_name("best.ckpt").is_file() else "; there is no best.ckpt"
    print(f"nothing left to train: {last} {why}{best}")
    return True


def _fit(options: Options, devices: dict, last: Path | None, data: RetrievalData | None = None):
    """Train, in each of the processes; another than the first opens the data itself."""
    data = data or RetrievalData(open_asked(options), options)
    folder = user_path(options.model_save_path)
    trainer = make_trainer(
        options,
        devices,
        max_epochs=options.n_epochs,
        logger=make_loggers(options, folder),
        callbacks=make_callbacks(options, folder),
    )
    solver = make_solver(options, data.dataset, trainer)
    n_threads = options.num_threads
    if trainer.world_size > 1 and not n_threads:
        n_threads = max(1, torch.get_num_threads() // trainer.world_size)
    started = time.monotonic()
    try:
        with shared_cores(n_threads):
            if trainer.is_global_zero:  # nothing is left that could be refused
                if last is None and (folder / "best.ckpt").is_file():
                    print(f"{folder} has the model of an earlier run: the first epoch replaces it")
                n_weights = sum(one.numel() for one in solver.parameters() if one.requires_grad)
                print(f"{n_weights:,} weights to train")
            trainer.fit(solver, datamodule=data, ckpt_path=last)
    except Stopped:
        way_on = "no epoch was finished, start again"
        if (folder / "last.ckpt").is_file():
            way_on = (
                f"{folder} has the last whole epoch, after which the same command goes on, main.py "
                "if given --resume"
            )
        print(f"\nstopped in epoch {trainer.current_epoch}: {way_on}", file=sys.stderr)
        raise
    best = trainer.checkpoint_callbacks[0]
    found = "there is no best.ckpt"
    if best.best_model_path:
        found = f"best validation MAP {float(best.best_model_score):.4f} in {best.best_model_path}"
    seconds = time.monotonic() - started
    print(f"trained to epoch {trainer.current_epoch} in {seconds:.0f} s; {found}")


def score(trained: Trained) -> dict:
    """Results of a model on the test split of its data, as `results.collect_results` gives them."""
    _, solver, options, dataset = trained
    trainer = make_trainer(options, logger=False, enable_checkpointing=False)
    with shared_cores(options.num_threads):
        trainer.test(solver, datamodule=RetrievalData(dataset, options), verbose=False)
    return collect_results(solver.per_tag, dataset, "test")


def _result_file(checkpoint: Path, chosen: str) -> Path:
    """File for the results of a checkpoint; `UserError` before the test if it cannot be written."""
    if chosen != NOT_GIVEN:
        return writable_file(chosen)
    file = checkpoint.with_name("results.json")
    try:
        return writable_file(file)
    except UserError:
        raise UserError(f"{file} cannot be written: give --result_path another file") from None


def test(given: dict[str, Any]) -> None:
    """Test a checkpoint, by options as given; print the tables and write `results.json`."""
    trained = open_trained(given)
    path, solver, options, dataset = trained
    result_path = _result_file(path, options.result_path)
    results = score(trained)
    tested_by = {"data_path": str(dataset.path), "versions": versions(), "git": git_revision()}
    tested_by["test songs"] = digest_of_test(dataset)
    tested_by["options"] = {name: getattr(options, name) for name in OPTIONS_OF_TEST}
    results["made_by"] = {
        **solver.hparams.made_by,
        "train_seconds": solver.train_seconds,
        "checkpoint": str(path),
        "tested_by": tested_by,
    }
    try:
        print(format_results(results))
    finally:  # also where nobody reads on, as behind `| head`
        write_results(result_path, results)
    print(f"\nwritten to {result_path}")
