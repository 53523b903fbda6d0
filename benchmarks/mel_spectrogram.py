"""Step 4 as a whole against decoding the same mp3 files alone, in the same number of processes.

    python -m benchmarks.mel_spectrogram [--repeats 5] [--n_files 24] [--num_workers 2]

The files are made up: a minute of 44.1 kHz stereo each. Decoding is `soundfile.read`, once as it is
called by default (to float64) and once to float32, the least that decoding can cost. Then what each
part adds in one process: decoding in blocks, mixing to mono, resampling, mel in dB, writing.
"""

import argparse
import contextlib
import io
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.timing import compare, print_comparison
from dataset.files import SONGS
from dataset.mel_store import MEL_SETTINGS
from dataset.writing import write_tsv
from preprocessing.mel.audio_files import read_audio
from preprocessing.mel.mel_spectrogram import OWN, mel_and_note
from preprocessing.mel.mel_writing import write_from_audio
from preprocessing.mel.sndfile import READ, sndfile_blocks
from preprocessing.mel.store_writer import StoreWriter, open_writer
from preprocessing.mel.worker_pool import map_in_order

RATE, SECONDS = 44_100, 60
PRELOAD = ["preprocessing.mel.mel_spectrogram"]


def decode(file: Path) -> None:
    """Decode as `soundfile.read` does by default."""
    soundfile.read(file)


def decode_float32(file: Path) -> None:
    """Decode to the type that libsndfile's mp3 decoder works in."""
    soundfile.read(file, dtype="float32")


def write_files(directory: Path, n_files: int, compression: float) -> list[Path]:
    """Write `songs.tsv` and its files: plucked tones and a little noise, other ones left and right.

    All have the same sound: what matters is that the encoder has something to do.
    """
    rng = np.random.default_rng(0)
    time = np.arange(RATE * SECONDS) / RATE
    sides = [
        sum(
            np.sin(2 * np.pi * pitch * time) * np.exp(-3 * ((2 * time + shift) % 1))
            for pitch, shift in zip(rng.uniform(80, 4000, 20), rng.random(20), strict=True)
        )
        for _ in range(2)
    ]
    song = 0.03 * np.stack(sides, axis=1) + 0.01 * rng.normal(size=(len(time), 2))
    files = [directory / f"{number:03}.mp3" for number in range(n_files)]
    mode = {"bitrate_mode": "CONSTANT", "compression_level": compression}
    soundfile.write(files[0], song, RATE, **mode)
    for file in files[1:]:
        file.write_bytes(files[0].read_bytes())
    write_tsv(directory / SONGS, [(file.stem, "", "", file.name) for file in files])
    return files


def up_to_each_part(file: Path, writer: StoreWriter) -> dict[str, Callable[[], object]]:
    """What step 4 does to a file, up to and including each part."""
    numbers = itertools.count()

    def decode_blocks() -> None:
        with soundfile.SoundFile(file) as sound:
            buffer = np.empty((READ // sound.channels, sound.channels), dtype=np.float32)
            while len(sound.read(out=buffer)):
                pass

    def mix() -> None:
        for _ in sndfile_blocks(file, []):
            pass

    def resample() -> None:
        read_audio(file, OWN.sample_rate, list)

    def write() -> None:
        writer.append(f"song {next(numbers)}", mel_and_note(file, MEL_SETTINGS)[0], 1)

    tasks: dict[str, Callable[[], object]] = {
        "decode": decode_blocks,
        "mix to mono": mix,
        "resample": resample,
        "mel in dB": lambda: mel_and_note(file, MEL_SETTINGS),
        "write": write,
    }
    return tasks


def print_parts(file: Path, repeats: int) -> None:
    """Print the milliseconds of one process that each part adds to those before it."""
    with tempfile.TemporaryDirectory() as folder, open_writer(Path(folder), "audio") as writer:
        runs = up_to_each_part(file, writer)
        seconds: dict[str, list[float]] = {part: [] for part in runs}
        for _ in range(repeats + 1):  # in turns, so that a drift hits all; the first to warm up
            for part, run in runs.items():
                start = time.process_time()
                run()
                seconds[part].append(time.process_time() - start)
    totals = [statistics.median(taken[1:]) for taken in seconds.values()]
    print("parts of step 4, ms of processor time for a minute of stereo mp3, one process")
    for part, before, total in zip(seconds, [0.0, *totals], totals, strict=False):
        share = (total - before) / totals[-1]
        print(f"  {part:<12} {1e3 * (total - before):7.1f} ms  {share:6.1%}")
    hours = SECONDS / 3600 / totals[-1]
    print(f"  together     {1e3 * totals[-1]:7.1f} ms  {hours:.3f} hours of audio a second")


def main() -> None:
    """Print both comparisons, and the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--n_files", type=int, default=24)
    parser.add_argument("--num_workers", type=int, default=os.cpu_count())
    parser.add_argument("--compression", type=float, default=0.0, help="0: 320 kbit/s, 1: 32")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        files = write_files(data, arguments.n_files, arguments.compression)
        kbps = files[0].stat().st_size * 8 / SECONDS / 1000

        def step4() -> None:
            for file in itertools.chain(data.glob("mel*"), data.glob("dataset.json")):
                file.unlink()
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                write_from_audio(
                    data, None, partial(map_in_order, n_processes=arguments.num_workers)
                )

        for name, alone in (("float64", decode), ("float32", decode_float32)):

            def reference(alone=alone) -> None:
                list(map_in_order(alone, files, arguments.num_workers, PRELOAD))

            seconds = compare(reference, step4, arguments.repeats)
            title = f"one core's minute of stereo mp3, {kbps:.0f} kbit/s; reference: to {name}"
            share = arguments.num_workers / arguments.n_files
            print_comparison(title, *([taken * share for taken in runs] for runs in seconds))
            shares = [ours / ref for ref, ours in zip(*seconds, strict=True)]
            print(f"  ours takes {min(shares):.2f} to {max(shares):.2f} times the reference")
        print_parts(files[0], arguments.repeats)


if __name__ == "__main__":
    main()
