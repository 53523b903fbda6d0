"""What step 5 takes for an hour of audio, and an index without a model, part by part.

    python -m benchmarks.song_features [FILE...] [--repeats 5] [--wheel FILE]

Processor time of one process with one thread, which other programs on the machine disturb less than
the clock. Without files, two minutes of mp3 are made. Each part runs once before, to warm up.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.mel_spectrogram import write_files
from benchmarks.timing import machine
from dataset.wheels import fetch_wheel
from encoders.musicnn import Musicnn
from encoders.musicnn_package import ENCODERS, WHEEL
from preprocessing.features.song_layers import (
    SECONDS_A_FRAME,
    musicnn_mel,
    network_of,
    song_means,
)


def timed(run: Callable[[], object]) -> float:
    """Seconds of the processor that a run takes."""
    start = time.process_time()
    run()
    return time.process_time() - start


def hear(files: list[Path]) -> list[np.ndarray]:
    """Spectrograms of files."""
    return [musicnn_mel(file)[0] for file in files]


def embed(mels: list[np.ndarray], network: Musicnn) -> None:
    """Vectors of songs."""
    for mel in mels:
        song_means(mel, network)


def main() -> None:
    """Print seconds of an hour, median, least and most over the repeats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="audio files")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--wheel", type=Path)
    arguments = parser.parse_args()
    wheel = fetch_wheel(*WHEEL, given=arguments.wheel)
    with tempfile.TemporaryDirectory() as folder:
        files = arguments.files or write_files(Path(folder), n_files=2, compression=0.0)
        print_parts(files, wheel, arguments.repeats)


def print_parts(files: list[Path], wheel: Path, repeats: int) -> None:
    """Print what each part takes."""
    torch.set_num_threads(1)
    hear(files)
    mels = hear(files)
    hours = sum(map(len, mels)) * SECONDS_A_FRAME / 3600
    runs: dict[str, Callable[[], object]] = {"sound to spectrogram": partial(hear, files)}
    for encoder in ENCODERS:
        network = network_of(wheel, encoder)
        song_means(mels[0], network)
        runs[encoder] = partial(embed, mels, network)
    print(f"seconds of a core for an hour of audio, {hours:.3f} hours, {machine()}")
    for name, run in runs.items():
        taken = [timed(run) / hours for _ in range(repeats)]
        low, middle, high = min(taken), statistics.median(taken), max(taken)
        print(f"  {name:<21} median {middle:6.1f}   ({low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main()
