"""Tags as given: nothing is rewritten unless asked for."""

import pandas as pd
import pytest

from errors import UserError
from preprocessing.tags.given_tags import GivenTags, take_tags


def annotations(*pairs, **columns):
    songs, tags = zip(*pairs, strict=True)
    return pd.DataFrame({"song": songs, "tag": tags, "score": 100.0, **columns})


OWN = annotations(
    ("s1", "Hip-Hop"), ("s1", "Hip-Hop"), ("s2", "hiphop"), ("s3", "Hip-Hop"), ("s3", "favourites")
)


def named(table):
    return list(zip(table["song"], table["cleaned"], strict=True))


def test_tags_stay_as_they_are_written(capsys):
    table, report = take_tags(OWN, {"s1", "s2", "s3"}, GivenTags())
    assert named(table) == [
        ("s1", "Hip-Hop"),
        ("s2", "hiphop"),
        ("s3", "Hip-Hop"),
        ("s3", "favourites"),
    ]
    assert report[-1] == {"rule": "tags with at least 1 songs", "rows": 4, "songs": 3, "tags": 3}
    out = capsys.readouterr().out
    assert "tags that may be the same: Hip-Hop = hiphop; --merge_spellings" in out


def test_spellings_are_merged_on_request(capsys):
    table, _ = take_tags(OWN, {"s1", "s2", "s3"}, GivenTags(merge_spellings=True))
    expected = [("s1", "hip-hop"), ("s2", "hip-hop"), ("s3", "favourites"), ("s3", "hip-hop")]
    assert named(table) == expected
    assert "may be the same" not in capsys.readouterr().out


def test_rare_tags_and_other_songs_are_left_out():
    table, _ = take_tags(OWN, {"s1", "s2", "s3"}, GivenTags(min_songs=2))
    assert named(table) == [("s1", "Hip-Hop"), ("s3", "Hip-Hop")]
    table, _ = take_tags(OWN, {"s2"}, GivenTags())
    assert named(table) == [("s2", "hiphop")]


def test_a_name_that_the_set_gives_is_taken_and_other_columns_stay():
    names = ["new age", "new age"]
    given = annotations(("s1", "newage"), ("s1", "new-age"), cleaned=names, category="genre")
    table, _ = take_tags(given, {"s1"}, GivenTags())
    assert table[["tag", "cleaned", "category"]].values.tolist() == [["newage", "new age", "genre"]]


def test_nothing_left_is_an_error():
    with pytest.raises(UserError, match=r"no tag has 3 songs \(the most common one, 'Hip-Hop', ha"):
        take_tags(OWN, {"s1", "s2", "s3"}, GivenTags(min_songs=3))
