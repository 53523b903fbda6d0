"""experiments.unseen_tags: no model sees the tags that it is asked for."""

import json
from argparse import Namespace

import numpy as np
import pytest

from commands import run_command, run_main
from dataset.directory import open_dataset
from errors import UserError
from experiments.unseen_tags import compare_unseen, deal, rank_unseen, write_without
from planted import write_planted, write_planted_mels


def test_every_tag_is_in_one_part():
    for n_tags in (5, 8, 100):
        parts = deal(n_tags, seed=0)
        assert sorted(np.concatenate(parts)) == list(range(n_tags))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert all((np.diff(part) > 0).all() for part in parts)
    assert any(len(set(a) ^ set(b)) for a, b in zip(deal(100, 0), deal(100, 1), strict=True))


def test_a_directory_without_some_tags(tmp_path):
    data = write_planted_mels(write_planted(tmp_path / "data", 40))
    whole = open_dataset(data, "music", input_type="hybrid")
    without = tmp_path / "new" / "data"
    for _ in range(2):  # a second start finds it there
        write_without(whole, np.array([1, 6]), without, is_subset=False)
    found = open_dataset(without, "music", input_type="hybrid")
    kept = [0, 2, 3, 4, 5, 7]
    assert found.tags == [whole.tags[column] for column in kept]
    np.testing.assert_array_equal(found.song_tags, whole.song_tags[:, kept])
    np.testing.assert_array_equal(found.tag_vectors, whole.tag_vectors[kept])
    np.testing.assert_array_equal(found.vectors["cf"], whole.vectors["cf"])
    assert found.song_ids == whole.song_ids and found.categories == whole.categories
    for part, songs in whole.splits.items():
        np.testing.assert_array_equal(found.splits[part], songs)
    assert found.mel.song_ids == whole.mel.song_ids
    assert open_dataset(data, "music").tags == whole.tags  # left as it was


def test_ranked_as_the_nearest_tag_where_the_vectors_are_the_same(tmp_path, dataset_dir):
    """An 'unseen' tag with the vector of a known one is ranked alike by both, and as that one."""
    run = ["--data_path", str(dataset_dir), "--model_save_path", str(tmp_path), "--gpu_id", "cpu"]
    few = ["--input_type", "cf", "--n_epochs", "1", "--triplets_per_epoch", "512"]
    run_main(*run, *few)
    run_main("--mode", "TEST", *run[:2], "--model_load_path", tmp_path, "--gpu_id", "cpu")
    tags = json.loads((tmp_path / "results.json").read_text())["tags"]
    by_vector, by_nearest = rank_unseen(tmp_path, dataset_dir, open_dataset(dataset_dir))
    for metric, values in by_vector.items():
        np.testing.assert_array_equal(values, by_nearest[metric])
        np.testing.assert_allclose(values, [one[metric] for one in tags.values()], atol=1e-6)


@pytest.mark.slow
def test_random_word_vectors_say_nothing_of_a_tag_never_seen(tmp_path):
    data, out = write_planted(tmp_path / "data"), tmp_path / "out"
    command = ("-m", "experiments.unseen_tags", data, out, "--seeds", "0", "--input_type", "cf")
    options = ("--n_epochs", "2", "--lr", "1e-3", "--triplets_per_epoch", "4000", "--gpu_id", "cpu")
    done = run_command(*command, *options)
    assert done.returncode == 0, done.stderr
    text = (out / "unseen_tags.md").read_text()
    header = text.splitlines()[2].split("|")
    assert [cell.strip() for cell in header[2:6]] == [
        *("trained on it", "never seen", "nearest tag instead", "at random")
    ]
    runs = {one["column"]: one for one in json.loads((out / "unseen_tags.json").read_text())}
    chance = runs["never seen"]["chance_map"]
    assert runs["trained on it"]["map"] > 3 * chance
    assert runs["never seen"]["map"] < 1.8 * chance
    assert all(one["n_tags"] == 8 for one in runs.values())
    again = run_command(*command, *options)
    assert again.returncode == 0, again.stderr
    assert "trained to epoch" in done.stdout and "trained to epoch" not in again.stdout
    assert (out / "unseen_tags.md").read_text() == text


def test_too_few_tags(tmp_path, shared_dataset_dir):
    few = tmp_path / "few"
    write_without(open_dataset(shared_dataset_dir), np.arange(4), few, is_subset=False)
    given = {"data_path": str(few), "result_dir": tmp_path / "out", "seeds": [0]}
    with pytest.raises(UserError, match="4 tags, too few for 5 parts"):
        compare_unseen(Namespace(**given, options=["--input_type", "cf"]))
    assert not (tmp_path / "out").exists()
