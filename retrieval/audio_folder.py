"""A folder of audio files, whatever hears them, to the songs of an index."""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dataset.files import counted, normal_form, some
from errors import UserError
from preprocessing.mel.audio_files import READABLE, find_audio
from preprocessing.mel.ffmpeg import names_in_tags
from preprocessing.mel.sources import digest_of
from preprocessing.mel.worker_pool import map_in_order
from progress import progress
from retrieval.index_writing import EmbeddedSongs
from retrieval.song_index import IndexedSong, unit_length


class Decoded(NamedTuple):
    """What is read of a file: what `Hearing.decode` gives, and the names in the file's tags."""

    what: np.ndarray | str
    artist: str = ""
    title: str = ""

    @property
    def nbytes(self) -> int:
        """Its size while it waits for its turn, see `map_in_order`."""
        return getattr(self.what, "nbytes", 0)


class Hearing(NamedTuple):
    """How a file is embedded.

    Attributes
    ----------
    decode : callable
        File -> ndarray, or the reason why there is none; runs in other processes.
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


def embed_folder(
    hearing: Hearing, folder: Path, known: Iterable[IndexedSong] = ()
) -> EmbeddedSongs:
    """Embed the audio files below a folder, but those known; tells which cannot be read.

    The files of the index's `known` songs are left out, and no other file gets the id of one.

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
            f"{counted(passed_over.total(), 'file')} passed over, not named as audio: "
            f"{some(endings, 8)}"
        )
    if not files:
        raise UserError(f"{folder} has no audio file ({', '.join(READABLE)}): give another folder")
    n_files, song_ids = len(files), new_ids(files, folder, known)
    if not song_ids:
        raise UserError(f"the index has every audio file in {folder}: there is none to add")
    files = list(song_ids)
    found, reasons = hear_files(hearing, files)
    if reasons:
        told = [f"{file} ({why})" for file, why in reasons.items()]
        print(f"{len(reasons)} of {len(files)} files left out: {some(told, 3)}")
    if not found:
        what = f"none of the {n_files} audio files in {folder} can be read"
        if len(files) < n_files:
            what = f"the index has every audio file in {folder} that can be read: none to add"
        raise UserError(what)
    rows = [song._replace(song_id=song_ids[file]) for file, (song, _) in found.items()]
    vectors = np.stack([vector for _, vector in found.values()])
    return EmbeddedSongs(unit_length(vectors), rows, None)


def new_ids(files: list[Path], folder: Path, known: Iterable[IndexedSong]) -> dict[Path, str]:
    """Song ids of the files that are not known: their paths below the folder.

    Where another file has that id, as `track1.wav` of another album, the names of folders stand
    before it, as far up as is needed to tell the two apart, and a line says so.
    """
    heard, digests = set(), {}
    for song in known:
        heard.add(song.audio)
        digests[normal_form(song.song_id)] = song.digest
    files = [file for file in files if str(file.resolve()) not in heard]
    ids = {file: str(file.relative_to(folder)) for file in files}
    clashing = [file for file in files if normal_form(ids[file]) in digests]
    taken = dict.fromkeys(map(normal_form, ids.values()), "") | digests
    longer = []
    for file in clashing:
        song_id = _longer_id(file, folder.resolve(), ids.pop(file), taken)
        if song_id:
            ids[file] = song_id
            taken[normal_form(song_id)] = ""
            longer.append(song_id)
    if longer:
        print(
            f"{counted(len(longer), 'file')} by the names of other songs of the index, so their "
            f"song ids begin with their folder: {some(longer, 3)}"
        )
    return ids


def _longer_id(file: Path, folder: Path, song_id: str, taken: dict[str, str]) -> str:
    """Put folders before a song id until no other song has it; '' if a song has file and id.

    `taken` has the digest of the song of each id: a folder that was moved has no new songs.
    """
    try:
        digest = digest_of(file)
    except OSError:  # told where it is to be embedded
        digest = "unknown"
    above = [str(folder.relative_to(one) / song_id) for one in folder.parents]
    for name in (song_id, *above):
        if taken.get(normal_form(name)) == digest:
            return ""
        if normal_form(name) not in taken:
            return name
    return str(folder / song_id)


def hear_files(
    hearing: Hearing, files: list[Path]
) -> tuple[dict[Path, tuple[IndexedSong, np.ndarray]], dict[Path, str]]:
    """Songs without ids, and embeddings (E,), of the files that can be read; why others cannot."""
    found = {}
    reasons = {file: "name is not UTF-8 on one line" for file in files if not _fits_a_table(file)}
    files = [file for file in files if file not in reasons]
    read = functools.partial(_read, hearing.decode)
    each = map_in_order(read, files, hearing.n_processes, preload=[hearing.preload])
    each = progress(each, "embedding", len(files), unit=" songs")
    for file, one in zip(files, each, strict=True):
        if isinstance(one, Decoded) and isinstance(one.what, np.ndarray):
            place, digest = str(file.resolve()), digest_of(file)
            song = IndexedSong("", one.artist, one.title, place, digest)
            found[file] = song, hearing.embed(one.what)
        else:
            reasons[file] = str(one.what if isinstance(one, Decoded) else one)
    return found, reasons


def _read(decode: Callable[[Path], np.ndarray | str], file: Path) -> Decoded:
    """What a file holds, and its names; runs in other processes, for damage may end them."""
    what = decode(file)
    return Decoded(what) if isinstance(what, str) else Decoded(what, *names_in_tags(file))


def _fits_a_table(file: Path) -> bool:
    """Whether a line of a UTF-8 table can hold the names of a file, that behind a link as well."""
    # Python puts surrogates for the bytes of a name that are no UTF-8.
    names = f"{file}{file.resolve()}"
    return not any(letter in "\t\r\n" or "\ud800" <= letter <= "\udfff" for letter in names)
