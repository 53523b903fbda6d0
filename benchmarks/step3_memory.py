"""Memory of step 3 `train` per million rows of listening data.

    python benchmarks/step3_memory.py [MILLIONS_OF_ROWS ...] [--spark MASTER] [--to FILE]

Writes made-up rows with the proportions of the Echo Nest Taste Profile (48 million rows, 1.02
million users with ids of 40 characters, 384,000 songs with ids of 18) to a temporary folder, and
learns 200 factors from them by one iteration, each size in a process of its own; more iterations
take no more memory. Users and songs grow with the rows, so the last column reads on to 48 million.

With --spark the step itself on that master, such as local[2], with 16 factors and 3 iterations:
seconds, and the resident memory of all its processes together. PYSPARK_SUBMIT_ARGS says how much
Java may take.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
ROWS, USERS, SONGS = 48_373_586, 1_019_318, 384_546  # of the Taste Profile

CHILD = """
import resource
import sys
from pathlib import Path
from preprocessing.listening.als import AlsOptions, learn_factors
from preprocessing.listening.triplets import read_triplets

def peak():
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)

peak()
plays = read_triplets(Path(sys.argv[1]))
peak()
plays = plays.at_least(2, 2)
peak()
options = AlsOptions(factors=200, iterations=1, regularization=10.0, alpha=10.0, seed=0)
learn_factors(plays, options)
peak()
"""


def main(millions: list[float]) -> None:
    """Print a row for each size, and the line through the last two sizes at 48 million rows."""
    print(
        f"{'rows':>8}{'users':>9}{'songs':>9}{'read':>9}{'filter':>9}{'factors':>9}{'seconds':>9}"
    )
    peaks = []
    for million in millions:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "triplets.tsv"
            users, songs = write_made_up(file, int(million * 1e6))
            begun = time.monotonic()
            start, *phases = measure(file)
        seconds = time.monotonic() - begun
        sizes = "".join(f"{size:7.0f}MB" for size in phases)
        print(f"{million:7g}M{users:9}{songs:9}{sizes}{seconds:9.0f}", flush=True)
        peaks.append(max(phases))
    print(f"of this {start:.0f} MB are the program itself")
    if len(millions) > 1:
        slope = (peaks[-1] - peaks[-2]) / (millions[-1] - millions[-2])
        whole = peaks[-1] + slope * (ROWS / 1e6 - millions[-1])
        print(f"{slope:.0f} MB per million rows; {whole / 1024:.1f} GB for the whole Taste Profile")


def main_on_spark(millions: list[float], master: str) -> list[dict[str, Any]]:
    """Print and return time and memory of the step for each size."""
    found = []
    for million in millions:
        with tempfile.TemporaryDirectory() as folder:
            users, songs = write_made_up(Path(folder) / "triplets.tsv", int(million * 1e6))
            np.save(Path(folder) / "existing_ids.npy", [f"SO{song:016X}" for song in range(songs)])
            seconds, megabytes = measure_session(
                f"step3_taste_profile.py train {folder} {folder}/triplets.tsv --engine spark "
                f"--spark {master} --factors 16 --iterations 3"
            )
        row = {"million_rows": million, "users": users, "songs": songs}
        found.append(row | {"seconds": round(seconds), "peak_mb": round(megabytes)})
        print(found[-1], flush=True)
    return found


def measure_session(words: str) -> tuple[float, float]:
    """Seconds of a command of the project, and the peak resident MB of all that it starts."""
    begun, peak = time.monotonic(), 0
    process = subprocess.Popen(
        [sys.executable, *words.split()],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None:
        of_session = ["ps", "-o", "rss=", "-s", str(process.pid)]
        said = subprocess.run(of_session, capture_output=True, text=True).stdout
        peak = max(peak, sum(map(int, said.split())))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{words} ended with {process.returncode}")
    return time.monotonic() - begun, peak / 1024


def write_made_up(file: Path, n_rows: int) -> tuple[int, int]:
    """Write rows ordered by user, as published; return the numbers of users and songs."""
    rng = np.random.default_rng(0)
    n_users, n_songs = int(n_rows * USERS / ROWS), int(n_rows * SONGS / ROWS)
    songs = [f"SO{number:016X}" for number in rng.permutation(n_songs)]
    ends = np.linspace(0, n_rows, n_users + 1).astype(int)
    with open(file, "w", encoding="ascii") as stream:
        for user in range(n_users):
            size = ends[user + 1] - ends[user]
            name = f"{user:040x}"
            listened = (n_songs * rng.random(size) ** 3).astype(int)  # few songs are played much
            counts = rng.geometric(0.35, size)
            stream.writelines(
                f"{name}\t{songs[song]}\t{count}\n"
                for song, count in zip(listened.tolist(), counts.tolist(), strict=True)
            )
    return n_users, n_songs


def measure(file: Path) -> list[float]:
    """Peak memory in MB after the imports, reading, filtering, learning; in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(file)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    unit = 1024**2 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return [int(line) / unit for line in done.stdout.split()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("millions", type=float, nargs="*", default=[2, 5, 10])
    parser.add_argument("--spark", metavar="MASTER")
    parser.add_argument("--to", type=Path)
    given = parser.parse_args()
    if not given.spark:
        main(given.millions)
    else:
        found = main_on_spark(given.millions, given.spark)
        if given.to:
            given.to.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
