"""Appending to the packed store: the same bytes however often it is stopped, and wherever."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.mel_index import FRAMES, INDEX
from dataset.mel_store import MEL_SETTINGS, N_MELS, SETTINGS, open_mel_store
from dataset.writing import write_about
from errors import UserError
from mel_samples import all_frames
from preprocessing.mel import store_writer
from preprocessing.mel.store_writer import open_writer

LENGTHS = {f"S{number}": number % 7 + 1 for number in range(12)}
RNG = np.random.default_rng(0)
MELS = {
    song_id: RNG.normal(size=(length, N_MELS)).astype(np.float16)
    for song_id, length in LENGTHS.items()
}


def append_the_rest(directory: Path, stop_after: int = len(MELS)) -> None:
    """What a run does: append in order what the store lacks."""
    with open_writer(directory, "audio") as writer:
        for song_id in [song_id for song_id in MELS if song_id not in writer.songs][:stop_after]:
            writer.append(song_id, MELS[song_id], source_bytes=len(song_id))


def content(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(directory.iterdir())}


@pytest.fixture
def whole(tmp_path) -> Path:
    directory = tmp_path / "whole"
    directory.mkdir()
    append_the_rest(directory)
    return directory


def test_what_is_written_is_read(whole):
    store = open_mel_store(whole, [])
    assert dict(zip(store.song_ids, store.n_frames.tolist(), strict=True)) == LENGTHS
    np.testing.assert_array_equal(all_frames(store), np.concatenate(list(MELS.values())))
    np.testing.assert_array_equal(np.load(whole / FRAMES), all_frames(store))  # a plain .npy file
    assert content(whole).keys() == {FRAMES, INDEX, "dataset.json"}


@settings(max_examples=40)
@given(data=st.data())
def test_killed_anywhere_it_ends_with_the_same_bytes(tmp_path_factory, data):
    """A kill leaves any part of the index, and any frames behind those that it tells of."""
    base = tmp_path_factory.mktemp("stores")
    expected, directory = base / "whole", base / "killed"
    for path in (expected, directory):
        path.mkdir()
        append_the_rest(path)
    index = (directory / INDEX).read_bytes()
    kept = index[: data.draw(st.integers(0, len(index)), label="bytes of the index")]
    (directory / INDEX).write_bytes(kept)
    n_frames = sum(list(LENGTHS.values())[: kept.count(b"\n")])
    frames = (directory / FRAMES).read_bytes()
    least = 128 + n_frames * N_MELS * 2
    cut = data.draw(st.integers(least, len(frames)), label="bytes of the frames")
    (directory / FRAMES).write_bytes(frames[:cut] + data.draw(st.binary(max_size=9)))
    append_the_rest(directory, stop_after=data.draw(st.integers(0, 5), label="songs"))
    append_the_rest(directory)
    assert content(directory) == content(expected)


def test_an_error_of_the_caller_loses_nothing(whole, tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    with pytest.raises(KeyboardInterrupt), open_writer(directory, "audio") as writer:
        writer.append("S0", MELS["S0"], source_bytes=2)
        raise KeyboardInterrupt
    assert open_mel_store(directory, []).song_ids == ["S0"]
    append_the_rest(directory)
    assert content(directory) == content(whole)


def test_nothing_appended_leaves_nothing(tmp_path):
    append_the_rest(tmp_path, stop_after=0)
    assert content(tmp_path) == {}


def test_settings_are_there_before_the_first_song(tmp_path, monkeypatch):
    monkeypatch.setattr(store_writer, "COMMIT_SECONDS", 0)
    with open_writer(tmp_path, "audio") as writer:
        assert content(tmp_path).keys() == {FRAMES, INDEX}
        writer.append("S0", MELS["S0"], source_bytes=2)
        assert open_mel_store(tmp_path, []).song_ids == ["S0"]  # read while it is being written


def test_songs_are_committed_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(store_writer, "COMMIT_SECONDS", 1000)
    with open_writer(tmp_path, "audio") as writer:
        for song_id, mel in MELS.items():
            writer.append(song_id, mel, source_bytes=2)
        assert (tmp_path / INDEX).read_bytes() == b""
    assert len((tmp_path / INDEX).read_bytes().splitlines()) == len(MELS)


def test_what_others_noted_stays(tmp_path):
    write_about(tmp_path, tmp_path, "step0", {"set": "mine"})
    append_the_rest(tmp_path)
    with open_writer(tmp_path, "audio") as writer:
        writer.describe({"skipped": 2})
    steps = json.loads((tmp_path / "dataset.json").read_text())["steps"]
    expected = {"made_from": "audio", "mel_settings": MEL_SETTINGS, "songs": 12, "hours": 0.0}
    assert steps == {"step0": {"set": "mine"}, "step4": expected | {"skipped": 2}}


def test_one_store_holds_one_kind(whole):
    with pytest.raises(UserError, match="made from audio files"), open_writer(whole, "published"):
        pass


def test_other_settings_are_refused(whole):
    facts = {"made_from": "audio", "mel_settings": MEL_SETTINGS | {"n_fft": 2048}}
    write_about(whole, whole, "step4", facts)
    before = content(whole)
    with pytest.raises(UserError, match="n_fft 2048 instead of 1024"), open_writer(whole, "audio"):
        pass
    assert content(whole) == before


def test_the_other_form_is_named(whole):
    facts = {"made_from": "audio", "mel_settings": SETTINGS["musicnn"]}
    write_about(whole, whole, "step4", facts)
    with (
        pytest.raises(UserError, match=r"run step 4 with --mel musicnn, or remove mel\.npy"),
        open_writer(whole, "audio"),
    ):
        pass


def test_a_store_cut_short_is_refused(whole):
    (whole / FRAMES).write_bytes((whole / FRAMES).read_bytes()[:-1])
    before = content(whole)
    with pytest.raises(UserError, match="cut short"), open_writer(whole, "audio"):
        pass
    assert content(whole) == before


def test_two_writers_at_once_are_refused(whole):
    with (
        open_writer(whole, "audio"),
        pytest.raises(UserError, match="another command"),
        open_writer(whole, "audio"),
    ):
        pass
    append_the_rest(whole)  # and the lock is gone


def test_a_full_disk_is_told_and_costs_nothing(whole, tmp_path, monkeypatch):
    directory = tmp_path / "data"
    directory.mkdir()
    append_the_rest(directory, stop_after=5)

    def no_space(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store_writer.os, "fsync", no_space)
        with pytest.raises(UserError, match="No space left on device"):
            append_the_rest(directory)
    append_the_rest(directory)
    assert content(directory) == content(whole)


@pytest.mark.parametrize("name", [FRAMES, INDEX])
def test_something_in_the_way(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="Is a directory"), open_writer(tmp_path, "audio"):
        pass
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("call", range(1, 7))
def test_interrupted_in_a_commit_no_line_is_written_twice(whole, tmp_path, monkeypatch, call):
    """A commit calls fsync on the frames, then on the index; Ctrl-C may come in either."""
    directory = tmp_path / "interrupted"
    directory.mkdir()
    calls = []

    def interrupted(_descriptor: int) -> None:
        calls.append(None)
        if len(calls) == call:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store_writer, "COMMIT_SECONDS", 0)
        patch.setattr(store_writer.os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            append_the_rest(directory)
    if (directory / INDEX).read_bytes():
        open_mel_store(directory, [])  # readable as it is
    append_the_rest(directory)
    assert content(directory) == content(whole)
