"""Tags as text: those of training songs alone, written as the text writes them."""

import io
from collections import Counter

import numpy as np
import pytest

from dataset.files import RAW_TAGS
from errors import UserError
from preprocessing.words import word_text
from preprocessing.words.vector_training import train_word_vectors
from preprocessing.words.word_text import Sentences, read_training_tags, write_tags
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


def write_raw(directory, rows: list[str]) -> None:
    (directory / RAW_TAGS).write_text("".join(f"{row}\n" for row in rows), "utf-8")
    np.save(directory / "train_ids.npy", np.array(["0//one", "2//two"]))


def test_only_tags_of_training_songs_are_read(tmp_path):
    write_raw(tmp_path, ["one\tHip Hop", "one\thip  hop", "test\tsecret", "two\tjazz", "two\tfun"])
    assert read_training_tags(tmp_path) == [["hip hop"], ["jazz", "fun"]]


def test_without_raw_tags_or_split(tmp_path):
    with pytest.raises(UserError, match=r"raw_tags\.tsv is missing.*step0"):
        read_training_tags(tmp_path)
    write_raw(tmp_path, ["one\tjazz"])
    (tmp_path / "train_ids.npy").unlink()
    with pytest.raises(UserError, match=r"train_ids\.npy is missing.*step1"):
        read_training_tags(tmp_path)


def test_tags_are_written_as_the_text_writes_them():
    songs = [["hip hop", "trip-hop", "rare"], ["hip hop", "trip-hop", "deep house"]] * 2
    counts, stream = Counter({"hip-hop": 3, "trip_hop": 1}), io.StringIO()
    write_tags(songs, stream, counts, min_count=2, times=3, seed=0)
    lines = [line.split() for line in stream.getvalue().splitlines()]
    assert [sorted(line) for line in lines] == [
        ["hip-hop", "rare", "trip_hop"],
        ["deep_house", "hip-hop", "trip_hop"],
    ] * 6
    assert counts == {"hip-hop": 15, "trip_hop": 13, "rare": 6, "deep_house": 6}
    assert len({tuple(line) for line in lines[::2]}) > 1  # in several orders
    again = io.StringIO()
    write_tags(songs, again, Counter({"hip-hop": 3, "trip_hop": 1}), min_count=2, times=3, seed=0)
    assert again.getvalue() == stream.getvalue()
    none = io.StringIO()
    write_tags(songs, none, Counter(), min_count=5, times=3, seed=0)
    assert none.getvalue() == ""


@pytest.mark.parametrize("method", ["cbow", "counts"])
def test_vectors_know_what_tags_alone_say(tmp_path, method):
    """'gabber' and 'happy hardcore' are never in the text."""
    (tmp_path / "text.txt").write_text("some words of a text\nand some more words\n" * 50)
    tags = ["gabber", "happy hardcore", "fast"], ["ballad", "slow", "piano"]
    songs = [f"song{n}" for n in range(40)]
    rows = [f"{song}\t{tag}" for n, song in enumerate(songs) for tag in tags[n % 2]]
    write_raw(tmp_path, rows)
    np.save(tmp_path / "train_ids.npy", np.array([f"{n}//{song}" for n, song in enumerate(songs)]))
    how = recipe(method=method, dimensions=8, epochs=20, sample=1e-2, song_tags=5)
    train_word_vectors(tmp_path, tmp_path / "text.txt", "mine", how)
    vectors = open_vectors(tmp_path, "mine")
    assert vectors.similarity("gabber", "happy_hardcore") > vectors.similarity("gabber", "ballad")
