"""The demo's text: every tag among its own words."""

from collections import Counter

import numpy as np

from preprocessing.demo.demo_set import cast_songs
from preprocessing.demo.words import CATEGORY_WORDS, SENTENCES_A_TAG, TAG_WORDS, sentences


def all_categories() -> dict[str, str]:
    return dict(tag for song in cast_songs(np.random.default_rng(0)) for tag in song.tags())


def test_every_tag_and_category_has_words():
    categories = all_categories()
    assert set(TAG_WORDS) == set(categories)
    assert set(CATEGORY_WORDS) == set(categories.values())


def test_sentences_are_about_one_tag_each():
    categories = all_categories()
    lines = list(sentences(np.random.default_rng(0), categories))
    assert len(lines) == SENTENCES_A_TAG * len(categories)
    assert all(line == line.lower() for line in lines)
    own = Counter()
    for line in lines:
        padded = f" {line} "
        about = {tag for tag in categories if f" {tag} " in padded}
        own.update(tag for tag in about if set(TAG_WORDS[tag].split()) & set(line.split()))
    # 'electric piano' is about the piano too, and no other tag is part of another one.
    assert all(own[tag] == SENTENCES_A_TAG for tag in categories)


def test_words_of_a_tag_belong_to_no_other():
    words = Counter(word for words in TAG_WORDS.values() for word in words.split())
    assert max(words.values()) == 1
    others = " ".join([*CATEGORY_WORDS.values(), *TAG_WORDS]).split()
    assert not set(words) & set(others)
