"""Tables of step 0 as step 1 reads them: which song has which tag, and how strongly."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from dataset.files import TAG_STRENGTHS, normal_form, require_file
from errors import UserError, one_line


def read_annotations(path: Path) -> pd.DataFrame:
    """Read `track_tags.tsv`: columns song, tag (the cleaned one), category (str), score (float)."""
    columns = {"song": "song_id", "original": "original_tag", "tag": "cleaned_tag"}
    columns |= {"category": "tag_category", "score": "score"}
    return _read_rows(path, columns)[["song", "tag", "category", "score"]]


def _read_rows(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    """Read columns without header, the last a float, the others str in normal form.

    `columns` are the names that they get, and what errors call them.
    """
    names = list(columns)
    try:
        with warnings.catch_warnings(action="error"):  # of fields beyond the last
            rows = pd.read_csv(
                require_file(path),
                sep="\t",
                header=None,
                names=names,
                index_col=False,
                dtype=object,
                keep_default_na=False,  # a tag may be called 'null'
                quoting=3,  # quotation marks are letters like any other
            )
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        raise UserError(
            f"{path} is not a file of {len(names)} columns separated by tabs "
            f"({one_line(error)}): make it again with step 0"
        ) from None
    number = names[-1]
    rows[number] = pd.to_numeric(rows[number], errors="coerce")
    broken = rows[number].isna() | (rows["song"] == "") | (rows["tag"] == "")
    if rows.empty or broken.any():
        where = "is empty" if rows.empty else f"is incomplete in row {int(broken.idxmax()) + 1}"
        *told, last = columns.values()
        raise UserError(
            f"{path} {where}: each row must be {', '.join(told)} and a {last}, separated by tabs, "
            "without a header"
        )
    for name in names[:-1]:
        known = {text: normal_form(text) for text in rows[name].unique()}
        rows[name] = rows[name].map(known)
    return rows


def strengths_of_split(
    directory: Path, tags: list[str], song_ids: list[str], song_tags: np.ndarray
) -> np.ndarray | None:
    """Look up how strongly the songs were tagged; None where step 0 wrote no strengths.

    They are float32 (N, T), above 0 and at most 1; 0 where a song was not tagged so. What a song
    bears, by `song_tags` (N, T), and the file lacks is 1.
    """
    file = directory / TAG_STRENGTHS
    if not file.is_file():
        return None
    columns = {"song": "song_id", "tag": "cleaned_tag", "strength": "strength"}
    rows = _read_rows(file, columns)
    strengths = rows["strength"].to_numpy().astype(np.float32)
    wrong = ~((strengths > 0) & (strengths <= 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UserError(
            f"{file} has the strength {rows['strength'].iloc[row]:g} in row {row + 1}, which must "
            "be above 0 and at most 1: make it again with step 0"
        )
    song = pd.Index(song_ids, dtype=object).get_indexer(rows["song"])
    tag = pd.Index(tags, dtype=object).get_indexer(rows["tag"])
    known = (song >= 0) & (tag >= 0)
    matrix = np.zeros(song_tags.shape, dtype=np.float32)
    np.maximum.at(matrix, (song[known], tag[known]), strengths[known])
    matrix[(song_tags == 1) & (matrix == 0)] = 1
    return matrix
