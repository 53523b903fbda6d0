"""tag_strengths.npy: how strongly people tagged, read where asked for and held against binaries."""

import numpy as np
import pytest

from dataset.directory import STRENGTHS, fingerprint, open_dataset, write_split_without
from dataset.writing import staged
from errors import UserError
from planted import write_planted_strengths
from published_files import SONG_TAGS, assert_refused, write_published

WEAK = np.where(SONG_TAGS, 0.75, 0.25)


@pytest.mark.parametrize("prefix", ["", "sub_"])
def test_strengths_are_read_if_asked_for(tmp_path, prefix):
    path = write_published(tmp_path / "data", prefix)
    assert open_dataset(path, is_subset=bool(prefix)).tag_strengths is None
    message = f"{prefix}tag_strengths.npy is missing: --soft_tags"
    assert_refused(path, message, "step 1", is_subset=bool(prefix), with_strengths=True)
    np.save(path / f"{prefix}tag_strengths.npy", WEAK.astype(np.float64))
    dataset = open_dataset(path, is_subset=bool(prefix), with_strengths=True)
    assert dataset.tag_strengths.dtype == np.float32
    np.testing.assert_array_equal(dataset.tag_strengths, WEAK)
    np.testing.assert_array_equal(dataset.song_tags, SONG_TAGS)  # which stay what is tested


def changed(index, value) -> np.ndarray:
    array = WEAK.astype(np.float64)
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (WEAK[:5], "has the shape (5, 3) but binaries.npy of the same directory (6, 3)"),
        (WEAK[:, :2], "has the shape (6, 2) but binaries.npy"),
        (WEAK[0], "must hold a matrix of numbers, not shape (3,)"),
        (WEAK.astype(str), "must hold a matrix of numbers"),
        (WEAK.astype(complex), "must hold a matrix of numbers"),
        (changed((2, 1), np.nan), "NaN or infinite values, first in row 2"),
        (changed((2, 1), np.inf), "NaN or infinite values, first in row 2"),
        (changed((2, 1), 1.5), "must hold numbers from 0 to 1"),
        (changed((2, 2), -0.5), "must hold numbers from 0 to 1"),
        (changed((3, 2), 0), "has strength 0 in row 3, column 2, where binaries.npy says"),
        (changed((3, 2), 1e-60), "has strength 0 in row 3, column 2"),  # in float32
    ],
)
def test_bad_strengths_are_refused(tmp_path, array, message):
    path = write_published(tmp_path / "data")
    np.save(path / "tag_strengths.npy", array)
    open_dataset(path)
    assert_refused(path, message, "tag_strengths.npy", with_strengths=True)


def test_strengths_of_training_songs_are_told_where_they_are_read(dataset_dir):
    strengths = write_planted_strengths(dataset_dir)
    before = open_dataset(dataset_dir, with_strengths=True)
    assert STRENGTHS not in fingerprint(open_dataset(dataset_dir))
    for part, is_told in (("valid", False), ("test", False), ("train", True)):
        strengths[before.splits[part]] = 1
        np.save(dataset_dir / "tag_strengths.npy", strengths)
        now = fingerprint(open_dataset(dataset_dir, with_strengths=True))
        differing = {name for name, one in fingerprint(before).items() if now[name] != one}
        assert differing == ({STRENGTHS} if is_told else set())


@pytest.mark.parametrize("prefix", ["", "sub_"])
def test_a_dropped_tag_takes_its_strengths_along(tmp_path, prefix):
    path = write_published(tmp_path / "data", prefix)
    for has_strengths in (False, True):
        if has_strengths:
            np.save(path / f"{prefix}tag_strengths.npy", np.arange(1, 19).reshape(6, 3) / 20)
        out = tmp_path / f"out {has_strengths}"
        with staged(out) as stage:
            write_split_without(stage, path, {"jazz"}, prefix)
        file = out / f"{prefix}tag_strengths.npy"
        assert file.is_file() == has_strengths
    expected = np.arange(1, 19).reshape(6, 3)[:, [0, 2]] / 20
    np.testing.assert_array_equal(np.load(file), expected.astype(np.float32))


def test_no_tag_is_dropped_beside_strengths_that_do_not_fit(tmp_path):
    path = write_published(tmp_path / "data")
    np.save(path / "tag_strengths.npy", WEAK[:, :2])
    with pytest.raises(UserError, match=r"tag_strengths\.npy has the shape"), staged(path) as stage:
        write_split_without(stage, path, {"jazz"})
