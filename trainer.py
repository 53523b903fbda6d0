"""From options to a Trainer and a Solver: devices, precision, memory, loggers, callbacks."""

import contextlib
import ctypes
import importlib.util
import io
import logging
import os
import signal
import warnings
from pathlib import Path

import torch
from pytorch_lightning import LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import nn

from data_loader import songs_at_once
from dataset.directory import Dataset
from dataset.files import user_path
from dataset.mel_store import SETTINGS
from dataset.moving import remove_with
from dataset.wheels import fetch_wheel
from dataset.writing import staged
from encoders.musicnn import load_musicnn
from encoders.musicnn_package import WHEEL
from errors import UserError
from mel_chunks import choose_cache
from options import NOT_GIVEN, Options
from processes import part_of, share_batch_norm
from results import provenance
from solver import Solver
from threads import check_number
from training_lines import progress_bar

COMPILED_STEPS = 2_000  # that make up for the half minute of compiling (docs/speed.md)


def choose_devices(gpu_id: str, n_processes: int = 1) -> dict:
    """Lightning's devices for --gpu_id and --n_processes; the CPU where there is no GPU."""
    devices = _devices(gpu_id, n_processes)
    if gpu_id != "cpu" and devices["accelerator"] == "cpu":
        print("no GPU found: using the CPU")
    return devices


def _devices(gpu_id: str, n_processes: int) -> dict:
    numbers = gpu_id.split(",")
    is_list = all(part.isascii() and part.isdigit() for part in numbers)
    if gpu_id != "cpu" and not (is_list and len(set(numbers)) == len(numbers)):
        raise UserError(f"--gpu_id {gpu_id} is not a GPU number: give 0, a list 0,1, or cpu")
    if gpu_id == "cpu" or not torch.cuda.is_available():
        check_number("--n_processes", n_processes)
        return {"accelerator": "cpu", "devices": n_processes}
    if n_processes > 1:
        raise UserError("--n_processes is for the CPU: give --gpu_id a list of GPUs, such as 0,1")
    devices = [int(part) for part in numbers]
    if max(devices) >= torch.cuda.device_count():
        raise UserError(f"--gpu_id {gpu_id}: there are {torch.cuda.device_count()} GPUs, from 0")
    return {"accelerator": "gpu", "devices": devices}


def check_machine(options: Options) -> None:
    """Raise `UserError` if this machine has not the devices that the options ask for."""
    accelerator = _devices(options.gpu_id, options.n_processes)["accelerator"]
    choose_precision(options, accelerator)
    check_number("--num_threads", options.num_threads)
    if options.cache == "gpu" and "spec" in options.inputs:
        choose_cache("gpu", 0, torch.device("cuda" if accelerator == "gpu" else "cpu"))


def n_processes_on(devices: dict) -> int:
    """How many processes the devices need: one each."""
    chosen = devices["devices"]
    return chosen if isinstance(chosen, int) else len(chosen)


def choose_precision(options: Options, accelerator: str) -> str:
    """Lightning's name of the precision: as asked, else the fastest that loses nothing.

    The convolutions gain from bfloat16 where the processor computes in it; the cultural branch,
    too small to gain, stays in float32. float16 is for GPUs: else `UserError`.
    """
    asked = options.precision
    if asked == "16-mixed" and accelerator == "cpu":
        raise UserError("--precision 16-mixed needs a GPU: use bf16-mixed or 32 on the CPU")
    if asked == "auto" and "spec" in options.inputs:
        if accelerator == "gpu":
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            has_bf16 = torch.cpu.get_capabilities().get("amx_bf16", False)
        asked = "bf16-mixed" if has_bf16 else "32"
    return "32-true" if asked in ("32", "auto") else asked


def keep_freed_memory() -> None:
    """Let the C library keep what a step frees for the next one, where it is glibc.

    It would give feature maps back to the system and fetch them anew, page by page: a fifth of the
    time of an acoustic step on the CPU (docs/speed.md).
    """
    trim_threshold, mmap_max, never = -1, -4, -1  # M_TRIM_THRESHOLD, M_MMAP_MAX of malloc.h
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, never)


def make_loggers(options: Options, folder: Path) -> list[Logger]:
    """CSV always, TensorBoard where it is installed, Neptune on request.

    Each start has a folder `logs/version_N` of its own: resuming keeps what was logged before.
    """
    loggers: list[Logger] = [CSVLogger(folder, name="logs")]
    if importlib.util.find_spec("tensorboard"):
        loggers.append(TensorBoardLogger(folder, name="logs", version=loggers[0].version))
    if options.neptune_project != NOT_GIVEN and not int(os.environ.get("LOCAL_RANK", 0)):
        from neptune_logger import NeptuneLogger

        key = None if options.neptune_api_key == NOT_GIVEN else options.neptune_api_key
        loggers.append(NeptuneLogger(options.neptune_project, key))
    return loggers


def make_callbacks(options: Options, folder: Path) -> list[Callback]:
    """Best checkpoint by MAP, last checkpoint, early stopping on request, progress."""
    keep = {"dirpath": folder, "enable_version_counter": False}
    callbacks: list[Callback] = [
        ModelCheckpoint(filename="best", monitor="map", mode="max", save_top_k=1, **keep),
        ModelCheckpoint(filename="last", **keep),
        progress_bar(),
        OwnSignals(),
    ]
    if options.early_stopping:
        callbacks.append(OwnPatience(options.early_stopping))
    return callbacks


class OwnPatience(EarlyStopping):
    """Stops after so many epochs without a better MAP, as is asked for now.

    Lightning's own takes the patience of the checkpoint from which a training goes on.
    """

    state_key = "EarlyStopping{'monitor': 'map', 'mode': 'max'}"  # as of Lightning's own

    def __init__(self, patience: int):
        super().__init__("map", patience=patience, mode="max")

    def load_state_dict(self, state_dict: dict) -> None:
        """Take the best MAP and the epochs since then."""
        super().load_state_dict(state_dict | {"patience": self.patience})


def has_stopped(checkpoint: dict, options: Options) -> bool:
    """Whether the training of a checkpoint has ended by --early_stopping."""
    states = checkpoint.get("callbacks")
    state = states.get(OwnPatience.state_key) if isinstance(states, dict) else None
    n_waited = state.get("wait_count") if isinstance(state, dict) else None
    return isinstance(n_waited, int) and 0 < options.early_stopping <= n_waited


class OwnSignals(Callback):
    """SIGTERM does what it did before, where several processes train.

    Lightning's way of it waits for the others, which wait for this one.
    """

    def __init__(self):
        self.before = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the handler back that Lightning has wrapped."""
        if trainer.world_size > 1:
            signal.signal(signal.SIGTERM, self.before)


class WholeCheckpoints(TorchCheckpointIO):
    """Saves a checkpoint whole or not at all, and reads it wherever its folder has been moved.

    Lightning's own way copies it in pieces where the folder for temporary files is on another disk,
    and forgets in another folder which model was the best.
    """

    def save_checkpoint(self, checkpoint: dict, path: str | Path, storage_options=None) -> None:
        """Write `checkpoint` to `path`; a full disk is an `OSError`, as from any file."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with staged(Path(path).parent) as stage:
            (stage / Path(path).name).write_bytes(content.getbuffer())
            remove_with(stage, "results.json")  # of the model before

    def load_checkpoint(self, path: str | Path, *how, **more) -> dict:
        """Read `path`; what it says of checkpoints beside it holds for those in its folder now."""
        checkpoint = super().load_checkpoint(path, *how, **more)
        folder = Path(path).resolve().parent
        states = checkpoint["callbacks"]
        for name in [name for name, state in states.items() if "best_model_path" in state]:
            state = states[name]
            kept = str(folder / Path(state["best_model_path"]).name)
            if not os.path.isfile(kept):  # the best so far is gone: what comes is better
                del states[name]
                continue
            state |= {"dirpath": str(folder), "best_model_path": kept}
            if state["best_k_models"]:
                score = state["best_model_score"]
                state |= {"kth_best_model_path": kept, "best_k_models": {kept: score}}
        return checkpoint


def make_trainer(options: Options, devices: dict | None = None, **more) -> Trainer:
    """A Trainer in the precision of the options, by default on the first of their devices."""
    more.setdefault("callbacks", [progress_bar()])
    keep_lightning_calm()
    devices = devices or choose_devices(options.gpu_id.split(",")[0])
    if n_processes_on(devices) > 1:
        more["strategy"] = "ddp"
    precision = choose_precision(options, devices["accelerator"])
    if devices["accelerator"] == "cpu" and "spec" in options.inputs:
        keep_freed_memory()
    return Trainer(
        **devices,
        precision=precision,
        enable_model_summary=False,
        num_sanity_val_steps=0,  # metrics of a part of the split would mean nothing
        use_distributed_sampler=False,  # the data module shares the triplets itself
        # a batch system's would be found, by which each process would train alone, or be refused
        plugins=[WholeCheckpoints(), LightningEnvironment()],
        **more,
    )


def make_solver(options: Options, dataset: Dataset, trainer: Trainer) -> Solver:
    """A new model for the dataset, its weights drawn from --seed, compiled if asked for."""
    kept = options.to_store()
    compiled = dataset.mel is not None and chooses_to_compile(options, trainer)
    ran_with = {"precision": trainer.precision, "compiled": compiled}
    seed_everything(options.seed, verbose=False)
    solver = Solver(
        kept,
        dataset.tags,
        tag_dim=dataset.tag_vectors.shape[1],
        inputs={
            name: dataset.vectors[name].shape[1] if name in dataset.vectors else None
            for name in options.inputs
        },
        mel_settings=None if dataset.mel is None else dataset.mel.settings,
        made_by=provenance(kept, dataset) | {"ran_with": ran_with},
    )
    if options.init != "none" and dataset.mel is not None:
        _start_from_musicnn(solver, options, dataset)
    if trainer.world_size > 1:
        share_batch_norm(solver.model)
    if compiled:
        in_training = len(part_of(torch.empty(options.batch_size)))
        n_chunks, device = options.num_chunk, trainer.strategy.root_device
        sizes = {in_training, songs_at_once(n_chunks, device) * n_chunks}
        compile_for(solver.model.acoustic_branch, sizes)
    return solver


def chooses_to_compile(options: Options, trainer: Trainer) -> bool:
    """Whether the acoustic branch is compiled: as asked, else where it saves more than it takes."""
    if options.compile != "auto":
        return bool(options.compile)
    n_steps = options.n_epochs * -(-options.triplets_per_epoch // options.batch_size)
    is_one_gpu = trainer.strategy.root_device.type == "cuda" and trainer.world_size == 1
    can_compile = importlib.util.find_spec("triton") is not None
    return is_one_gpu and n_steps >= COMPILED_STEPS and can_compile


def compile_for(network: nn.Module, sizes: set[int]) -> None:
    """Compile a network for batches of these sizes; others, as a last one, are not worth the time.

    Its names in the checkpoint stay.
    """
    plain, compiled = network.forward, torch.compile(network.forward, dynamic=False)
    network.forward = lambda chunks: (compiled if len(chunks) in sizes else plain)(chunks)


def _start_from_musicnn(solver: Solver, options: Options, dataset: Dataset) -> None:
    """Give the acoustic branch the weights that musicnn was trained to."""
    if dataset.mel.settings != SETTINGS["musicnn"]:
        raise UserError(
            f"--init {options.init} needs spectrograms as musicnn was trained on, unlike those of "
            f"{dataset.path}: make them in another dataset directory by step 4 --mel musicnn"
        )
    given = None if options.wheel == NOT_GIVEN else user_path(options.wheel)
    trained = load_musicnn(fetch_wheel(*WHEEL, given=given))
    solver.model.acoustic_branch.start_from(trained, keep_front=options.init == "musicnn-last")


def keep_lightning_calm() -> None:
    """Hide its advertisements, and warnings that a user can do nothing about."""
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.distributed"):
        logging.getLogger(name).setLevel(logging.WARNING)
    known = (
        *("LeafSpec", "logging interval", "exists and is not empty", "in eval mode"),
        "callbacks used to create the checkpoint",  # --early_stopping 0 after another
    )
    for message in known:
        warnings.filterwarnings("ignore", message=f".*{message}.*")
