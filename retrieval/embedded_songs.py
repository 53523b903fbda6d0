"""Songs on their way into an index: what was embedded, and what a folder tells of known songs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dataset.files import counted
from retrieval.song_index import IndexedSong, SongIndex


class OfFolder(NamedTuple):
    """What a folder of audio tells besides its new songs."""

    moved: Sequence[IndexedSong] = ()  # songs that an index has, with the place of their file now
    again: frozenset[str] = frozenset()  # ids of those whose file is another: embedded again
    times: Mapping[str, str] = {}  # song id -> size and time of its file, `known_files.state_of`
    heard: Sequence[Path] = ()  # files that were to be embedded now
    left_out: Mapping[Path, str] = {}  # of these: why one is not in the index
    repaired: Mapping[Path, str] = {}  # of these: what of the sound of one was cut or repaired
    missing: Sequence[IndexedSong] = ()  # in the index; their file is not where it was, nor found

    def tell_changes(self) -> None:
        """Say of how many songs the file is at another place, or another."""
        if self.moved:
            is_one = len(self.moved) == 1
            found = "has moved: its file is" if is_one else "have moved: their files are"
            print(f"{counted(len(self.moved), 'song')} {found} found anew")
        if self.again:
            whose = "song whose file has" if len(self.again) == 1 else "songs whose files have"
            print(f"{len(self.again)} {whose} changed: embedded again")


class EmbeddedSongs(NamedTuple):
    """Songs to be written."""

    embeddings: np.ndarray  # float (n, E), each of length 1
    songs: Sequence[IndexedSong]
    song_tags: np.ndarray | None  # bool (n, T): whether a song bears a tag, where that is known
    of_folder: OfFolder = OfFolder()

    def cut(self, first: int, n: int) -> "EmbeddedSongs":
        """Return n of them from the first on."""
        stretch = slice(first, first + n)
        tags = None if self.song_tags is None else self.song_tags[stretch]
        return EmbeddedSongs(self.embeddings[stretch], self.songs[stretch], tags)

    def only(self, rows: Sequence[int]) -> "EmbeddedSongs":
        """Return those of some rows."""
        tags = None if self.song_tags is None else self.song_tags[rows]
        songs = [self.songs[row] for row in rows]
        return EmbeddedSongs(self.embeddings[rows], songs, tags, self.of_folder)


def no_songs() -> EmbeddedSongs:
    """Return what is embedded where there is nothing new."""
    return EmbeddedSongs(np.empty((0, 0), np.float32), [], None)


def joined(several: Sequence[EmbeddedSongs], n_tags: int) -> EmbeddedSongs:
    """Put songs one behind another; where the tags of some are not known, these have none."""
    several = [one for one in several if len(one.songs)] or [no_songs()]
    song_tags = None
    if any(one.song_tags is not None for one in several):
        song_tags = np.concatenate(
            [
                np.zeros((len(one.songs), n_tags), bool) if one.song_tags is None else one.song_tags
                for one in several
            ]
        )
    return EmbeddedSongs(
        np.concatenate([one.embeddings for one in several]),
        [song for one in several for song in one.songs],
        song_tags,
    )


# ---------------------------------------------------------------- songs that an index has


def rows_of(index: SongIndex, song_ids: set[str]) -> dict[str, int]:
    """Rows of songs by their ids, all in one reading; those that the index lacks are left out."""
    if not song_ids:
        return {}
    kept = [
        start + np.delete(np.arange(len(part)), part.removed)
        for part, start in zip(index.parts, index.starts, strict=False)
    ]
    rows = np.concatenate(kept).tolist()
    each = zip(rows, index.songs(), strict=True)
    return {song.song_id: row for row, song in each if song.song_id in song_ids}


def tags_at(index: SongIndex, rows: Sequence[int]) -> np.ndarray | None:
    """Which tags the songs of some rows bear, bool (n, T); None where no song's are known."""
    if not index.has_tags:
        return None
    n_tags = len(index.model.tags)
    found = np.zeros((len(rows), n_tags), dtype=bool)
    for at, row in enumerate(rows):
        part, row = index.place(row)
        if part.song_tags is not None:
            found[at] = np.unpackbits(part.song_tags[row], count=n_tags)
    return found


def with_old_tags(index: SongIndex, songs: EmbeddedSongs, rows: Mapping[str, int]) -> EmbeddedSongs:
    """Give songs that are embedded again, at `rows` before, the tags that the index has of them."""
    places = [at for at, song in enumerate(songs.songs) if song.song_id in rows]
    old = tags_at(index, [rows[songs.songs[at].song_id] for at in places])
    if songs.song_tags is not None or old is None or not places:
        return songs
    song_tags = np.zeros((len(songs.songs), len(index.model.tags)), dtype=bool)
    song_tags[places] = old
    return songs._replace(song_tags=song_tags)


def placed_anew(
    index: SongIndex, moved: Sequence[IndexedSong], rows: Mapping[str, int]
) -> EmbeddedSongs:
    """What an index has at `rows` of songs that have moved, with their new places."""
    here = [song for song in moved if song.song_id in rows]
    old = [rows[song.song_id] for song in here]
    return EmbeddedSongs(index.vectors(old), here, tags_at(index, old))
