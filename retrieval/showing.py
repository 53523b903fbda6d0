"""What was found, shown as a table, or written as a table or a playlist."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dataset.writing import staged, writable_file, write_tsv
from errors import UserError
from retrieval.search import Hit, Wanted
from retrieval.song_index import SongIndex
from retrieval.words import key

N_TAGS_SHOWN = 4  # of a song
TABLE, PLAYLISTS = ".tsv", (".m3u", ".m3u8")


def hits_table(index: SongIndex, wanted: Sequence[Wanted], hits: Sequence[Hit]) -> str:
    """Text table of the songs found; a column for each part of the query if there are several."""
    labels = [one.label for one in wanted]
    several = labels if len(labels) > 1 else []
    rows = [["", "score", *several, "song", *(["tags"] if index.has_tags else [])]]
    for rank, hit in enumerate(hits, 1):
        scores = [hit.score, *hit.by_part] if several else [hit.score]
        row = [str(rank), *(f"{score:.3f}" for score in scores), index.song(hit.row).name]
        rows.append([*row, *_tags_of(index, wanted, hit.row)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    pads: list[Any] = [str.rjust] * (2 + len(several)) + [str.ljust] * 2  # numbers, then words
    padded = (
        (pad(cell, n) for pad, cell, n in zip(pads, row, widths, strict=False))  # tags may lack
        for row in rows
    )
    notes = (
        f"{one.label!r} is none of the tags: {one.stand_in!r}, the nearest by its word vector, "
        "stands for it"
        for one in wanted
        if one.stand_in
    )
    return "\n".join([*notes, *("  ".join(cells).rstrip() for cells in padded)])


def _tags_of(index: SongIndex, wanted: Sequence[Wanted], row: int) -> list[str]:
    """The tags that a song bears, in one cell: those asked for first, and the number of others."""
    if not index.has_tags:
        return []
    asked = {key(one.word) for one in wanted if one.weight > 0}
    tags = sorted(index.tags_of(row), key=lambda tag: key(tag) not in asked)
    more = len(tags) - N_TAGS_SHOWN
    return [", ".join(tags[:N_TAGS_SHOWN]) + (f" and {more} more" if more > 0 else "")]


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

    Parameters
    ----------
    index, wanted, hits
        What was searched, for what, and what was found.
    file : Path
        Its name says what it is to be, see `result_file`.

    Raises
    ------
    UserError
        A playlist is wanted, and no song found has an audio file.
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
        entries = [(song.name, song.audio) for song in songs if song.audio]
        if not entries:
            raise UserError("the index names no audio file, as a playlist needs: give a .tsv file")
        text = playlist(wanted, entries)
        (stage / file.name).write_text(text, encoding="utf-8")
    if file.suffix.lower() == ".m3u" and not text.isascii():
        print(f"{file} is UTF-8: for players that take .m3u for Latin-1 give a .m3u8 file")


def playlist(wanted: Sequence[Wanted], entries: Iterable[tuple[str, str]]) -> str:
    """Text of an .m3u8 file: what was asked for, and names and places of audio."""
    lines = ["#EXTM3U", f"#PLAYLIST:{', '.join(one.label for one in wanted)}"]
    lines += [line for name, place in entries for line in (f"#EXTINF:-1,{name}", place)]
    return "\n".join(lines) + "\n"
