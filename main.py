"""Train a model on a dataset directory (--mode TRAIN) or test a checkpoint (--mode TEST)."""

import contextlib
import ctypes
import importlib.util
import logging
import shutil
import time
import warnings
from pathlib import Path

import torch
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from command_line import run_or_explain
from data_loader import RetrievalData
from dataset.directory import Dataset, fingerprint, open_dataset
from dataset.files import staged, user_path
from dataset.mel_store import MEL_SETTINGS
from errors import UserError
from mel_chunks import attach_mels
from modules import ShortChunkCNN
from options import ALL_OPTIONS, NOT_GIVEN, merge_options, parse_options, tell_idle
from released_checkpoint import read_released
from results import (
    collect_results,
    format_results,
    git_revision,
    provenance,
    versions,
    write_results,
)
from solver import Solver, build_solver, checkpoint_file, read_checkpoint

LONG_TRAINING = 100_000  # triplets from which minutes of compiling are worth it


def open_data(options: dict) -> Dataset:
    """Open the dataset directory, with the song data that the input type needs."""
    input_type = options["input_type"]
    if input_type != "cf" and options["input_length"] < ShortChunkCNN.MIN_FRAMES:
        raise UserError(
            f"--input_length {options['input_length']} is too short for the acoustic branch: give "
            f"at least {ShortChunkCNN.MIN_FRAMES} frames"
        )
    dataset = open_dataset(
        options["data_path"], options["w2v_type"], options["is_subset"], input_type != "spec"
    )
    if input_type == "cf":
        return dataset
    keep_freed_memory()
    return attach_mels(dataset)


def check_same_data(solver_args: dict, dataset: Dataset, path: Path) -> None:
    """Raise `UserError` unless the checkpoint was trained on such a dataset directory."""
    if solver_args["tags"] != dataset.tags:
        raise UserError(
            f"{path} was trained on other tags than those of {dataset.path}: give --data_path the "
            "directory that it was trained on"
        )
    if dataset.mel is not None and solver_args["mel_settings"] != MEL_SETTINGS:
        raise UserError(
            f"{path} was trained on spectrograms made with other settings than this program's: "
            "train again"
        )
    trained_on = solver_args["made_by"]["fingerprint"]
    for name, found in fingerprint(dataset).items():
        if found != trained_on[name]:
            raise UserError(
                f"{path} was trained with another {name} than {dataset.path} holds now: give "
                "--data_path the directory as it was, or train again"
            )


def check_lengths(solver_args: dict, dataset: Dataset, path: Path) -> None:
    """Raise `UserError` unless a released checkpoint takes vectors as long as the dataset's.

    No more can be checked: it does not say what it was trained on.
    """
    for kind, length, vectors in (
        ("word", solver_args["tag_dim"], dataset.tag_vectors),
        ("CF", solver_args["cf_dim"], dataset.cf),
    ):
        if vectors is not None and vectors.shape[1] != length:
            raise UserError(
                f"{path} takes {kind} vectors of {length} numbers, those of {dataset.path} have "
                f"{vectors.shape[1]}: give --data_path the directory that it was trained on"
            )
    print(f"{path} is a released checkpoint: its tags, vectors and spectrograms are not checked")


def choose_devices(gpu_id: str) -> dict:
    """Lightning's device arguments for --gpu_id; the CPU where there is no GPU."""
    numbers = gpu_id.split(",")
    is_list = all(part.isascii() and part.isdigit() for part in numbers)
    if gpu_id != "cpu" and not (is_list and len(set(numbers)) == len(numbers)):
        raise UserError(f"--gpu_id {gpu_id} is not a GPU number: give 0, a list 0,1, or cpu")
    if gpu_id == "cpu" or not torch.cuda.is_available():
        if gpu_id != "cpu":
            print("no GPU found: using the CPU")
        return {"accelerator": "cpu", "devices": 1}
    devices = [int(part) for part in numbers]
    if max(devices) >= torch.cuda.device_count():
        raise UserError(f"--gpu_id {gpu_id}: there are {torch.cuda.device_count()} GPUs, from 0")
    strategy = {"strategy": "ddp"} if len(devices) > 1 else {}
    return {"accelerator": "gpu", "devices": devices, **strategy}


def choose_precision(options: dict, accelerator: str) -> str:
    """Lightning's name of the precision: as asked, else the fastest that loses nothing.

    The convolutions gain from bfloat16 where the processor computes in it; the cultural branch,
    too small to gain, stays in float32.
    """
    asked = options["precision"]
    if asked == "auto" and options["input_type"] != "cf":
        if accelerator == "gpu":
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            has_bf16 = torch.cpu.get_capabilities().get("amx_bf16", False)
        asked = "bf16-mixed" if has_bf16 else "32"
    return "32-true" if asked in ("32", "auto") else asked


def keep_freed_memory() -> None:
    """Let the C library keep what a step frees for the next one, where it is glibc.

    It would give feature maps back to the system and fetch them anew, page by page: a fifth of the
    time of an acoustic step on the CPU (benchmarks/README.md).
    """
    trim_threshold, mmap_max, never = -1, -4, -1  # M_TRIM_THRESHOLD, M_MMAP_MAX of malloc.h
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, never)


def wants_compile(options: dict, trainer: Trainer) -> bool:
    """Whether to compile the acoustic branch: as asked, else where it has been seen to help."""
    if options["input_type"] == "cf" or options["compile"] == "False":
        return False
    if options["compile"] == "True":
        return True
    is_long = options["n_epochs"] * options["triplets_per_epoch"] >= LONG_TRAINING
    on_cpu = trainer.strategy.root_device.type == "cpu"
    return is_long and on_cpu and trainer.precision == "bf16-mixed" and bool(shutil.which("c++"))


def make_loggers(options: dict, folder: Path) -> list[Logger]:
    """CSV always, TensorBoard where it is installed, Neptune on request.

    Each start has a folder `logs/version_N` of its own: resuming keeps what was logged before.
    """
    loggers: list[Logger] = [CSVLogger(folder, name="logs")]
    if importlib.util.find_spec("tensorboard"):
        loggers.append(TensorBoardLogger(folder, name="logs", version=loggers[0].version))
    if options["neptune_project"] != NOT_GIVEN:
        from neptune_logger import NeptuneLogger

        key = None if options["neptune_api_key"] == NOT_GIVEN else options["neptune_api_key"]
        loggers.append(NeptuneLogger(options["neptune_project"], key))
    return loggers


def make_callbacks(options: dict, folder: Path) -> list[Callback]:
    """Best checkpoint by MAP, last checkpoint, early stopping on request, a calm progress bar."""
    keep = {"dirpath": folder, "enable_version_counter": False}
    callbacks: list[Callback] = [
        ModelCheckpoint(filename="best", monitor="map", mode="max", save_top_k=1, **keep),
        ModelCheckpoint(filename="last", **keep),
        TQDMProgressBar(refresh_rate=20),
    ]
    if options["early_stopping"]:
        patience = options["early_stopping"]
        callbacks.append(EarlyStopping(monitor="map", mode="max", patience=patience))
    return callbacks


def make_trainer(options: dict, **more) -> Trainer:
    """A Trainer on the devices and in the precision of the options."""
    devices = choose_devices(options["gpu_id"])
    precision = choose_precision(options, devices["accelerator"])
    if precision == "16-mixed" and devices["accelerator"] == "cpu":
        raise UserError("--precision 16-mixed needs a GPU: use bf16-mixed or 32 on the CPU")
    return Trainer(
        **devices,
        precision=precision,
        num_sanity_val_steps=0,  # metrics of a part of the split would mean nothing
        use_distributed_sampler=False,  # the data module shares the triplets itself
        **more,
    )


def prepare_folder(folder: Path) -> None:
    """Make the folder of a run; results of an earlier model there would be taken for its own."""
    with staged(folder):  # raises UserError where nothing can be written
        (folder / "results.json").unlink(missing_ok=True)


def make_solver(options: dict, dataset: Dataset, trainer: Trainer) -> Solver:
    """A new model for the dataset, its weights drawn from --seed, compiled where that pays."""
    kept = {name: value for name, value in options.items() if name != "neptune_api_key"}
    compiled = wants_compile(options, trainer)
    ran_with = {"precision": trainer.precision, "compiled": compiled}
    seed_everything(options["seed"], verbose=False)
    solver = Solver(
        kept,
        dataset.tags,
        tag_dim=dataset.tag_vectors.shape[1],
        cf_dim=None if dataset.cf is None else dataset.cf.shape[1],
        mel_settings=None if dataset.mel is None else MEL_SETTINGS,
        made_by=provenance(kept, dataset) | {"ran_with": ran_with},
    )
    if compiled:
        solver.model.acoustic_branch.compile()  # in place: names in the checkpoint stay
    return solver


def train(given: dict) -> None:
    """Train; leave `best.ckpt`, `last.ckpt` and logs in --model_save_path."""
    folder = user_path(given.get("model_save_path", ALL_OPTIONS["model_save_path"][1]))
    last = folder / "last.ckpt" if given.get("resume") else None
    if last and not last.is_file():
        raise UserError(f"{last} is missing: nothing to --resume in --model_save_path {folder}")
    saved = read_checkpoint(last)["hyper_parameters"] if last else None
    options = merge_options(given, saved["options"] if saved else None)
    tell_idle(given, options)
    dataset = open_data(options)
    if saved:
        check_same_data(saved, dataset, last)
    if not saved and (folder / "best.ckpt").is_file():
        print(f"replacing the model of an earlier run in {folder}")
    prepare_folder(folder)
    trainer = make_trainer(
        options,
        max_epochs=options["n_epochs"],
        logger=make_loggers(options, folder),
        callbacks=make_callbacks(options, folder),
    )
    solver = make_solver(options, dataset, trainer)
    data = RetrievalData(dataset, options)
    started = time.monotonic()
    trainer.fit(solver, datamodule=data, ckpt_path=last)
    if trainer.is_global_zero:
        best = trainer.checkpoint_callbacks[0]
        print(
            f"trained to epoch {trainer.current_epoch} in {time.monotonic() - started:.0f} s; "
            f"best validation MAP {float(best.best_model_score):.4f} in {best.best_model_path}"
        )


def open_trained(given: dict) -> tuple[Path, Solver, dict, Dataset]:
    """Open the checkpoint of --model_load_path and the data: its file, model, options, dataset."""
    path = checkpoint_file(given.get("model_load_path", NOT_GIVEN))
    released = read_released(path, merge_options(given))
    solver = build_solver(released or read_checkpoint(path), path)
    options = merge_options(given, solver.options)
    tell_idle(given, options)
    options["gpu_id"] = options["gpu_id"].partition(",")[0]  # one scores all: no need to share
    dataset = open_data(options)
    (check_lengths if released else check_same_data)(solver.hparams, dataset, path)
    return path, solver, options, dataset


def test(given: dict) -> None:
    """Test a checkpoint; print the tables and write `results.json`."""
    path, solver, options, dataset = open_trained(given)
    data = RetrievalData(dataset, options)
    trainer = make_trainer(options, logger=False, enable_checkpointing=False)
    trainer.test(solver, datamodule=data, verbose=False)
    results = collect_results(solver.per_tag, dataset, "test")
    tested_by = {"data_path": str(dataset.path), "versions": versions(), "git": git_revision()}
    results["made_by"] = {
        **solver.hparams.made_by,
        "train_seconds": solver.train_seconds,
        "checkpoint": str(path),
        "tested_by": tested_by,
    }
    print(format_results(results))
    chosen = options["result_path"]
    result_path = path.parent / "results.json" if chosen == NOT_GIVEN else Path(chosen)
    write_results(result_path, results)
    print(f"\nwritten to {result_path}")


def keep_lightning_calm() -> None:
    """Hide its advertisements, and warnings that a user can do nothing about."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    for message in ("LeafSpec", "logging interval", "exists and is not empty", "model summary"):
        warnings.filterwarnings("ignore", message=f".*{message}.*")


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and run the mode."""
    given = parse_options(argv)
    keep_lightning_calm()
    {"TRAIN": train, "TEST": test}[given.get("mode", "TRAIN")](given)


if __name__ == "__main__":
    run_or_explain(main)
