"""Listening data: (user, song, count) rows to a sparse matrix, in little memory.

The full Echo Nest Taste Profile has 48 million rows. The strings of a chunk of rows become int32
codes before the next chunk is read, so that a row costs 12 bytes (user, song, count) while the
file is read, and 8 in the matrix; `benchmarks/step3_memory.py` measures the whole.
"""

import contextlib
import math
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from pandas.io.common import get_handle

from dataset.bounded import BoundedLines
from dataset.files import ITEM_INDEX, normal_form, read_tsv, require_file
from errors import UserError
from progress import progress

CHUNK_ROWS = 250_000
MOST_PLAYS = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Plays:
    """Who listened to what how often."""

    song_ids: np.ndarray  # (S,) of str objects: the song of each column
    user_song: sp.csr_array  # (U, S) float32: play counts

    def sizes(self) -> tuple[int, int, int]:
        """Numbers of (user, song) pairs, users and songs."""
        return self.user_song.nnz, *self.user_song.shape

    def has_any(self, song_ids: set[str]) -> bool:
        """Whether one of these songs is listened to."""
        return not song_ids.isdisjoint(self.song_ids)

    def first_songs(self) -> list[str]:
        """All songs, sorted."""
        return sorted(self.song_ids)

    def at_least(self, min_song_users: int, min_user_songs: int) -> "Plays":
        """Keep songs with enough users and users with enough songs, repeated until both hold."""
        song_ids, user_song = self.song_ids, self.user_song
        while True:
            users = np.diff(user_song.indptr) >= min_user_songs
            songs = np.bincount(user_song.indices, minlength=user_song.shape[1]) >= min_song_users
            if users.all() and songs.all():
                return Plays(song_ids, user_song)
            song_ids, user_song = song_ids[songs], user_song[users][:, songs]


def read_triplets(path: Path) -> Plays:
    """Read tab-separated rows of user, song, count without header, plain or compressed.

    Such as `triplets.tsv` or the Echo Nest's `train_triplets.txt`; `.gz`, `.bz2` and `.xz` are
    decompressed. Counts of a (user, song) pair that stands in several rows are added.

    Raises
    ------
    UserError
        The file is missing, empty, damaged, or not of this form, or its counts of a pair add up to
        more than float32 has.
    """
    users, songs = _Codes(), _Codes()
    parts: dict[str, list[np.ndarray]] = {"user": [], "song": [], "count": []}
    for chunk in triplet_chunks(path):
        parts["user"].append(users.encode(chunk["user"]))
        parts["song"].append(songs.encode(chunk["song"]))
        parts["count"].append(counts_of(chunk["count"], path))
    shape = len(users), len(songs)
    # each list is dropped as soon as its array stands
    rows, columns, counts = (np.concatenate(parts.pop(name)) for name in list(parts))
    user_song = sp.coo_array((counts, (rows, columns)), shape=shape).tocsr()
    plays = Plays(song_ids=songs.names(), user_song=user_song)
    if not math.isfinite(user_song.data.max()):
        song = plays.song_ids[user_song.indices[user_song.data.argmax()]]
        raise UserError(
            f"the counts of {path} add up to more than {MOST_PLAYS:.1e} plays of the song {song!r} "
            "by one user: correct them"
        )
    return plays


def read_item_index(directory: Path) -> list[str]:
    """Read `items_index_MSD.tsv`: the id of the song of each row of the factors, one a line."""
    return [normal_form(song_id.strip()) for (song_id,) in read_tsv(directory / ITEM_INDEX, 1)]


def songs_of_triplets(path: Path) -> set[str]:
    """Read only the song ids of a file of user, song, count rows."""
    songs: set[str] = set()
    for chunk in triplet_chunks(path):
        songs.update(map(normal_form, chunk["song"].unique()))
    return songs


class _Codes:
    """Strings numbered in the order of their first appearance."""

    def __init__(self):
        self._code_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._code_of)

    def encode(self, column: pd.Series) -> np.ndarray:
        """Return the int32 codes of a column of str; strings not seen before are added."""
        codes = self._code_of
        in_chunk, names = pd.factorize(column)
        of_name = [codes.setdefault(name, len(codes)) for name in map(normal_form, names)]
        return np.array(of_name, dtype=np.int32)[in_chunk]

    def names(self) -> np.ndarray:
        return np.array(list(self._code_of), dtype=object)


def triplet_chunks(path: Path) -> Iterator[pd.DataFrame]:
    """Read the file chunk by chunk, with a progress bar."""
    _check_first_line(path)
    options = {
        "sep": "\t",
        "header": None,
        "names": ["user", "song", "count"],
        # not "category", which is slower and takes the ids 007 and 7 for the same number
        "dtype": {"user": object, "song": object},
        "na_filter": False,
        "quoting": 3,  # quotation marks are letters like any other
        "chunksize": CHUNK_ROWS,
    }
    try:
        with (
            _opened(path) as stream,
            pd.read_csv(stream, **options) as reader,
            progress(
                None, f"reading {path.name}", unit=" rows", unit_scale=True, leave=False
            ) as bar,
        ):
            for chunk in reader:
                _check_names(chunk, path)
                yield chunk
                bar.update(len(chunk))
    except _UNREADABLE as error:
        raise UserError(
            f"{path} is not a file of user, song, count rows separated by tabs "
            f"({' '.join(str(error).split())}): correct or replace it"
        ) from None


_UNREADABLE = (  # whatever pandas and what decompresses raise
    *(pd.errors.ParserError, ValueError, OSError, EOFError, ImportError),
    *(LZMAError, zlib.error, zipfile.BadZipFile, tarfile.TarError),
    RuntimeError,  # an encrypted zip, and one of another compression
)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BoundedLines]:
    """Open a file as pandas does, unpacked as its name says."""
    with get_handle(path, "rb", compression="infer", is_text=False) as opened:
        yield BoundedLines(opened.handle, path)


def _check_first_line(path: Path) -> None:
    """Raise `UserError` unless the file starts with a row of three columns, the last a number."""
    if os.path.getsize(require_file(path)) == 0:
        raise UserError(f"{path} is empty: give a file of user, song, count rows")
    if is_parquet(path):
        raise UserError(
            f"{path} is Parquet: give --engine spark, or write it as rows of user, song, count "
            "separated by tabs"
        )
    try:
        # as one field: pandas needs a minute and 1.3 GB for a row of a million columns
        options = {"sep": "\x1f", "header": None, "nrows": 1, "dtype": str, "na_filter": False}
        with _opened(path) as stream:
            first = pd.read_csv(stream, quoting=3, **options).iloc[0, 0].split("\t")
    except _UNREADABLE as error:
        raise UserError(
            f"{path} cannot be read ({' '.join(str(error).split())}): correct or replace it"
        ) from None
    if len(first) != 3:
        raise UserError(
            f"{path} has {len(first)} columns in its first row: it must have three, separated by "
            "tabs: user, song, count"
        )
    if pd.isna(pd.to_numeric(first[2], errors="coerce")):
        raise UserError(
            f"{path} starts with the count {first[2]!r}, which is no number: remove the "
            "header line and give user, song, count in this order"
        )


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, whatever its name says."""
    with path.open("rb") as stream:
        head = stream.read(4)
        stream.seek(max(0, os.path.getsize(path) - 4))
        return head == stream.read(4) == b"PAR1"


def _check_names(chunk: pd.DataFrame, path: Path) -> None:
    for column in ("user", "song"):
        empty = (chunk[column] == "").to_numpy()
        if empty.any():
            row = int(chunk.index[empty.argmax()]) + 1
            raise UserError(f"{path} has no {column} in row {row}: complete or remove the row")


def counts_of(column: pd.Series, path: Path) -> np.ndarray:
    """Return a column of play counts as float32, checked to be positive."""
    counts = _numbers(column)
    bad = ~(np.isfinite(counts) & (counts > 0))
    if bad.any():
        row = int(column.index[np.flatnonzero(bad)[0]]) + 1
        count = str(column.iloc[int(bad.argmax())])[:50]
        raise UserError(
            f"{path} has the count {count!r} in row {row}: counts must be numbers above 0 and at "
            f"most {MOST_PLAYS:.1e}"
        )
    return counts


def _numbers(column: pd.Series) -> np.ndarray:
    """Return a column as float32: NaN for what is no number, infinity for what is too large."""
    try:
        with np.errstate(over="ignore"):
            return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float32)
    except OverflowError:  # a whole number of hundreds of digits, beyond any float
        return _numbers(column.where(column.astype(str).str.len() <= 308, math.inf))
