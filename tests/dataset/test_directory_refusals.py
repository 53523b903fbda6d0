"""What a dataset directory may not be: each refusal is a sentence, and nothing is executed."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from published_files import (
    CF,
    IDS,
    LOOKUP,
    SONG_TAGS,
    TAGS,
    assert_refused,
    dump,
    write_published,
)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return write_published(tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("tags.npy", "step1_data_split.py"),
        ("binaries.npy", "step1_data_split.py"),
        ("train_ids.npy", "step1_data_split.py"),
        ("valid_ids.npy", "step1_data_split.py"),
        ("test_ids.npy", "step1_data_split.py"),
        ("google_emb.pkl", "step2_word_embedding.py"),
        ("ix_to_cf.npy", "step3_taste_profile.py"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "sub_"])
def test_missing_file_is_named_with_the_step_that_makes_it(tmp_path, name, step, prefix):
    path = write_published(tmp_path / "data", prefix)
    (path / f"{prefix}{name}").unlink()
    named = name if name == "google_emb.pkl" else prefix + name
    assert_refused(path, f"{named} is missing", step, is_subset=bool(prefix))


def test_directory_in_place_of_a_file(published):
    (published / "tags.npy").unlink()
    (published / "tags.npy").mkdir()
    assert_refused(published, "tags.npy is missing")


def changed(index, value) -> np.ndarray:
    array = SONG_TAGS.astype(np.float32)
    array[index] = value
    return array


BAD_ARRAYS = {
    "tags twice": ("tags.npy", ["jazz", "r&b", "jazz"], "tags.npy lists the tag 'jazz' twice"),
    "no tags": ("tags.npy", np.array([]), "tags.npy is empty"),
    "numbers as tags": ("tags.npy", np.arange(3), "tags.npy must hold"),
    "tags in two dimensions": ("tags.npy", [TAGS], "shape (1, 3)"),
    "one tag too many": ("tags.npy", [*TAGS, "soul"], "binaries.npy has 3 columns"),
    "not UTF-8": ("tags.npy", np.array([b"a", b"\xff", b"c"]), "not UTF-8"),
    "a song too few": ("binaries.npy", SONG_TAGS[:5], "existing_ids.npy lists 6 songs"),
    "a two": ("binaries.npy", changed((1, 1), 2), "binaries.npy must hold only 0 and 1"),
    "a half": ("binaries.npy", changed((1, 1), 0.5), "binaries.npy must hold only 0 and 1"),
    "binaries NaN": ("binaries.npy", changed((3, 1), np.nan), "binaries.npy holds NaN"),
    "binaries of one dimension": ("binaries.npy", SONG_TAGS[0], "must hold a matrix"),
    "binaries of text": ("binaries.npy", SONG_TAGS.astype(str), "must hold a matrix"),
    "no songs": ("binaries.npy", SONG_TAGS[:0], "must hold a matrix"),
    "complex": ("binaries.npy", SONG_TAGS.astype(complex), "must hold a matrix"),
    "ids twice": ("existing_ids.npy", [*IDS[:5], IDS[0]], "lists the song 'TRAAA00' twice"),
    "two songs swapped": ("test_ids.npy", ["3//TRAAA05", "5//TRAAA03"], "take all files"),
    "empty split": ("valid_ids.npy", np.array([]), "valid_ids.npy is an empty split"),
    "empty split of str": ("test_ids.npy", np.array([], dtype=str), "test_ids.npy is an empty"),
    "leak": ("test_ids.npy", ["5//TRAAA05", "0//TRAAA00"], "'TRAAA00', which train_ids.npy lists"),
    "song twice": ("valid_ids.npy", ["2//TRAAA02"] * 2, "'TRAAA02', which valid_ids.npy lists"),
    "index beyond": ("valid_ids.npy", ["6//TRAAA06"], "there are only 6 songs"),
    "index far beyond": ("valid_ids.npy", ["9" * 5000 + "//x"], "instead of '<song index>"),
    "negative index": ("valid_ids.npy", ["-1//TRAAA05"], "instead of '<song index>//<song id>'"),
    "no index": ("valid_ids.npy", ["TRAAA02"], "holds 'TRAAA02' instead of"),
    "no id": ("valid_ids.npy", ["2//"], "holds '2//' instead of"),
    "foreign digits": ("valid_ids.npy", ["٢//TRAAA02"], "instead of"),
    "CF of other songs": ("ix_to_cf.npy", CF[:4], "ix_to_cf.npy has 4 rows but binaries.npy has 6"),
    "CF NaN": ("ix_to_cf.npy", np.where(CF == 0.5, np.nan, CF), "first in row 2"),
    "CF infinite": ("ix_to_cf.npy", np.where(CF == 0.7, -np.inf, CF), "first in row 3"),
    "CF beyond float32": ("ix_to_cf.npy", np.where(CF == 1.1, 1e39, CF), "first in row 5"),
    "CF of one dimension": ("ix_to_cf.npy", CF[:, 0], "ix_to_cf.npy must hold a matrix"),
    "CF without factors": ("ix_to_cf.npy", CF[:, :0], "ix_to_cf.npy must hold a matrix"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_array_is_refused(published, case):
    name, array, message = BAD_ARRAYS[case]
    np.save(published / name, array)
    assert_refused(published, message, name)


def test_ids_in_another_order_are_found(published):
    np.save(published / "existing_ids.npy", IDS[::-1])
    assert_refused(published, "train_ids.npy holds '4//TRAAA04', but song 4 is 'TRAAA01' elsewhere")


def test_one_id_under_two_indices_is_found_without_existing_ids(published):
    (published / "existing_ids.npy").unlink()
    np.save(published / "valid_ids.npy", ["2//TRAAA00"])
    assert_refused(published, "the song 'TRAAA00' twice")


GOOD = [1.0, 2.0]
BAD_VECTORS = {
    "tag without vector": ({"jazz": GOOD}, "no vector for 2 of 3 tags (ambient, r&b)"),
    "NaN": ({"ambient": GOOD, "jazz": [1.0, np.nan], "r&b": GOOD}, "infinite vectors (jazz)"),
    "infinite": ({"ambient": GOOD, "jazz": GOOD, "r&b": [np.inf, 0]}, "infinite vectors (r&b)"),
    "beyond float32": ({"ambient": GOOD, "jazz": [1e39, 0], "r&b": GOOD}, "vectors (jazz)"),
    "two lengths": ({"ambient": GOOD, "jazz": [1.0], "r&b": GOOD}, "of one length"),
    "ragged": ({tag: [[1], [2, 3]] for tag in TAGS}, "of one length"),
    "nested": ({tag: [[1.0], [2.0]] for tag in TAGS}, "of one length"),
    "numbers": (dict.fromkeys(TAGS, 1.0), "of one length"),
    "a number among them": ({"ambient": GOOD, "jazz": 3.0, "r&b": GOOD}, "of one length"),
    "no numbers": ({tag: [] for tag in TAGS}, "of one length"),
    "text": (dict.fromkeys(TAGS, "vector"), "of one length"),
    "text among them": ({"ambient": GOOD, "jazz": ["1", "2"], "r&b": GOOD}, "of one length"),
    "None": ({"ambient": GOOD, "jazz": None, "r&b": GOOD}, "of one length"),
    "huge": ({"ambient": GOOD, "jazz": [10**400, 1], "r&b": GOOD}, "of one length"),
    "dict": ({tag: {} for tag in TAGS}, "of one length"),
    "keys not UTF-8": ({b"\xff": GOOD}, "no vector for 3 of 3 tags"),
    "no dict": ([1, 2], "google_emb.pkl must hold a dict, not a list"),
}


@pytest.mark.parametrize("case", BAD_VECTORS)
def test_bad_vectors_are_refused(published, case):
    content, message = BAD_VECTORS[case]
    dump(published / "google_emb.pkl", content)
    assert_refused(published, message, "google_emb.pkl")


BAD_LOOKUPS = {
    "tag missing": ({"ambient": LOOKUP["ambient"], "jazz": LOOKUP["jazz"]}, "no list for the tag"),
    "no list": (LOOKUP | {"jazz": "1//TRAAA01"}, "no list for the tag 'jazz'"),
    "song missing": (LOOKUP | {"ambient": ["4//TRAAA04"]}, "lists other songs for 'ambient'"),
    "song too many": (LOOKUP | {"jazz": ["1//TRAAA01", "0//TRAAA00"]}, "other songs for 'jazz'"),
    "song of another split": (LOOKUP | {"jazz": ["1//TRAAA01", "2//TRAAA02"]}, "other songs"),
    "other id": (LOOKUP | {"jazz": ["1//TRAAA00"]}, "lists other songs for 'jazz'"),
    "indices alone": (LOOKUP | {"jazz": [1]}, "lists other songs for 'jazz'"),
    "bytes not UTF-8": (LOOKUP | {"jazz": [b"1//\xff"]}, "lists other songs for 'jazz'"),
}


@pytest.mark.parametrize("case", BAD_LOOKUPS)
def test_contradicting_lookup_is_refused(published, case):
    content, message = BAD_LOOKUPS[case]
    dump(published / "train_tag_to_ix.pkl", content)
    assert_refused(published, message, "train_tag_to_ix.pkl")


BAD_JSON = {
    "{": "not valid JSON",
    "\xff": "not valid JSON",
    '{"format_version": 2}': "format version 2",
    "{}": "format version None",
    "[1]": "format version None",
}


@pytest.mark.parametrize("text", BAD_JSON)
def test_bad_about_is_refused(published, text):
    (published / "dataset.json").write_text(text, encoding="latin1")
    assert_refused(published, "dataset.json", BAD_JSON[text])


# ---------------------------------------------------------------- what does not run


class TouchesFile:
    """Creates a file when an ordinary pickle reader loads it."""

    def __init__(self, victim: Path):
        self.victim = victim

    def __reduce__(self):
        return (os.mkdir, (str(self.victim),))


def test_payload_of_these_tests_works_on_an_ordinary_reader(tmp_path):
    pickle.loads(pickle.dumps(TouchesFile(tmp_path / "victim")))
    assert (tmp_path / "victim").exists()


def test_pickle_inside_an_array_does_not_run(published, tmp_path):
    for name in ("tags.npy", "binaries.npy", "valid_ids.npy", "ix_to_cf.npy", "existing_ids.npy"):
        path = write_published(tmp_path / name)
        np.save(path / name, np.array([TouchesFile(tmp_path / "victim")]), allow_pickle=True)
        assert_refused(path, name, "not a readable .npy array")
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["google_emb.pkl", "train_tag_to_ix.pkl"])
def test_hostile_pickle_does_not_run(published, tmp_path, name, protocol):
    dump(published / name, {"jazz": [TouchesFile(tmp_path / "victim")]}, protocol)
    assert_refused(published, name, "mkdir", "not plain data")
    assert not (tmp_path / "victim").exists()
