"""A data set of any size in memory, for benchmarks."""

import dataclasses
from pathlib import Path

import numpy as np

from dataset.directory import Dataset
from dataset.mel_index import data_offset, frame_bytes
from dataset.mel_store import N_MELS, PackedMels

TAG_DIM, CF_DIM = 300, 200
NOISE_FRAMES = 65_536  # 17 MB


def make_dataset(n_songs: int, n_tags: int = 100, tags_per_song: int = 3) -> Dataset:
    """Random tags, word vectors of length 300 and CF vectors of length 200; split 70/15/15."""
    rng = np.random.default_rng(0)
    # float32 from the start: doubles would be the peak of what growth.py measures.
    song_tags = rng.random((n_songs, n_tags), dtype=np.float32) < tags_per_song / n_tags
    song_tags[np.arange(n_songs), rng.integers(n_tags, size=n_songs)] = True
    cuts = [int(0.7 * n_songs), int(0.85 * n_songs)]
    parts = np.split(rng.permutation(n_songs), cuts)
    return Dataset(
        path=Path("synthetic"),
        tags=[f"tag {number:04d}" for number in range(n_tags)],
        song_ids=[f"TR{number:07d}" for number in range(n_songs)],
        song_tags=song_tags,
        splits=dict(zip(("train", "valid", "test"), parts, strict=True)),
        tag_vectors=rng.standard_normal((n_tags, TAG_DIM), dtype=np.float32),
        vectors={"cf": rng.standard_normal((n_songs, CF_DIM), dtype=np.float32)},
        categories={},
        about={},
    )


def with_noise(dataset: Dataset, n_frames: int, file: Path) -> Dataset:
    """Give every song a spectrogram of `n_frames` frames, and take its CF vector away.

    The songs are overlapping stretches of one block of noise in `file`: those of the paper, 38 GB,
    need neither time nor disk. Whoever keeps them, on the GPU or in memory, keeps them in full.
    """
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((n_frames + NOISE_FRAMES, N_MELS), dtype=np.float32)
    np.save(file, (noise * 20 - 40).astype(np.float16))  # dB
    n_songs = len(dataset.song_ids)
    starts = rng.integers(NOISE_FRAMES, size=n_songs)
    store = PackedMels(
        song_ids=dataset.song_ids,
        n_frames=np.full(n_songs, n_frames),
        files=[file],
        file_of=np.zeros(n_songs, dtype=np.int64),
        offsets=data_offset(file, N_MELS) + frame_bytes(starts, N_MELS),
    )
    return dataclasses.replace(dataset, vectors={}, mel=store)
