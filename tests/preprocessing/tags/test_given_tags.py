"""Tags as given: nothing is rewritten unless asked for."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.files import plain
from errors import UserError
from preprocessing.tags.given_tags import GivenTags, spelling, take_tags


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


@pytest.mark.parametrize(
    "spellings",
    [
        ["Hip-Hop", "hiphop", "hip hop", "hip - hop", "#hiphop", "HIP_HOP", "hip/hop"],
        ["r&b", "R & B", "rnb", "r'n'b", "r and b"],
        ["drum", "drums", "Drums!"],
        ["forró", "forro", "FORRÓ", "forro\u0301"],
        ["1980s", "80s", "80's", "1980's", "'80s"],
        ["r.e.m.", "rem", "R.E.M"],
        ["❤", "❤\ufe0f", " ❤ "],
        ["c#", "C#"],
        ["rock 🔥", "Rock🔥"],
    ],
)
def test_ways_to_write_one_tag(spellings):
    assert len({spelling(tag) for tag in spellings}) == 1


@pytest.mark.parametrize(
    "tags",
    [
        ["1920s", "2020s", "20s", "1920"],
        ["1910s", "2010s", "1910", "10"],
        ["c", "c#", "c++", "c+", "c♯", "c♭"],
        ["🔥", "😢", "🔥🔥", "-", "+", "!!!", "?", ":)", ":("],
        ["rock", "rock 🔥", "rock 😢", "rock :)", "rock :("],
        ["🇧🇷", "🇫🇷"],
        ["r&b", "rb", "r+b"],
        ["7.1", "71", "7 1 2"],
        ["3/4", "34", "3"],
        ["love", "love song", "love music"],
        ["blues", "blue"],
        ["か", "が"],
        ["русский", "русскии"],
        ["संगीत", "संगत"],
        ["18+", "18"],
        ["$", "€", "100%", "100"],
    ],
)
def test_what_tells_tags_apart_is_kept(tags):
    keys = [spelling(tag) for tag in tags]
    assert all(keys) and len(set(keys)) == len(tags)


@given(st.text(max_size=12).map(plain).filter(bool))
def test_no_wild_tag_has_an_empty_key(tag):
    assert spelling(tag)


def test_signs_are_merged_with_nothing(capsys):
    own = annotations(("s1", "🔥"), ("s2", "😢"), ("s3", "!!!"), ("s3", "rock"))
    table, _ = take_tags(own, {"s1", "s2", "s3"}, GivenTags(merge_spellings=True))
    assert named(table) == [("s1", "🔥"), ("s2", "😢"), ("s3", "!!!"), ("s3", "rock")]
    take_tags(own, {"s1", "s2", "s3"}, GivenTags())
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
