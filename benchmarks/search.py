"""Search among many songs: time of a query, what it finds of the exact answer, size and memory.

python -m benchmarks.search [--n_songs 1000000] [--kind auto] [--parts 1] [--n_queries 500]

Songs are synthetic: clusters of 256-dimensional vectors, one cluster for 200 songs. Queries lie
near songs. The index is built part by part and removed again.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import machine
from retrieval.index_writing import EmbeddedSongs, add_songs, write_index
from retrieval.nearest import KINDS
from retrieval.search import Searcher, Wanted
from retrieval.song_index import IndexedSong, TagModel, read_index, unit_length

SPREAD = 0.6  # of a song around its centre, beside the distance of centres


def clustered(n: int, seed: int, centres: np.ndarray) -> np.ndarray:
    """Songs around centres: float16 (n, 256), each of length 1."""
    rng = np.random.default_rng(seed)
    songs = np.empty((n, 256), dtype=np.float16)
    for first in range(0, n, 50_000):
        near = centres[rng.integers(len(centres), size=min(50_000, n - first))]
        noise = rng.standard_normal(near.shape, dtype=np.float32)
        songs[first : first + len(near)] = unit_length(near + SPREAD * noise)
    return songs


def resident() -> dict[str, float]:
    """Memory of this process in GB: its own, and pages of files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = {line.split(":")[0]: line.split()[1] for line in lines if "kB" in line}
    return {name: int(sizes[name]) / 1e6 for name in ("RssAnon", "RssFile")}


def build(folder: Path, n_songs: int, n_parts: int, kind: str, centres: np.ndarray) -> None:
    """Build an index part by part."""
    flat = {"weight1": np.eye(256), "bias1": np.zeros(256)}
    layers = flat | {"weight2": np.eye(256), "bias2": np.zeros(256)}
    vectors = np.ones((1, 256), dtype=np.float32)
    model = TagModel(["one"], vectors, layers, "", "")
    for number in range(n_parts):
        n = n_songs // n_parts
        names = [IndexedSong(f"S{number}-{row}", f"Artist {row % 9999}") for row in range(n)]
        songs = EmbeddedSongs(clustered(n, number, centres), names, None)
        if number:
            add_songs(folder, songs, kind)
        else:
            write_index(folder, model, songs, kind)
        print(f"  part {number + 1} of {n_parts} built", file=sys.stderr, flush=True)


def measure(folder: Path, n_queries: int) -> None:
    """Open an index, ask for neighbours, print what was found and how long it took."""
    start = time.perf_counter()
    index = read_index(folder)
    searcher = Searcher(index)
    rng = np.random.default_rng(1)
    asked = index.vectors(rng.integers(len(index), size=n_queries + 1))
    asked = unit_length(asked + 0.02 * rng.standard_normal(asked.shape, dtype=np.float32))
    searcher.search([Wanted("", 1, asked[0])])
    print(f"  opened, with a first answer, in {time.perf_counter() - start:.2f} s")
    seconds, found = [], []
    for vector in asked[1:]:
        start = time.perf_counter()
        hits = searcher.search([Wanted("", 1, vector)])
        seconds.append(time.perf_counter() - start)
        found.append({hit.row for hit in hits})
    memory = resident()
    p50, p99 = 1e3 * np.quantile(seconds, (0.5, 0.99))
    print(f"  a query: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    print(f"  memory: {memory['RssAnon']:.2f} GB, and {memory['RssFile']:.2f} GB of pages of files")
    exact = exact_answers(index, asked[1:])
    recall = np.mean([len(one & other) / 10 for one, other in zip(found, exact, strict=True)])
    print(f"  recall@10 of the exact answer: {recall:.4f}")


def exact_answers(index, queries: np.ndarray) -> list[set[int]]:
    """Rows of the ten nearest songs of each query, by a look at all."""
    best = np.full((len(queries), 10), -2.0)
    rows = np.zeros((len(queries), 10), dtype=np.int64)
    for part, start in zip(index.parts, index.starts, strict=False):
        for first in range(0, len(part), 50_000):
            block = np.asarray(part.embeddings[first : first + 50_000], dtype=np.float32)
            scores = np.hstack([best, queries @ block.T])
            here = np.arange(len(block)) + first + start
            both = np.hstack([rows, np.broadcast_to(here, (len(queries), len(block)))])
            top = np.argpartition(-scores, 10, axis=1)[:, :10]
            best, rows = np.take_along_axis(scores, top, 1), np.take_along_axis(both, top, 1)
    return [set(row) for row in rows.tolist()]


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n_songs", type=int, default=1_000_000)
    parser.add_argument("--kind", choices=KINDS, default="auto")
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--n_queries", type=int, default=500)
    given = parser.parse_args()
    print(f"search among {given.n_songs} songs, {given.kind}, parts: {given.parts}  ({machine()})")
    rng = np.random.default_rng(0)
    n_centres = max(1, given.n_songs // 200)
    centres = rng.standard_normal((n_centres, 256), dtype=np.float32)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "songs.index"
        start = time.perf_counter()
        build(folder, given.n_songs, given.parts, given.kind, centres)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print(f"  built in {time.perf_counter() - start:.0f} s, {size / 1e9:.2f} GB on the disk")
        measure(folder, given.n_queries)


if __name__ == "__main__":
    main()
