"""How strongly people tagged: a number for each tag of a song, also where the clean-up drops it.

The clean-up takes an annotation or leaves it. What it leaves for its low score still says more of
a song than no annotation at all, and a tag of many people more than that of one.
"""

import pandas as pd

from preprocessing.rules import of_songs
from preprocessing.tags.cleaning import CleanUp, add_lemmas, drop_not_music


def tag_strengths(
    annotations: pd.DataFrame, cleaned: pd.DataFrame, options: CleanUp
) -> pd.DataFrame:
    """Rate all annotations of the songs and tags that the clean-up has kept.

    strength = (1 if score >= min_score, else score / 100) x n / (n + 1), where score is the highest
    of the tag's spellings, and n the number of people who tagged the song so, in any of them. The
    second factor is there if n is known; it shrinks what one or two people said.

    Parameters
    ----------
    annotations : DataFrame
        As `cleaning.clean_tags` takes them: columns song, tag, score, and taggers where n is known.
    cleaned : DataFrame
        What it returned.
    options : CleanUp
        What it was asked for.

    Returns
    -------
    DataFrame
        Columns song, cleaned, strength (above 0, at most 1), sorted by both; each row of `cleaned`
        is there, the others have a score below `min_score`. Those of score 0 are left out.
    """
    names = cleaned.drop_duplicates("lemma").set_index("lemma")["cleaned"]
    rows = add_lemmas(of_songs(annotations, cleaned["song"]))
    rows = rows[rows["lemma"].isin(names.index)]
    if not options.keep_not_music:  # a spelling that was dropped cannot be stronger than the tag
        rows = drop_not_music(rows)
    counted = {"taggers": "sum"} if "taggers" in rows else {}
    groups = rows.assign(cleaned=rows["lemma"].map(names)).groupby(["song", "cleaned"])
    found = groups.agg({"score": "max"} | counted).reset_index()
    strength = (found["score"] / 100).where(found["score"] < options.min_score, 1.0)
    if counted:
        strength *= found["taggers"] / (found["taggers"] + 1)
    found = found.assign(strength=strength)
    return found.loc[strength > 0, ["song", "cleaned", "strength"]]
