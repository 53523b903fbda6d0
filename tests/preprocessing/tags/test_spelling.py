"""Spellings of tags: how they are preprocessed, and which have one lemma."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocessing.tags.cleaning import (
    lemma,
    preprocess_tag,
)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("Rock", "rock"),
        ("rock music", "rock"),
        ("rock songs", "rock"),
        ("rock tag", "rock"),
        ("rock music tags", "rock"),
        ("music", "music"),
        ("songs", "songs"),
        ("musical", "musical"),
        ("hip-hop", "hip hop"),
        ("rock & roll", "rock n roll"),
        ("rock and roll", "rock n roll"),
        ("rock 'n' roll", "rock n roll"),
        ("rock ’n’ roll", "rock n roll"),
        ("rock n' roll", "rock n roll"),
        ("drum'n'bass", "drum n bass"),
        ("r&b", "r n b"),
        ("brandy", "brandy"),
        ("80's", "80s"),
        ("hip hop/rap", "hip hop rap"),
        ("  two   spaces ", "two spaces"),
        ("tropicália", "tropicália"),
        ("!!!", ""),
        ("null", "null"),
    ],
)
def test_preprocess_tag(tag, expected):
    assert preprocess_tag(tag) == expected


@pytest.mark.parametrize(
    "spellings",
    [
        ["rock", "Rock", "rock music", "rock songs", "rock tag", "rock song"],
        ["hip-hop", "hip hop", "hiphop", "Hip Hop Music"],
        ["female vocalists", "female vocalist", "female-vocalists"],
        ["r&b", "rnb", "r and b", "r'n'b", "R & B", "r.n.b."],
        ["rock n roll", "rock and roll", "rock'n'roll", "rock'n roll", "rocknroll", "rock & roll"],
        ["80s", "80's", "1980s", "1980's", "80s music"],
        ["00s", "2000s"],
        ["synth pop", "synthpop", "synth-pop"],
        ["ballad", "ballads"],
        ["lady", "ladies"],
        ["oldie", "oldies"],
        ["chanson francaise", "chanson française"],
        ["lo-fi", "lofi", "lo fi"],
        ["love song", "love songs", "love"],
    ],
)
def test_spellings_of_one_tag_have_one_lemma(spellings):
    assert len({lemma(tag) for tag in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("blues", "blue"),
        ("80s", "80"),
        ("00s", "1900s"),
        ("bass", "brass"),
        ("pop", "pop rock"),
        ("female vocalists", "male vocalists"),
        ("metal", "nu metal"),
        ("null", "nan"),
        ("か", "が"),
        ("русский", "русскии"),
        ("1920s", "2020s"),
        ("20s", "2020s"),
        ("20s", "1920s"),
        ("1910s", "1910"),
        ("3/4", "34"),
    ],
)
def test_different_tags_have_different_lemmas(one, other):
    assert lemma(one) != lemma(other)


@given(st.text(max_size=30))
def test_names_of_wild_tags(tag):
    plain = preprocess_tag(tag)
    assert preprocess_tag(plain) == plain == " ".join(plain.split())
    assert lemma(plain) == lemma(tag)
    assert " " not in re.sub(r"(?<=\d) (?=\d)", "", lemma(tag))
