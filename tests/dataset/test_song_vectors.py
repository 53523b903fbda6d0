"""NAME_songs.npy: vectors of songs of any origin, read and held against the songs."""

import numpy as np
import pytest

from dataset.directory import fingerprint, open_dataset
from errors import UserError


def song_vectors(directory, rows, ids=None, name="musicnn"):
    np.save(directory / f"{name}_songs.npy", np.asarray(rows, dtype=np.float32))
    if ids is not None:
        np.save(directory / f"{name}_song_ids.npy", np.array(ids))


def test_song_vectors_follow_the_songs_or_their_own_ids(dataset_dir):
    ids = np.load(dataset_dir / "existing_ids.npy").tolist()
    rows = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    song_vectors(dataset_dir, rows)
    found = open_dataset(dataset_dir, input_type="musicnn")
    np.testing.assert_array_equal(found.vectors["musicnn"], rows)
    order = np.random.default_rng(1).permutation(300)[:280]
    song_vectors(dataset_dir, rows[order], [ids[song] for song in order])
    found = open_dataset(dataset_dir, input_type="musicnn+cf")
    lacking = np.setdiff1d(np.arange(300), order)
    np.testing.assert_array_equal(found.vectors["musicnn"][order], rows[order])
    assert np.isnan(found.vectors["musicnn"][lacking]).all()
    left = np.concatenate(list(found.splits.values()))
    assert sorted(left) == sorted(order)  # all inputs are needed
    found = open_dataset(dataset_dir, input_type="musicnn+cf", any_input=True)
    assert sum(map(len, found.splits.values())) == 300


@pytest.mark.parametrize(
    ("rows", "ids", "message"),
    [
        (np.zeros((299, 4)), None, "has 299 rows but binaries.npy has 300"),
        (np.zeros((3, 4)), ["a", "b"], "has 3 rows but musicnn_song_ids.npy has 2"),
        (np.zeros((2, 4)), ["a", "a"], "twice"),
        (np.zeros(300), None, "must hold a matrix of numbers"),
        (np.where(np.eye(300, 4) == 1, np.nan, 0), None, "NaN or infinite values, first in row 0"),
        (np.full((300, 4), np.inf), None, "NaN or infinite values, first in row 0"),
        (np.full((300, 4), np.nan), None, "no song of the train split"),
    ],
)
def test_song_vectors_that_do_not_fit_are_refused(dataset_dir, rows, ids, message):
    song_vectors(dataset_dir, rows, ids)
    with pytest.raises(UserError, match=message):
        open_dataset(dataset_dir, input_type="musicnn")


def test_a_changed_vector_changes_the_fingerprint(dataset_dir):
    song_vectors(dataset_dir, np.ones((300, 4)))
    one = fingerprint(open_dataset(dataset_dir, input_type="musicnn+cf"))
    song_vectors(dataset_dir, np.ones((300, 4)) * 2)
    other = fingerprint(open_dataset(dataset_dir, input_type="musicnn+cf"))
    assert {name for name in one if one[name] != other[name]} == {"musicnn vectors"}
