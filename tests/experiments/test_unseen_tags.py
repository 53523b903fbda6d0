"""experiments.unseen_tags: no model sees the tags that it is asked for."""

import json
from argparse import Namespace

import numpy as np
import pytest

from commands import run_here, run_main
from dataset.directory import open_dataset
from errors import UserError
from experiments.unseen_tags import (
    compare_unseen,
    deal,
    most_common_tags,
    rank_unseen,
    results_of_tags,
    with_tags,
    write_without,
)
from planted import write_planted, write_planted_mels, write_planted_strengths


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
        write_without(whole, [whole.tags[1], whole.tags[6]], without, is_subset=False)
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


def test_strengths_of_tags_that_are_left_out_stay_behind(dataset_dir, tmp_path):
    strengths = write_planted_strengths(dataset_dir)
    whole, without = open_dataset(dataset_dir, with_strengths=True), tmp_path / "without"
    kept = np.array([0, 2, 3, 4, 5, 7])
    for _ in range(2):
        write_without(whole, [whole.tags[1], whole.tags[6]], without, is_subset=False)
    found = open_dataset(without, with_strengths=True)
    for one in (found, with_tags(whole, kept)):
        np.testing.assert_array_equal(one.tag_strengths, strengths[:, kept])
    np.testing.assert_array_equal(np.load(dataset_dir / "tag_strengths.npy"), strengths)
    (dataset_dir / "tag_strengths.npy").unlink()  # as by a step 1 without them
    write_without(whole, [whole.tags[1], whole.tags[6]], without, is_subset=False)
    assert not (without / "tag_strengths.npy").exists()


def test_ranked_as_the_nearest_tag_where_the_vectors_are_the_same(tmp_path, dataset_dir):
    """An 'unseen' tag with the vector of a known one is ranked alike by both, and as that one."""
    run = ["--data_path", str(dataset_dir), "--model_save_path", str(tmp_path), "--gpu_id", "cpu"]
    few = ["--input_type", "cf", "--n_epochs", "1", "--triplets_per_epoch", "512"]
    run_main(*run, *few)
    run_main("--mode", "TEST", *run[:2], "--model_load_path", tmp_path, "--gpu_id", "cpu")
    tags = json.loads((tmp_path / "results.json").read_text())["tags"]
    by_vector, by_nearest = rank_unseen(
        {"model_load_path": str(tmp_path), "data_path": str(dataset_dir)}, open_dataset(dataset_dir)
    )
    for metric, values in by_vector.items():
        np.testing.assert_array_equal(values, by_nearest[metric])
        np.testing.assert_allclose(values, [one[metric] for one in tags.values()], atol=1e-6)


@pytest.mark.slow
def test_random_word_vectors_say_nothing_of_a_tag_never_seen(tmp_path):
    data, out = write_planted(tmp_path / "data"), tmp_path / "out"
    command = ("-m", "experiments.unseen_tags", data, out, "--seeds", "0", "--input_type", "cf")
    options = ("--n_epochs", "2", "--lr", "1e-3", "--triplets_per_epoch", "4000", "--gpu_id", "cpu")
    done = run_here(*command, *options)
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
    again = run_here(*command, *options)
    assert again.returncode == 0, again.stderr
    assert "trained to epoch" in done.stdout and "trained to epoch" not in again.stdout
    assert (out / "unseen_tags.md").read_text() == text


def test_too_few_tags(tmp_path, shared_dataset_dir):
    few, dataset = tmp_path / "few", open_dataset(shared_dataset_dir)
    write_without(dataset, dataset.tags[:4], few, is_subset=False)
    given = {"data_path": str(few), "result_dir": tmp_path / "out", "seeds": [0]}
    for n_tested, match in ((None, "4 tags, of which 4"), (9, "4 tags, of which 9"), (3, "3 are")):
        with pytest.raises(UserError, match=match):
            compare_unseen(Namespace(**given, options=["--input_type", "cf"]), n_tested)
    assert not (tmp_path / "out").exists()


def test_neighbours_tell_the_tags_left_out(tmp_path, shared_dataset_dir):
    given = {"data_path": str(shared_dataset_dir), "result_dir": tmp_path / "out", "seeds": [0]}
    options = ["--input_type", "cf+neighbours", "--fusion", "concat"]
    with pytest.raises(UserError, match="tell the tags left out"):
        compare_unseen(Namespace(**given, options=options), None)
    assert not (tmp_path / "out").exists()


def test_only_the_most_common_tags_are_asked_for(tmp_path, shared_dataset_dir):
    dataset = open_dataset(shared_dataset_dir)
    columns = most_common_tags(dataset, 5)
    n_songs = dataset.song_tags.sum(axis=0)
    assert sorted(n_songs[columns]) == sorted(n_songs)[-5:] and (np.diff(columns) > 0).all()
    given = {"data_path": str(shared_dataset_dir), "result_dir": tmp_path, "seeds": [0]}
    few = ["--input_type", "cf", "--n_epochs", "1", "--triplets_per_epoch", "256"]
    found = compare_unseen(Namespace(**given, options=[*few, "--gpu_id", "cpu"]), n_tested=5)
    whole = json.loads(next(tmp_path.glob("runs/*/results.json")).read_text())
    for runs in found.values():
        assert list(runs[0]["tags"]) == [dataset.tags[column] for column in columns]
    for tag, one in found["trained on it"][0]["tags"].items():
        assert one == whole["tags"][tag]
    for part in tmp_path.glob("unseen/*"):
        known = open_dataset(part / "data").tags
        assert len(known) == len(dataset.tags) - 1  # five parts of one tag each


def test_results_of_all_tags_are_those_of_the_test(shared_dataset_dir):
    dataset = with_tags(open_dataset(shared_dataset_dir), np.array([0, 2]))
    one = {"map": 0.5, "p@10": 0.25, "roc_auc": None}
    results = {"tags": {tag: one for tag in dataset.tags}, "made_by": {"seed": 3}}
    found = results_of_tags(results, dataset)
    assert (found["map"], found["p@10"], found["roc_auc"]) == (0.5, 0.25, None)
    assert found["n_tags"] == 2 and found["made_by"] == {"seed": 3}
