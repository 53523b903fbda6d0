"""Files of the dataset directory: what is written reads back, errors are sentences."""

import io
import json
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.files import (
    existing_directory,
    read_about,
    read_categories,
    read_npy,
    read_pickle,
    read_step,
    read_strings,
    read_tags,
    read_tsv,
    require_file,
    some,
    user_path,
)
from dataset.writing import write_about, write_pickle, write_split, write_tsv
from errors import UserError
from published_files import IDS, LOOKUP, SONG_TAGS, SPLITS, TAGS


def test_missing_file_of_the_users_own_names_no_step(tmp_path):
    with pytest.raises(UserError, match=r"mine\.txt is missing: give the path") as refusal:
        require_file(tmp_path / "mine.txt")
    assert "step" not in str(refusal.value).replace(str(tmp_path), "")


def test_no_such_directory(tmp_path):
    with pytest.raises(UserError, match="nowhere is not a directory"):
        existing_directory(tmp_path / "nowhere")
    assert existing_directory(str(tmp_path)) == tmp_path


def test_written_files_have_the_published_types(tmp_path):
    splits = {name: np.array(songs) for name, songs in SPLITS.items()}
    write_split(tmp_path, TAGS, IDS, SONG_TAGS.astype(bool), splits)
    assert np.load(tmp_path / "binaries.npy").dtype.kind == "f"
    assert np.load(tmp_path / "train_ids.npy").tolist() == [
        "4//TRAAA04",
        "0//TRAAA00",
        "1//TRAAA01",
    ]
    with open(tmp_path / "train_tag_to_ix.pkl", "rb") as stream:
        assert pickle.load(stream) == LOOKUP


# ---------------------------------------------------------------- damaged arrays


def npy_bytes(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npy_with_header(header: str) -> bytes:
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@settings(max_examples=150)
@given(
    cut=st.integers(0, 200),
    noise=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255)), max_size=4),
)
def test_damaged_array_reads_or_is_refused_in_one_line(tmp_path_factory, cut, noise):
    content = bytearray(npy_bytes(np.arange(9.0))[: 200 - cut])
    for position, byte in noise:
        if position < len(content):
            content[position] = byte
    path = tmp_path_factory.mktemp("damaged") / "ix_to_cf.npy"
    path.write_bytes(content)
    try:
        assert isinstance(read_npy(path), np.ndarray)
    except UserError as refusal:
        assert str(path) in str(refusal) and "\n" not in str(refusal)
    else:
        assert cut == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 no zip either",
        b"text",
        npy_bytes(np.arange(9.0))[:-1],
        npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}"),
        npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
        npy_with_header("{'descr': 5, 'fortran_order': False, 'shape': (1,)}"),
        npy_with_header("{'shape': ("),
        npy_with_header(" " * 20_000),
        npy_with_header("{'shape': (1,), 'x': '" + "\x01" * 5_000),
    ],
    ids=[
        "empty",
        "zip",
        "text",
        "cut",
        "huge",
        "negative",
        "dtype",
        "syntax",
        "long-header",
        "no-header",
    ],
)
def test_broken_array_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "tags.npy"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"tags\.npy is not a readable \.npy array") as refusal:
        read_npy(path)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400 + len(str(path))


def test_an_npz_archive_is_no_array(tmp_path):
    with open(tmp_path / "tags.npy", "wb") as stream:
        np.savez(stream, a=np.arange(3))
    with pytest.raises(UserError, match="not a readable"):
        read_tags(tmp_path)


# ---------------------------------------------------------------- text files


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"a\tb\nc\td\n", [["a", "b"], ["c", "d"]]),
        (b"a\tb\r\nc\td\r\n", [["a", "b"], ["c", "d"]]),
        (b"a\tb\nc\td", [["a", "b"], ["c", "d"]]),
        (b"a\n\n\r\nc\td\n", [["a", ""], ["c", "d"]]),
        (b"a\tb\t\t\n", [["a", "b"]]),
        (b"\tb\n", [["", "b"]]),
        (b"\t\n", [["", ""]]),
        (b"\xef\xbb\xbfa\tb\n", [["a", "b"]]),
        (b' a "quoted"\t#b\n', [[' a "quoted"', "#b"]]),
        ("é\u2028\x85\tb\rc\n".encode(), [["é\u2028\x85", "b\rc"]]),
        (b"", []),
    ],
)
def test_read_tsv(tmp_path, content, rows):
    (tmp_path / "x.tsv").write_bytes(content)
    assert read_tsv(tmp_path / "x.tsv", 2) == rows


def test_no_field_is_dropped_in_silence(tmp_path):
    (tmp_path / "x.tsv").write_bytes(b"a\tb\nc\td\te\n")
    with pytest.raises(UserError, match=r"x\.tsv has 3 fields in line 2, where 2 belong"):
        read_tsv(tmp_path / "x.tsv", 2)
    assert read_tsv(tmp_path / "x.tsv", None) == [["a", "b"], ["c", "d", "e"]]


def test_read_tsv_refuses_what_is_not_utf8(tmp_path):
    (tmp_path / "x.tsv").write_bytes(b"a\tb\n" * 5000 + b"caf\xe9\tb\n")
    with pytest.raises(UserError, match=r"x\.tsv is not UTF-8"):
        read_tsv(tmp_path / "x.tsv", 2)


def test_read_tsv_names_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"songs\.tsv is missing: step0"):
        read_tsv(tmp_path / "songs.tsv", 4)


FIELD = st.text(st.characters(exclude_characters="\t\n\r\ufeff", exclude_categories=["Cs"]))


@settings(max_examples=50)
@given(rows=st.lists(st.tuples(FIELD.filter(bool), FIELD, FIELD), max_size=5))
def test_written_tsv_reads_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tsv") / "x.tsv"
    write_tsv(path, iter(rows))
    assert read_tsv(path, 3) == [list(row) for row in rows]


def test_categories_of_a_directory_without(tmp_path):
    assert read_categories(tmp_path) == {}
    assert read_about(tmp_path) == {}


def test_written_pickles_are_read_by_python_3_7(tmp_path):
    write_pickle(tmp_path / "x.pkl", {"jazz": np.float32([1, 2])})
    content = (tmp_path / "x.pkl").read_bytes()
    assert content[0] == 0x80 and content[1] <= 4  # the protocol
    assert read_pickle(tmp_path / "x.pkl")["jazz"].tolist() == [1, 2]


def test_about_collects_the_steps(tmp_path):
    write_about(tmp_path, tmp_path, "step1", {"seed": 0})
    write_about(tmp_path, tmp_path, "step2", {"vectors": "é"})
    write_about(tmp_path, tmp_path, "step1", {"seed": 1})
    text = (tmp_path / "dataset.json").read_text(encoding="utf-8")
    steps = {"step1": {"seed": 1}, "step2": {"vectors": "é"}}
    assert json.loads(text) == read_about(tmp_path) == {"format_version": 1, "steps": steps}
    assert read_step(tmp_path, "step1") == {"seed": 1}
    assert read_step(tmp_path, "step3") == read_step(tmp_path / "none", "step1") == {}


@pytest.mark.parametrize(
    "rest", ['"steps": []', '"steps": null', '"steps": {"step0": []}', f'"note": {"[" * 100_000}']
)
def test_about_of_an_odd_shape_is_refused(tmp_path, rest):
    (tmp_path / "dataset.json").write_text(f'{{"format_version": 1, {rest}}}')
    with pytest.raises(UserError, match=r"dataset\.json .*: repair or remove it"):
        read_about(tmp_path)


def test_about_may_name_a_file_whose_name_is_not_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    write_about(tmp_path, tmp_path, "step0", {"audio_path": name})
    assert read_about(tmp_path)["steps"]["step0"]["audio_path"] == name


def test_about_is_added_to_one_without_steps(tmp_path):
    (tmp_path / "dataset.json").write_text('{"format_version": 1, "note": "mine"}')
    write_about(tmp_path, tmp_path, "step1", {})
    assert read_about(tmp_path) == {"format_version": 1, "note": "mine", "steps": {"step1": {}}}


def test_read_strings_of_an_empty_list(tmp_path):
    np.save(tmp_path / "x.npy", [])
    assert read_strings(tmp_path / "x.npy") == []


def test_some_shortens_long_lists():
    assert some(["a", "b"]) == "a, b"
    assert some(range(7), most=2) == "0, 1 and 5 more"


def test_home_folders_of_known_and_unknown_users(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    assert user_path("~/music") == Path("/home/ann/music")
    assert user_path("music") == Path("music")
    assert user_path("~no one/music") == Path("~no one/music")
    with pytest.raises(UserError, match="~no one is not a directory"):
        existing_directory("~no one")
