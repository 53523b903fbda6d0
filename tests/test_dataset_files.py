"""The dataset directory: published names open, what is written reads back, errors are sentences."""

import codecs
import io
import json
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataset_files
from dataset_files import (
    existing_directory,
    open_dataset,
    read_about,
    read_categories,
    read_npy,
    read_pickle,
    read_strings,
    read_tags,
    read_tsv,
    require_file,
    some,
    staged,
    write_about,
    write_pickle,
    write_split,
    write_tsv,
)
from errors import UserError

ROOT = Path(__file__).parents[1]

TAGS = ["ambient", "jazz", "r&b"]
IDS = ["TRAAA00", "TRAAA01", "TRAAA02", "TRAAA03", "TRAAA04", "TRAAA05"]
SONG_TAGS = np.array([[1, 0, 0], [0, 1, 1], [1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 0]])
SPLITS = {"train": [4, 0, 1], "valid": [2], "test": [5, 3]}
LOOKUP = {
    "ambient": ["4//TRAAA04", "0//TRAAA00"],
    "jazz": ["1//TRAAA01"],
    "r&b": ["4//TRAAA04", "1//TRAAA01"],
}
CF = np.arange(12).reshape(6, 2) / 10
VECTORS = {
    "ambient": [0.0, 1.0, 2.0, 3.0],
    "jazz": [4.0, 5.0, 6.0, 7.0],
    "r&b": [8.0, 9.0, 0.5, -1],
}


def write_published(directory: Path, prefix: str = "", vector_prefix: str | None = None) -> Path:
    """Write the files as the paper's own code did: by numpy and pickle alone, numpy str as keys."""
    directory.mkdir(exist_ok=True)
    np.save(directory / f"{prefix}tags.npy", TAGS)
    np.save(directory / f"{prefix}existing_ids.npy", IDS)
    np.save(directory / f"{prefix}binaries.npy", SONG_TAGS.astype(np.float64))
    for name, songs in SPLITS.items():
        np.save(directory / f"{prefix}{name}_ids.npy", [f"{n}//{IDS[n]}" for n in songs])
    np.save(directory / f"{prefix}ix_to_cf.npy", CF)
    dump(directory / f"{prefix}train_tag_to_ix.pkl", {np.str_(t): LOOKUP[t] for t in TAGS})
    vectors = {np.str_(tag): np.float32(VECTORS[tag]) for tag in TAGS}
    dump(directory / f"{prefix if vector_prefix is None else vector_prefix}google_emb.pkl", vectors)
    return directory


def dump(path: Path, content: object, protocol: int = 3) -> None:
    path.write_bytes(pickle.dumps(content, protocol=protocol))


def assert_published(dataset: dataset_files.Dataset) -> None:
    assert dataset.tags == TAGS
    assert dataset.song_ids == IDS
    assert dataset.song_tags.dtype == bool
    np.testing.assert_array_equal(dataset.song_tags, SONG_TAGS)
    assert {name: songs.tolist() for name, songs in dataset.splits.items()} == SPLITS
    assert all(songs.dtype == np.int64 for songs in dataset.splits.values())
    assert type(dataset.tag_vectors) is np.ndarray and dataset.tag_vectors.dtype == np.float32
    np.testing.assert_array_equal(
        dataset.tag_vectors, np.array([VECTORS[tag] for tag in TAGS], dtype=np.float32)
    )
    assert dataset.cf.dtype == np.float32
    np.testing.assert_array_equal(dataset.cf, CF.astype(np.float32))


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return write_published(tmp_path / "data")


def assert_refused(path: Path, *parts: str, **options) -> None:
    """Opening raises a one-line `UserError` that holds all `parts`."""
    with pytest.raises(UserError) as refusal:
        open_dataset(path, with_cf=True, **options)
    message = str(refusal.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


# ---------------------------------------------------------------- what opens


@pytest.mark.parametrize("prefix", ["", "sub_"])
def test_published_files_open(tmp_path, prefix):
    path = write_published(tmp_path / "data", prefix)
    dataset = open_dataset(str(path), is_subset=bool(prefix), with_cf=True)
    assert_published(dataset)
    assert dataset.path == path
    assert dataset.about == {} and dataset.categories == {}


def test_subset_takes_the_vectors_of_the_whole_set_where_it_has_none(tmp_path):
    path = write_published(tmp_path / "data", "sub_", vector_prefix="")
    assert_published(open_dataset(path, is_subset=True, with_cf=True))
    dump(path / "sub_google_emb.pkl", {tag: [1.0] for tag in TAGS})
    assert open_dataset(path, is_subset=True).tag_vectors.shape == (3, 1)


def test_whole_set_does_not_take_the_files_of_the_subset(tmp_path):
    assert_refused(write_published(tmp_path / "data", "sub_"), "data/tags.npy is missing")


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float64, ">f8"])
def test_binaries_of_any_numeric_dtype(published, dtype):
    np.save(published / "binaries.npy", np.asfortranarray(SONG_TAGS.astype(dtype)))
    assert_published(open_dataset(published, with_cf=True))


def test_names_as_bytes(published):
    for name in ("tags", "existing_ids", "train_ids", "valid_ids", "test_ids"):
        file = published / f"{name}.npy"
        np.save(file, np.char.encode(np.load(file), "utf-8"))
    dump(published / "google_emb.pkl", {tag.encode(): VECTORS[tag] for tag in TAGS})
    lookup = {tag.encode(): [line.encode() for line in LOOKUP[tag]] for tag in TAGS}
    dump(published / "train_tag_to_ix.pkl", lookup)
    assert_published(open_dataset(published, with_cf=True))


def test_existing_ids_and_lookup_may_be_absent(published):
    (published / "existing_ids.npy").unlink()
    (published / "train_tag_to_ix.pkl").unlink()
    assert_published(open_dataset(published, with_cf=True))


def test_song_in_no_split_has_no_name_without_existing_ids(published):
    (published / "existing_ids.npy").unlink()
    np.save(published / "test_ids.npy", ["5//TRAAA05"])
    assert open_dataset(published).song_ids == [*IDS[:3], "", *IDS[4:]]


def test_cf_is_read_only_if_asked_for(published):
    (published / "ix_to_cf.npy").unlink()
    assert open_dataset(published).cf is None
    assert_refused(published, "ix_to_cf.npy is missing", "step3_taste_profile.py")


@pytest.mark.parametrize(
    "vector",
    [[1, 2], (1, 2), np.float16([1, 2]), np.int64([1, 2]), np.array([1, 2], ">f4")],
    ids=["list", "tuple", "float16", "int64", "big-endian"],
)
def test_vectors_in_other_forms(published, vector):
    dump(published / "music_emb.pkl", dict.fromkeys(TAGS, vector))
    vectors = open_dataset(published, "music").tag_vectors
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, [[1, 2]] * 3)


def test_categories_and_about(published):
    (published / "tag_categories.tsv").write_text("jazz\tgenre\nambient\t\nelse\tmood\n")
    (published / "dataset.json").write_text('{"format_version": 1, "steps": {"step1": {"a": 2}}}')
    dataset = open_dataset(published)
    assert dataset.categories == {"jazz": "genre", "else": "mood"}
    assert dataset.about["steps"]["step1"] == {"a": 2}


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_split_without_any_tag_is_told(published, split):
    song_tags = np.load(published / "binaries.npy")
    lines = np.load(published / f"{split}_ids.npy").tolist()
    song_tags[[int(str(line).partition("//")[0]) for line in lines]] = 0
    np.save(published / "binaries.npy", song_tags)
    (published / "train_tag_to_ix.pkl").unlink(missing_ok=True)
    with pytest.raises(UserError, match=rf"no song of .*{split}_ids\.npy bears a tag"):
        open_dataset(published)


# no NUL at the end: numpy's fixed-width strings cannot hold one
NAMES = st.text(min_size=1, max_size=8).filter(lambda name: not name.endswith("\0"))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_written_reads_back(tmp_path_factory, data):
    tags = data.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    ids = data.draw(st.lists(NAMES | st.just("a//b\t"), min_size=3, max_size=8, unique=True))
    prefix = data.draw(st.sampled_from(["", "sub_"]))
    bits = data.draw(st.integers(0, 2 ** (len(tags) * len(ids)) - 1))
    song_tags = np.array([bits >> n & 1 for n in range(len(tags) * len(ids))], dtype=bool)
    song_tags = song_tags.reshape(len(ids), len(tags))
    order = data.draw(st.permutations(range(len(ids))))
    splits = {name: np.array(order[n::3]) for n, name in enumerate(("train", "valid", "test"))}
    song_tags[order[:3], 0] = True  # a split without any tag is refused
    directory = tmp_path_factory.mktemp("written")
    vectors = np.arange(len(tags) * 3, dtype=np.float32).reshape(-1, 3)
    with staged(directory) as stage:
        write_split(stage, tags, ids, song_tags, splits, prefix)
        content = dict(zip(tags, vectors, strict=True))
        write_pickle(stage / f"{prefix}google_emb.pkl", content)
    dataset = open_dataset(directory, is_subset=bool(prefix))
    assert (dataset.tags, dataset.song_ids) == (tags, ids)
    np.testing.assert_array_equal(dataset.song_tags, song_tags)
    np.testing.assert_array_equal(dataset.tag_vectors, vectors)
    for name, songs in splits.items():
        np.testing.assert_array_equal(dataset.splits[name], songs)
    (directory / f"{prefix}existing_ids.npy").unlink()
    assert open_dataset(directory, is_subset=bool(prefix)).song_ids == ids


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


# ---------------------------------------------------------------- what is refused


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


def test_missing_file_of_the_users_own_names_no_step(tmp_path):
    with pytest.raises(UserError, match=r"mine\.txt is missing: give the path") as refusal:
        require_file(tmp_path / "mine.txt")
    assert "step" not in str(refusal.value).replace(str(tmp_path), "")


def test_directory_in_place_of_a_file(published):
    (published / "tags.npy").unlink()
    (published / "tags.npy").mkdir()
    assert_refused(published, "tags.npy is missing")


def test_no_such_directory(tmp_path):
    with pytest.raises(UserError, match="nowhere is not a directory"):
        existing_directory(tmp_path / "nowhere")
    assert existing_directory(str(tmp_path)) == tmp_path


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


# ---------------------------------------------------------------- damaged and hostile arrays


def npy_bytes(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npy_with_header(header: str) -> bytes:
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@settings(max_examples=150, deadline=None)
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
    ],
    ids=["empty", "zip", "text", "cut", "huge", "negative", "dtype", "syntax", "long header"],
)
def test_broken_array_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "tags.npy"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"tags\.npy is not a readable \.npy array") as refusal:
        read_npy(path)
    assert "\n" not in str(refusal.value)


def test_an_npz_archive_is_no_array(tmp_path):
    with open(tmp_path / "tags.npy", "wb") as stream:
        np.savez(stream, a=np.arange(3))
    with pytest.raises(UserError, match="not a readable"):
        read_tags(tmp_path)


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


HOSTILE_NAMES = [
    ("builtins", "eval"),
    ("__builtin__", "exec"),
    ("os", "system"),
    ("numpy", "load"),
    ("numpy", "core.multiarray"),
    ("numpy.core.multiarray", "fromfile"),
    ("numpy._core.numeric", "load"),
    ("numpy.core", "multiarray._reconstruct.__globals__"),
    ("_codecs", "lookup"),
    ("copyreg", "_reconstructor"),
    ("errors", "run_or_explain"),
]


@pytest.mark.parametrize(("module", "name"), HOSTILE_NAMES)
def test_pickle_may_name_no_more_than_arrays(tmp_path, module, name):
    content = b"\x80\x04" + b"".join(
        b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)
    )
    (tmp_path / "x.pkl").write_bytes(content + b"\x93.")
    with pytest.raises(UserError, match="which is not plain data"):
        read_pickle(tmp_path / "x.pkl")


class Raw:
    """Pickled as the given call, with the given state."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts


ADDRESSES = b"A" * 16


def forged_dtype(code: str, *state) -> Raw:
    return Raw(np.dtype, (code, False, True), (3, *state))


def forged_array(dtype: object, content: object = ADDRESSES) -> Raw:
    start = (np.ndarray, (0,), b"b")
    return Raw(np._core.multiarray._reconstruct, start, (1, (2,), dtype, False, content))


FORGED = {
    # bytes of the file as addresses of objects
    "object array": forged_array(forged_dtype("O", "|", None, None, None, -1, -1, 0)),
    "object array by call": Raw(np.ndarray, ((2,), "O", ADDRESSES)),
    "object array from buffer": Raw(np._core.numeric._frombuffer, (ADDRESSES, "O", (2,), "C")),
    "object scalar": Raw(np._core.multiarray.scalar, (np.dtype("O"), ADDRESSES)),
    "structure of objects": forged_array(np.dtype([("a", "O")])),
    "numbers with fields of objects": forged_array(
        forged_dtype("f8", "<", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 8, 0)
    ),
    # lengths that reach beyond the array
    "wide": forged_array(forged_dtype("U2", "<", None, None, None, 1 << 30, 4, 8), ADDRESSES[:8]),
    "too short": forged_array(np.dtype("f8"), ADDRESSES[:15]),
    "short scalar": Raw(np._core.multiarray.scalar, (np.dtype("f8"), b"A")),
    "other encoding": Raw(codecs.encode, ("é", "utf-8")),
    "honest object array": np.array([1, "a", None], dtype=object),
    "dates": np.array(["2020-01-01"], dtype="M8[D]"),
}


def test_forged_arrays_are_refused_without_a_crash(tmp_path):
    for case, content in FORGED.items():
        dump(tmp_path / f"{case}.pkl", {"a": content}, protocol=2)
    script = (
        "import sys, pathlib, dataset_files, errors\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: print(path.stem, 'read:', repr(dataset_files.read_pickle(path)), flush=True)\n"
        "    except errors.UserError as refusal: print(path.stem, 'refused:', refusal, flush=True)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]  # a process of its own may crash
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    refusals = dict(line.split(" refused: ", 1) for line in done.stdout.splitlines())
    assert refusals.keys() == FORGED.keys()
    assert all("not a pickle of plain data" in message for message in refusals.values())


def test_forged_state_of_a_dtype_changes_nothing(tmp_path):
    numbers = forged_dtype("f8", "<", (np.dtype("u1"), (9,)), ("a",), {"a": 1}, 800, 8, 63)
    text = forged_dtype("U2", "<", None, None, None, -4, 4, 8)
    content = {
        "numbers": forged_array(numbers, struct.pack("<2d", 1, 2)),
        "text": forged_array(text, "abcd".encode("utf-32-le")),
    }
    dump(tmp_path / "x.pkl", content, protocol=2)
    read = read_pickle(tmp_path / "x.pkl")
    assert read["numbers"].dtype == np.float64 and read["numbers"].dtype.fields is None
    assert read["numbers"].tolist() == [1, 2]
    assert read["text"].tolist() == ["ab", "cd"]


PLAIN = {
    "float32": np.arange(3, dtype=np.float32),
    "big-endian": np.arange(3, dtype=">i4"),
    "matrix": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "bool": np.array([True, False]),
    "str": np.array(["é", "jazz"]),
    "bytes": np.array([b"a", b"bc"]),
    "scalar": np.float64(1.5),
    np.str_("numpy key"): [np.int64(3), np.bool_(True), np.str_("x"), np.float32(2)],
    "python": [1, 2.5, "é", b"\xff\x00", None, True, (1, [2]), {"a": {}}, 10**30],
}


def assert_plain(read: dict) -> None:
    assert list(read) == list(PLAIN)
    for name, value in PLAIN.items():
        if isinstance(value, np.ndarray):
            assert read[name].dtype.kind == value.dtype.kind
            np.testing.assert_array_equal(read[name], value)
        else:
            assert read[name] == value


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_of_every_protocol(tmp_path, protocol):
    dump(tmp_path / "x.pkl", PLAIN, protocol)
    assert_plain(read_pickle(tmp_path / "x.pkl"))


@pytest.mark.parametrize("protocol", range(4))  # later ones tell the lengths of names
@pytest.mark.parametrize("module", [b"numpy.core.", b"numpy._core."])
def test_module_names_of_numpy_1_and_2(tmp_path, protocol, module):
    written = pickle.dumps(PLAIN, protocol)
    renamed = written.replace(b"numpy._core.", module).replace(b"numpy.core.", module)
    assert b"c" + module + b"multiarray\n_reconstruct" in renamed
    (tmp_path / "x.pkl").write_bytes(renamed)
    assert_plain(read_pickle(tmp_path / "x.pkl"))


def old_numpy_pickle() -> bytes:
    """{'jazz': array([1, 2], float32)} as Python 3.7 and numpy 1 wrote it, spelled out."""
    numbers = struct.pack("<2f", 1, 2)
    return (
        b"\x80\x03}X\x04\x00\x00\x00jazzcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        b"K\x00\x85C\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\nX\x02\x00\x00\x00f4K\x00K\x01\x87R"
        b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"C\x08" + numbers + b"tbs."
    )


def test_pickle_of_an_old_numpy(tmp_path):
    (tmp_path / "x.pkl").write_bytes(old_numpy_pickle())
    vector = read_pickle(tmp_path / "x.pkl")["jazz"]
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector, [1, 2])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_pickle_reads_or_is_refused_in_one_line(tmp_path_factory, data):
    content = bytearray(old_numpy_pickle())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "google_emb.pkl"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert isinstance(read_pickle(path), dict)
    except UserError as refusal:
        assert str(path) in str(refusal) and "\n" not in str(refusal)


# ---------------------------------------------------------------- text files


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"a\tb\nc\td\n", [["a", "b"], ["c", "d"]]),
        (b"a\tb\r\nc\td\r\n", [["a", "b"], ["c", "d"]]),
        (b"a\tb\nc\td", [["a", "b"], ["c", "d"]]),
        (b"a\n\n\r\nc\td\n", [["a", ""], ["c", "d"]]),
        (b"a\tb\tc\n", [["a", "b"]]),
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


def test_read_tsv_refuses_what_is_not_utf8(tmp_path):
    (tmp_path / "x.tsv").write_bytes(b"a\tb\n" * 5000 + b"caf\xe9\tb\n")
    with pytest.raises(UserError, match=r"x\.tsv is not UTF-8"):
        read_tsv(tmp_path / "x.tsv", 2)


def test_read_tsv_names_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"songs\.tsv is missing: step0"):
        read_tsv(tmp_path / "songs.tsv", 4)


FIELD = st.text(st.characters(exclude_characters="\t\n\r\ufeff", exclude_categories=["Cs"]))


@settings(max_examples=50, deadline=None)
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


# ---------------------------------------------------------------- all or nothing


def tree(directory: Path) -> dict[str, str]:
    """Every file below `directory`, hidden ones too, with its content."""
    return {
        str(file.relative_to(directory)): file.read_text() if file.is_file() else "folder"
        for file in directory.rglob("*")
    }


def test_staged_files_arrive_together(tmp_path):
    (tmp_path / "old").write_text("old")
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "kept").write_text("kept")
    with staged(tmp_path) as stage:
        (stage / "old").write_text("new")
        (stage / "deep" / "er").mkdir(parents=True)
        (stage / "deep" / "er" / "file").write_text("nested")
        assert (tmp_path / "old").read_text() == "old"
    assert tree(tmp_path) == {
        "old": "new",
        "kept": "kept",
        "deep": "folder",
        "deep/kept": "kept",
        "deep/er": "folder",
        "deep/er/file": "nested",
    }


@pytest.mark.parametrize("error", [UserError, ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_staged_leaves_nothing_when_the_body_raises(tmp_path, error):
    (tmp_path / "old").write_text("old")
    with pytest.raises(error), staged(tmp_path) as stage:
        (stage / "old").write_text("half")
        (stage / "new").write_text("half")
        raise error
    assert tree(tmp_path) == {"old": "old"}


def test_staged_makes_the_directory_or_leaves_no_trace_of_it(tmp_path):
    with pytest.raises(ZeroDivisionError), staged(tmp_path / "a" / "b") as stage:
        (stage / "file").write_text("half")
        raise ZeroDivisionError
    assert tree(tmp_path) == {}
    with staged(tmp_path / "a" / "b") as stage:
        (stage / "file").write_text("whole")
    assert tree(tmp_path) == {"a": "folder", "a/b": "folder", "a/b/file": "whole"}


def test_staged_moves_nothing_when_something_is_in_the_way(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match="b is in the way"), staged(tmp_path) as stage:
        (stage / "a").write_text("whole")
        (stage / "b").write_text("whole")
    assert tree(tmp_path) == {"b": "folder"}


def test_staged_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written to"), staged(tmp_path / "file" / "a"):
        pass
