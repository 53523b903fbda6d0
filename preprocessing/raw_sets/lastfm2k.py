"""Reader of the HetRec 2011 Last.fm set (lastfm-2k): artists tagged and played by 1,892 users.

The item is the artist: where the rest of the project says song, here it is an artist. A tag's
score for an artist is its number of taggers relative to the artist's most used tag, times 100, as
Last.fm defines it.
"""

from pathlib import Path

import pandas as pd

from dataset.files import TRIPLETS, Song, some
from dataset.writing import write_tsv
from errors import UserError
from preprocessing.raw_sets.raw_set import RawSet, require_names
from preprocessing.raw_sets.tables import LATIN, PLAIN, Form, read_table

HOME = "the HetRec 2011 Last.fm set of GroupLens, https://grouplens.org/datasets/hetrec-2011/"
GET_AGAIN = f"get it from {HOME}"


def read_lastfm2k(raw: Path) -> RawSet:
    """Read the raw files of lastfm-2k in the folder `raw`.

    Raises
    ------
    UserError
        A file is missing, damaged, or names an artist or tag that another file does not know.
    """
    names = _names(raw / "artists.dat", ["id", "name", "url", "pictureURL"])
    tags = _names(raw / "tags.dat", ["tagID", "tagValue"], LATIN)
    plays = _read_plays(raw / "user_artists.dat")
    header = ["userID", "artistID", "tagID", "day", "month", "year"]
    taggings = _read_rows(raw / "user_taggedartists.dat", header)
    _require_known(plays["artistID"], names, raw / "user_artists.dat", raw / "artists.dat")
    _require_known(taggings["tagID"], tags, raw / "user_taggedartists.dat", raw / "tags.dat")
    annotations = tagger_scores(taggings)
    annotations["tag"] = annotations["tag"].map(tags)
    return RawSet(
        name="lastfm2k",
        annotations=annotations,
        songs=[Song(artist, names[artist]) for artist in dict.fromkeys(plays["artistID"])],
        write_listening=lambda stage: write_tsv(
            stage / TRIPLETS, plays.itertuples(index=False, name=None)
        ),
    )


def tagger_scores(taggings: pd.DataFrame) -> pd.DataFrame:
    """Score the tags of each artist by their taggers.

    Parameters
    ----------
    taggings : DataFrame
        Columns userID, artistID, tagID; who gave an artist the same tag twice counts once.

    Returns
    -------
    DataFrame
        Columns song, tag, taggers (how many), score: 100 x taggers of the tag / taggers of the
        artist's first tag.
    """
    groups = taggings.groupby(["artistID", "tagID"])["userID"]
    scores = groups.nunique().reset_index(name="taggers")
    most = scores.groupby("artistID")["taggers"].transform("max")
    scores["score"] = 100 * scores["taggers"] / most
    scores = scores.rename(columns={"artistID": "song", "tagID": "tag"})
    return scores[["song", "tag", "taggers", "score"]]


def _read_plays(path: Path) -> pd.DataFrame:
    """Read (user, artist, play count) rows; counts must be whole and positive."""
    plays = _read_rows(path, ["userID", "artistID", "weight"])
    wrong = plays[~plays["weight"].str.fullmatch("0*[1-9][0-9]{0,37}")]  # a float32 has 38
    if len(wrong):
        raise UserError(
            f"{path} has the play count {wrong['weight'].iloc[0][:50]!r} in line {wrong.index[0]}, "
            f"which is no positive whole number of at most 38 digits: {GET_AGAIN}"
        )
    return plays


def _read_rows(path: Path, header: list[str]) -> pd.DataFrame:
    """Read a file of which user did what with which artist."""
    rows = read_table(path, header, GET_AGAIN)
    for column in ("userID", "artistID"):
        require_names(rows[column], path, GET_AGAIN)
    return rows


def _names(path: Path, header: list[str], form: Form = PLAIN) -> dict[str, str]:
    """Read a file whose first two columns are id and name."""
    table = read_table(path, header, GET_AGAIN, form)
    return dict(zip(table[header[0]], table[header[1]], strict=True))


def _require_known(ids: pd.Series, known: dict[str, str], path: Path, source: Path) -> None:
    unknown = sorted(set(ids) - known.keys())
    if unknown:
        raise UserError(
            f"{path} names ids that {source} lacks ({some(unknown)}): take all files from one "
            f"download of {HOME}"
        )
