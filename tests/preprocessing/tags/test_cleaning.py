"""The clean-up of tags: every rule on tables small enough to check by hand."""

import re
from collections import Counter, defaultdict
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.files import read_tsv
from errors import UserError
from preprocessing.tags.cleaning import (
    OTHER,
    TAG_LISTS,
    CleanUp,
    add_lemmas,
    categories_of,
    clean_tags,
    drop_not_music,
    drop_overtagged_songs,
    group_by_lemma,
    keep_tags,
    lemma,
)

CATEGORIES = {
    "genre",
    "mood/character",
    "instrument",
    "voice",
    "location",
    "language/origin",
    "decade",
    "theme",
}


LENIENT = CleanUp(min_score=50, max_tags=20, min_songs=1, keep_not_music=False)


def table(*rows):
    """Annotations from (song, tag, score) rows."""
    return pd.DataFrame(rows, columns=["song", "tag", "score"])


def tag_table(*tags):
    """Annotations with lemmas, a song for each tag."""
    return add_lemmas(table(*((f"s{i}", tag, 100.0) for i, tag in enumerate(tags))))


def test_drop_overtagged_songs_includes_the_threshold():
    rows = [
        ("two", "x", 1),
        ("two", "y", 1),
        ("three", "x", 1),
        ("three", "y", 1),
        ("three", "z", 1),
    ]
    assert set(drop_overtagged_songs(table(*rows), 2)["song"]) == {"two"}
    assert set(drop_overtagged_songs(table(*rows), 3)["song"]) == {"two", "three"}


def test_add_lemmas_drops_what_is_empty():
    left = add_lemmas(table(("a", "!!!", 1), ("a", "Hip Hop", 1), ("a", "<>", 1)))
    assert left[["tag", "lemma"]].values.tolist() == [["Hip Hop", "hiphop"]]


@pytest.mark.parametrize(
    "tag",
    [
        "seen live",
        "Seen Live",
        "albums i own",
        "favourites",
        "favorite",
        "favorite songs",
        "myfavoritesongs",
        "fav",
        "awesome",
        "awesome-ness",
        "fucking awesome",
        "amazing",
        "love it",
        "love at first listen",
        "guilty pleasures",
        "the best",
        "best songs of the 00s",
        "great lyrics",
        "good",
        "cool",
        "heard on pandora",
        "radioparadise",
        "wjlb-fm",
        "american idol",
        "top 40",
        "f4nt4stic",
        "77davez-all-tracks",
        "sxsw2006",
        "barkbarkdisco",
        "malloy2000 playlist - top songs - classical to metal",
        "<3",
    ],
)
def test_not_music_goes(tag):
    assert drop_not_music(tag_table(tag, "rock"))["tag"].tolist() == ["rock"]


@pytest.mark.parametrize(
    "tag",
    [
        "beautiful",
        "sexy",
        "catchy",
        "lovely",
        "feel good",
        "good mood",
        "cool jazz",
        "live",
        "love",
        "free jazz",
        "radio friendly",
        "80srock",
        "2 tone",
        "8bit",
        "2008",
        "us",
        "d.i.y.",
        "a subtle use of vocal harmony",
        "female fronted metal",
        "old school",
        "none",
        "drum and bass",
    ],
)
def test_music_stays(tag):
    assert drop_not_music(tag_table(tag))["tag"].tolist() == [tag]


def test_not_music_file_of_ones_own(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("# a comment\n\nHip Hop\n/^jazz .*x$/\n", encoding="utf-8")
    left = drop_not_music(tag_table("hiphop", "jazz mix", "jazz", "rock"), file)
    assert left["tag"].tolist() == ["jazz", "rock"]


def test_group_takes_the_most_common_member():
    rows = [
        ("a", "rock music", 60.0),
        ("a", "Rock", 100.0),
        ("b", "rock", 50.0),
        ("c", "rock songs", 70.0),
        ("c", "rock tag", 70.0),
    ]
    grouped = group_by_lemma(add_lemmas(table(*rows)))
    assert grouped[["song", "tag", "cleaned", "score"]].values.tolist() == [
        ["a", "Rock", "rock", 100.0],
        ["b", "rock", "rock", 50.0],
        ["c", "rock songs", "rock", 70.0],
    ]


def test_group_breaks_ties_by_alphabet():
    rows = [("a", "synthpop", 1), ("b", "synth pop", 1), ("c", "synth-pop", 1)]
    assert set(group_by_lemma(add_lemmas(table(*rows)))["cleaned"]) == {"synth pop"}


def test_keep_tags_counts_songs():
    rows = [("a", "x", 1), ("b", "x", 1), ("a", "y", 1)]
    named = table(*rows).assign(cleaned=["x", "x", "y"])
    assert set(keep_tags(named, 2)["cleaned"]) == {"x"}
    assert set(keep_tags(named, 1)["cleaned"]) == {"x", "y"}


def naive_groups(rows):
    """Plain loops that say what `group_by_lemma` says: {(song, cleaned): best score}."""
    bearers = defaultdict(set)
    for song, tag, _ in rows:
        bearers[lemma(tag), " ".join(tag.lower().split())].add(song)
    names = {}
    for key, member in sorted(bearers, key=lambda pair: (-len(bearers[pair]), pair[1])):
        names.setdefault(key, member)
    best = {}
    for song, tag, score in rows:
        place = song, names[lemma(tag)]
        best[place] = max(score, best.get(place, 0))
    return best


SPELLINGS = ["rock", "Rock", "rock music", "rock songs", "hip hop", "hip-hop", "hiphop", "pop"]
ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.sampled_from(SPELLINGS),
        st.sampled_from([10.0, 50.0, 100.0]),
    ),
    min_size=1,
)


@given(ROWS)
def test_group_says_what_plain_loops_say(rows):
    grouped = group_by_lemma(add_lemmas(table(*rows)))
    found = {
        (song, cleaned): score
        for song, cleaned, score in grouped[["song", "cleaned", "score"]].itertuples(index=False)
    }
    assert len(found) == len(grouped)
    assert found == naive_groups(rows)


def test_categories_file():
    rows = read_tsv(TAG_LISTS / "categories.tsv", 2)
    assert {category for _, category in rows} == CATEGORIES
    assert all(lemma(tag) for tag, _ in rows)
    twice = [key for key, n in Counter(lemma(tag) for tag, _ in rows).items() if n > 1]
    assert twice == []


def test_no_tag_of_a_category_is_dropped_as_not_music():
    tags = [tag for tag, _ in read_tsv(TAG_LISTS / "categories.tsv", 2)]
    assert drop_not_music(tag_table(*tags))["tag"].tolist() == tags


def test_not_music_patterns_are_whole_lines():
    for line in (TAG_LISTS / "not_music.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("/"):
            assert line.endswith("/")
            re.compile(line[1:-1])


def test_categories_of_any_spelling():
    expected = {
        "Hip Hop": "genre",
        "hiphop": "genre",
        "melancholic": "mood/character",
        "female vocalist": "voice",
        "guitars": "instrument",
        "brazilian music": "language/origin",
        "Brasil": "location",
        "1980s": "decade",
        "christmas songs": "theme",
        "zzz": "other",
    }
    assert categories_of(list(expected)) == expected


def example():
    """20 listeners' worth of tags on songs a to d; d is not in the listening data."""
    return table(
        ("a", "rock", 100.0),
        ("a", "rock music", 60.0),
        ("a", "seen live", 100.0),
        ("a", "weak", 10.0),
        ("b", "Rock", 100.0),
        ("b", "?", 100.0),
        ("c", "rock", 100.0),
        ("c", "pop", 100.0),
        ("c", "jazz", 100.0),
        ("d", "rock", 100.0),
    )


def test_clean_tags_prints_and_returns_each_rule(capsys):
    left, report = clean_tags(example(), {"a", "b", "c"}, CleanUp(50, 3, 3, False))
    assert left[["song", "cleaned"]].values.tolist() == [
        ["a", "rock"],
        ["b", "rock"],
        ["c", "rock"],
    ]
    assert capsys.readouterr().out.splitlines() == [
        "songs in the listening data: rows 10 -> 9, songs 4 -> 3, tags 8 -> 8",
        "score of at least 50: rows 9 -> 8, songs 3 -> 3, tags 8 -> 7",
        "songs with at most 3 tags: rows 8 -> 8, songs 3 -> 3, tags 7 -> 7",
        "preprocessed tags, empty ones dropped: rows 8 -> 7, songs 3 -> 3, tags 7 -> 4",
        "tags that describe music: rows 7 -> 6, songs 3 -> 3, tags 4 -> 3",
        "tags of one lemma grouped: rows 6 -> 5, songs 3 -> 3, tags 3 -> 3",
        "tags with at least 3 songs: rows 5 -> 3, songs 3 -> 3, tags 3 -> 1",
    ]
    assert [entry["rows"] for entry in report] == [10, 9, 8, 8, 7, 6, 5, 3]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"a": {"rock"}, "b": {"rock"}, "c": {"rock", "pop", "jazz"}}),
        ({"min_score": 0}, {"a": {"rock", "weak"}, "b": {"rock"}, "c": {"rock", "pop", "jazz"}}),
        ({"max_tags": 2}, {"b": {"rock"}}),
        ({"max_tags": None, "min_songs": 2}, {"a": {"rock"}, "b": {"rock"}, "c": {"rock"}}),
        (
            {"keep_not_music": True},
            {"a": {"rock", "seen live"}, "b": {"rock"}, "c": {"rock", "pop", "jazz"}},
        ),
    ],
)
def test_every_option_changes_something(options, expected):
    left, _ = clean_tags(example(), {"a", "b", "c"}, replace(LENIENT, **options))
    found = left.groupby("song")["cleaned"].apply(set).to_dict()
    assert found == expected


def test_clean_tags_of_nothing():
    with pytest.raises(UserError, match="min_songs"):
        clean_tags(example(), {"a", "b", "c"}, replace(LENIENT, min_songs=4))
    with pytest.raises(UserError, match="min_songs"):
        clean_tags(example(), set(), LENIENT)


def test_other_is_no_category():
    assert OTHER not in CATEGORIES
