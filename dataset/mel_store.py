"""The mel spectrograms of a dataset directory: the packed store, the published layout, reading.

The packed store, written by step 4, is the files that `mel_index.py` tells of, and
`mel_skipped.tsv`, the report of the last run that came to its end: song id, file, reason.

How the spectrograms were made stands in `dataset.json`, steps.step4.mel_settings.

The published layout is one .npy file (128, frames) a song: `spec/<id[2]>/<id[3]>/<id[4]>/<id>.npy`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dataset.files import ABOUT, alike, read_step, read_tsv
from dataset.mel_index import (
    FRAMES,
    INDEX,
    START_AGAIN,
    check_frames,
    frame_bytes,
    read_index,
    store_parts,
    stored_songs,
)
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

# The forms that a store may have, by the names that step 4 takes as --mel: our own in dB, and that
# of musicnn, to fine-tune it. With a `scale` they are in that of musicnn, else in dB.
SETTINGS: dict[str, dict[str, Any]] = {
    "own": MEL_SETTINGS,
    "musicnn": MEL_SETTINGS | MUSICNN_SETTINGS | {"scale": "log10(10000 power + 1)"},
}

REPORT = "mel_skipped.tsv"
_STEP4 = "python -u step4_mel_spectrogram.py run DATA_PATH AUDIO_PATH"


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
    files : list of Path
        Of frames, float16 (frames of its songs, F); dB, unless the settings say otherwise.
    file_of : ndarray of int64, shape (S,)
        Which of the files has a song.
    offsets : ndarray of int64, shape (S,)
        Where its first frame begins in the file, in bytes.
    settings : dict
        How they were made: one of `SETTINGS`.
    """

    files: list[Path]
    file_of: np.ndarray
    offsets: np.ndarray
    settings: dict[str, Any] = field(default_factory=lambda: MEL_SETTINGS)

    def song(self, row: int) -> np.ndarray:
        """Spectrogram of a song: float16 (frames, F), read from the disk where it is used."""
        shape = int(self.n_frames[row]), self.settings["n_mels"]
        # Mapped anew each time: a store of many parts would keep more files open than is allowed.
        return np.memmap(self.files[self.file_of[row]], "<f2", "r", self.offsets[row], shape)


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

    Of the latter the songs of `song_ids` that have a file; the packed store is opened whole.

    Raises
    ------
    UserError
        Neither is there; or it was made with other settings, is damaged or cut short.
    """
    if any((part / name).is_file() for part in store_parts(directory) for name in (INDEX, FRAMES)):
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
    songs = [song for song in stored_songs(directory).values() if song.digest]
    groups = alike(songs, lambda song: (song.source_bytes, song.digest))
    return [[song.song_id for song in group] for group in groups]


def silence(settings: dict[str, Any]) -> float:
    """What stands for silence in the scale of these settings, which is dB where they name none."""
    return 0.0 if "scale" in settings else FLOOR_DB


def read_settings(directory: Path, wanted: str | None = None) -> dict[str, Any]:
    """Read how the store was made.

    `UserError` if `dataset.json` does not say that it is any of `SETTINGS`, or the one `wanted`.
    """
    theirs = read_step(directory, "step4").get("mel_settings")
    if not isinstance(theirs, dict):
        raise UserError(
            f"{directory / ABOUT} does not say how {FRAMES} was made (steps.step4.mel_settings): "
            f"bring back that file, or {START_AGAIN}"
        )
    if theirs not in ([SETTINGS[wanted]] if wanted else SETTINGS.values()):
        ours = SETTINGS[wanted or "own"]
        names = sorted(ours.keys() | theirs.keys())
        name = next(name for name in names if theirs.get(name) != ours.get(name))
        same = [f"run step 4 with --mel {form}" for form, one in SETTINGS.items() if one == theirs]
        raise UserError(
            f"{directory / FRAMES} was made with {name} {theirs.get(name)} instead of "
            f"{ours.get(name)}: {', or '.join([*same, START_AGAIN])}"
        )
    return theirs


# ---------------------------------------------------------------- the packed store


def _open_packed(directory: Path) -> PackedMels:
    parts = [(part, index) for part in store_parts(directory) if (index := read_index(part))]
    if not parts:
        raise UserError(f"{directory / INDEX} lists no song: {_STEP4} makes the spectrograms")
    settings = read_settings(directory)
    n_mels = settings["n_mels"]
    songs: dict[str, tuple[int, int, int]] = {}  # number of frames, file, offset
    for number, (part, index) in enumerate(parts):
        # The index counts: the header knows only what the last run that came to its end wrote.
        begin = check_frames(part, index, n_mels)
        for song in index:
            place = song.n_frames, number, begin + frame_bytes(song.start, n_mels)
            songs.setdefault(song.song_id, place)
    n_frames, file_of, offsets = np.array(list(songs.values()), dtype=np.int64).T
    files = [part / FRAMES for part, _ in parts]
    return PackedMels(list(songs), n_frames, files, file_of, offsets, settings)


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
