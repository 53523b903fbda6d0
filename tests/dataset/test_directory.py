"""Opening a dataset directory: published files open, contradictions are refused in a sentence."""

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
    assert_refused,
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


@settings(max_examples=60)
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
