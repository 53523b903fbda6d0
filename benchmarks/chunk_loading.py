"""A batch of training chunks: the packed store against `np.load` of whole songs and a crop.

    python -m benchmarks.chunk_loading [--repeats 9] [--n_songs 1000]

Songs of 30 seconds in both layouts, in a temporary folder; the page cache is warm, so this is
memory against memory. The disk has to give 44 kB for a chunk of the packed store and 666 kB for a
published song.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import compare, print_comparison
from dataset.files import existing_directory
from dataset.mel_store import N_MELS, PackedMels, open_mel_store, published_file
from mel_chunks import read_crops
from preprocessing.mel.store_writer import open_writer

N_FRAMES, CHUNK, BATCH = 1300, 173, 128
BATCHES = 20


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


def main() -> None:
    """Check that both give the same chunks, then print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--n_songs", type=int, default=1000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    rows = rng.integers(arguments.n_songs, size=(BATCHES, BATCH))
    first = rng.integers(N_FRAMES - CHUNK, size=(BATCHES, BATCH))
    with tempfile.TemporaryDirectory() as folder:
        song_ids = [f"TR{number:06}" for number in range(arguments.n_songs)]
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
            arguments.repeats,
        )
    print_comparison(
        f"a batch of {BATCH} chunks of {CHUNK} frames from {arguments.n_songs} songs, warm cache",
        *([taken / BATCHES for taken in runs] for runs in seconds),
    )


if __name__ == "__main__":
    main()
