"""Reader of one's own music: a table of audio files and their tags, and who listened to what.

The song id is the path of the file as the table has it, in the form in which names are compared;
the file is opened by the name that it has. Relative paths start from the folder of the table.
"""

import math
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

import pandas as pd

from command_line import existing_file
from dataset.files import CATEGORIES, SONGS, TRIPLETS, Song, normal_form, plain, some
from dataset.writing import write_tsv
from errors import UserError
from preprocessing.mel.audio_files import READABLE, can_be_read
from preprocessing.names_on_disk import name_on_disk, names_in
from preprocessing.raw_sets.raw_set import RawSet
from preprocessing.raw_sets.tables import SPREADSHEET, read_table

REQUIRED = ("file", "tags")
OPTIONAL = ("artist", "title", "category")
TOO_MANY = 1e38  # plays: step 3 counts them in float32
_CORRECT_TABLE = "correct the table (UTF-8, columns file and tags; --help says more)"
_CORRECT_LISTENERS = (
    "give rows of user, file, count, with or without a header that names these columns"
)

Play = tuple[str, str, str]  # user, song id, count


def read_own_table(
    path: Path, listeners: Path | None, skip_missing: bool, tag_separator: str
) -> RawSet:
    """Read a table of audio files and their tags, and who listened to them (`read_listeners`).

    It is a CSV with a header (fields separated by comma, semicolon or tab; UTF-8, or UTF-16 with
    its mark): columns file, tags, and optionally artist, title and category. Between tags stands
    `tag_separator` or a line break.

    Raises
    ------
    UserError
        A file is damaged, or the table names no song, a song twice, no tags, or files that do not
        exist or cannot be read.
    """
    existing_file(path, "give the path of your table as CSV")
    if listeners:
        existing_file(listeners, "give an existing file as --listeners")
    table = read_table(path, REQUIRED, _CORRECT_TABLE, SPREADSHEET)
    unused = [name for name in table.columns if name not in (*REQUIRED, *OPTIONAL)]
    if unused:  # one may be misspelt
        print(f"columns that are not used: {', '.join(unused)}")
    table = table.reindex(columns=[*REQUIRED, *OPTIONAL], fill_value="")
    _tell_other_separator(table["tags"], tag_separator)
    names_in.cache_clear()
    table["audio"] = [_checked_file(file, line, path) for line, file in table["file"].items()]
    table["file"] = table["audio"].map(normal_form)
    _check_once(table["file"], path, tag_separator)
    table = _existing(table, path, skip_missing)
    _check_format(table["audio"], path)
    annotations = pd.DataFrame(
        _annotations(table, path, tag_separator), columns=["song", "tag", "category", "score"]
    )
    if annotations.empty:
        raise UserError(f"no file of {path} has a tag: fill the column tags")
    without = sorted(set(table["file"]) - set(annotations["song"]))
    if without:
        print(f"songs without a tag: {len(without)} ({some(without)})")
    plays = read_listeners(listeners, table["file"], path.parent) if listeners else []
    return RawSet(
        name="table",
        annotations=annotations,
        songs=list(_songs(table)),
        write_listening=(lambda stage: write_tsv(stage / TRIPLETS, plays)) if plays else None,
        audio=path.parent,
    )


def refuse_overwriting(path: Path, data_path: Path) -> None:
    """Raise `UserError` if step 0 would write over the user's own file."""
    if path.resolve() in [(data_path / name).resolve() for name in (SONGS, TRIPLETS, CATEGORIES)]:
        raise UserError(
            f"{path} is a file that step 0 writes: rename it, or give another DATA_PATH"
        )


# ---------------------------------------------------------------- the songs


def _checked_file(file: str, line: int, path: Path) -> str:
    if not file.strip():
        raise UserError(f"{path} has no file in line {line}: {_CORRECT_TABLE}")
    if any(ord(char) < 32 for char in _without_blanks(file, path.parent)):
        raise UserError(
            f"{path} has a file with a tab or line break in its name in line {line}: rename it"
        )
    return plain_path(file, path.parent)


def plain_path(file: str, folder: Path) -> str:
    """Write a path plainly: a/b.mp3 for ./a//b.mp3 and, where no file is called so, a\\b.mp3."""
    file = _without_blanks(file, folder)
    if "\\" in file and not os.path.exists(folder / file):
        file = file.replace("\\", "/")
    return PurePosixPath(file).as_posix()


def _without_blanks(file: str, folder: Path) -> str:
    """A path without blanks at its ends, unless there is a file whose name has them."""
    is_name = file != file.strip() and os.path.isfile(folder / name_on_disk(file, folder))
    return file if is_name else file.strip()


def _check_once(files: pd.Series, path: Path, tag_separator: str) -> None:
    again = files[files.duplicated()]
    if len(again):
        file = again.iloc[0]
        lines = files.index[files == file]
        raise UserError(
            f"{path} names the file {file!r} in lines {lines[0]} and {lines[1]}: keep one row with "
            f"all its tags, separated by {tag_separator}"
        )


def _existing(table: pd.DataFrame, path: Path, skip_missing: bool) -> pd.DataFrame:
    """Return the rows whose file exists; raise `UserError` for others, if not to be skipped."""
    table["audio"] = [name_on_disk(file, path.parent) for file in table["audio"]]
    exists = table["audio"].map(lambda file: os.path.isfile(path.parent / file))
    missing = table["file"][~exists].tolist()
    if len(missing) == len(table):
        raise UserError(
            f"none of the {len(table)} files of {path} exists ({some(missing, 3)}): paths must "
            f"start from the folder of the table, {path.parent.resolve()}"
        )
    if missing and not skip_missing:
        raise UserError(
            f"{path} names {len(missing)} of {len(table)} files that do not exist "
            f"({some(missing, 3)}), the first in line {exists.idxmin()}: correct their paths, "
            "which start from the folder of the table, or leave them out with --skip_missing"
        )
    if missing:
        print(f"files that do not exist, left out: {len(missing)} ({some(missing)})")
    return table[exists]


def _check_format(files: pd.Series, path: Path) -> None:
    """Raise `UserError` for formats that cannot be read; only unusual endings are tried."""
    endings = files.map(lambda file: PurePosixPath(file).suffix.lower().removeprefix("."))
    unusual = files[~endings.isin(READABLE)]
    unreadable = unusual[[not can_be_read(path.parent / file) for file in unusual]]
    if len(unreadable):
        names = [name or "without ending" for name in sorted(set(endings[unreadable.index]))]
        raise UserError(
            f"{path} names {len(unreadable)} files of formats that cannot be read: "
            f"{', '.join(names)} ({some(unreadable.tolist(), 3)}): convert them to one of "
            f"{', '.join(READABLE)}, or take them out of the table"
        )


def _songs(table: pd.DataFrame) -> Iterator[Song]:
    rows = table[["file", "artist", "title", "audio"]].itertuples(index=False, name=None)
    for file, artist, title, audio in rows:
        yield Song(file, plain(artist), plain(title), audio)


# ---------------------------------------------------------------- the tags


def _tell_other_separator(tags: pd.Series, separator: str) -> None:
    """Say so where tags look as if something else stood between them: 'rock, pop' is one tag."""
    lists = tags[tags.str.strip() != ""]
    if lists.str.contains(separator, regex=False).any():
        return
    for other in ",;|/":
        n_with = int(lists.str.contains(other, regex=False).sum())
        if 2 * n_with > len(lists):
            print(
                f"no list of tags has {separator} in it, and {n_with} of {len(lists)} have "
                f"{other}: where that stands between tags, give --tag_separator='{other}'"
            )
            return


def _annotations(
    table: pd.DataFrame, path: Path, separator: str
) -> Iterator[tuple[str, str, str, float]]:
    """Rows of song, tag, category, score."""
    rows = table[["file", "tags", "category"]].itertuples(name=None)
    for line, file, joined_tags, joined_categories in rows:
        tags = _split(joined_tags, separator)
        categories = _split(joined_categories, separator)
        if len(categories) not in (1, len(tags)):
            raise UserError(
                f"{path} has {len(tags)} tags but {len(categories)} categories in line {line}: "
                f"give one category for all tags of a file, or one for each, separated by "
                f"{separator}"
            )
        if len(categories) == 1:
            categories *= len(tags)
        for tag, category in zip(map(plain, tags), map(plain, categories), strict=True):
            if tag:
                yield file, tag, category, 100.0


def _split(text: str, separator: str) -> list[str]:
    """Split at the separator and at line breaks, which spreadsheets write within a cell."""
    return separator.join(text.splitlines()).split(separator)


# ---------------------------------------------------------------- the listeners


def read_listeners(path: Path, songs: Collection[str], folder: Path) -> list[Play]:
    """Read who listened to which of the table's songs, whose paths start in `folder`, how often.

    A CSV or TSV in UTF-8. A header may name the columns user, file and count, in any order; without
    one they are the only columns, in this order. Rows of other songs are left out, and told.

    Raises
    ------
    UserError
        The file is missing or damaged, a count is not a number above 0, or no song is known.
    """
    songs = set(songs)
    plays, unknown = [], set()
    for user, file, count in _rows(path):
        song = normal_form(plain_path(file, folder))
        if song in songs:
            plays.append((user, song, count))
        else:
            unknown.add(song)
    if not plays:
        raise UserError(
            f"{path} names no file of the table (it has {some(sorted(unknown), 2)}, the table "
            f"{some(sorted(songs), 2)}): write the paths as in the table"
        )
    if unknown:
        print(f"songs of {path} that the table lacks, left out: {some(sorted(unknown))}")
    n_songs = len({song for _, song, _ in plays})
    print(f"listening data: {len(plays)} rows, {n_songs} of {len(songs)} songs")
    return plays


def _rows(path: Path) -> Iterator[Play]:
    """Yield user, file, count as they stand in the file, checked."""
    columns = ["user", "file", "count"]
    table = read_table(path, columns, _CORRECT_LISTENERS, SPREADSHEET, may_lack_header=True)
    for line, user, file, count in table[columns].itertuples(name=None):
        user = plain(user)
        plays = _number(count)
        if not (user and 0 < plays < TOO_MANY):
            bad = f"the count {count[:50]!r}, which is no number above 0 and below {TOO_MANY:g}"
            what = bad if user else "no user"
            raise UserError(f"{path} has {what}, in line {line}: {_CORRECT_LISTENERS}")
        yield user, file, f"{plays:.10g}"


def _number(count: str) -> float:
    """Read a number with a decimal point or comma; NaN if it is none, or if 1,234 may be 1234."""
    if re.fullmatch(r"\s*\d*,(?!\d{3}\s*$)\d+\s*", count):
        count = count.replace(",", ".")
    try:
        return float(count)
    except ValueError:
        return math.nan
