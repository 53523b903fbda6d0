"""Tags as text: those of training songs alone, written as the text writes them."""

import io
from collections import Counter

import numpy as np
import pytest

from dataset.files import RAW_TAGS
from dataset.writing import staged
from errors import UserError
from planted import write_planted
from preprocessing.words.song_tags import (
    SONGS_READ,
    held_out,
    read_training_tags,
    remove_leaking,
    write_tags,
)
from preprocessing.words.vector_training import train_word_vectors
from preprocessing.words.word_vectors import open_vectors
from step2_runs import one_sentence, recipe, step2


def write_raw(directory, rows: list[str]) -> None:
    (directory / RAW_TAGS).write_text("".join(f"{row}\n" for row in rows), "utf-8")
    np.save(directory / "train_ids.npy", np.array(["0//one", "2//two"]))


def test_only_tags_of_training_songs_are_read(tmp_path):
    write_raw(tmp_path, ["one\tHip Hop", "one\thip  hop", "test\tsecret", "two\tjazz", "two\tfun"])
    assert read_training_tags(tmp_path) == {"one": ["hip hop"], "two": ["jazz", "fun"]}
    np.save(tmp_path / "sub_test_ids.npy", np.array(["0//two"]))  # held out of the subset alone
    assert read_training_tags(tmp_path) == {"one": ["hip hop"]}


def test_without_raw_tags_or_split(tmp_path):
    with pytest.raises(UserError, match=r"raw_tags\.tsv is missing: step0_.*not of the demo$"):
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


def test_vectors_that_have_read_tags_of_songs_now_held_out(tmp_path):
    """Another split makes training songs test songs: what has read their tags is not used."""
    data = write_planted(tmp_path / "data", 60)
    tags = [str(tag) for tag in np.load(data / "tags.npy")]
    ids = [str(song) for song in np.load(data / "existing_ids.npy")]
    rows = "".join(f"{song}\t{tag}\n" for song in ids for tag in tags)
    (data / RAW_TAGS).write_text(rows, "utf-8")
    words = " ".join(tag.replace(" ", "_") for tag in tags)
    (tmp_path / "text.txt").write_text(f"some words of a text {words}\n" * 50)
    train = ("train", data, tmp_path / "text.txt", "--method=counts", "--dimensions=4")
    assert step2(*train, "--song_tags=5", "--name=tagged").returncode == 0
    assert step2("run", data, "--only=tagged").returncode == 0
    with staged(data) as stage:
        assert remove_leaking(stage, data, False, held_out(data, False)) == []
    moved = np.load(data / "train_ids.npy")[:3]
    np.save(data / "train_ids.npy", np.load(data / "train_ids.npy")[3:])
    np.save(data / "test_ids.npy", np.concatenate([np.load(data / "test_ids.npy"), moved]))
    done = step2("run", data, "--only=tagged")
    assert one_sentence(done)
    assert "tagged_w2v has read the tags of 3 songs that the split holds out" in done.stdout
    with staged(data) as stage:
        (line,) = remove_leaking(stage, data, False, held_out(data, False))
    assert "with --song_tags N and --name=tagged again" in line
    assert "removed tagged_emb.pkl" in line and not (data / "tagged_emb.pkl").exists()
    assert step2(*train, "--song_tags=5", "--name=tagged").returncode == 0  # of the others
    assert step2("run", data, "--only=tagged").returncode == 0
    assert step2(*train, "--name=tagged", "--min_count=1").returncode == 0  # of the text alone
    assert not (data / "tagged_w2v" / SONGS_READ).exists()
