"""A split that comes with the data, used in place of step 1's own.

Step 0 writes it to `published_split.tsv` for the sets that have one; anybody can write one by hand.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from command_line import existing_file
from dataset.files import (
    PUBLISHED_SPLIT,
    SPLITS,
    normal_form,
    one_each,
    read_step,
    read_tsv,
    some,
)
from errors import UserError


def read_published_split(directory: Path) -> dict[str, str]:
    """Read the part of each song: 'train', 'valid' or 'test'.

    Raises
    ------
    UserError
        The file is missing or empty, names another part, or gives a song two.
    """
    path = existing_file(
        directory / PUBLISHED_SPLIT,
        "step 0 writes it for sets with a published split (jamendo, magnatagatune); write it "
        "yourself (song id, tab, train, valid or test), or split by artist with --split_by=artist",
    )
    rows = [(normal_form(song_id), part) for song_id, part in read_tsv(path, 2)]
    if not rows:
        raise UserError(f"{path} is empty: write song id, tab, train, valid or test in each line")
    for song_id, part in rows:
        if part not in SPLITS:
            raise UserError(
                f"{path} puts the song {song_id!r} into {part!r}: the parts are {', '.join(SPLITS)}"
            )
    return one_each(rows, path, "parts")


def of_the_split(rows: pd.DataFrame, directory: Path) -> pd.DataFrame:
    """Keep the tags that the files of the split have, where step 0 noted them; print the others.

    Other files of the set may have brought tags that the split leaves out.
    """
    of_split = read_step(directory, "step0").get("split_tags")
    if of_split is None:
        return rows
    others = sorted(set(rows["tag"]) - set(of_split))
    if others:
        print(f"tags that are in no file of the split: {some(others, 10)}")
    return rows[~rows["tag"].isin(set(others))]


def in_each_part(rows: pd.DataFrame, part_of: dict[str, str], minimum: int) -> pd.DataFrame:
    """Keep the tags with at least `minimum` songs in each part; print which ones go.

    `rows` has each pair of song and tag once; every song has a part.
    """
    parts = pd.Categorical(rows["song"].map(part_of), categories=SPLITS)
    counts = pd.crosstab(rows["tag"], parts, dropna=False)  # (tags, parts)
    least, where = counts.min(axis=1), counts.idxmin(axis=1)
    short = [f"{tag} ({least[tag]} in {where[tag]})" for tag in counts.index[least < minimum]]
    if short:
        print(f"tags with fewer than {minimum} songs in a part: {some(short, 10)}")
    return rows[rows["tag"].isin(set(counts.index[least >= minimum]))]


def print_overlap(groups: np.ndarray, splits: dict[str, np.ndarray]) -> None:
    """Print how many artists the published split shares between its parts.

    Parameters
    ----------
    groups : ndarray of int64, shape (N,)
        Number of the artist of each song.
    splits : dict of str to ndarray
        'train', 'valid', 'test' -> song indices.
    """
    artists = [np.unique(groups[songs]) for songs in splits.values()]
    artist, n_parts = np.unique(np.concatenate(artists), return_counts=True)
    shared = artist[n_parts > 1]
    print(
        f"artists in more than one part: {len(shared)} of {len(artist)}, with "
        f"{np.isin(groups, shared).sum()} of {len(groups)} songs"
    )
