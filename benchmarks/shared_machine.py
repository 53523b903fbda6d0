"""Training alone on the machine, and beside busy programs: how threads wait for each other.

The same training again and again, in turn with threads that wait awake, as libgomp has it by
itself, with threads that wait asleep, and as `threads.py` chooses, its first look included. The
last column says how far that is from the better of the two. Nothing else may be busy meanwhile.

    python -m benchmarks.shared_machine --input_type cf [--programs 0 2] [--repeats 5]
                                        [--songs 2000] [OPTIONS OF MAIN]
"""

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks.synthetic import make_dataset, with_noise
from benchmarks.timing import machine
from data_loader import RetrievalData
from dataset.directory import Dataset
from options import Options, merge_options, parse_options
from threads import send_to_sleep, shared_cores
from trainer import make_solver, make_trainer

FRAMES = 600  # of a song


@contextlib.contextmanager
def asleep() -> Iterator[None]:
    """Let threads wait asleep, whatever the load."""
    leave = threading.Event()
    send_to_sleep(torch.get_num_threads(), leave)
    yield
    leave.set()


SETTINGS: dict[str, Callable] = {
    "awake": contextlib.nullcontext,
    "asleep": asleep,
    "chosen": shared_cores,
}


@contextlib.contextmanager
def busy_programs(number: int) -> Iterator[None]:
    """So many programs that do nothing but keep a core busy."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            program = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
            stack.callback(program.wait)
            stack.callback(program.kill)
        yield


def train_seconds(dataset: Dataset, options: Options, setting: Callable) -> float:
    """Seconds of a training with validation, without checkpoints."""
    trainer = make_trainer(
        options,
        max_epochs=options.n_epochs,
        callbacks=[],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    solver = make_solver(options, dataset, trainer)
    started = time.perf_counter()
    with setting():
        trainer.fit(solver, datamodule=RetrievalData(dataset, options))
    return time.perf_counter() - started


def compare(
    dataset: Dataset, options: Options, programs: int, repeats: int
) -> dict[str, list[float]]:
    """Seconds of each training, by setting, the settings in turn beside so many busy programs."""
    seconds: dict[str, list[float]] = {name: [] for name in SETTINGS}
    with busy_programs(programs), contextlib.redirect_stdout(io.StringIO()):
        for _ in range(repeats):
            for name, setting in SETTINGS.items():
                seconds[name].append(train_seconds(dataset, options, setting))
    return seconds


def row(programs: int, seconds: dict[str, list[float]]) -> str:
    """Row of the table: median, smallest and largest time, and how far the choice is off."""
    median = {name: statistics.median(values) for name, values in seconds.items()}
    cells = [
        f"{median[name]:.2f} s ({min(values):.2f} to {max(values):.2f})"
        for name, values in seconds.items()
    ]
    ratio = median["chosen"] / min(median["awake"], median["asleep"])
    return f"| {programs} | {' | '.join(cells)} | {ratio:.2f} |"


def main(argv: list[str] | None = None) -> None:
    """Print the table, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="benchmarks.shared_machine", allow_abbrev=False)
    parser.add_argument("--programs", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--songs", type=int, default=2000)
    sizes, given = parser.parse_known_args(argv)
    options = merge_options({"n_epochs": 2, "gpu_id": "cpu"} | parse_options(given))
    dataset = make_dataset(sizes.songs)
    with tempfile.TemporaryDirectory() as folder:
        if options.input_type != "cf":
            dataset = with_noise(dataset, FRAMES, Path(folder) / "noise.npy")
        with contextlib.redirect_stdout(io.StringIO()):
            train_seconds(dataset, options, SETTINGS["asleep"])  # to warm up
        print(f"{' '.join(given)}  ({sizes.repeats} of each in turn, {machine()})\n")
        print(f"| busy programs | {' | '.join(SETTINGS)} | chosen / better |")
        print("| ---: | --- | --- | --- | ---: |")
        for programs in sizes.programs:
            seconds = compare(dataset, options, programs, sizes.repeats)
            print(row(programs, seconds), flush=True)


if __name__ == "__main__":
    main()
