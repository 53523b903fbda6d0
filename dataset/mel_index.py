"""The files of the packed mel store: frames, and the index that says whose they are.

- `mel.npy`, float16 (frames of all songs, F), of F = 128 mel bands or 96: song after song, time
  first, so that a training chunk is one stretch of the file.
- `mel_songs.tsv`: song id, first frame, number of frames, size of its source file in bytes, the
  start of the SHA-256 of its content, and what of its sound was cut or repaired; older stores lack
  the last two. A line is appended when the frames are on disk, so that it is also the journal of an
  unfinished run: what stands in `mel.npy` behind its last whole line does not count.

A store is a list of parts: the dataset directory, and each folder in its `mel_parts/`, have the two
files. Several machines write a part each; nothing is ever copied into one file.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from errors import UserError, one_line

FRAMES = "mel.npy"
INDEX = "mel_songs.tsv"
PARTS = "mel_parts"
START_AGAIN = f"remove {FRAMES}, {INDEX} and {PARTS}/ and run step 4 again"


class StoredSong(NamedTuple):
    """A line of the index: where the frames of a song are, and of what file they were made."""

    song_id: str
    start: int
    n_frames: int
    source_bytes: int
    digest: str = ""
    note: str = ""


def index_line(song: StoredSong) -> str:
    """The line of a song in the index."""
    return "\t".join(map(str, song)).rstrip("\t") + "\n"


def store_parts(directory: Path) -> list[Path]:
    """Folders of the parts of a store: the dataset directory first."""
    others = (directory / PARTS).glob("part-*") if (directory / PARTS).is_dir() else ()
    return [directory, *sorted(others)]


def stored_songs(directory: Path) -> dict[str, StoredSong]:
    """The songs of all parts, by song id.

    A song may be in two: of a machine that was given up, and of the one that did its work again.
    """
    songs: dict[str, StoredSong] = {}
    for part in store_parts(directory):
        for song in read_index(part):
            songs.setdefault(song.song_id, song)
    return songs


def read_index(
    directory: Path, name: str = INDEX, start_again: str = START_AGAIN
) -> list[StoredSong]:
    """Read the songs of a part, in its order; a torn last line does not count.

    Step 5's index `name` has the same form, and `start_again` says what to do if it is damaged.

    Raises
    ------
    UserError
        A line is damaged, or a song does not start where the one before ends.
    """
    file = directory / name
    songs, end = [], 0
    content = file.read_bytes() if file.is_file() else b""
    whole_lines = content.split(b"\n")[:-1]
    for number, line in enumerate(whole_lines, start=1):
        fields = line.decode("utf-8", "replace").split("\t")
        try:
            numbers: list[Any] = [int(field) for field in fields[1:4]]
            song = StoredSong(fields[0], *numbers, *fields[4:])
        except (TypeError, ValueError):  # a field too few or too many, or no number
            song = None
        if song is None or song.start != end or song.n_frames < 1:
            raise UserError(f"line {number} of {file} is damaged: {start_again}")
        songs.append(song)
        end += song.n_frames
    if len({song.song_id for song in songs}) < len(songs):
        raise UserError(f"{file} lists a song twice: {start_again}")
    return songs


def check_frames(directory: Path, index: list[StoredSong], n_mels: int) -> int:
    """Where the frames begin in `mel.npy`; `UserError` unless it holds all frames of the index."""
    file = directory / FRAMES
    total, begin = index[-1].start + index[-1].n_frames, data_offset(file, n_mels)
    if begin + frame_bytes(total, n_mels) > file.stat().st_size:
        raise UserError(
            f"{file} is cut short, {INDEX} lists {total} frames: get it whole, or {START_AGAIN}"
        )
    return begin


def frame_bytes(n_frames: Any, n_mels: int) -> Any:
    """Size of so many frames, a number or several, in the packed store."""
    return n_frames * n_mels * 2


def data_offset(file: Path, n_mels: int) -> int:
    """Where the frames begin in a packed store's .npy file, whose header is checked."""
    try:
        with open(file, "rb") as stream:
            np.lib.format.read_magic(stream)
            shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
            offset = stream.tell()
    except Exception as error:  # missing, or a damaged header, which raises nearly anything
        raise UserError(f"{file} cannot be read ({one_line(error)}): {START_AGAIN}") from None
    if shape[1:] != (n_mels,) or is_fortran or dtype != np.dtype("<f2"):
        raise UserError(
            f"{file} holds {dtype} of shape {shape} instead of float16 (frames, {n_mels}): "
            f"{START_AGAIN}"
        )
    return offset
