"""A whole training run, by a few of its epochs: time, FLOP rate, memory, and a plain loop's step.

    python -m benchmarks.whole_run --input_type cf|spec [--paper_size] [--songs N] [--tags N]
        [--frames N] [--epochs N] [--reference_steps N] [any option of main.py]

Trains on made-up data as `main.py --mode TRAIN` does, with validation, logs and checkpoints, for
`--epochs` epochs, and reads on to `--n_epochs` of them (200). By default the data is small enough
for a laptop; `--paper_size` takes 115,000 songs, 10,000 triplets an epoch and batches of 128.
Spectrograms are made up: `--cache disk` reads the same 17 MB over and over.

The reference is a loop row by row in float32: single triplets behind a DataLoader, songs loaded
whole by `np.load` and cropped, negatives drawn for one anchor after the other; its CNN is
`plain_cnn`. A few of its steps are timed on the same device, after ours. A step of ours is its
share of an epoch without validation: logs and checkpoints count in.
"""

import argparse
import logging
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import chain, islice, pairwise, repeat
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ProgressBar
from torch.utils.data import DataLoader

from benchmarks.chunk_loading import load_and_crop, write_published
from benchmarks.flops import forward_flops
from benchmarks.memory import process_megabytes
from benchmarks.plain_cnn import plain_cnn
from benchmarks.synthetic import CF_DIM, TAG_DIM, make_dataset, with_noise
from benchmarks.timing import machine
from benchmarks.training_step import RowByRow, plain_step
from command_line import run_or_explain
from data_loader import RetrievalData
from dataset.directory import Dataset
from errors import UserError
from model import RetrievalModel
from modules import ShortChunkCNN
from option_values import positive_int, two_or_more
from options import Options, merge_options, parse_options
from trainer import make_callbacks, make_loggers, make_solver, make_trainer

COMMON = {"tags": 100, "frames": 1292, "epochs": 5}  # 1292 frames: 30 seconds
PAPER = COMMON | {"songs": 115_000, "triplets_per_epoch": 10_000, "reference_steps": 20}
LAPTOP = {
    "cf": PAPER | {"songs": 10_000},
    "spec": PAPER | {"songs": 200, "triplets_per_epoch": 256, "epochs": 3, "reference_steps": 2},
}
REFERENCE_FILES = 256  # songs that the reference reads: 170 MB


# ---------------------------------------------------------------- arithmetic


def run_seconds(epochs: list[float], n_epochs: int) -> float:
    """Seconds of `n_epochs` epochs, from the first and from the median of the later ones."""
    first, *later = epochs
    return first + (n_epochs - 1) * statistics.median(later)


def epoch_flops(options: Options, n_valid: int, n_tags: int) -> tuple[int, int]:
    """FLOPs of an epoch's training, three times the forward pass, and of its validation."""
    tag, song = forward_flops(options.input_type, options.input_length)
    n_chunks = 1 if options.input_type == "cf" else options.num_chunk
    a_triplet = song + options.anchors_per_song * tag
    return 3 * options.triplets_per_epoch * a_triplet, n_valid * n_chunks * song + n_tags * tag


# ---------------------------------------------------------------- ours


class EpochClock(Callback):
    """Takes the time of whole epochs, and of validation within them.

    Attributes
    ----------
    start : float
        Seconds from `begin` to the first epoch.
    epochs, validations : list of float
        Seconds of each epoch, validation included, and of its validation.
    """

    def __init__(self):
        self.start, self._begun = 0.0, time.perf_counter()
        self._epochs: list[float] = []
        self._validations: list[float] = []

    @property
    def epochs(self) -> list[float]:
        return [end - start for start, end in pairwise(self._epochs)]

    @property
    def validations(self) -> list[float]:
        starts, ends = self._validations[::2], self._validations[1::2]
        return [end - start for start, end in zip(starts, ends, strict=True)]

    def on_train_epoch_start(self, trainer: Trainer, module) -> None:
        self._epochs.append(now(trainer.strategy.root_device))
        self.start = self._epochs[0] - self._begun

    def on_train_end(self, trainer: Trainer, module) -> None:
        self._epochs.append(now(trainer.strategy.root_device))

    def on_validation_start(self, trainer: Trainer, module) -> None:
        self._validations.append(now(trainer.strategy.root_device))

    on_validation_end = on_validation_start


def now(device: torch.device) -> float:
    """Seconds on a clock, once the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def train_epochs(dataset: Dataset, options: Options, n_epochs: int) -> tuple[EpochClock, Trainer]:
    """Train as main.py does, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        callbacks = make_callbacks(options, Path(folder))
        clock = EpochClock()
        trainer = make_trainer(
            options,
            max_epochs=n_epochs,
            logger=make_loggers(options, Path(folder)),
            callbacks=[clock, *(one for one in callbacks if not isinstance(one, ProgressBar))],
            enable_progress_bar=False,  # it would stand between the lines of the table
        )
        solver = make_solver(options, dataset, trainer)
        trainer.fit(solver, datamodule=RetrievalData(dataset, options))
    return clock, trainer


def peak_megabytes(device: torch.device) -> float:
    """Peak memory so far: allocated on the GPU, or resident of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1024**2
    return process_megabytes()


# ---------------------------------------------------------------- the reference


def plain_seconds(
    dataset: Dataset, options: Options, device: torch.device, n_steps: int
) -> list[float]:
    """Seconds of each step of the plain loop, reading included, after one to warm up."""
    is_spec = dataset.mel is not None
    model = RetrievalModel(TAG_DIM, {"spec": None} if is_spec else {"cf": CF_DIM})
    if is_spec:
        model.acoustic_branch = plain_cnn()
    model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-4)
    with tempfile.TemporaryDirectory() as folder:
        read_song = crop_reader(dataset, options.input_length, Path(folder)) if is_spec else None
        read = read_song or dataset.vectors["cf"].__getitem__
        rows = RowByRow(dataset, options.triplets_per_epoch, read)
        loader = DataLoader(rows, options.batch_size, shuffle=True)
        stamps = []
        for batch in islice(chain.from_iterable(repeat(loader)), n_steps + 1):
            plain_step(model, optimizer, [column.to(device) for column in batch])
            stamps.append(now(device))
    return [end - start for start, end in pairwise(stamps)]


def crop_reader(dataset: Dataset, length: int, folder: Path) -> Callable[[int], np.ndarray]:
    """Write a few songs as published, and return what reads one whole and crops it at random."""
    store = dataset.mel
    n_frames = int(store.n_frames[0])
    files = []
    for row in range(min(REFERENCE_FILES, len(store.song_ids))):
        files.append(write_published(folder, store.song_ids[row], store.song(row)))

    def read(song: int) -> np.ndarray:
        return load_and_crop(files[song % len(files)], random.randint(0, n_frames - length), length)

    return read


# ---------------------------------------------------------------- the command


def read_arguments(argv: list[str] | None = None) -> tuple[dict, Options]:
    """Return the sizes, by option, and the options of main.py."""
    usage = __doc__.split("\n\n", 1)
    parser = argparse.ArgumentParser(
        description=usage[0],
        epilog=usage[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--paper_size", action="store_true", help="the sizes of the paper's data")
    for name in ("songs", "tags", "frames", "reference_steps"):
        parser.add_argument(f"--{name}", type=positive_int)
    parser.add_argument("--epochs", type=two_or_more, help="the first one is told apart")
    own, rest = parser.parse_known_args(argv)
    given = {"input_type": "cf", "is_balanced": True, "is_weighted": True} | parse_options(rest)
    input_type = given["input_type"]
    if input_type not in LAPTOP:
        raise UserError(f"--input_type {input_type} is not measured here: give cf or spec")
    sizes = (PAPER if "paper_size" in own else LAPTOP[input_type]) | vars(own)
    given.setdefault("triplets_per_epoch", sizes["triplets_per_epoch"])
    options = merge_options(given)
    length = options.input_length
    if input_type == "spec" and not ShortChunkCNN.MIN_FRAMES <= length <= sizes["frames"]:
        raise UserError(
            f"--input_length {length} must be from {ShortChunkCNN.MIN_FRAMES} to --frames "
            f"{sizes['frames']}: change one of them"
        )
    return sizes, options


def report(sizes: dict, options: Options, dataset: Dataset) -> Iterator[str]:
    """Train, run the reference, and give the lines of the table as they become known."""
    splits = {part: len(songs) for part, songs in dataset.splits.items()}
    triplets, batch = options.triplets_per_epoch, options.batch_size
    clock, trainer = train_epochs(dataset, options, sizes["epochs"])
    device = trainer.strategy.root_device
    memory = peak_megabytes(device)
    gpu = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    yield (
        f"{options.input_type}, {'/'.join(map(str, splits.values()))} songs, {sizes['tags']} "
        f"tags, {triplets} triplets an epoch in batches of {batch}, {trainer.precision}  "
        f"({machine()}{gpu})"
    )
    _, *epochs = clock.epochs
    _, *validations = clock.validations
    training = [all_of - part for all_of, part in zip(epochs, validations, strict=True)]
    yield f"  before the first epoch {clock.start:.2f} s, the first epoch {clock.epochs[0]:.2f} s"
    yield seconds_line("a later epoch", epochs)
    yield seconds_line("of that validation", validations)
    total = run_seconds(clock.epochs, options.n_epochs)
    yield f"  {options.n_epochs} epochs of this size: {total / 60:.1f} min"
    for what, flops, seconds in zip(
        ("training", "validation"),
        epoch_flops(options, splits["valid"], sizes["tags"]),
        (training, validations),
        strict=True,
    ):
        yield f"  {what}: {flops / statistics.median(seconds) / 1e9:.4g} GFLOP/s"
    yield f"  peak memory {'of the GPU' if gpu else 'of the process'}: {memory:.0f} MB"
    ours = [seconds / trainer.num_training_batches for seconds in training]
    plain = plain_seconds(dataset, options, device, sizes["reference_steps"])
    yield seconds_line("a step, reference", plain)
    yield seconds_line("a step, ours", ours)
    yield f"  ratio of the medians: {statistics.median(plain) / statistics.median(ours):.2f}"


def seconds_line(label: str, seconds: list[float]) -> str:
    """Median, smallest and largest of some times."""
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    return f"  {label:<20} median {middle:9.4f} s   ({low:.4f} to {high:.4f})"


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    sizes, options = read_arguments(argv)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    dataset = make_dataset(sizes["songs"], sizes["tags"])
    with tempfile.TemporaryDirectory() as folder:
        if options.input_type == "spec":
            dataset = with_noise(dataset, sizes["frames"], Path(folder) / "noise.npy")
        for line in report(sizes, options, dataset):
            print(line, flush=True)


if __name__ == "__main__":
    run_or_explain(main)
