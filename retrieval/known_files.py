"""Files of a folder beside the songs of an index: which are new, have moved, or are others by now.

As rsync does, size and time of a file are looked at; where these are others, its content is
compared, so that a copied collection costs one reading of its files.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from dataset.files import counted, normal_form, some
from errors import shown
from preprocessing.mel.sources import digest_of
from progress import progress
from retrieval.embedded_songs import OfFolder
from retrieval.song_index import IndexedSong


def compare(
    files: list[Path], folder: Path, known: Iterable[IndexedSong], times: Mapping[str, str]
) -> tuple[dict[Path, str], dict[Path, str], OfFolder]:
    """Compare the files below a folder with the known songs of an index, and its `times`.

    Returns
    -------
    new, again : dict of Path to str
        Song ids of files that the index lacks, and of those that are others than it has heard.
    of_folder : OfFolder
        The songs that have moved, those that are missing (a file that was moved and replaced as
        well is new to the index), and the times of files that were compared and are the same.
    """
    songs = list(known)
    at = {song.audio: song for song in songs if song.audio}
    pairs = [(file, at.get(str(file.resolve()))) for file in files]
    again, same = _changed([(file, song) for file, song in pairs if song], times)
    strangers = [file for file, song in pairs if song is None]
    here = {song.audio for _, song in pairs if song}
    named = (song for song in songs if song.audio and song.audio not in here)
    lost = [song for song in named if not os.path.isfile(song.audio)]
    moved = _moved(strangers, folder, lost)
    new = new_ids([file for file in strangers if file not in moved], folder, songs)
    found = {song.song_id: state_of(file) for file, song in moved.items()}
    missing = [song for song in lost if song.song_id not in found]
    return new, again, OfFolder([*moved.values()], times=same | found, missing=missing)


def state_of(file: Path) -> str:
    """Size and time of a file, by which one sees that it may be another; '' out of reach."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def _changed(
    there: Sequence[tuple[Path, IndexedSong]], times: Mapping[str, str]
) -> tuple[dict[Path, str], dict[str, str]]:
    """Files that are others by now -> song id; and the state of those that are the same."""
    doubtful = [
        (file, song)
        for file, song in there
        if song.digest and times.get(song.song_id) != state_of(file)
    ]
    again, same = {}, {}
    few = len(doubtful) < 100
    for file, song in progress(doubtful, "comparing files", unit=" files", disable=few):
        state, digest = state_of(file), _digest(file)
        if digest == song.digest:
            same[song.song_id] = state
        elif digest:
            again[file] = song.song_id
    return again, same


def _moved(
    strangers: list[Path], folder: Path, songs: Sequence[IndexedSong]
) -> dict[Path, IndexedSong]:
    """Files at new places -> those of songs, whose own files are gone, that have that content.

    Where the content is not known, the song id tells.
    """
    moved: dict[Path, IndexedSong] = {}
    lost: dict[str, list[IndexedSong]] = defaultdict(list)
    for song in songs:
        lost[song.digest or normal_form(song.song_id)].append(song)
    few = len(strangers) < 100 or not lost
    for file in progress(strangers, "comparing files", unit=" files", disable=few):
        if not fits_a_table(file):
            continue
        song_id = normal_form(str(file.relative_to(folder)))
        of_one = lost and (lost.get(_digest(file)) or lost.get(song_id))
        if of_one:  # of copies that by the same name
            song = max(of_one, key=lambda one: _same_end(song_id, normal_form(one.song_id)))
            of_one.remove(song)
            moved[file] = song._replace(audio=str(file.resolve()))
    return moved


def _same_end(one: str, other: str) -> int:
    """How many letters at their ends two names share."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _digest(file: Path) -> str:
    """Digest of a file, or '' if it is out of reach, which is told where it is to be embedded."""
    try:
        return digest_of(file)
    except OSError:
        return ""


def fits_a_table(file: Path) -> bool:
    """Whether a line of a UTF-8 table can hold the names of a file, that behind a link as well."""
    # Python puts surrogates for the bytes of a name that are no UTF-8.
    names = f"{file}{file.resolve()}"
    return not any(letter in "\t\r\n" or "\ud800" <= letter <= "\udfff" for letter in names)


# ---------------------------------------------------------------- ids


def new_ids(files: list[Path], folder: Path, known: Iterable[IndexedSong]) -> dict[Path, str]:
    """Song ids of files that are not known: their paths below the folder.

    Where another file has that id, as `track1.wav` of another album, the names of folders stand
    before it, as far up as is needed to tell the two apart, and a line says so.
    """
    digests = {normal_form(song.song_id): song.digest for song in known}
    ids = {file: str(file.relative_to(folder)) for file in files}
    clashing = [file for file in files if normal_form(ids[file]) in digests]
    taken = dict.fromkeys(map(normal_form, ids.values()), "") | digests
    longer = []
    for file in clashing:
        song_id = _longer_id(file, folder.resolve(), ids.pop(file), taken)
        if song_id:
            ids[file] = song_id
            taken[normal_form(song_id)] = ""
            longer.append(shown(song_id))
    if longer:
        print(
            f"{counted(len(longer), 'file')} by the names of other songs of the index, so their "
            f"song ids begin with their folder: {some(longer, 3)}"
        )
    return ids


def _longer_id(file: Path, folder: Path, song_id: str, taken: dict[str, str]) -> str:
    """Put folders before a song id until no other song has it; '' if a song has file and id.

    `taken` has the digest of the song of each id: a folder that was copied has no new songs.
    """
    digest = _digest(file) or "unknown"
    above = [str(folder.relative_to(one) / song_id) for one in folder.parents]
    for name in (song_id, *above):
        if taken.get(normal_form(name)) == digest:
            return ""
        if normal_form(name) not in taken:
            return name
    return str(folder / song_id)
