"""What the readers of raw sets have in common: the form they return, strict reading, writing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dataset_files import CATEGORIES, SONGS, TRACK_TAGS, read_about, staged, write_about, write_tsv
from errors import UserError
from preprocessing.tag_cleaning import CleanUp, categories_of, clean_tags


@dataclass(frozen=True)
class RawSet:
    """A raw data set, read and checked.

    Attributes
    ----------
    name : str
        Its name, for `dataset.json`.
    annotations : DataFrame
        Columns song (str), tag (str), score (float, 0 to 100).
    songs : list of (str, str, str)
        Song id, artist, title of each song in the listening data.
    write_listening : callable
        Writes the listening data to the folder that it is given.
    """

    name: str
    annotations: pd.DataFrame
    songs: list[tuple[str, str, str]]
    write_listening: Callable[[Path], None]


def write_dataset(raw_set: RawSet, data_path: Path, options: CleanUp) -> None:
    """Clean the tags of a raw set and write step 1's input to `data_path`, whole or not at all.

    Raises
    ------
    UserError
        The clean-up leaves nothing, or `data_path` holds another set or cannot be written.
    """
    refuse_other_set(data_path, raw_set.name)
    listened = {song for song, _, _ in raw_set.songs}
    table, report = clean_tags(raw_set.annotations, listened, options)
    categories = categories_of(sorted(set(table["cleaned"])))
    facts = {"set": raw_set.name, **vars(options), "rules": report}
    try:
        with staged(data_path) as stage:
            (stage / TRACK_TAGS).parent.mkdir()
            write_tsv(stage / TRACK_TAGS, _track_tags(table, categories))
            write_tsv(stage / SONGS, ((*song, "") for song in raw_set.songs))  # no audio path
            write_tsv(stage / CATEGORIES, categories.items())
            raw_set.write_listening(stage)
            write_about(stage, data_path, "step0", facts)
    except OSError as error:
        raise UserError(
            f"{data_path} cannot be written ({error.strerror}): give another DATA_PATH"
        ) from None
    _print_density(table, data_path)


def existing_raw(raw: str, data_path: Path, home: str) -> Path:
    """Return the folder RAW as a Path; raise `UserError` if it is none, or is DATA_PATH itself."""
    folder = Path(str(raw)).expanduser()
    if not folder.is_dir():
        raise UserError(f"{folder} is not a directory: give as RAW the folder of {home}")
    if folder.resolve() == data_path.resolve():
        raise UserError(f"RAW and DATA_PATH are both {folder}: write to another directory")
    return folder


def raw_file(path: Path, home: str) -> Path:
    """Return the file `path` of a raw set; raise `UserError` that names its home if missing."""
    if not path.is_file():
        raise UserError(f"{path} is missing: it belongs to {home}")
    return path


def read_table(path: Path, header: list[str], home: str, encoding: str = "utf-8") -> pd.DataFrame:
    """Read a tab-separated file with a header; all columns are str, nothing is quoted or missing.

    Every line is checked, and a tag called 'null' or 'nan' stays what it is.

    Parameters
    ----------
    path : Path
        The file.
    header : list of str
        The column names that its first line must hold.
    home : str
        Where the public can get the set, for messages.
    encoding : str
        Encoding of the text.

    Raises
    ------
    UserError
        The file is missing, has another header, a line with more or fewer fields, or no rows.
    """
    try:
        lines = raw_file(path, home).read_bytes().decode(encoding).rstrip("\n").split("\n")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not {encoding} text: get it again from {home}") from None
    rows = [line.rstrip("\r").split("\t") for line in lines]
    if rows[0] != header:
        found, expected = " ".join(rows[0])[:60], " ".join(header)
        raise UserError(
            f"{path} must begin with the header {expected!r}, not {found!r}: get it from {home}"
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise UserError(
                f"{path} has {len(row)} instead of {len(header)} fields in line {number}: "
                f"get it again from {home}"
            )
    if len(rows) == 1:
        raise UserError(f"{path} has a header and no rows: get it again from {home}")
    return pd.DataFrame(rows[1:], columns=header, dtype=str)


def refuse_other_set(data_path: Path, name: str) -> None:
    """Files of two sets in one directory would contradict each other."""
    there = read_about(data_path).get("steps", {}).get("step0", {}).get("set", name)
    if there != name:
        raise UserError(f"{data_path} holds the set {there} already: write to another directory")


def _track_tags(table: pd.DataFrame, categories: dict[str, str]) -> Iterator[tuple]:
    """Rows of track_tags.tsv: song_id, original_tag, cleaned_tag, tag_category, score."""
    columns = table[["song", "tag", "cleaned", "score"]]
    for song, tag, cleaned, score in columns.itertuples(index=False):
        yield song, tag, cleaned, categories[cleaned], f"{score:g}"


def _print_density(table: pd.DataFrame, data_path: Path) -> None:
    """Print how many songs the tags have: it bounds what step 1 can ask for."""
    counts = table["cleaned"].value_counts()
    n_songs = table["song"].nunique()
    print(f"{data_path}: {n_songs} songs, {len(counts)} tags, {len(table) / n_songs:.1f} per song")
    for rank in (50, 100, len(counts)):
        if rank <= len(counts):
            print(f"tag number {rank} has {counts.iloc[rank - 1]} songs")
