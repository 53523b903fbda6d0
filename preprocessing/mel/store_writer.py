"""Appending songs to the packed mel store so that a run can be killed at any moment.

Frames first, then the line of the index: see `mel_store.py`. What a killed run left behind the
last whole line is cut off when the next run opens the store, so that it ends with the same bytes as
a run that was never interrupted.
"""

import contextlib
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dataset.files import read_about
from dataset.mel_index import (
    FRAMES,
    INDEX,
    START_AGAIN,
    StoredSong,
    check_frames,
    frame_bytes,
    index_line,
    read_index,
    store_parts,
    stored_songs,
)
from dataset.mel_store import SETTINGS, read_settings
from dataset.moving import alone
from dataset.writing import staged, write_about
from errors import UserError
from preprocessing.mel.sources import MEL_FILES

COMMIT_SECONDS = 0.5  # what a kill can cost; each commit waits for the disk


@contextlib.contextmanager
def open_writer(directory: Path, made_from: str, form: str = "own") -> Iterator["StoreWriter"]:
    """Open the packed store of a dataset directory for appending; begin it if there is none.

    One store holds one kind: `made_from` 'audio' or 'published', and one `form` of `SETTINGS`.

    Raises
    ------
    UserError
        The store there is damaged, made with other settings or from another kind of source; another
        run is writing to it; or the directory cannot be written to.
    """
    with alone(directory):
        songs = _checked_songs(directory, made_from, form)
        about = {"made_from": made_from, "mel_settings": SETTINGS[form]}
        try:
            with (
                _opened(directory, FRAMES) as frames,
                _opened(directory, INDEX) as index,
                contextlib.closing(StoreWriter(directory, about, songs, frames, index)) as writer,
            ):
                yield writer
        finally:
            if not songs:  # nothing half-written
                for name in (FRAMES, INDEX):
                    with contextlib.suppress(OSError):
                        (directory / name).unlink()


class StoreWriter:
    """What `open_writer` gives: a `song_run.Writer`.

    Its `songs` are those of all parts of the store. Others may add a part, and enter it.
    """

    files = MEL_FILES

    def __init__(
        self,
        directory: Path,
        about: dict[str, Any],
        songs: dict[str, StoredSong],
        frames: BinaryIO,
        index: BinaryIO,
    ):
        self.songs = songs
        self._directory = directory
        self._about, self._settings = about, about["mel_settings"]
        self._frames, self._index = frames, index
        self._n_frames = sum(song.n_frames for song in read_index(directory))
        self._is_described = bool(songs)
        self._lines: list[str] = []  # of songs whose frames may not be on the disk yet
        self._last_commit = time.monotonic()
        with _explained(directory):
            self._cut()

    def _cut(self) -> None:
        """Cut both files to the whole lines of the index."""
        n_mels = self._settings["n_mels"]
        header = frames_header(0, n_mels)
        if not self._n_frames:
            self._frames.write(header)
        self._frames.truncate(len(header) + frame_bytes(self._n_frames, n_mels))
        self._frames.seek(0, os.SEEK_END)
        self._index.truncate(self._index.read().rfind(b"\n") + 1)
        self._index.seek(0, os.SEEK_END)

    def append(
        self, song_id: str, mel: np.ndarray, source_bytes: int, digest: str = "", note: str = ""
    ) -> None:
        """Add the frames (n, F) of a song; of its source say what `StoredSong` has."""
        with _explained(self._directory):
            self._frames.write(np.ascontiguousarray(mel, dtype="<f2").data)
        song = StoredSong(song_id, self._n_frames, len(mel), source_bytes, digest, note)
        self.songs[song_id] = song
        self._n_frames += len(mel)
        self._lines.append(index_line(song))
        if time.monotonic() - self._last_commit > COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Make sure that everything appended so far outlives whatever happens."""
        if not self._lines:
            return
        # Taken first: interrupted anywhere below, `close` must not write a line twice.
        lines, self._lines = self._lines, []
        with _explained(self._directory):
            to_disk(self._frames)
            self.describe_form()
            self._index.write("".join(lines).encode("utf-8"))
            to_disk(self._index)
        self._last_commit = time.monotonic()

    def describe_form(self) -> None:
        """Say in `dataset.json` how spectrograms are made, before the first: none without that."""
        if not self._is_described:
            self._note({})
            self._is_described = True

    def describe(self, facts: dict) -> None:
        """Commit, and write `facts` about the store to `dataset.json`, beside how it was made."""
        self.commit()
        n_frames = sum(song.n_frames for song in self.songs.values())
        seconds = n_frames * self._settings["hop_length"] / self._settings["sample_rate"]
        self._note({"songs": len(self.songs), "hours": round(seconds / 3600, 3)} | facts)

    def _note(self, facts: dict) -> None:
        with staged(self._directory) as stage:
            write_about(stage, self._directory, "step4", self._about | facts)

    def close(self) -> None:
        """Write what is left and bring the header up to date."""
        self.commit()
        with _explained(self._directory):
            self._frames.seek(0)
            self._frames.write(frames_header(self._n_frames, self._settings["n_mels"]))
            self._frames.flush()


def _checked_songs(directory: Path, made_from: str, form: str) -> dict[str, StoredSong]:
    songs = stored_songs(directory)
    if not songs:
        return {}
    n_mels = read_settings(directory, form)["n_mels"]
    for part in store_parts(directory):
        if index := read_index(part):
            check_frames(part, index, n_mels)
    there = read_about(directory)["steps"]["step4"].get("made_from")
    if there != made_from:
        raise UserError(
            f"{directory / FRAMES} was made from {there} files, and one store holds one kind: "
            f"{START_AGAIN}"
        )
    return songs


@contextlib.contextmanager
def _opened(directory: Path, name: str) -> Iterator[BinaryIO]:
    with _explained(directory):
        (directory / name).touch()
        stream = open(directory / name, "r+b")  # noqa: SIM115 - closed below, where errors are old
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):  # what cannot be written has been told
            stream.close()


@contextlib.contextmanager
def _explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{directory / FRAMES} cannot be written ({error.strerror}): see to that and run step "
            "4 again, it goes on where it was"
        ) from None


def frames_header(n_frames: int, n_mels: int) -> bytes:
    """Header of the .npy file; 128 bytes for any number of frames."""
    stream = io.BytesIO()
    about = {"descr": "<f2", "fortran_order": False, "shape": (n_frames, n_mels)}
    np.lib.format.write_array_header_1_0(stream, about)
    return stream.getvalue()


def to_disk(stream: BinaryIO) -> None:
    """Let what was written outlive whatever happens."""
    stream.flush()
    os.fsync(stream.fileno())
