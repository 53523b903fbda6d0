"""Search among many songs: time of a query, what it finds of the exact answer, size and memory.

python -m benchmarks.search [--n_songs 1000000] [--kind auto] [--parts 1] [--n_queries 500]
    [--index FOLDER] [--to FILE.json]

Songs are synthetic: clusters of 256-dimensional vectors, one cluster for 200 songs. Queries lie
near songs. The index is built part by part and removed again; --index keeps it, or measures one
that was kept. Memory is that of a process that does nothing but search.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

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
            add_songs(folder, model, songs, kind)
        else:
            write_index(folder, model, songs, kind)
        print(f"  part {number + 1} of {n_parts} built", file=sys.stderr, flush=True)


def measure(folder: Path, n_queries: int) -> dict[str, float]:
    """Open an index, ask for neighbours; return what was found and how long it took."""
    start = time.perf_counter()
    index = read_index(folder)
    searcher = Searcher(index)
    rng = np.random.default_rng(1)
    asked = index.vectors(rng.integers(len(index), size=n_queries + 1))
    asked = unit_length(asked + 0.02 * rng.standard_normal(asked.shape, dtype=np.float32))
    searcher.search([Wanted("", 1, asked[0])])
    opened = time.perf_counter() - start
    taken, found = [], []  # what the clock says, and what a thread computed
    for vector in asked[1:]:
        before = np.array([time.perf_counter(), time.thread_time()])
        hits = searcher.search([Wanted("", 1, vector)])
        taken.append(np.array([time.perf_counter(), time.thread_time()]) - before)
        found.append({hit.row for hit in hits})
    memory = resident()
    (p50, cpu50), (p99, cpu99) = 1e3 * np.quantile(taken, (0.5, 0.99), axis=0)
    exact = exact_answers(index, asked[1:])
    recall = np.mean([len(one & other) / 10 for one, other in zip(found, exact, strict=True)])
    return {
        "opened_with_a_first_answer_s": opened,
        "query_p50_ms": p50,
        "query_p99_ms": p99,
        "processor_p50_ms": cpu50,
        "processor_p99_ms": cpu99,
        "own_memory_gb": memory["RssAnon"],
        "pages_of_files_gb": memory["RssFile"],
        "recall_at_10": float(recall),
        "load": os.getloadavg()[0],
    }


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
    parser.add_argument("--index", type=Path)
    parser.add_argument("--to", type=Path)
    given = parser.parse_args()
    found: dict[str, Any] = {"n_songs": given.n_songs, "kind": given.kind, "parts": given.parts}
    found |= {"n_queries": given.n_queries, "machine": machine()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.index or Path(temporary) / "songs.index"
        if not folder.is_dir():
            start = time.perf_counter()
            rng = np.random.default_rng(0)
            n_centres = max(1, given.n_songs // 200)
            centres = rng.standard_normal((n_centres, 256), dtype=np.float32)
            build(folder, given.n_songs, given.parts, given.kind, centres)
            found["built_s"] = time.perf_counter() - start
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        found |= {"on_disk_gb": size / 1e9} | measure(folder, given.n_queries)
    for name, value in found.items():
        print(f"{name:<30}{value:.4g}" if isinstance(value, float) else f"{name:<30}{value}")
    if given.to:
        given.to.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def machine() -> str:
    """Processor and versions; that of `timing` imports torch, and its memory."""
    system = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{system}, numpy {np.__version__}, faiss {version('faiss-cpu')}"


if __name__ == "__main__":
    main()
