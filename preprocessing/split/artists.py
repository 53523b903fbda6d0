"""Who made which song: `songs.tsv`, and the groups of songs that a split should not part."""

import functools
import unicodedata
from collections import defaultdict
from pathlib import Path

import numpy as np

from dataset.files import SONGS, normal_form, one_each, read_songs, some
from errors import UserError

_OR_BY_SONG = "or split by song with --split_by=song"


def artist_groups(directory: Path, song_ids: list[str], all_known: bool = True) -> np.ndarray:
    """Number of the artist of each song; (N,) int64.

    Where not `all_known`, an unknown artist is no error, and his songs have a number each.

    Raises
    ------
    UserError
        The artist of a song is not known, or a song has two.
    """
    file = directory / SONGS
    if all_known and not file.is_file():
        raise UserError(
            f"{file} is missing, so the artists are not known: write it (song id, artist, title, "
            f"audio path), {_OR_BY_SONG}"
        )
    artist_of = read_artists(directory)
    unknown = [song_id for song_id in song_ids if not artist_of.get(song_id)]
    if unknown and all_known:
        raise UserError(
            f"{file} has no artist for {len(unknown)} of {len(song_ids)} songs "
            f"({some(unknown)}): add them, {_OR_BY_SONG}"
        )
    if unknown:
        print(f"the artist of {len(unknown)} of {len(song_ids)} songs is not known")
    artists = _one_name_each([artist_of.get(song_id, "") for song_id in song_ids])
    names = [(a, "" if a else song_id) for a, song_id in zip(artists, song_ids, strict=True)]
    number_of = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([number_of[name] for name in names])


def _one_name_each(artists: list[str]) -> list[str]:
    """Give an artist one name who is written in several ways, the first by code point; say so.

    Names that differ only in blanks and invisible characters are one artist's (capitals count, see
    `_seen`): to keep two artists together costs nothing, to part one would put him into training
    and test.
    """
    spellings = defaultdict(set)
    for name in artists:
        spellings[_seen(name)].add(name)
    several = [" = ".join(sorted(names)) for names in spellings.values() if len(names) > 1]
    if several:
        print(f"artists written in several ways, each taken for one: {some(sorted(several))}")
    return [min(spellings[_seen(name)]) for name in artists]


@functools.cache
def _seen(name: str) -> str:
    """A name without what does not show; capitals do, and some artists differ by them alone."""
    shown = "".join(char for char in name if unicodedata.category(char) != "Cf")
    return normal_form(" ".join(shown.split()))


def read_artists(directory: Path) -> dict[str, str]:
    """Read the artist of each song from `songs.tsv`; `UserError` where one has two."""
    artists = ((song.song_id, song.artist.strip()) for song in read_songs(directory))
    return one_each(artists, directory / SONGS, "artists")
