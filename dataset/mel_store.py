"""The mel spectrograms of a dataset directory: the packed store, the published layout, reading.

The packed store, written by step 4, is three files:

- `mel.npy`, float16 (frames of all songs, F), of F = 128 mel bands or 96: song after song, time
  first, so that a training chunk is one stretch of the file, which is memory-mapped.
- `mel_songs.tsv`: song id, first frame, number of frames, size of its source file in bytes, the
  start of the SHA-256 of its content, and what of its sound was cut or repaired; older stores lack
  the last two. A line is appended when the frames are on disk, so that it is also the journal of an
  unfinished run: what stands in `mel.npy` behind its last whole line does not count.
- `mel_skipped.tsv`, the report of the last run that came to its end: song id, file, reason.

How the spectrograms were made stands in `dataset.json`, steps.step4.mel_settings.

The published layout is one .npy file (128, frames) a song: `spec/<id[2]>/<id[3]>/<id[4]>/<id>.npy`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dataset.files import ABOUT, read_about, read_tsv
from encoders.musicnn_package import MEL_SETTINGS as MUSICNN_SETTINGS
from errors import UserError, one_line

N_MELS = 128
FLOOR_DB = -100.0  # silence: 10 log10 of the floor below

# Everything that decides what the numbers are. The mel filters are librosa's by default.
MEL_SETTINGS: dict[str, Any] = {
    "sample_rate": 22050,  # Hz; channels averaged, resampled by soxr at its high quality
    "n_fft": 1024,
    "hop_length": 512,
    "window": "hann",
    "n_mels": N_MELS,
    "f_min": 0.0,
    "f_max": 11025.0,
    "mel_scale": "slaney",
    "mel_norm": "slaney",
    "power": 2.0,
    "reference": 1.0,
    "floor": 1e-10,
    "centred": True,  # frame t is centred on sample t * hop_length ...
    "padding": "zeros",  # ... beyond both ends of the song
}

# The forms that a store may have: our own in dB, and that of musicnn, to fine-tune it.
SETTINGS: dict[str, dict[str, Any]] = {
    "own": MEL_SETTINGS,
    "musicnn": MEL_SETTINGS | MUSICNN_SETTINGS | {"scale": "log10(10000 power + 1)"},
}

FRAMES = "mel.npy"
INDEX = "mel_songs.tsv"
REPORT = "mel_skipped.tsv"
_STEP4 = "python -u step4_mel_spectrogram.py run DATA_PATH AUDIO_PATH"
START_AGAIN = f"remove {FRAMES} and {INDEX} and run step 4 again"


class StoredSong(NamedTuple):
    """A line of the index: where the frames of a song are, and of what file they were made."""

    song_id: str
    start: int
    n_frames: int
    source_bytes: int
    digest: str = ""
    note: str = ""


@dataclass(frozen=True)
class _Mels:
    """What both forms of the store have.

    Attributes
    ----------
    song_ids : list of str
        The S songs that it has, in the order of the file.
    n_frames : ndarray of int64, shape (S,)
        Number of frames of each song.
    """

    song_ids: list[str]
    n_frames: np.ndarray

    def rows_of(self, song_ids: Iterable[str]) -> np.ndarray:
        """Positions of songs in `song_ids`, (n,) int64; `KeyError` for one that is not there."""
        row_of = {song_id: row for row, song_id in enumerate(self.song_ids)}
        return np.array([row_of[song_id] for song_id in song_ids], dtype=np.int64)


@dataclass(frozen=True)
class PackedMels(_Mels):
    """The packed store, opened.

    Attributes
    ----------
    song_ids, n_frames
        As in `_Mels`.
    starts : ndarray of int64, shape (S,)
        First frame of each song.
    frames : memmap of float16, shape (frames of all songs, F)
        dB, unless the settings say otherwise.
    settings : dict
        How they were made: one of `SETTINGS`.
    """

    starts: np.ndarray
    frames: np.memmap
    settings: dict[str, Any] = field(default_factory=lambda: MEL_SETTINGS)

    def song(self, row: int) -> np.ndarray:
        """Spectrogram of a song: float16 (frames, F), read from the disk where it is used."""
        return self.frames[self.starts[row] : self.starts[row] + self.n_frames[row]]


@dataclass(frozen=True)
class PublishedMels(_Mels):
    """The published layout, opened: a file a song.

    Attributes
    ----------
    song_ids, n_frames
        As in `_Mels`, of the songs that have a file.
    files : list of Path
        The file of each song, (128, frames).
    """

    files: list[Path]
    settings = MEL_SETTINGS

    def song(self, row: int) -> np.ndarray:
        """Spectrogram of a song: float (frames, 128), read from the disk where it is used."""
        return np.load(self.files[row], mmap_mode="r").T


MelStore = PackedMels | PublishedMels


def open_mel_store(directory: Path, song_ids: Iterable[str]) -> MelStore:
    """Open the packed store of a dataset directory, or else its published layout.

    Parameters
    ----------
    directory : Path
        The dataset directory.
    song_ids : iterable of str
        The songs to look for in the published layout; the packed store is opened whole.

    Raises
    ------
    UserError
        Neither is there; or it was made with other settings, is damaged or cut short.
    """
    if (directory / INDEX).is_file() or (directory / FRAMES).is_file():
        return _open_packed(directory)
    files = {name: published_file(directory, name) for name in song_ids if name}
    files = {name: file for name, file in files.items() if file.is_file()}
    if not files:
        raise UserError(
            f"{directory} has no mel spectrograms, neither {FRAMES} nor spec/: {_STEP4} makes them"
        )
    n_frames = [published_shape(file)[1] for file in files.values()]
    return PublishedMels(list(files), np.array(n_frames, dtype=np.int64), list(files.values()))


def skipped_songs(directory: Path) -> dict[str, str]:
    """Read the report of step 4: id of each song that has no spectrogram -> reason."""
    if not (directory / REPORT).is_file():
        return {}
    return {song_id: reason for song_id, _, reason in read_tsv(directory / REPORT, 3)}


def unfinished_songs(store: MelStore, song_ids: Iterable[str], directory: Path) -> list[str]:
    """List the songs that are neither in the store nor in the report: step 4 has yet to do them."""
    done = set(store.song_ids) | set(skipped_songs(directory))
    return [song_id for song_id in song_ids if song_id not in done]


def same_audio(directory: Path) -> list[list[str]]:
    """Groups of songs, two or more each, whose source files were the same bit for bit.

    Empty where the store is not there, or from before contents were noted.
    """
    groups: dict[tuple[int, str], list[str]] = {}
    for song in read_index(directory):
        if song.digest:
            groups.setdefault((song.source_bytes, song.digest), []).append(song.song_id)
    return [group for group in groups.values() if len(group) > 1]


def silence(settings: dict[str, Any]) -> float:
    """What stands for silence in spectrograms of these settings."""
    return 0.0 if settings == SETTINGS["musicnn"] else FLOOR_DB


def read_settings(directory: Path, wanted: str | None = None) -> dict[str, Any]:
    """Read how the store was made.

    `UserError` if `dataset.json` does not say that it is any of `SETTINGS`, or the one `wanted`.
    """
    theirs = read_about(directory).get("steps", {}).get("step4", {}).get("mel_settings")
    if not isinstance(theirs, dict):
        raise UserError(
            f"{directory / ABOUT} does not say how {FRAMES} was made (steps.step4.mel_settings): "
            f"bring back that file, or {START_AGAIN}"
        )
    if theirs not in ([SETTINGS[wanted]] if wanted else SETTINGS.values()):
        ours = SETTINGS[wanted or "own"]
        names = sorted(ours.keys() | theirs.keys())
        name = next(name for name in names if theirs.get(name) != ours.get(name))
        raise UserError(
            f"{directory / FRAMES} was made with {name} {theirs.get(name)} instead of "
            f"{ours.get(name)}: {START_AGAIN}"
        )
    return theirs


# ---------------------------------------------------------------- the packed store


def _open_packed(directory: Path) -> PackedMels:
    index = read_index(directory)
    if not index:
        raise UserError(f"{directory / INDEX} lists no song: {_STEP4} makes the spectrograms")
    settings = read_settings(directory)
    n_mels = settings["n_mels"]
    check_frames(directory, index, n_mels)
    total = index[-1].start + index[-1].n_frames
    file = directory / FRAMES
    return PackedMels(
        song_ids=[song.song_id for song in index],
        n_frames=np.array([song.n_frames for song in index], dtype=np.int64),
        starts=np.array([song.start for song in index], dtype=np.int64),
        # The index counts: the header knows only what the last run that came to its end wrote.
        frames=np.memmap(file, "<f2", "r", data_offset(file, n_mels), (total, n_mels)),
        settings=settings,
    )


def check_frames(directory: Path, index: list[StoredSong], n_mels: int) -> None:
    """Raise `UserError` unless `mel.npy` is in form and holds all frames of the index."""
    file = directory / FRAMES
    total = index[-1].start + index[-1].n_frames
    if data_offset(file, n_mels) + frame_bytes(total, n_mels) > file.stat().st_size:
        raise UserError(
            f"{file} is cut short, {INDEX} lists {total} frames: get it whole, or {START_AGAIN}"
        )


def read_index(
    directory: Path, name: str = INDEX, start_again: str = START_AGAIN
) -> list[StoredSong]:
    """Read the songs of the packed store, in its order; a torn last line does not count.

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


def frame_bytes(n_frames: int, n_mels: int) -> int:
    """Size of so many frames in the packed store."""
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


# ---------------------------------------------------------------- the published layout


def published_file(directory: Path, song_id: str) -> Path:
    """Where the published layout has the spectrogram of a song."""
    folders = [song_id[position : position + 1] or "_" for position in (2, 3, 4)]
    return directory.joinpath("spec", *folders, f"{song_id}.npy")


def published_shape(file: Path) -> tuple[int, int]:
    """Return (128, frames) of a published spectrogram, by its header alone.

    Raises
    ------
    UserError
        The file is damaged, cut short, or holds something else.
    """
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged file raises nearly anything
        raise UserError(
            f"{file} cannot be read ({one_line(error)}): remove or replace it"
        ) from None
    if array.ndim != 2 or array.dtype.kind != "f" or array.shape[0] != N_MELS or not array.size:
        raise UserError(
            f"{file} must hold a spectrogram ({N_MELS}, frames), not {array.dtype} of shape "
            f"{array.shape}: remove or replace it"
        )
    return array.shape
