"""Tag strengths: on tables small enough to check by hand, and against plain loops."""

from collections import defaultdict
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.tags.cleaning import CleanUp, clean_tags, lemma
from preprocessing.tags.strengths import tag_strengths

HALF = CleanUp(min_score=50, max_tags=None, min_songs=1, keep_not_music=False)
COUNTED = [  # song, tag, score, taggers
    ("a", "rock", 100.0, 4),
    ("a", "Rock Music", 25.0, 1),
    ("a", "hip hop", 50.0, 2),
    ("a", "pop", 25.0, 1),
    ("b", "hip-hop", 100.0, 1),
    ("b", "rock", 40.0, 3),
    ("b", "rock songs", 20.0, 1),
    ("b", "seen live", 100.0, 9),
    ("b", "jazz", 0.0, 5),
    ("c", "pop", 100.0, 1),
    ("c", "jazz", 100.0, 1),
    ("d", "rock", 100.0, 9),  # nobody listens to d
]


def table(*rows):
    """Annotations from (song, tag, score, taggers) rows."""
    return pd.DataFrame(rows, columns=["song", "tag", "score", "taggers"])


def strengths(annotations, options=HALF, listened="abc") -> dict[tuple[str, str], float]:
    cleaned, _ = clean_tags(annotations, set(listened), options)
    found = tag_strengths(annotations, cleaned, options)
    assert not found.duplicated(["song", "cleaned"]).any()
    return {(song, tag): strength for song, tag, strength in found.itertuples(index=False)}


BY_HAND = {
    ("a", "hip hop"): 2 / 3,  # a score of 50 is enough: 1, of two people
    ("a", "pop"): 0.25 / 2,
    ("a", "rock"): 5 / 6,  # two spellings, five people
    ("b", "hip hop"): 1 / 2,
    ("b", "rock"): 0.4 * 4 / 5,  # the higher score of two spellings, all their people
    ("c", "jazz"): 1 / 2,
    ("c", "pop"): 1 / 2,
}


def test_strengths_by_hand():
    assert strengths(table(*COUNTED)) == pytest.approx(BY_HAND)


def test_without_taggers_the_score_counts_alone():
    found = strengths(table(*COUNTED).drop(columns="taggers"))
    weak = {("a", "pop"): 0.25, ("b", "rock"): 0.4}
    assert found == dict.fromkeys(BY_HAND, 1.0) | weak


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"min_score": 0}, BY_HAND | {("a", "pop"): 1 / 2, ("b", "rock"): 4 / 5}),
        ({"keep_not_music": True}, BY_HAND | {("b", "seen live"): 9 / 10}),
        ({"min_score": 20, "max_tags": 2}, {("c", "jazz"): 1 / 2, ("c", "pop"): 1 / 2}),
    ],
)
def test_options_of_the_clean_up_count(options, expected):
    found = strengths(table(*COUNTED), replace(HALF, **options))
    if options == {"min_score": 0}:  # the rule is off, so that a score of 0 is as good as any
        expected = expected | {("b", "jazz"): 5 / 6}
    assert found == pytest.approx(expected)


def test_a_tag_has_the_name_that_the_clean_up_gave_it():
    found = strengths(table(*COUNTED), replace(HALF, min_score=51))  # only b's hip-hop is left
    assert found["a", "hip-hop"] == pytest.approx(0.5 * 2 / 3) and ("a", "hip hop") not in found


def test_a_spelling_that_is_no_music_does_not_count():
    rows = [("a", "xfactor", 60.0, 1), ("a", "x factor", 90.0, 7), ("b", "x factor", 90.0, 7)]
    assert strengths(table(*rows)) == {("a", "xfactor"): 1 / 2}


SPELLINGS = ["rock", "Rock", "rock music", "rock songs", "hip hop", "hip-hop", "pop", "!!!"]
ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from(SPELLINGS),
        st.sampled_from([0.0, 10.0, 49.5, 50.0, 100.0]),
        st.integers(1, 5),
    ),
    min_size=1,
    unique_by=lambda row: row[:2],
)


@given(ROWS)
def test_strengths_are_those_of_plain_loops(rows):
    rows = [*rows, ("e", "rock", 100.0, 1)]  # so that the clean-up leaves something
    listened, options = set("abce"), HALF
    cleaned, _ = clean_tags(table(*rows), listened, options)
    names = dict(zip(cleaned["lemma"], cleaned["cleaned"], strict=True))
    scores, people = defaultdict(float), defaultdict(int)
    for song, tag, score, taggers in rows:
        if song in set(cleaned["song"]) and lemma(tag) in names:
            place = song, names[lemma(tag)]
            scores[place] = max(scores[place], score)
            people[place] += taggers
    expected = {
        place: (1 if score >= 50 else score / 100) * people[place] / (people[place] + 1)
        for place, score in scores.items()
        if score > 0
    }
    assert strengths(table(*rows), options, listened) == pytest.approx(expected)
    kept = set(zip(cleaned["song"], cleaned["cleaned"], strict=True))
    assert kept == {place for place, score in scores.items() if score >= 50}
