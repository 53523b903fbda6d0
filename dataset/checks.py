"""Single parts of a dataset directory, each read and held against what it has to fit.

Every function raises `UserError` where a file is missing, corrupt, or contradicts another one.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataset.files import (
    SPLITS,
    read_npy,
    read_pickle,
    read_song_ids,
    read_strings,
    read_tags,
    some,
    unique_names,
)
from errors import UserError

if TYPE_CHECKING:
    from dataset.directory import Dataset


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def read_matrix(path: Path, may_lack_rows: bool = False) -> np.ndarray:
    """Read a matrix of numbers that are finite in float32, or with rows of NaN where it may."""
    array = read_npy(path)
    if array.ndim != 2 or array.dtype.kind not in "biuf" or 0 in array.shape:
        raise UserError(
            f"{path} must hold a matrix of numbers, not shape {array.shape} of {array.dtype}: "
            "make it again"
        )
    broken = ~_is_finite(array)
    if may_lack_rows:
        broken &= ~np.isnan(array).all(axis=1)
    if broken.any():
        way_out = (
            "a song without a vector must have NaN alone" if may_lack_rows else "make it again"
        )
        raise UserError(
            f"{path} holds NaN or infinite values, first in row {broken.argmax()}: {way_out}"
        )
    return array


def _is_finite(matrix: np.ndarray) -> np.ndarray:
    """Whether the rows hold neither NaN nor infinity, and no number beyond float32."""
    if matrix.dtype.kind != "f":
        return np.ones(len(matrix), dtype=bool)
    return (np.abs(matrix) <= np.finfo(np.float32).max).all(axis=1)  # NaN compares as false


def _read_song_tags(path: Path, n_tags: int) -> np.ndarray:
    array = read_matrix(path)
    if array.shape[1] != n_tags:
        raise UserError(
            f"{path} has {array.shape[1]} columns but tags.npy of the same directory has {n_tags} "
            "tags: make both again with step 1"
        )
    song_tags = array == 1
    if not (song_tags | (array == 0)).all():
        raise UserError(f"{path} must hold only 0 and 1: make it again with step 1")
    return song_tags


def read_tag_strengths(path: Path, song_tags: np.ndarray) -> np.ndarray:
    """Read how strongly people gave songs their tags: float32 (N, T), from 0 to 1.

    Every tag that a song bears, of `song_tags` (N, T), has a strength above 0.
    """
    strengths = read_matrix(path).astype(np.float32)
    if strengths.shape != song_tags.shape:
        raise UserError(
            f"{path} has the shape {strengths.shape} but binaries.npy of the same directory "
            f"{song_tags.shape}: make both again with step 1"
        )
    if strengths.min() < 0 or strengths.max() > 1:
        raise UserError(f"{path} must hold numbers from 0 to 1: make it again with step 1")
    lacking = song_tags & (strengths == 0)
    if lacking.any():
        row, column = np.argwhere(lacking)[0]
        raise UserError(
            f"{path} has strength 0 in row {row}, column {column}, where binaries.npy says that "
            "the song bears the tag: make both again with step 1"
        )
    return strengths


def read_split(
    path: Path, prefix: str
) -> tuple[list[str], list[str], np.ndarray, dict[str, np.ndarray]]:
    """Read the tags, the song ids, bool (N, T) which song bears which tag, and each part's songs.

    Where there is no `existing_ids.npy`, songs in no part have the id ''.
    """
    tags = read_tags(path, prefix)
    song_tags = _read_song_tags(path / f"{prefix}binaries.npy", len(tags))
    n_songs = len(song_tags)
    ids_file = path / f"{prefix}existing_ids.npy"
    song_ids = read_song_ids(path, prefix) if ids_file.is_file() else [""] * n_songs
    if len(song_ids) != n_songs:
        raise UserError(
            f"{ids_file} lists {len(song_ids)} songs but {prefix}binaries.npy has {n_songs} rows: "
            "make both again with step 1"
        )
    splits: dict[str, np.ndarray] = {}
    owner: dict[int, str] = {}
    for name in SPLITS:
        file = path / f"{prefix}{name}_ids.npy"
        splits[name] = _read_part(file, song_ids)
        for index in splits[name].tolist():
            if index in owner:
                raise UserError(
                    f"{file} lists song {song_ids[index]!r}, which {owner[index]} lists already: "
                    "make the splits again with step 1"
                )
            owner[index] = file.name
    if not ids_file.is_file():  # no one has compared the ids of different indices yet
        unique_names([name for name in song_ids if name], path / f"{prefix}*_ids.npy", "song")
    return tags, song_ids, song_tags, splits


def _read_part(file: Path, song_ids: list[str]) -> np.ndarray:
    """Read one part; names in `song_ids` that are still unknown ('') are filled in."""
    lines = read_strings(file)
    if not lines:
        raise UserError(f"{file} is an empty split: make it again with step 1, with more songs")
    return np.array([_song_index(line, song_ids, file) for line in lines], dtype=np.int64)


def _song_index(line: str, song_ids: list[str], file: Path) -> int:
    parts = re.fullmatch(r"([0-9]{1,18})//(.+)", line, re.DOTALL)
    if not parts:
        raise UserError(
            f"{file} holds {line!r} instead of '<song index>//<song id>': make it again with step 1"
        )
    index, song_id = int(parts[1]), parts[2]
    if index >= len(song_ids):
        raise UserError(
            f"{file} holds {line!r}, but there are only {len(song_ids)} songs (rows of "
            "binaries.npy): take all files from the same split"
        )
    if song_ids[index] not in ("", song_id):
        raise UserError(
            f"{file} holds {line!r}, but song {index} is {song_ids[index]!r} elsewhere: take all "
            "files from the same split"
        )
    song_ids[index] = song_id
    return index


def check_train_tag_to_ix(path: Path, dataset: "Dataset") -> None:
    """Raise `UserError` if a `train_tag_to_ix.pkl` says what split and binaries do not.

    The program itself derives the lookup from those two; a directory may do without the file.
    """
    if not path.is_file():
        return
    lookup = {_text(tag): lines for tag, lines in read_pickle(path).items()}
    train = dataset.splits["train"]
    for column, tag in enumerate(dataset.tags):
        if not isinstance(lookup.get(tag), list):
            raise UserError(f"{path} has no list for the tag {tag!r}: make it again with step 1")
        songs = train[dataset.song_tags[train, column]].tolist()
        if {_text(line) for line in lookup[tag]} != {f"{n}//{dataset.song_ids[n]}" for n in songs}:
            raise UserError(
                f"{path} lists other songs for {tag!r} than train_ids.npy and binaries.npy do: "
                "make them again with step 1"
            )


def read_tag_vectors(path: Path, w2v_type: str, prefix: str, tags: list[str]) -> np.ndarray:
    """Read the word vector of every tag from `<w2v_type>_emb.pkl`: float32 (T, D)."""
    file = path / f"{prefix}{w2v_type}_emb.pkl"
    if prefix and not file.is_file():  # published: one vector file serves both sets
        file = path / f"{w2v_type}_emb.pkl"
    vectors = {_text(tag): vector for tag, vector in read_pickle(file).items()}
    missing = [tag for tag in tags if tag not in vectors]
    if missing:
        raise UserError(
            f"{file} has no vector for {len(missing)} of {len(tags)} tags ({some(missing)}): run "
            "step 2 with --drop_missing, or step 1 with --vectors"
        )
    try:
        matrix = np.array([vectors[tag] for tag in tags])
    except (ValueError, OverflowError):  # lengths differ, or a number is beyond all dtypes
        matrix = np.empty(0)
    if matrix.ndim != 2 or matrix.dtype.kind not in "iuf" or 0 in matrix.shape:
        raise UserError(f"{file} must hold number vectors of one length: make it again with step 2")
    bad = [tags[row] for row in np.flatnonzero(~_is_finite(matrix))]
    if bad:
        raise UserError(f"{file} has NaN or infinite vectors ({some(bad)}): make it again")
    return matrix.astype(np.float32)


def read_song_vectors(path: Path, name: str, prefix: str, song_ids: list[str]) -> np.ndarray:
    """Read vectors of songs of any origin: float32 (N, C), a row of NaN for a song without.

    Parameters
    ----------
    path : Path
        The dataset directory, with `<name>_songs.npy`. Its rows are in the order of the songs, or
        in that of `<name>_song_ids.npy` where this lies beside it.
    name : str
        What stands before `_songs.npy`.
    prefix : str
        'sub_' for the smaller set, whose own file goes before that of the whole set.
    song_ids : list of str
        The N songs.
    """
    own, shared = (path / f"{one}{name}_songs.npy" for one in (prefix, ""))
    file = own if own.is_file() else shared
    if not file.is_file():
        raise UserError(
            f"{shared} is missing: step 5 makes musicnn_songs.npy, docs/data.md says how vectors "
            "of other origin come"
        )
    rows = read_matrix(file, may_lack_rows=True).astype(np.float32)
    ids_file = file.with_name(file.name.replace("_songs.npy", "_song_ids.npy"))
    if ids_file.is_file():
        way_out = f"write it anew, an id for each row of {file.name}"
        ids = unique_names(read_strings(ids_file), ids_file, "song", way_out)
        _check_length(file, rows, ids_file.name, len(ids))
        row_of = {song_id: row for row, song_id in enumerate(ids)}
        index = np.array([row_of.get(song_id, len(ids)) for song_id in song_ids])
        return np.vstack([rows, np.full((1, rows.shape[1]), np.nan, np.float32)])[index]
    _check_length(file, rows, f"{prefix}binaries.npy", len(song_ids))
    return rows


def _check_length(file: Path, rows: np.ndarray, other: str, n_songs: int) -> None:
    if len(rows) != n_songs:
        raise UserError(
            f"{file} has {len(rows)} rows but {other} has {n_songs}: make both for the same songs, "
            "as steps 3 and 5 do"
        )


def read_cf(path: Path, n_songs: int) -> np.ndarray:
    """Read the CF vector of every song: float32 (N, C)."""
    cf = read_matrix(path)
    _check_length(path, cf, "binaries.npy", n_songs)
    return cf.astype(np.float32)
