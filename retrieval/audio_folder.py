"""A folder of audio files, whatever hears them, to the songs of an index."""

from collections.abc import Callable, Container
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dataset.files import some
from errors import UserError
from preprocessing.mel.audio_files import READABLE, find_audio
from preprocessing.mel.sources import digest_of
from preprocessing.mel.worker_pool import map_in_order
from progress import progress
from retrieval.index_writing import EmbeddedSongs
from retrieval.song_index import IndexedSong, unit_length


class Hearing(NamedTuple):
    """How a file is embedded.

    Attributes
    ----------
    decode : callable
        File -> array, or the reason why there is none; runs in other processes.
    embed : callable
        That array -> ndarray of float32, shape (E,), of any length; runs here.
    n_processes : int
        How many decode.
    preload : str
        Module that they need.
    """

    decode: Callable[[Path], Any]
    embed: Callable[[np.ndarray], np.ndarray]
    n_processes: int
    preload: str


def embed_folder(hearing: Hearing, folder: Path, known: Container[str] = ()) -> EmbeddedSongs:
    """Embed the audio files below a folder, but those known; tells which cannot be read.

    Raises
    ------
    UserError
        No file is audio, none can be read, or none is new.
    """
    files, passed_over = find_audio(folder)
    if passed_over:
        endings = [
            f"{n} .{name}" if name else f"{n} without ending"
            for name, n in passed_over.most_common()
        ]
        print(
            f"{passed_over.total()} files passed over, which are not named as audio: "
            f"{some(endings, 8)}"
        )
    if not files:
        raise UserError(f"{folder} has no audio file ({', '.join(READABLE)}): give another folder")
    files = [file for file in files if str(file.relative_to(folder)) not in known]
    if not files:
        raise UserError(f"the index has every audio file in {folder}: there is none to add")
    found, reasons = hear_files(hearing, files)
    if reasons:
        told = [f"{file} ({why})" for file, why in reasons.items()]
        print(f"{len(reasons)} of {len(files)} files left out: {some(told, 3)}")
    if not found:
        raise UserError(f"none of the {len(files)} audio files in {folder} can be read")
    rows = [
        IndexedSong(
            str(file.relative_to(folder)), "", file.stem, str(file.resolve()), digest_of(file)
        )
        for file in found
    ]
    return EmbeddedSongs(unit_length(np.stack(list(found.values()))), rows, None)


def hear_files(
    hearing: Hearing, files: list[Path]
) -> tuple[dict[Path, np.ndarray], dict[Path, str]]:
    """Embeddings (E,) of the files that can be read, and why the others cannot."""
    found = {}
    reasons = {file: "name is not UTF-8 on one line" for file in files if not _fits_a_table(file)}
    files = [file for file in files if file not in reasons]
    decoded = map_in_order(hearing.decode, files, hearing.n_processes, preload=[hearing.preload])
    decoded = progress(decoded, "embedding", len(files), unit=" songs")
    for file, array in zip(files, decoded, strict=True):
        if isinstance(array, np.ndarray):
            found[file] = hearing.embed(array)
        else:
            reasons[file] = str(array)
    return found, reasons


def _fits_a_table(file: Path) -> bool:
    """Whether a line of a UTF-8 table can hold the name of a file."""
    # Python puts surrogates for the bytes of a name that are no UTF-8.
    return not any(letter in "\t\r\n" or "\ud800" <= letter <= "\udfff" for letter in str(file))
