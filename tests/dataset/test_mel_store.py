"""Reading mel spectrograms: both layouts, and stores that are damaged or unfinished."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.files import ABOUT
from dataset.mel_crops import read_crops
from dataset.mel_index import FRAMES, INDEX, PARTS, read_index, stored_songs
from dataset.mel_store import (
    MEL_SETTINGS,
    N_MELS,
    REPORT,
    PackedMels,
    open_mel_store,
    published_file,
    skipped_songs,
    unfinished_songs,
)
from dataset.writing import write_about, write_tsv
from errors import UserError
from mel_samples import LENGTHS, MELS, write_packed, write_published


@pytest.fixture(params=[write_packed, write_published])
def store(request, tmp_path):
    return open_mel_store(request.param(tmp_path / "data"), LENGTHS)


@pytest.fixture
def packed(tmp_path) -> Path:
    return write_packed(tmp_path / "data")


def test_what_a_store_says_of_itself(store):
    assert store.song_ids == list(LENGTHS)
    assert store.n_frames.tolist() == list(LENGTHS.values())
    assert store.n_frames.dtype == np.int64


def test_packed_frames_are_memory_mapped(packed):
    store = open_mel_store(packed, [])
    for row, mel in enumerate(MELS.values()):
        frames = store.song(row)
        assert isinstance(frames, np.memmap) and not frames.flags.writeable
        np.testing.assert_array_equal(frames, mel)


def test_the_packed_store_goes_before_the_published_layout(packed):
    write_published(packed)
    assert isinstance(open_mel_store(packed, LENGTHS), PackedMels)


def in_parts(directory: Path) -> Path:
    """The store with its last three songs in parts of their own."""
    kept, *others = MELS
    for number, song_id in enumerate(others):
        part = directory / PARTS / f"part-{number}"
        part.mkdir(parents=True)
        write_packed(part, {song_id: MELS[song_id]})
        (part / ABOUT).unlink()
    return write_packed(directory, {kept: MELS[kept]})


def test_a_store_is_a_list_of_parts(tmp_path, packed):
    directory = in_parts(tmp_path / "parts")
    whole, parts = open_mel_store(packed, []), open_mel_store(directory, [])
    assert parts.song_ids == whole.song_ids and len(parts.files) == 4
    for row in range(4):
        np.testing.assert_array_equal(parts.song(row), whole.song(row))
    rows, first = np.array([3, 0, 1, 3, 2]), np.array([0, 2, 200, 1, 0])
    crops = [read_crops(store, rows, first, 7) for store in (whole, parts)]
    np.testing.assert_array_equal(*crops)
    assert list(stored_songs(directory)) == whole.song_ids


def test_a_store_may_be_parts_alone(tmp_path):
    directory = in_parts(tmp_path / "parts")
    write_packed(directory, {})
    assert open_mel_store(directory, []).song_ids == list(MELS)[1:]


def test_a_song_that_two_machines_made_counts_once(tmp_path):
    directory = in_parts(tmp_path / "parts")
    shutil.copytree(directory / PARTS / "part-0", directory / PARTS / "part-9")
    assert open_mel_store(directory, []).song_ids == list(MELS)


def test_a_damaged_part_is_named(tmp_path):
    directory = in_parts(tmp_path / "parts")
    with open(directory / PARTS / "part-1" / FRAMES, "r+b") as stream:
        stream.truncate(130)
    with pytest.raises(UserError, match=r"part-1/mel\.npy is cut short"):
        open_mel_store(directory, [])


def test_only_the_songs_asked_for_are_looked_for_in_the_published_layout(tmp_path):
    directory = write_published(tmp_path / "data")
    store = open_mel_store(directory, ["SONGD", "", "SONGA", "ab", "absent"])
    assert store.song_ids == ["SONGD", "SONGA"]
    np.testing.assert_array_equal(store.song(1), MELS["SONGA"])


def test_where_the_published_layout_has_a_song():
    assert published_file(Path("d"), "TRABCDE") == Path("d/spec/A/B/C/TRABCDE.npy")


def test_neither_layout(tmp_path):
    with pytest.raises(UserError, match=r"step4_mel_spectrogram\.py run"):
        open_mel_store(tmp_path, ["SONGA"])


@pytest.mark.parametrize("n_bytes", [1, 256, 80_000])
def test_a_store_cut_short(packed, n_bytes):
    content = (packed / FRAMES).read_bytes()
    (packed / FRAMES).write_bytes(content[:-n_bytes])
    with pytest.raises(UserError, match="cut short"):
        open_mel_store(packed, [])


def test_more_frames_than_the_index_knows_do_not_count(packed):
    with open(packed / FRAMES, "ab") as stream:
        stream.write(bytes(100))
    assert open_mel_store(packed, []).song_ids == list(LENGTHS)


@pytest.mark.parametrize(
    "setting", [{"hop_length": 256}, {"n_mels": 96}, {"floor": None}, {"more": 1}]
)
def test_other_settings(packed, setting):
    write_about(packed, packed, "step4", {"mel_settings": MEL_SETTINGS | setting})
    with pytest.raises(UserError, match=f"was made with {next(iter(setting))} "):
        open_mel_store(packed, [])


@pytest.mark.parametrize("about", [None, {}, {"step4": {}}, {"step4": {"mel_settings": 3}}])
def test_unknown_settings(packed, about):
    (packed / "dataset.json").unlink()
    if about is not None:
        text = json.dumps({"format_version": 1, "steps": about})
        (packed / "dataset.json").write_text(text)
    with pytest.raises(UserError, match="does not say how"):
        open_mel_store(packed, [])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((346, N_MELS), np.float32),
        np.zeros((346, 96), np.float16),
        np.zeros(346 * N_MELS, np.float16),
        np.asfortranarray(np.zeros((346, N_MELS), np.float16)),
        np.zeros((346, N_MELS), ">f2"),
    ],
)
def test_frames_of_another_form(packed, array):
    np.save(packed / FRAMES, array)
    with pytest.raises(UserError, match="instead of float16"):
        open_mel_store(packed, [])


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"no array at all"])
def test_frames_that_are_no_array(packed, content):
    (packed / FRAMES).write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        open_mel_store(packed, [])


@pytest.mark.parametrize("missing", [FRAMES, INDEX])
def test_half_a_store(packed, missing):
    (packed / missing).unlink()
    with pytest.raises(UserError, match=r"step 4|step4"):
        open_mel_store(packed, [])


@pytest.mark.parametrize(
    "line",
    [
        "SONGE\t346\t3",
        "SONGE\t346\t3\t9\ta\tb\tc",
        "SONGE\t345\t3\t9",
        "SONGE\t346\t0\t9",
        "E\tx\t3\t9",
    ],
)
def test_a_damaged_line(packed, line):
    with open(packed / INDEX, "a") as stream:
        stream.write(line + "\n")
    with pytest.raises(UserError, match="line 5 of"):
        open_mel_store(packed, [])


def test_a_song_twice(packed):
    with open(packed / INDEX, "a") as stream:
        stream.write("SONGA\t346\t1\t9\n")
    with pytest.raises(UserError, match="twice"):
        open_mel_store(packed, [])


@given(n_bytes=st.integers(0, 60))
def test_a_torn_last_line_does_not_count(tmp_path_factory, n_bytes):
    directory = write_packed(tmp_path_factory.mktemp("torn") / "data")
    content = (directory / INDEX).read_bytes()
    torn = content[:n_bytes]
    (directory / INDEX).write_bytes(torn)
    songs = [song.song_id for song in read_index(directory)]
    assert songs == list(LENGTHS)[: torn.count(b"\n")]


def test_songs_of_an_unfinished_store(packed):
    store = open_mel_store(packed, [])
    assert skipped_songs(packed) == {}
    write_tsv(packed / REPORT, [("SONGX", "x.mp3", "silent"), ("SONGY", "", "no audio file")])
    assert skipped_songs(packed) == {"SONGX": "silent", "SONGY": "no audio file"}
    songs = ["SONGZ", "SONGY", "SONGA", "SONGW"]
    assert unfinished_songs(store, songs, packed) == ["SONGZ", "SONGW"]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((96, 40)),
        np.zeros((N_MELS, 0)),
        np.zeros(N_MELS),
        np.zeros((N_MELS, 4), int),
        np.array([[None] * 4] * N_MELS),
    ],
)
def test_a_published_file_of_another_form(tmp_path, array):
    directory = write_published(tmp_path / "data")
    np.save(published_file(directory, "SONGB"), array)
    with pytest.raises(UserError, match=r"SONGB\.npy"):
        open_mel_store(directory, LENGTHS)


def test_a_published_file_cut_short(tmp_path):
    directory = write_published(tmp_path / "data")
    file = published_file(directory, "SONGB")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"SONGB\.npy cannot be read"):
        open_mel_store(directory, LENGTHS)


def test_songs_are_found_by_their_ids(store):
    assert store.rows_of(["SONGD", "SONGA", "SONGD"]).tolist() == [3, 0, 3]
    assert store.n_frames[store.rows_of(["SONGB"])].tolist() == [300]
    with pytest.raises(KeyError):
        store.rows_of(["SONGX"])
