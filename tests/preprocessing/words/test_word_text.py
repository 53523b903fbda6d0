"""The sentences of a text, of any form."""

import numpy as np
import pytest

from errors import UserError
from preprocessing.words import word_text
from preprocessing.words.vector_training import train_word_vectors
from preprocessing.words.word_text import Sentences
from preprocessing.words.word_vectors import open_vectors
from step2_runs import recipe


def sentences(tmp_path, text: str) -> list[list[str]]:
    (tmp_path / "text").write_text(text, "utf-8")
    return list(Sentences(tmp_path / "text"))


def test_a_line_of_many_words_is_several_sentences(tmp_path, monkeypatch):
    words = [f"w{number}" for number in range(25_000)]
    for most_letters in (1_000_000, 64):  # the line in one piece, and in many
        monkeypatch.setattr(word_text, "MOST_LETTERS", most_letters)
        found = sentences(tmp_path, "a  b\n\n" + "\u00a0 ".join(words) + "\nlast e\u0301")
        assert found[0] == ["a", "b"] and found[-1] == ["last", "é"]
        assert [word for sentence in found[1:-1] for word in sentence] == words
        assert max(map(len, found)) <= 10_000


def test_a_text_in_one_line_is_learnt_from_to_its_end(tmp_path):
    rng = np.random.default_rng(0)
    topics = rng.integers(10, size=4_000)
    words = [f"g{topic}w{rng.integers(5)}" for topic in topics for _ in range(10)]
    (tmp_path / "text").write_text(" ".join([f"a{n % 50}" for n in range(10_000)] + words))
    how = recipe(dimensions=20, sample=0.01, phrase_threshold=1e6)
    train_word_vectors(tmp_path, tmp_path / "text", "music", how)
    vectors = open_vectors(tmp_path, "music")
    assert vectors.similarity("g1w0", "g1w1") > vectors.similarity("g1w0", "g2w1") + 0.3


def test_what_has_no_blanks_is_no_text(tmp_path, monkeypatch):
    monkeypatch.setattr(word_text, "MOST_LETTERS", 1_000)
    with pytest.raises(UserError, match="text has a word of more than 1,000 letters: give a text"):
        sentences(tmp_path, "jazz rock " + "\0" * 5_000)
