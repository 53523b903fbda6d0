"""Tags taken as their set gives them: the alternative to the clean-up of `tag_cleaning`.

Someone's own tags mean what they say: 'Rock' is not rewritten, 'favourites' stays. Only tags of
too few songs are dropped, and different spellings become one tag if that is asked for.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from dataset.files import some
from errors import UserError
from preprocessing.rules import Report, leaves
from preprocessing.tags.cleaning import add_lemmas, group_by_lemma, keep_tags, lemma


@dataclass(frozen=True)
class GivenTags:
    """What is done to tags that are taken as given.

    Attributes
    ----------
    min_songs : int
        Smallest number of songs of a tag.
    merge_spellings : bool
        Whether the spellings of a tag, such as Hip-Hop and hiphop, become the most common one of
        them, in lower case.
    """

    min_songs: int = 1
    merge_spellings: bool = False


def take_tags(
    annotations: pd.DataFrame, songs: Collection[str], options: GivenTags
) -> tuple[pd.DataFrame, Report]:
    """Name the tags as they are and drop those of too few songs; print what each rule leaves.

    Parameters
    ----------
    annotations : DataFrame
        Columns song, tag, score; with a column cleaned, that is the tag's name from now on.
    songs : collection of str
        Annotations of other songs do not count.
    options : GivenTags
        What is done.

    Returns
    -------
    DataFrame
        Columns song, tag, score, cleaned and others that came along; each (song, cleaned) once.
    list of dict
        For each rule its name and the rows, songs and tags that it left.

    Raises
    ------
    UserError
        Nothing is left.
    """
    if "cleaned" not in annotations:
        annotations = annotations.assign(cleaned=annotations["tag"])
    annotations = annotations[annotations["song"].isin(set(songs))]
    report: Report = []
    leaves(report, "annotations", annotations)
    table = annotations.drop_duplicates(["song", "cleaned"])
    leaves(report, "each tag of a song once", table)
    if options.merge_spellings:
        table = leaves(report, "spellings merged", group_by_lemma(add_lemmas(table)))
    else:
        _tell_spellings(table)
    left = keep_tags(table, options.min_songs)
    leaves(report, f"tags with at least {options.min_songs} songs", left)
    if left.empty:
        counts = table["cleaned"].value_counts()
        raise UserError(
            f"no tag has {options.min_songs} songs (the most common one, {counts.index[0]!r}, has "
            f"{counts.iloc[0]}): give fewer as --min_songs"
        )
    return left, report


def _tell_spellings(table: pd.DataFrame) -> None:
    """Say which tags look like one: nobody expects 'Rock' and 'rock' to compete unnoticed."""
    spellings = defaultdict(list)
    for tag in sorted(set(table["cleaned"])):
        spellings[lemma(tag)].append(tag)
    alike = [" = ".join(tags) for tags in spellings.values() if len(tags) > 1]
    if alike:
        print(f"tags that may be the same: {some(alike)}; --merge_spellings makes them one")
