"""Vectors of the songs, as step 5 keeps them: some are lost when it is killed, none is wrong.

- `NAME_songs.npy`, float32 (N, C): a row a song, NaN where there is none (yet).
- `NAME_song_ids.npy`: which song each row belongs to. After step 1 these are the songs of the split
  in its order; a later split finds its rows by it.
- `NAME_songs.tsv`: the index of the songs that have a vector, in the form of `mel_songs.tsv`.
- `NAME_skipped.tsv`, `NAME_times.tsv`: as of step 4.

All are written anew from time to time, whole or not at all.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dataset.files import read_npy, read_step, read_strings
from dataset.mel_index import StoredSong, read_index
from dataset.moving import alone
from dataset.writing import staged, write_about, write_tsv
from errors import UserError
from preprocessing.mel.sources import StoreFiles

STEP = "step5"  # in dataset.json, which says of each NAME how its vectors were made
COMMIT_SECONDS = 5.0  # what a kill can cost; more where writing would take a twentieth of the time


def vector_files(name: str) -> StoreFiles:
    """The files of the vectors `name`."""
    data, index = f"{name}_songs.npy", f"{name}_songs.tsv"
    return StoreFiles(
        what=f"{name} vectors",
        data=data,
        index=index,
        report=f"{name}_skipped.tsv",
        times=f"{name}_times.tsv",
        start_again=f"remove {data}, {name}_song_ids.npy and {index} and run step 5 again",
    )


@contextlib.contextmanager
def open_vector_writer(
    directory: Path, name: str, song_ids: list[str], about: dict
) -> Iterator["VectorWriter"]:
    """Open the vectors `name` of a dataset directory for more; begin them if there are none.

    There will be a row for each of `song_ids`, in this order; vectors of other songs are dropped.
    `about` says how the vectors are made, for `dataset.json`.

    Raises
    ------
    UserError
        The vectors there are damaged or were made otherwise, or another run is writing.
    """
    with alone(directory):
        writer = VectorWriter(directory, name, song_ids, about)
        is_done = False
        try:
            yield writer
            is_done = True
        finally:  # what was refused leaves the files as they were
            if writer.songs and (is_done or writer.has_news):
                writer.commit()


class VectorWriter:
    """What `open_vector_writer` gives: a `song_run.Writer`."""

    def __init__(self, directory: Path, name: str, song_ids: list[str], about: dict):
        self.files = vector_files(name)
        self._directory, self._song_ids, self._about = directory, song_ids, about
        self._name, self._ids_name = name, f"{name}_song_ids.npy"
        self._vectors = self._read()
        index = read_index(directory, self.files.index, self.files.start_again)
        self.songs = {song.song_id: song for song in index if song.song_id in self._vectors}
        self.has_news = False  # that are not written yet
        self._next_commit = time.monotonic() + COMMIT_SECONDS

    def _read(self) -> dict[str, np.ndarray]:
        """Vectors that are there, of songs that are wanted."""
        file, again = self._directory / self.files.data, self.files.start_again
        if not file.is_file():
            return {}
        there = read_step(self._directory, STEP).get(self._name, {})
        for what, value in self._about.items():
            if there.get(what) != value:
                raise UserError(
                    f"{file} was made with {what} {there.get(what)} instead of {value}: {again}"
                )
        vectors, song_ids = read_npy(file), read_strings(self._directory / self._ids_name)
        if vectors.ndim != 2 or vectors.dtype != np.float32 or len(vectors) != len(song_ids):
            raise UserError(
                f"{file} holds {vectors.dtype} of shape {vectors.shape}, not a row of float32 for "
                f"each of the {len(song_ids)} songs of {self._ids_name}: {again}"
            )
        has_vector = np.isfinite(vectors).all(axis=1)
        found = {song_ids[row]: vectors[row] for row in np.flatnonzero(has_vector)}
        return {song_id: found[song_id] for song_id in self._song_ids if song_id in found}

    def append(
        self, song_id: str, array: np.ndarray, source_bytes: int, digest: str, note: str
    ) -> None:
        """Add the vector (C,) of a song; of its file say what `StoredSong` has."""
        self._vectors[song_id] = array
        self.songs[song_id] = StoredSong(song_id, 0, 1, source_bytes, digest, note)
        self.has_news = True
        if time.monotonic() > self._next_commit:
            self.commit()

    def commit(self) -> None:
        """Write all that was appended so far."""
        begun = time.monotonic()
        n_numbers = len(next(iter(self._vectors.values())))
        without = np.full(n_numbers, np.nan, dtype=np.float32)
        rows = [self._vectors.get(song_id, without) for song_id in self._song_ids]
        index = [song._replace(start=row) for row, song in enumerate(self.songs.values())]
        with staged(self._directory) as stage:
            np.save(stage / self.files.data, np.stack(rows).astype(np.float32))
            np.save(stage / self._ids_name, np.array(self._song_ids, dtype=str))
            write_tsv(stage / self.files.index, index)
            noted = read_step(self._directory, STEP) | {self._name: self._about}
            write_about(stage, self._directory, STEP, noted)
        self.has_news = False
        now = time.monotonic()
        self._next_commit = now + max(COMMIT_SECONDS, 20 * (now - begun))

    def describe(self, facts: dict) -> None:
        """Commit, and write `facts` to `dataset.json` beside how the vectors are made."""
        self._about = self._about | {"songs": len(self.songs)} | facts
        self.commit()
