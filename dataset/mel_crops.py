"""Stretches of songs read from the disk, where the spectrograms do not fit into memory.

The packed store is read, not used through its memory map: pages of a map count as this program's
own memory for as long as it runs, and a file that has become shorter would end it without a word.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataset.mel_index import frame_bytes
from dataset.mel_store import MelStore, PackedMels, silence
from errors import UserError


def read_crops(store: MelStore, rows: np.ndarray, first: np.ndarray, length: int) -> np.ndarray:
    """Read a stretch of each of B songs; silence past the end of a song.

    Parameters
    ----------
    store : MelStore
        The spectrograms.
    rows, first : ndarray of int64, shape (B,)
        Positions in `store.song_ids`, and the first frame of each stretch.
    length : int
        Frames of a stretch.

    Returns
    -------
    ndarray of float16, shape (B, length, F)

    Raises
    ------
    UserError
        The packed store has become shorter than it was when it was opened.
    """
    shape = len(rows), length, store.settings["n_mels"]
    crops = np.full(shape, silence(store.settings), dtype=np.float16)
    n_frames = np.clip(store.n_frames[rows] - first, 0, length)
    stretches = [crop[:n] for crop, n in zip(crops, n_frames, strict=True)]
    if isinstance(store, PackedMels):
        offsets = store.offsets[rows] + frame_bytes(first, shape[-1])
        for number in np.unique(store.file_of[rows]):
            here = np.flatnonzero(store.file_of[rows] == number)
            _read_packed(store.files[number], offsets[here].tolist(), [stretches[k] for k in here])
    else:
        for stretch, row, start in zip(stretches, rows, first, strict=True):
            stretch[:] = store.song(row)[start : start + len(stretch)]
    return crops


def _read_packed(file: Path, offsets: list[int], stretches: Sequence[np.ndarray]) -> None:
    """Fill each stretch with what stands in the file from its offset on."""
    with open(file, "rb", buffering=0) as stream:
        if hasattr(os, "posix_fadvise"):  # the disk is told of all, and seeks in its own order
            for offset, stretch in zip(offsets, stretches, strict=True):
                if stretch.nbytes:  # none would mean all up to the end of the file
                    now = os.POSIX_FADV_WILLNEED
                    os.posix_fadvise(stream.fileno(), offset, stretch.nbytes, now)
        for offset, stretch in zip(offsets, stretches, strict=True):
            stream.seek(offset)
            if stream.readinto(stretch.data) < stretch.nbytes:
                raise UserError(
                    f"{file} has become shorter while it was read: get it whole and start again"
                )
