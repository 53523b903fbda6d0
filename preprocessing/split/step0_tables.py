"""Tables of step 0, about songs and tags, as step 1 reads them."""

import warnings
from pathlib import Path

import pandas as pd

from dataset.files import normal_form, require_file
from errors import UserError, one_line

TRACK_TAGS_COLUMNS = {
    "song": "song_id",
    "original": "original_tag",
    "tag": "cleaned_tag",
    "category": "tag_category",
    "score": "score",
}
STRENGTHS_COLUMNS = {"song": "song_id", "tag": "cleaned_tag", "strength": "strength"}
COUNTED = {3: "three", 5: "five"}


def read_rows(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    """Read a table without header, whose last column is a number and all others text.

    Parameters
    ----------
    path : Path
        A file of columns separated by tabs; song and tag must not be empty.
    columns : dict of str to str
        The names that the columns get, and what errors call them.

    Returns
    -------
    DataFrame
        str in normal form, the last column float.
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
            f"{path} is not a file of {COUNTED[len(names)]} columns separated by tabs "
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
