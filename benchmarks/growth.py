"""How time and peak memory grow with the number of songs: cultural branch, made-up data.

    python -m benchmarks.growth [--n_songs 2000] [--times 1 10 100] [--rows_per_song 126]

Each size is measured in processes of its own: training (`whole_run`: the median epoch after the
first, without validation; validation with scoring; the peak of both), then step 3 `train` on
listening data in the proportions of the Echo Nest Taste Profile, as `step3_memory` makes it. The
exponent between two sizes is log(value ratio) / log(size ratio): 0 does not grow, 1 grows as the
songs do.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.memory import process_megabytes
from benchmarks.step3_memory import ROOT, ROWS, SONGS, write_made_up

# Nothing large is imported here: Linux would count it into the memory of the processes started.
EPOCHS = 4
TARGET = 1_000_000


# ---------------------------------------------------------------- arithmetic


def growth_exponents(sizes: Sequence[float], values: Sequence[float]) -> list[float]:
    """Exponent e between neighbours, value ~ size ** e."""
    logs = np.log([sizes, values])  # (2, n)
    steps = np.diff(logs)  # (2, n - 1)
    return (steps[1] / steps[0]).tolist()


def read_on(sizes: Sequence[float], values: Sequence[float], target: float) -> float:
    """Value at `target`, from the two largest sizes: the larger of line and power law.

    The line is right where a constant part still weighs, the power law where growth is steeper.
    What shrinks is noise, and stays as it is.
    """
    (*_, near_size, size), (*_, near, last) = sizes, values
    line = last + (last - near) / (size - near_size) * (target - size)
    power = last * (target / size) ** growth_exponents(sizes, values)[-1]
    return max(last, line, power)


# ---------------------------------------------------------------- one size


def measure_training(n_songs: int) -> dict[str, float]:
    """Train a few epochs of 10,000 triplets in this process."""
    from statistics import median

    from benchmarks.synthetic import make_dataset
    from benchmarks.whole_run import peak_megabytes, train_epochs
    from options import merge_options

    options = merge_options({"input_type": "cf", "is_balanced": True, "is_weighted": True})
    clock, trainer = train_epochs(make_dataset(n_songs), options, EPOCHS)
    later = list(zip(clock.epochs, clock.validations, strict=True))[1:]
    return {
        "an epoch of 10,000 triplets, s": median(epoch - part for epoch, part in later),
        "validation with scoring, s": median(part for _, part in later),
        "both, peak MB": peak_megabytes(trainer.strategy.root_device),
    }


def measure_step3(directory: str) -> dict[str, float]:
    """Run step 3 `train` in this process, as its defaults are."""
    from step3_taste_profile import train

    start = time.perf_counter()
    train(directory, f"{directory}/triplets.tsv")
    return {
        "step 3 train, s": time.perf_counter() - start,
        "step 3 train, peak MB": process_megabytes(),
    }


def write_listening_data(directory: Path, n_songs: int, rows_per_song: float) -> None:
    """Write `triplets.tsv` and the songs that step 3 makes vectors for."""
    _, n_listened = write_made_up(directory / "triplets.tsv", round(n_songs * rows_per_song))
    np.save(directory / "existing_ids.npy", [f"SO{song:016X}" for song in range(n_listened)])


def in_own_process(function: str, argument: int | str) -> dict[str, float]:
    """Call one of the functions above in a fresh process."""
    call = f"print(json.dumps(growth.{function}({argument!r})))"
    done = subprocess.run(
        [sys.executable, "-c", f"import json; from benchmarks import growth; {call}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SystemExit(f"{function} of {argument} failed: {why}")
    return json.loads(done.stdout.splitlines()[-1])  # what the steps print stands before it


def measure(n_songs: int, rows_per_song: float) -> dict[str, float]:
    """All that is measured of one size."""
    found = in_own_process("measure_training", n_songs)
    with tempfile.TemporaryDirectory() as folder:
        write_listening_data(Path(folder), n_songs, rows_per_song)
        return found | in_own_process("measure_step3", folder)


# ---------------------------------------------------------------- the table


def table(sizes: list[int], found: list[dict[str, float]]) -> str:
    """Markdown: a row for each measure, a column for each size."""
    head = ["", *(f"{size:,} songs" for size in sizes), "exponents", f"{TARGET:,} songs"]
    lines = [head, ["---"] * len(head)]
    for what in found[0]:
        values = [one[what] for one in found]
        exponents = ", ".join(f"{exponent:.2f}" for exponent in growth_exponents(sizes, values))
        cells = [number(value) for value in (*values, read_on(sizes, values, TARGET))]
        lines.append([what, *cells[:-1], exponents, f"~ {cells[-1]}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """Three significant digits, and no power of ten."""
    digits = max(0, 2 - math.floor(math.log10(value))) if value else 0
    return f"{value:,.{digits}f}"


def main(argv: list[str] | None = None) -> None:
    """Print the table; the last column is read on, not measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--n_songs", type=int, default=2000)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--rows_per_song", type=float, default=ROWS / SONGS)
    arguments = parser.parse_args(argv)
    times = sorted(set(arguments.times))
    if len(times) < 2 or arguments.n_songs * times[0] < 1:
        parser.error("growth needs at least two sizes, --times 1 10")
    sizes = [factor * arguments.n_songs for factor in times]
    found = []
    for size in sizes:
        print(f"measuring {size} songs", file=sys.stderr, flush=True)
        found.append(measure(size, arguments.rows_per_song))
    print(
        f"cultural branch; step 3 with {arguments.rows_per_song:.0f} rows a song  "
        f"({platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()})"
    )
    print(table(sizes, found))
    print(f"~: not measured, read on from {sizes[-2]:,} and {sizes[-1]:,} songs")


if __name__ == "__main__":
    main()
