"""Tag strengths of step 0 (`tag_strengths.tsv`) in the order of a split's songs and tags."""

from pathlib import Path

import numpy as np
import pandas as pd

from dataset.files import TAG_STRENGTHS
from errors import UserError
from preprocessing.split.step0_tables import STRENGTHS_COLUMNS, read_rows


def strengths_of_split(
    directory: Path, tags: list[str], song_ids: list[str], song_tags: np.ndarray
) -> np.ndarray | None:
    """Look up how strongly the songs were tagged; None where step 0 wrote no strengths.

    Parameters
    ----------
    directory : Path
        The dataset directory.
    tags, song_ids : list of str
        The T tags and the N songs of the split.
    song_tags : ndarray, shape (N, T)
        Whether a song bears a tag.

    Returns
    -------
    ndarray of float32, shape (N, T)
        0 where a song was not tagged so. What a song bears and the file lacks is 1.

    Raises
    ------
    UserError
        The file is damaged, or a strength is not above 0 and at most 1.
    """
    file = directory / TAG_STRENGTHS
    if not file.is_file():
        return None
    rows = read_rows(file, STRENGTHS_COLUMNS)
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
