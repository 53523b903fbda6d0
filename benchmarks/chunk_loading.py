"""A batch of training chunks: the packed store against `np.load` of whole songs and a crop.

    python -m benchmarks.chunk_loading [--repeats 9] [--n_songs 1000]
    python -m benchmarks.chunk_loading --limit_mb 2000 [--to FILE]

Songs of 30 seconds in both layouts, in a temporary folder; the page cache is warm, so this is
memory against memory. The disk has to give 44 kB for a chunk of the packed store and 666 kB for a
published song.

With --limit_mb instead: a store of four times so much, chunks a second and a short training as
main.py's, with `--cache memory` and `--cache disk`, also in a control group that may take no more
memory than that, page cache included. Linux with control groups of version 1, as root.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.synthetic import make_dataset
from benchmarks.timing import compare, machine, print_comparison
from dataset.directory import Dataset
from dataset.files import existing_directory
from dataset.mel_crops import read_crops
from dataset.mel_index import FRAMES, frame_bytes
from dataset.mel_store import N_MELS, PackedMels, open_mel_store, published_file
from mel_chunks import MelChunks
from options import merge_options
from preprocessing.mel.store_writer import open_writer

N_FRAMES, CHUNK, BATCH = 1300, 173, 128
BATCHES = 20
READ_CHUNKS = 64_000  # 2.8 GB
VALID_SONGS = 256
TRAINING = {
    "input_type": "spec",
    "is_balanced": True,
    "is_weighted": True,
    "batch_size": 8,
    "input_length": 128,
    "num_chunk": 1,
    "triplets_per_epoch": 256,
    "gpu_id": "cpu",
}


def write_published(directory: Path, song_id: str, mel: np.ndarray) -> Path:
    """Write a song's frames (n, 128) as published, in float32, and return the file."""
    file = published_file(directory, song_id)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, np.ascontiguousarray(mel.T, dtype=np.float32))
    return file


def write_both_layouts(directory: Path, song_ids: list[str]) -> None:
    """Write the same noise packed and as published."""
    rng = np.random.default_rng(0)
    with open_writer(existing_directory(directory), "published") as writer:
        for song_id in song_ids:
            mel = rng.uniform(-100, 30, size=(N_FRAMES, N_MELS)).astype(np.float16)
            file = write_published(directory, song_id, mel)
            writer.append(song_id, mel, file.stat().st_size)


def load_and_crop(file: Path, start: int, length: int = CHUNK) -> np.ndarray:
    """Load a song whole and cut a chunk (128, length) out."""
    return np.load(file)[:, start : start + length]


def load_batch(files: list[Path], first: np.ndarray) -> np.ndarray:
    """Load the songs of a batch, one after the other."""
    chunks = [load_and_crop(*one) for one in zip(files, first.tolist(), strict=True)]
    return np.stack(chunks)


def compare_layouts(n_songs: int, repeats: int) -> None:
    """Check that both layouts give the same chunks, then print the comparison."""
    rng = np.random.default_rng(1)
    rows = rng.integers(n_songs, size=(BATCHES, BATCH))
    first = rng.integers(N_FRAMES - CHUNK, size=(BATCHES, BATCH))
    with tempfile.TemporaryDirectory() as folder:
        song_ids = [f"TR{number:06}" for number in range(n_songs)]
        write_both_layouts(Path(folder), song_ids)
        store = open_mel_store(Path(folder), song_ids)
        assert isinstance(store, PackedMels)
        files = [[published_file(Path(folder), song_ids[row]) for row in batch] for batch in rows]
        np.testing.assert_array_equal(
            load_batch(files[0], first[0]).transpose(0, 2, 1),
            read_crops(store, rows[0], first[0], CHUNK),
        )
        seconds = compare(
            lambda: [load_batch(*batch) for batch in zip(files, first, strict=True)],
            lambda: [read_crops(store, *batch, CHUNK) for batch in zip(rows, first, strict=True)],
            repeats,
        )
    print_comparison(
        f"a batch of {BATCH} chunks of {CHUNK} frames from {n_songs} songs, warm cache",
        *([taken / BATCHES for taken in runs] for runs in seconds),
    )


# ---------------------------------------------------------------- more than the memory


def write_store(directory: Path, n_bytes: int) -> int:
    """Write a packed store of noise; return the number of its songs."""
    n_songs = n_bytes // frame_bytes(N_FRAMES, N_MELS)
    rng = np.random.default_rng(0)
    noise = rng.uniform(-100, 30, size=(50 * N_FRAMES, N_MELS)).astype(np.float16)
    with open_writer(existing_directory(directory), "audio") as writer:
        for song_id in make_dataset(n_songs, 1).song_ids:
            start = rng.integers(len(noise) - N_FRAMES)
            writer.append(song_id, noise[start : start + N_FRAMES], 0)
    return n_songs


def forget_pages(file: Path) -> None:
    """Take a file out of the page cache."""
    with open(file, "rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def dataset_of(folder: str, n_songs: int) -> Dataset:
    """Made-up songs and tags, with the store in the folder; few songs to validate on."""
    dataset = make_dataset(n_songs)
    splits = dataset.splits | {"valid": dataset.splits["valid"][:VALID_SONGS]}
    store = open_mel_store(Path(folder), [])
    return dataclasses.replace(dataset, vectors={}, mel=store, splits=splits)


def read_chunks(folder: str, n_songs: int, cache: str, num_workers: int) -> dict[str, Any]:
    """Chunks a second, drawn from all songs, in a process of its own."""
    dataset = dataset_of(folder, n_songs)
    chunks = MelChunks(dataset, np.arange(n_songs), cache, torch.device("cpu"), num_workers)
    generator = torch.Generator().manual_seed(0)
    songs = torch.randint(n_songs, (READ_CHUNKS,), generator=generator)
    first = torch.randint(N_FRAMES - CHUNK, (READ_CHUNKS,), generator=generator)
    begun = time.perf_counter()
    for _batch in chunks.batches(songs.split(BATCH), first.split(BATCH), CHUNK):
        pass
    return {"chunks_a_second": round(READ_CHUNKS / (time.perf_counter() - begun))}


def train(folder: str, n_songs: int, cache: str) -> dict[str, Any]:
    """Train as main.py does, once the page cache is full of the store."""
    from benchmarks.whole_run import train_epochs  # which imports this file

    read_chunks(folder, n_songs, "disk", 2)
    given = TRAINING | {"cache": cache, "num_workers": 2 if cache == "disk" else 0}
    clock, trainer = train_epochs(dataset_of(folder, n_songs), merge_options(given), 2)
    scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return {"epochs_s": [round(seconds, 1) for seconds in clock.epochs], "scores": scores}


@contextlib.contextmanager
def memory_group(limit_mb: int) -> Iterator[Path]:
    """A control group of processes that may take so much memory, page cache included."""
    group = Path(f"/sys/fs/cgroup/memory/chunk_loading.{os.getpid()}")
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(limit_mb * 2**20))
        yield group
    finally:
        group.rmdir()


def in_own_process(call: str, group: Path | None = None) -> dict[str, Any]:
    """What a function above returns in a fresh process, and the most own memory it took, in MB."""
    join = f"echo $$ > {group}/cgroup.procs && " if group else ""
    code = f"import json; from benchmarks.chunk_loading import *; print(json.dumps({call}))"
    with tempfile.TemporaryFile("w+") as out:
        command = ["sh", "-c", join + 'exec "$@"', "sh", sys.executable, "-c", code]
        process, most = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL), 0
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            if "RssAnon" in status:
                most = max(most, int(status.split("RssAnon:")[1].split()[0]) // 1024)
            time.sleep(0.05)
        out.seek(0)
        lines = out.read().splitlines()
    found = json.loads(lines[-1]) if process.returncode == 0 else {"killed": process.returncode}
    return found | {"own_memory_mb": most}


def beyond_memory(limit_mb: int, folder: str) -> dict[str, Any]:
    """All that --limit_mb measures, by name."""
    n_songs = write_store(Path(folder), 4 * limit_mb * 2**20)
    found: dict[str, Any] = {}

    def measure(name: str, call: str, group: Path | None = None) -> None:
        found[name] = in_own_process(call.format(f"{folder!r}, {n_songs}"), group)
        print(f"{name:<40} {found[name]}", flush=True)

    measure("memory", "read_chunks({}, 'memory', 0)")
    for num_workers in (0, 2):
        forget_pages(Path(folder) / FRAMES)
        measure(f"disk, cold, {num_workers} workers", f"read_chunks({{}}, 'disk', {num_workers})")
        measure(f"disk, warm, {num_workers} workers", f"read_chunks({{}}, 'disk', {num_workers})")
    measure("training, memory", "train({}, 'memory')")
    measure("training, disk", "train({}, 'disk')")
    forget_pages(Path(folder) / FRAMES)  # pages count where they were read first
    with memory_group(limit_mb) as group:
        measure("disk, 2 workers, limited", "read_chunks({}, 'disk', 2)", group)
        measure("training, disk, limited", "train({}, 'disk')", group)
        measure("training, memory, limited", "train({}, 'memory')", group)
    return found


def main() -> None:
    """Compare the layouts, or with --limit_mb the caches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--n_songs", type=int, default=1000)
    parser.add_argument("--limit_mb", type=int)
    parser.add_argument("--to", type=Path)
    given = parser.parse_args()
    if not given.limit_mb:
        compare_layouts(given.n_songs, given.repeats)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = beyond_memory(given.limit_mb, folder)
    if given.to:
        about = {"limit_mb": given.limit_mb, "machine": machine()}
        given.to.write_text(json.dumps(about | found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
