"""A data set of any size in memory, for benchmarks."""

from pathlib import Path

import numpy as np

from dataset_files import Dataset


def make_dataset(n_songs: int, n_tags: int = 100, tags_per_song: int = 3) -> Dataset:
    """Random tags, word vectors of length 300 and CF vectors of length 200; split 70/15/15."""
    rng = np.random.default_rng(0)
    song_tags = rng.random((n_songs, n_tags)) < tags_per_song / n_tags
    song_tags[np.arange(n_songs), rng.integers(n_tags, size=n_songs)] = True
    cuts = [int(0.7 * n_songs), int(0.85 * n_songs)]
    parts = np.split(rng.permutation(n_songs), cuts)
    return Dataset(
        path=Path("synthetic"),
        tags=[f"tag {number:04d}" for number in range(n_tags)],
        song_ids=[f"TR{number:07d}" for number in range(n_songs)],
        song_tags=song_tags,
        splits=dict(zip(("train", "valid", "test"), parts, strict=True)),
        tag_vectors=rng.normal(size=(n_tags, 300)).astype(np.float32),
        cf=rng.normal(size=(n_songs, 200)).astype(np.float32),
        categories={},
        about={},
    )
