"""What was found, shown as a table, or written as a table or a playlist."""

import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dataset.files import counted, plain, some
from dataset.writing import staged, writable_file, write_tsv
from errors import UserError, shown
from retrieval.search import Hit, Wanted
from retrieval.song_index import IndexedSong, SongIndex
from retrieval.words import key

N_TAGS_SHOWN = 4  # of a song
MOST_SHOWN = 60  # letters of a name
TABLE, PLAYLISTS = ".tsv", (".m3u", ".m3u8")


def hits_table(
    index: SongIndex, wanted: Sequence[Wanted], hits: Sequence[Hit], only_tags: Sequence[str] = ()
) -> str:
    """Text table of the songs found; a column for each part of the query if there are several.

    The last column has a song's tags, those asked for first; where none are known its id, if that
    is not its name.
    """
    labels = [_shown(one.label) for one in wanted]
    several = labels if len(labels) > 1 else []
    asked = {key(word) for word in (*only_tags, *(one.word for one in wanted if one.weight > 0))}
    rows = [["", "score", *several, "song", "tags" if index.has_tags else "id"]]
    for rank, hit in enumerate(hits, 1):
        song = index.song(hit.row)
        scores = [hit.score, *hit.by_part] if several else [hit.score]
        song_id = "" if song.name == song.song_id else shown(plain(song.song_id))
        tags = sorted(index.tags_of(hit.row), key=lambda tag: key(tag) not in asked)
        last = some(list(map(shown, tags)), N_TAGS_SHOWN) if index.has_tags else song_id
        rows.append([str(rank), *(f"{score:.3f}" for score in scores), _shown(song.name), last])
    if not (index.has_tags or any(row[-1] for row in rows[1:])):
        rows = [row[:-1] for row in rows]
    widths = [
        max(len(cell) + _wider(cell) for cell in column) for column in zip(*rows, strict=True)
    ]
    pads: list[Any] = [str.rjust] * (2 + len(several)) + [str.ljust] * 2  # numbers, then words
    padded = (
        (pad(cell, n - _wider(cell)) for pad, cell, n in zip(pads, row, widths, strict=False))
        for row in rows
    )
    notes = (
        f"{one.label!r} is none of the tags: {_meaning(one)}"
        for one in wanted
        if one.stand_in or len(one.parts) > 1
    )
    return "\n".join([*notes, *("  ".join(cells).rstrip() for cells in padded)])


def _meaning(one: Wanted) -> str:
    """How a word is understood that is not taken as it stands."""
    parts = " + ".join(map(shown, one.parts))
    read_as = f"it is read as {parts}, and " if len(one.parts) > 1 else ""
    if one.stand_in:
        return f"{read_as}{one.stand_in!r}, the nearest by its word vector, stands for it"
    return f"{read_as}their word vectors say what it means"


def _shown(name: str) -> str:
    """A name for a terminal: nothing in it that steers that, and not longer than a line."""
    name = shown(plain(name))
    return name if len(name) <= MOST_SHOWN else f"{name[: MOST_SHOWN - 1]}…"


def _wider(text: str) -> int:
    """How many places more than letters: a Chinese one takes two, an accent of its own none."""
    n_wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return n_wide - sum(unicodedata.category(letter) in ("Mn", "Me", "Cf") for letter in text)


def result_file(path: str) -> Path:
    """Return where songs found are to be written; `UserError` if that is not possible."""
    file = writable_file(path)
    if file.suffix.lower() not in (TABLE, *PLAYLISTS):
        raise UserError(
            f"{file} must end in {TABLE}, for a table, or {' or '.join(PLAYLISTS)}, for a playlist"
        )
    return file


def write_hits(index: SongIndex, wanted: Sequence[Wanted], hits: Sequence[Hit], file: Path) -> None:
    """Write the songs found as a playlist, or as a table: rank, score, id, artist, title, file.

    The ending of `file` says which, see `result_file`. A playlist is without songs whose file is
    missing, which is said; `UserError` where all are.
    """
    songs = [index.song(hit.row) for hit in hits]
    with staged(file.parent) as stage:
        if file.suffix.lower() == TABLE:
            rows = [
                (rank, f"{hit.score:.6f}", *song[:4])
                for rank, (hit, song) in enumerate(zip(hits, songs, strict=True), 1)
            ]
            write_tsv(stage / file.name, rows)
            return
        there = {song.audio for song in songs if os.path.isfile(song.audio)}
        if not there:
            raise _no_audio(songs)
        text = playlist(wanted, [(song.name, song.audio) for song in songs if song.audio in there])
        (stage / file.name).write_text(text, encoding="utf-8")
    missing = [shown(song.name) for song in songs if song.audio not in there]
    if missing:
        files = "its file is" if len(missing) == 1 else "their files are"
        n_of_all = f"{len(missing)} of {counted(len(songs), 'song')}"
        print(f"{n_of_all} left out of the playlist, for {files} missing: {some(missing, 3)}")
    if file.suffix.lower() == ".m3u" and not text.isascii():
        print(f"{file} is UTF-8: for players that take .m3u for Latin-1 give a .m3u8 file")


def _no_audio(songs: Sequence[IndexedSong]) -> UserError:
    """Why there is nothing to play."""
    named = [song.audio for song in songs if song.audio]
    if not named:
        return UserError("the index names no audio file, as a playlist needs: give a .tsv file")
    return UserError(
        f"no file of the songs found is where it was ({some(named, 2)}), so that a playlist would "
        "be empty: tell the index by index --add where they are, or give a .tsv file"
    )


def playlist(wanted: Sequence[Wanted], entries: Iterable[tuple[str, str]]) -> str:
    """Text of an .m3u8 file: what was asked for, and names and places of audio."""
    lines = ["#EXTM3U", f"#PLAYLIST:{', '.join(one.label for one in wanted)}"]
    lines += [line for name, place in entries for line in (f"#EXTINF:-1,{name}", place)]
    return "\n".join(lines) + "\n"
