"""The published files of a small dataset, as the paper's own code wrote them."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from dataset.directory import open_dataset
from errors import UserError

TAGS = ["ambient", "jazz", "r&b"]
IDS = ["TRAAA00", "TRAAA01", "TRAAA02", "TRAAA03", "TRAAA04", "TRAAA05"]
SONG_TAGS = np.array([[1, 0, 0], [0, 1, 1], [1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 0]])
SPLITS = {"train": [4, 0, 1], "valid": [2], "test": [5, 3]}
LOOKUP = {
    "ambient": ["4//TRAAA04", "0//TRAAA00"],
    "jazz": ["1//TRAAA01"],
    "r&b": ["4//TRAAA04", "1//TRAAA01"],
}
CF = np.arange(12).reshape(6, 2) / 10
VECTORS = {
    "ambient": [0.0, 1.0, 2.0, 3.0],
    "jazz": [4.0, 5.0, 6.0, 7.0],
    "r&b": [8.0, 9.0, 0.5, -1],
}


def write_published(directory: Path, prefix: str = "", vector_prefix: str | None = None) -> Path:
    """Write the files as the paper's own code did: by numpy and pickle alone, numpy str as keys."""
    directory.mkdir(exist_ok=True)
    np.save(directory / f"{prefix}tags.npy", TAGS)
    np.save(directory / f"{prefix}existing_ids.npy", IDS)
    np.save(directory / f"{prefix}binaries.npy", SONG_TAGS.astype(np.float64))
    for name, songs in SPLITS.items():
        np.save(directory / f"{prefix}{name}_ids.npy", [f"{n}//{IDS[n]}" for n in songs])
    np.save(directory / f"{prefix}ix_to_cf.npy", CF)
    dump(directory / f"{prefix}train_tag_to_ix.pkl", {np.str_(t): LOOKUP[t] for t in TAGS})
    vectors = {np.str_(tag): np.float32(VECTORS[tag]) for tag in TAGS}
    dump(directory / f"{prefix if vector_prefix is None else vector_prefix}google_emb.pkl", vectors)
    return directory


def dump(path: Path, content: object, protocol: int = 3) -> None:
    path.write_bytes(pickle.dumps(content, protocol=protocol))


def assert_refused(path: Path, *parts: str, **options) -> None:
    """Opening raises a one-line `UserError` that holds all `parts`."""
    with pytest.raises(UserError) as refusal:
        open_dataset(path, input_type="cf", **options)
    message = str(refusal.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
