"""Writing an index: parts of songs, added and taken out without making the rest anew.

New files are whole on the disk before `index.json`, which names them, is replaced; files that it no
longer names go after that.
"""

import contextlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataset.files import counted, normal_form
from dataset.moving import alone
from dataset.writing import staged
from errors import UserError
from retrieval.embedded_songs import EmbeddedSongs, joined, placed_anew, rows_of, with_old_tags
from retrieval.folder_report import write_report
from retrieval.leftovers import holds_only_an_index, next_number, remove_unnamed
from retrieval.nearest import SAID, build_nearest
from retrieval.song_index import (
    ABOUT,
    EMBEDDINGS,
    INDEX_FORMAT,
    LINES,
    NEAREST,
    SONG_TAGS,
    SONGS,
    Part,
    SongIndex,
    TagModel,
    checksum_of,
    read_index,
)

PART_SONGS = 1_000_000


def index_folder(path: Path) -> Path:
    """Return where an index can be written; `UserError` where something else is."""
    if path.is_file():
        raise UserError(
            f"{path} is a file, perhaps an index of an older format: remove it, or give another "
            "name for INDEX"
        )
    with staged(path):  # refuses where nothing can be; what a killed writer left goes with it
        pass
    if path.is_dir() and not holds_only_an_index(path):
        try:
            read_index(path)
        except UserError:
            raise UserError(
                f"{path} is a folder that holds something else: give INDEX a new name"
            ) from None
    return path


def put_into_index(
    into: Path, model: TagModel, songs: EmbeddedSongs, by: str, is_added: bool
) -> None:
    """Write songs as an index, or add them to the one that is there, and tell what was done."""
    of_folder = songs.of_folder
    if is_added and not (songs.songs or of_folder.moved):
        write_report(into, of_folder, is_anew=False)
        return
    if is_added:
        n_new = add_songs(into, model, songs, by)
        of_folder.tell_changes()
        if n_new or not (of_folder.moved or of_folder.again):
            print(f"{counted(n_new, 'song')} added")
    else:
        write_index(into, model, songs, by)
    write_report(into, of_folder, is_anew=not is_added)
    made = read_index(into)
    print(f"{counted(len(made), 'song')}, to be searched for {len(model.tags)} tags")
    words = model.vectors_file or "no word vectors found: give them to search with --vectors"
    print(f"and for other words ({words})")
    print_kinds(made)
    print(f"written to {into}")


def print_kinds(made: SongIndex) -> None:
    """Tell how the neighbours are looked for in an index."""
    print("; ".join(SAID[kind] for kind in sorted({part.about["kind"] for part in made.parts})))


def write_index(folder: Path, model: TagModel, songs: EmbeddedSongs, kind: str = "auto") -> None:
    """Write an index anew; one that is there, or what is left of it, stays until this is whole.

    `folder` is as `index_folder` gives it, `model` what embedded the songs, and `kind` one of
    `nearest.KINDS`.
    """
    with _written(folder):
        name = f"model-{next_number(folder)}.npz"
        with staged(folder) as stage:
            arrays: dict[str, Any] = {"tag_vectors": model.tag_vectors, **model.layers}
            np.savez(stage / name, **arrays)
            file = [name, *_size_and_checksum(stage / name)]
        about = {
            "song_index_format": INDEX_FORMAT,
            "tags": model.tags,
            "vectors_file": model.vectors_file,
            "checkpoint": model.checkpoint,
            "model": file,
            "parts": _write_parts(folder, songs, kind),
        }
        _replace_about(folder, about)


def add_songs(folder: Path, model: TagModel, songs: EmbeddedSongs, kind: str = "auto") -> int:
    """Add songs to an index, as parts of their own; the arguments are those of `write_index`.

    Songs that were embedded again, or have moved, stand there in place of what the index had.

    Returns
    -------
    int
        How many: without those that another command has added since they were chosen.

    Raises
    ------
    UserError
        The index was made by another model, or lacks none of the songs.
    """
    with _written(folder):
        index = read_index(folder)
        index.require_model(model)
        songs, parts = _lacking(index, songs), index.about["parts"]
        again, moved = songs.of_folder.again, songs.of_folder.moved
        rows = rows_of(index, {*again, *(song.song_id for song in moved)})
        songs = with_old_tags(index, songs, rows)
        both = [songs, placed_anew(index, moved, rows)]
        new = _write_parts(folder, joined(both, len(model.tags)), kind, parts)
        _take_out(index, rows.values())
        left = [part.about for part in index.parts if len(part) > len(part.about["removed"])]
        _replace_about(folder, index.about | {"parts": left + new})
    return sum(song.song_id not in again for song in songs.songs)


def _lacking(index: SongIndex, songs: EmbeddedSongs) -> EmbeddedSongs:
    """Leave out the songs whose ids an index has, and say so."""
    names = [normal_form(song.song_id) for song in songs.songs]
    again = set(map(normal_form, songs.of_folder.again))
    known = (set(names) & {normal_form(song.song_id) for song in index.songs()}) - again
    if not known:
        return songs
    rows = [row for row, name in enumerate(names) if name not in known]
    if not rows:
        raise UserError(
            f"another command has added songs by all of these ids to {index.folder} meanwhile: "
            "add again if they are other files"
        )
    print(
        f"{counted(len(names) - len(rows), 'song')} left out: another command has added songs by "
        "their ids meanwhile; add again if they are other files"
    )
    return songs.only(rows)


def remove_songs(folder: Path, song_ids: Sequence[str]) -> None:
    """Take songs out of an index; `UserError` if it lacks one, and then none is taken out."""
    with _written(folder):
        index = read_index(folder)
        rows = set()
        for song_id in song_ids:
            row = index.row_of_id(song_id)
            if row is None:
                raise UserError(f"{folder} has no song {song_id!r}: give song ids that it has")
            rows.add(row)
        if len(index) == len(rows):
            raise UserError(f"{folder} would be left without a song: remove the folder instead")
        _take_out(index, rows)
        _replace_about(folder, index.about)


def _take_out(index: SongIndex, rows: Iterable[int]) -> None:
    """Note in `index.about` that songs were taken out."""
    for row in rows:
        part, at = index.place(row)
        part.about["removed"].append(at)
    for part in index.parts:
        part.about["removed"].sort()


def merge_parts(folder: Path, kind: str = "auto") -> int:
    """Write small parts, and those that songs were taken out of, anew as few large ones.

    Returns
    -------
    int
        How many parts there are less; 0 also if they are as many as before, but changed.
    """
    with _written(folder):
        index = read_index(folder)
        small = [one for one in index.parts if len(one) < PART_SONGS or _is_to_change(one, kind)]
        if not small or (len(small) == 1 and not _is_to_change(small[0], kind)):
            return 0
        whole = [part.about for part in index.parts if part not in small]
        n_tags = len(index.model.tags)
        songs = joined([_kept(part, n_tags) for part in small], n_tags)
        parts = [*whole, *_write_parts(folder, songs, kind, whole)]
        _replace_about(folder, index.about | {"parts": parts})
        return len(index.parts) - len(parts)


def _is_to_change(part: Part, kind: str) -> bool:
    """Whether a part has songs that were taken out, or its neighbours are looked for otherwise."""
    return len(part.removed) > 0 or kind not in ("auto", part.about["kind"])


def _kept(part: Part, n_tags: int) -> EmbeddedSongs:
    """Read the songs of a part, but those taken out."""
    rows, song_tags = np.delete(np.arange(len(part)), part.removed), None
    if part.song_tags is not None:
        song_tags = np.unpackbits(part.song_tags[rows], axis=1, count=n_tags).astype(bool)
    return EmbeddedSongs(part.embeddings[rows], list(part.songs()), song_tags)


# ---------------------------------------------------------------- files


def _write_parts(
    folder: Path, songs: EmbeddedSongs, kind: str, earlier: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Write songs as parts; return what `index.json` says of them."""
    written: list[dict[str, Any]] = []
    for first in range(0, len(songs.songs), PART_SONGS):
        parts = (*earlier, *written)
        learnt = (folder / one["name"] / NEAREST for one in parts if one["kind"] == "ivfpq")
        written.append(_write_part(folder, songs.cut(first, PART_SONGS), kind, next(learnt, None)))
    return written


def _write_part(
    folder: Path, songs: EmbeddedSongs, kind: str, learnt: Path | None
) -> dict[str, Any]:
    name = f"part-{next_number(folder)}"
    with staged(folder) as stage:
        part = stage / name
        part.mkdir()
        embeddings = np.asarray(songs.embeddings, dtype=np.float16)
        np.save(part / EMBEDDINGS, embeddings)
        lines = ["\t".join(song).encode() + b"\n" for song in songs.songs]
        (part / SONGS).write_bytes(b"".join(lines))
        np.save(part / LINES, np.cumsum([0, *map(len, lines)], dtype=np.int64))
        if songs.song_tags is not None:
            np.save(part / SONG_TAGS, np.packbits(songs.song_tags, axis=1))
        kind = build_nearest(embeddings, part / NEAREST, kind, learnt)
        files = {file.name: _size_and_checksum(file) for file in sorted(part.iterdir())}
    return {"name": name, "kind": kind, "removed": [], "files": files}


def _size_and_checksum(file: Path) -> list[int]:
    """Size and CRC-32 of a file, which is on the disk afterwards."""
    checksum = 0
    with open(file, "rb") as stream:
        os.fsync(stream.fileno())
        while piece := stream.read(2**22):
            checksum = zlib.crc32(piece, checksum)
        return [stream.tell(), checksum]


def _replace_about(folder: Path, about: dict[str, Any]) -> None:
    """Replace `index.json`, then remove what it does not name."""
    with staged(folder) as stage:
        checked = about | {"checksum": checksum_of(about)}
        text = json.dumps(checked, ensure_ascii=False, indent=1) + "\n"
        (stage / ABOUT).write_text(text, encoding="utf-8")
        _size_and_checksum(stage / ABOUT)
    remove_unnamed(folder, about)


@contextlib.contextmanager
def _written(folder: Path) -> Iterator[None]:
    """Keep other writers away; tell of a disk that is full."""
    try:
        with alone(folder):
            yield
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror or error}): see to that and start again"
        ) from None
