"""The vectors of step 5 on the disk: the same however often it is stopped, and never mixed up."""

import os
from pathlib import Path

import numpy as np
import pytest

from dataset.files import read_about, read_strings
from dataset.writing import write_about
from errors import UserError
from preprocessing.features import vector_writer
from preprocessing.features.vector_writer import open_vector_writer

ABOUT = {"encoder": "noise", "layer": "last"}
SONGS = [f"S{number}" for number in range(6)]
WITHOUT = "S2"
VECTORS = dict(zip(SONGS, np.random.default_rng(0).normal(size=(6, 4)), strict=True))


def append(directory: Path, song_ids: list[str], new: list[str], about: dict = ABOUT) -> list[str]:
    """Append songs that are not there; return those that were."""
    with open_vector_writer(directory, "noise", song_ids, about) as writer:
        there = list(writer.songs)
        for song_id in [song_id for song_id in new if song_id not in writer.songs]:
            vector = VECTORS[song_id].astype(np.float32)
            writer.append(song_id, vector, 7, f"digest of {song_id}", "")
    return there


def rows(directory: Path) -> dict[str, np.ndarray]:
    song_ids = read_strings(directory / "noise_song_ids.npy")
    return dict(zip(song_ids, np.load(directory / "noise_songs.npy"), strict=True))


def content(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(directory.iterdir())}


def test_a_row_a_song_in_the_order_that_is_given(tmp_path):
    append(tmp_path, SONGS, [song_id for song_id in reversed(SONGS) if song_id != WITHOUT])
    found = np.load(tmp_path / "noise_songs.npy")
    assert found.dtype == np.float32 and found.shape == (6, 4)
    expected = np.stack([VECTORS[song_id] for song_id in SONGS])
    expected[SONGS.index(WITHOUT)] = np.nan
    np.testing.assert_array_equal(found, expected.astype(np.float32))
    assert read_strings(tmp_path / "noise_song_ids.npy") == SONGS


def test_what_is_there_is_known_again(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert append(tmp_path / "a", SONGS, SONGS[:2]) == []
    assert append(tmp_path / "a", SONGS, SONGS) == SONGS[:2]
    append(tmp_path / "b", SONGS, SONGS)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert append(tmp_path / "a", SONGS, []) == SONGS


def test_another_split_finds_its_rows_again(tmp_path):
    append(tmp_path, SONGS, SONGS)
    other = ["S5", "new", "S0"]
    assert sorted(append(tmp_path, other, [])) == ["S0", "S5"]
    found = rows(tmp_path)
    assert list(found) == other and np.isnan(found["new"]).all()
    for song_id in ("S0", "S5"):
        np.testing.assert_array_equal(found[song_id], VECTORS[song_id].astype(np.float32))


def test_what_is_refused_leaves_the_files(tmp_path):
    append(tmp_path, SONGS, SONGS)
    before = content(tmp_path)
    with (
        pytest.raises(UserError, match="refused"),
        open_vector_writer(tmp_path, "noise", SONGS[:2], ABOUT),
    ):
        raise UserError("refused")
    assert content(tmp_path) == before
    with (
        pytest.raises(UserError, match="stopped"),
        open_vector_writer(tmp_path, "noise", [*SONGS, "new"], ABOUT) as writer,
    ):
        writer.append("new", np.ones(4, np.float32), 7, "digest", "")
        raise UserError("stopped")
    assert list(rows(tmp_path)) == [*SONGS, "new"]  # what was made is kept


@pytest.mark.parametrize("n_replaced", range(4))
def test_killed_between_two_files_no_song_gets_the_vector_of_another(
    tmp_path, monkeypatch, n_replaced
):
    append(tmp_path, SONGS, SONGS[:4])
    replace, calls = os.replace, []

    def replace_some(source, target):
        calls.append(target)
        if len(calls) > n_replaced:
            raise SystemExit
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", replace_some)
        with pytest.raises(SystemExit):
            append(tmp_path, SONGS[::-1], SONGS[4:])
    append(tmp_path, SONGS[::-1], SONGS)
    found = rows(tmp_path)
    assert list(found) == SONGS[::-1]
    for song_id, vector in VECTORS.items():
        np.testing.assert_array_equal(found[song_id], vector.astype(np.float32))


def test_it_is_written_from_time_to_time(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_writer, "COMMIT_SECONDS", -1000)
    with open_vector_writer(tmp_path, "noise", SONGS, ABOUT) as writer:
        writer.append("S1", VECTORS["S1"], 7, "digest", "")
        assert np.isfinite(rows(tmp_path)["S1"]).all() and np.isnan(rows(tmp_path)["S0"]).all()


def test_nothing_appended_leaves_nothing(tmp_path):
    append(tmp_path, SONGS, [])
    assert content(tmp_path) == {}


def test_facts_are_noted_beside_those_of_others(tmp_path):
    write_about(tmp_path, tmp_path, "step0", {"set": "mine"})
    with open_vector_writer(tmp_path, "noise", SONGS, ABOUT) as writer:
        writer.append("S1", VECTORS["S1"], 7, "digest", "")
        writer.describe({"skipped": 5})
    noted = read_about(tmp_path)["steps"]
    about = ABOUT | {"songs": 1, "skipped": 5}
    assert noted == {"step0": {"set": "mine"}, "step5": {"noise": about}}


def test_vectors_made_otherwise_are_refused(tmp_path):
    append(tmp_path, SONGS, SONGS)
    before = content(tmp_path)
    with pytest.raises(UserError, match=r"made with layer last instead of first: remove noise_so"):
        append(tmp_path, SONGS, SONGS, ABOUT | {"layer": "first"})
    assert content(tmp_path) == before


def test_vectors_of_the_user_are_refused(tmp_path):
    np.save(tmp_path / "noise_songs.npy", np.zeros((6, 4), dtype=np.float32))
    with pytest.raises(UserError, match="made with encoder None instead of noise"):
        append(tmp_path, SONGS, SONGS)


@pytest.mark.parametrize("damage", ["short", "dtype", "flat", "torn", "index"])
def test_damaged_files_are_refused(tmp_path, damage):
    append(tmp_path, SONGS, SONGS)
    file = tmp_path / ("noise_songs.tsv" if damage == "index" else "noise_songs.npy")
    vectors = np.load(tmp_path / "noise_songs.npy")
    wrong = {"short": vectors[1:], "dtype": vectors.astype(float), "flat": vectors[:, 0]}
    if damage in wrong:
        np.save(file, wrong[damage])
    else:
        file.write_bytes(file.read_bytes()[:-60] + b"\t\t\n")
    with pytest.raises(UserError, match=file.name):
        append(tmp_path, SONGS, SONGS)
