"""Opening a dataset directory: published files open, contradictions are refused in a sentence."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.directory import Dataset, open_dataset
from dataset.writing import staged, write_pickle, write_split
from errors import UserError
from planted import write_planted, write_planted_mels
from published_files import (
    CF,
    IDS,
    LOOKUP,
    SONG_TAGS,
    SPLITS,
    TAGS,
    VECTORS,
    dump,
    write_published,
)


def assert_published(dataset: Dataset) -> None:
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
    assert dataset.vectors["cf"].dtype == np.float32
    np.testing.assert_array_equal(dataset.vectors["cf"], CF.astype(np.float32))


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return write_published(tmp_path / "data")


def assert_refused(path: Path, *parts: str, **options) -> None:
    """Opening raises a one-line `UserError` that holds all `parts`."""
    with pytest.raises(UserError) as refusal:
        open_dataset(path, input_type="cf", **options)
    message = str(refusal.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


# ---------------------------------------------------------------- what opens


@pytest.mark.parametrize("prefix", ["", "sub_"])
def test_published_files_open(tmp_path, prefix):
    path = write_published(tmp_path / "data", prefix)
    dataset = open_dataset(str(path), is_subset=bool(prefix), input_type="cf")
    assert_published(dataset)
    assert dataset.path == path
    assert dataset.about == {} and dataset.categories == {}


def test_subset_takes_the_vectors_of_the_whole_set_where_it_has_none(tmp_path):
    path = write_published(tmp_path / "data", "sub_", vector_prefix="")
    assert_published(open_dataset(path, is_subset=True, input_type="cf"))
    dump(path / "sub_google_emb.pkl", {tag: [1.0] for tag in TAGS})
    assert open_dataset(path, is_subset=True).tag_vectors.shape == (3, 1)


def test_whole_set_does_not_take_the_files_of_the_subset(tmp_path):
    assert_refused(write_published(tmp_path / "data", "sub_"), "data/tags.npy is missing")


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float64, ">f8"])
def test_binaries_of_any_numeric_dtype(published, dtype):
    np.save(published / "binaries.npy", np.asfortranarray(SONG_TAGS.astype(dtype)))
    assert_published(open_dataset(published, input_type="cf"))


def test_names_as_bytes(published):
    for name in ("tags", "existing_ids", "train_ids", "valid_ids", "test_ids"):
        file = published / f"{name}.npy"
        np.save(file, np.char.encode(np.load(file), "utf-8"))
    dump(published / "google_emb.pkl", {tag.encode(): VECTORS[tag] for tag in TAGS})
    lookup = {tag.encode(): [line.encode() for line in LOOKUP[tag]] for tag in TAGS}
    dump(published / "train_tag_to_ix.pkl", lookup)
    assert_published(open_dataset(published, input_type="cf"))


def test_existing_ids_and_lookup_may_be_absent(published):
    (published / "existing_ids.npy").unlink()
    (published / "train_tag_to_ix.pkl").unlink()
    assert_published(open_dataset(published, input_type="cf"))


def test_song_in_no_split_has_no_name_without_existing_ids(published):
    (published / "existing_ids.npy").unlink()
    np.save(published / "test_ids.npy", ["5//TRAAA05"])
    assert open_dataset(published).song_ids == [*IDS[:3], "", *IDS[4:]]


def test_cf_is_read_only_if_asked_for(published):
    (published / "ix_to_cf.npy").unlink()
    assert open_dataset(published).vectors == {}
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


# ------------------------------------------------------------ songs without spectrogram


def test_songs_that_step_4_could_not_read_leave_the_splits(tmp_path, capsys):
    directory = write_planted_mels(write_planted(tmp_path / "data", 60), skipped=5)
    before = open_dataset(directory)
    after = open_dataset(directory, input_type="spec")
    left = {song for part in after.splits.values() for song in part.tolist()}
    assert left == set(range(5, 60))
    assert "left out 5 of 60 songs" in capsys.readouterr().out
    assert before.song_ids == after.song_ids  # every song axis stays


def test_an_unfinished_store_is_told(tmp_path):
    directory = write_planted_mels(write_planted(tmp_path / "data", 60), skipped=3)
    (directory / "mel_skipped.tsv").unlink()
    with pytest.raises(UserError, match=r"no spectrogram of 3 of 60 songs .*run step 4 again"):
        open_dataset(directory, input_type="spec")


def test_a_split_left_without_songs_is_told(tmp_path):
    directory = write_planted_mels(write_planted(tmp_path / "data", 60), skipped=59)
    with pytest.raises(UserError, match=r"no song of the .* split .* has a spectrogram"):
        open_dataset(directory, input_type="spec")
