"""experiments.similar_songs: what counts as an answer, beside a plain loop; and the whole run."""

import json
import sys

import numpy as np
import pytest

from dataset.directory import open_dataset
from dataset.files import SONGS
from dataset.writing import write_tsv
from experiments import similar_songs
from experiments.similar_songs import N_ANSWERS, Questions, feature_vectors
from planted import write_planted


@pytest.fixture
def dataset(tmp_path):
    """Songs of artists who have four each; of the last ten songs the artist is not known."""
    directory = write_planted(tmp_path / "data", 80)
    ids = open_dataset(directory).song_ids
    rows = ((one, f"artist {song // 4}", "", "") for song, one in enumerate(ids[:-10]))
    write_tsv(directory / SONGS, rows)
    return open_dataset(directory, input_type="cf")


def naive(dataset, vectors, answers, tags):
    """Precision of every query that bears one of the tags, and of chance, song by song."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found, chance = [], []
    for query in dataset.splits["test"]:
        wanted = {tag for tag in tags if dataset.song_tags[query, tag]}
        if not wanted:
            continue
        n = len(dataset.song_ids)
        artist = [f"{song // 4}" if song < n - 10 else f"unknown {song}" for song in range(n)]
        others = [song for song in answers if artist[song] != artist[query]]
        others.sort(key=lambda song: -unit[song] @ unit[query])
        right = [any(dataset.song_tags[song, tag] for tag in wanted) for song in others]
        found.append(np.mean(right[:N_ANSWERS]))
        chance.append(np.mean(right))
    return np.mean(found), np.mean(chance)


@pytest.mark.parametrize("parts", [("train", "valid", "test"), ("test",)])
def test_precision_is_that_of_a_plain_loop(dataset, parts):
    kinds = {tag: "first" if column < 3 else "rest" for column, tag in enumerate(dataset.tags)}
    dataset.categories.clear()
    dataset.categories.update(kinds)
    asked = Questions(dataset, parts)
    vectors = feature_vectors(dataset, "cf")
    answers = np.concatenate([dataset.splits[part] for part in parts])
    found, chance = asked.precision(vectors), asked.chance()
    n_tags = len(dataset.tags)
    for name, tags in (("first", range(3)), ("any tag", range(n_tags))):
        expected = naive(dataset, vectors, answers, tags)
        assert (found[name], chance[name]) == pytest.approx(expected)
    assert set(found) == {"any tag", "first", "rest"}


def test_the_whole_run(dataset, tmp_path, monkeypatch, capsys):
    argv = ["similar_songs", str(dataset.path), str(tmp_path / "out"), "--seeds", "0"]
    monkeypatch.setattr(sys, "argv", [*argv, "--input_type", "cf", "--features", "cf"])
    cheap = ["--n_epochs", "1", "--triplets_per_epoch", "8", "--batch_size", "4"]
    monkeypatch.setattr(sys, "argv", [*sys.argv, *cheap])
    similar_songs.main()
    runs = json.loads((tmp_path / "out" / "similar_songs.json").read_text())
    columns = ["cf, cosine", "model, paper recipe", "model, cultural recipe"]
    assert [run["column"] for run in runs] == columns
    assert all(0 <= run["test songs"]["any tag"] <= 1 for run in runs)
    options = [run["made_by"]["options"] for run in runs[1:]]
    assert [one["loss"] for one in options] == ["triplet", "sigmoid"]
    assert [one["lr"] for one in options] == [1e-4, 1e-3]  # the second is the recipe's
    assert all(one["triplets_per_epoch"] == 8 for one in options)
    said = capsys.readouterr().out
    assert "Answers among 80, all songs:" in said and "at random" in said
    asked = Questions(dataset, ("test",))
    expected = asked.precision(feature_vectors(dataset, "cf"))["any tag"]
    assert runs[0]["test songs"]["any tag"] == expected


def test_recipes_of_ones_own(dataset, tmp_path, monkeypatch, capsys):
    argv = ["similar_songs", str(dataset.path), str(tmp_path / "out"), "--seeds", "0"]
    argv += ["--triplets_per_epoch", "8", "--batch_size", "4", "--input_type", "cf"]
    own = ["--variant", "short=--n_epochs 1", "--variant", "long=--n_epochs 2"]
    monkeypatch.setattr(sys, "argv", [*argv, *own])
    similar_songs.main()
    runs = json.loads((tmp_path / "out" / "similar_songs.json").read_text())
    columns = ["cf, cosine", "model, short recipe", "model, long recipe"]
    assert [run["column"] for run in runs] == columns
    assert [run["made_by"]["options"]["n_epochs"] for run in runs[1:]] == [1, 2]
    line = "model, short recipe: 1 epoch of 8 triplets; model, long recipe: 2 epochs of 8 triplets"
    assert line in capsys.readouterr().out


def test_help_keeps_the_command_line_as_it_is_typed(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["similar_songs", "--help"])
    with pytest.raises(SystemExit):
        similar_songs.main()
    assert "--input_type musicnn \\\n        --features" in capsys.readouterr().out
