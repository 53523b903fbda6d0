"""Tags taken as their set gives them: the alternative to the clean-up of `cleaning`.

Someone's own tags mean what they say: 'Rock' is not rewritten, 'favourites' stays. Only tags of
too few songs are dropped, and different spellings become one tag if that is asked for.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from dataset.files import alike, some
from errors import UserError
from preprocessing.rules import Report, leaves, of_songs
from preprocessing.tags.cleaning import AND, group_by_lemma, keep_tags, key_of_words

BETWEEN_WORDS = re.compile(r"[-‐-―_/\\,;:!?()\[\]{}\"“”„«»·•]")
HASH = re.compile(r"^#(?=[^\W\d])")  # of #rock, not of #1 or c#
DOT = re.compile(r"(?<=\d)[.’'](?=\d)")  # of 7.1, not of r.e.m.


@dataclass(frozen=True)
class GivenTags:
    """What is done to tags that are taken as given."""

    min_songs: int = 1  # the least number of a tag
    merge_spellings: bool = False  # whether Hip-Hop and hiphop become the more common, lower case


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
    annotations = of_songs(annotations, songs)
    report: Report = []
    leaves(report, "annotations", annotations)
    table = annotations.drop_duplicates(["song", "cleaned"])
    leaves(report, "each tag of a song once", table)
    if options.merge_spellings:
        table = table.assign(lemma=table["tag"].map(spelling))
        table = leaves(report, "spellings merged", group_by_lemma(table))
    else:
        _tell_spellings(table)
    if table.empty:
        raise UserError("no song that counts has a tag: see whether the files are whole")
    left = keep_tags(table, options.min_songs)
    leaves(report, f"tags with at least {options.min_songs} songs", left)
    if left.empty:
        counts = table["cleaned"].value_counts()
        raise UserError(
            f"no tag has {options.min_songs} songs (the most common one, {counts.index[0]!r}, has "
            f"{counts.iloc[0]}): give fewer as --min_songs"
        )
    return left, report


def spelling(tag: str) -> str:
    """What the ways to write a tag have in common: the key by which given tags are merged.

    Capitals, hyphens, plurals, accents, `and` for `&` make no difference. Unlike in `lemma`,
    nothing is lost that tells two tags apart: signs that are no punctuation stay, as do words
    without a letter or digit, and endings such as music.

    Examples
    --------
    >>> spelling("Hip-Hop") == spelling("hiphop"), spelling("c++") == spelling("c#")
    (True, False)
    """
    words = []
    for word in AND.sub(" n ", tag.lower()).split():
        if any(char.isalnum() for char in word):
            word = DOT.sub(" ", HASH.sub("", word))
            words.append(BETWEEN_WORDS.sub(" ", re.sub(r"['’‘`´.]", "", word)))
        else:  # a face, a heart; but not the dash of 'hip - hop'
            words.append(word.strip("-‐‑‒–—―_/,;") or (word if word == tag.strip() else ""))
    return key_of_words(" ".join(words).replace("\ufe0f", "")) or tag


def _tell_spellings(table: pd.DataFrame) -> None:
    """Say which tags look like one: nobody expects 'Rock' and 'rock' to compete unnoticed."""
    same = [" = ".join(tags) for tags in alike(sorted(set(table["cleaned"])), spelling)]
    if same:
        print(f"tags that may be the same: {some(same)}; --merge_spellings makes them one")
