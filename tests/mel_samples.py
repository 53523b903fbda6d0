"""A store of four songs of noise in both layouts, written by numpy alone."""

from pathlib import Path

import numpy as np

from dataset.mel_index import FRAMES, INDEX
from dataset.mel_store import FLOOR_DB, MEL_SETTINGS, N_MELS, MelStore
from dataset.writing import write_about, write_tsv

LENGTHS = {"SONGA": 5, "SONGB": 300, "SONGC": 1, "SONGD": 40}
RNG = np.random.default_rng(0)
MELS = {
    song_id: RNG.uniform(-100, 30, size=(n_frames, N_MELS)).astype(np.float16)
    for song_id, n_frames in LENGTHS.items()
}


def write_packed(directory: Path, mels: dict[str, np.ndarray] = MELS) -> Path:
    """Write a packed store by numpy alone, not by the code under test."""
    directory.mkdir(exist_ok=True)
    none = np.empty((0, N_MELS), dtype=np.float16)
    np.save(directory / FRAMES, np.concatenate([none, *mels.values()]))
    _write_index(directory, {song_id: len(mel) for song_id, mel in mels.items()})
    return directory


def write_empty(directory: Path, song_ids: list[str], n_frames: int) -> None:
    """A store whose songs are all zeros, which take no room on the disk."""
    shape = len(song_ids) * n_frames, N_MELS
    np.lib.format.open_memmap(directory / FRAMES, "w+", np.dtype("<f2"), shape)
    _write_index(directory, dict.fromkeys(song_ids, n_frames))


def _write_index(directory: Path, lengths: dict[str, int]) -> None:
    ends = np.cumsum(list(lengths.values())).tolist()
    rows = zip(lengths.items(), ends, strict=True)
    write_tsv(directory / INDEX, [(name, end - length, length, 9) for (name, length), end in rows])
    write_about(directory, directory, "step4", {"mel_settings": MEL_SETTINGS})


def write_published(directory: Path) -> Path:
    for song_id, mel in MELS.items():
        a, b, c = song_id[2:5]
        folder = directory / "spec" / a / b / c
        folder.mkdir(parents=True)
        np.save(folder / f"{song_id}.npy", mel.T.astype(np.float32))
    return directory


def all_frames(store: MelStore) -> np.ndarray:
    """Song after song, (frames, F)."""
    return np.concatenate([store.song(row) for row in range(len(store.song_ids))])


def plain_crop(song_id: str, first: int, length: int) -> np.ndarray:
    """The same, said frame by frame."""
    mel = MELS[song_id]
    silence = np.full(N_MELS, FLOOR_DB)
    return np.array([mel[t] if t < len(mel) else silence for t in range(first, first + length)])
