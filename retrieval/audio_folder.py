"""A folder of audio files, whatever hears them, to the songs of an index."""

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dataset.files import counted, some
from errors import UserError, shown
from preprocessing.mel.audio_files import READABLE, find_audio
from preprocessing.mel.ffmpeg import names_in_tags
from preprocessing.mel.sources import digest_of
from preprocessing.mel.worker_pool import map_in_order
from progress import progress
from retrieval.embedded_songs import EmbeddedSongs, no_songs
from retrieval.folder_report import examples
from retrieval.known_files import compare, fits_a_table, state_of
from retrieval.song_index import IndexedSong, unit_length


class Decoded(NamedTuple):
    """What is read of a file: what `Hearing.decode` gives, and the names in the file's tags."""

    what: np.ndarray
    note: str
    artist: str
    title: str

    @property
    def nbytes(self) -> int:
        """Its size while it waits for its turn, see `map_in_order`."""
        return self.what.nbytes


class Hearing(NamedTuple):
    """How a file is embedded."""

    # In other processes: file -> array, and what of its sound was cut or repaired, or '';
    # `AudioError` where there is none.
    decode: Callable[[Path], tuple[np.ndarray, str]]
    embed: Callable[[np.ndarray], np.ndarray]  # here: that array -> float32 (E,), of any length
    n_processes: int  # how many decode
    preload: str  # module that they need


class Heard(NamedTuple):
    """What became of files."""

    found: dict[Path, tuple[IndexedSong, np.ndarray]]  # without ids; embeddings, float32 (E,)
    reasons: dict[Path, str]  # why others cannot be read
    notes: dict[Path, str]  # what of the sound of those found was cut or repaired


def embed_folder(
    hearing: Hearing,
    folder: Path,
    known: Iterable[IndexedSong] = (),
    times: Mapping[str, str] | None = None,
) -> EmbeddedSongs:
    """Embed the audio files below a folder, but those that the index knows.

    The files of its `known` songs are left out, unless they are others now than at its `times`, and
    no other file gets the id of one.

    Raises
    ------
    UserError
        No file is audio, or none can be read.
    """
    files = _audio_in(folder)
    new, again, of_folder = compare(files, folder, known, times or {})
    song_ids = new | again
    states = {file: state_of(file) for file in song_ids}
    heard = hear_files(hearing, list(song_ids))
    if len(heard.reasons) == len(files):
        raise UserError(
            f"none of the {len(files)} audio files in {folder} can be read: "
            f"{examples(heard.reasons)}: convert them, or give another folder"
        )
    if not (heard.found or of_folder.moved):
        readable = " that can be read" if heard.reasons else ""
        print(f"the index has every audio file in {folder}{readable}: there is nothing to add")
    now = {song_ids[file]: states[file] for file in heard.found}
    of_folder = of_folder._replace(
        again=frozenset(again[file] for file in again if file in heard.found),
        times={**of_folder.times, **now},
        heard=list(song_ids),
        left_out=heard.reasons,
        repaired=heard.notes,
    )
    if not heard.found:
        return no_songs()._replace(of_folder=of_folder)
    rows = [song._replace(song_id=song_ids[file]) for file, (song, _) in heard.found.items()]
    vectors = np.stack([vector for _, vector in heard.found.values()])
    return EmbeddedSongs(unit_length(vectors), rows, None, of_folder)


def _audio_in(folder: Path) -> list[Path]:
    """Audio files below a folder; says which others there are."""
    files, passed_over = find_audio(folder)
    if passed_over:
        endings = [
            f"{n} .{shown(name)}" if name else f"{n} without ending"
            for name, n in passed_over.most_common()
        ]
        print(
            f"{counted(passed_over.total(), 'file')} passed over, not named as audio: "
            f"{some(endings, 8)}"
        )
    if not files:
        raise UserError(f"{folder} has no audio file ({', '.join(READABLE)}): give another folder")
    return files


def hear_files(hearing: Hearing, files: list[Path]) -> Heard:
    """Read and embed files."""
    reasons = {file: "name is not UTF-8 on one line" for file in files if not fits_a_table(file)}
    files = [file for file in files if file not in reasons]
    heard = Heard({}, reasons, {})
    if not files:
        return heard
    read = functools.partial(_read, hearing.decode)
    each = map_in_order(read, files, hearing.n_processes, preload=[hearing.preload])
    each = progress(each, "embedding", len(files), unit=" songs")
    for file, one in zip(files, each, strict=True):
        if isinstance(one, Decoded):
            place, digest = str(file.resolve()), digest_of(file)
            song = IndexedSong("", one.artist, one.title, place, digest)
            heard.found[file] = song, hearing.embed(one.what)
            heard.notes.update({file: one.note} if one.note else {})
        else:
            reasons[file] = str(one)
    return heard


def _read(decode: Callable[[Path], tuple[np.ndarray, str]], file: Path) -> Decoded:
    """What a file holds, and its names; runs in other processes, for damage may end them."""
    return Decoded(*decode(file), *names_in_tags(file))
