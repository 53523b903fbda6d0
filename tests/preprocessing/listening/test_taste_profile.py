"""Step 3: published and learnt collaborative-filtering vectors, in code and by command line."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from commands import ROOT, run_here
from dataset.directory import open_dataset
from dataset.writing import write_pickle, write_split
from errors import UserError
from preprocessing.listening.als import AlsOptions, Factors, learn_factors
from preprocessing.listening.taste_profile import (
    read_id_map,
    read_published,
    vectors_of_songs,
)
from preprocessing.listening.triplets import Plays
from real_data import real_data
from step3_taste_profile import run, train

SONGS = [f"TR{number:02d}" for number in range(9)]


def step3(*arguments: object) -> subprocess.CompletedProcess:
    return run_here(ROOT / "step3_taste_profile.py", *arguments)


def explains(done: subprocess.CompletedProcess, message: str) -> None:
    """The process ended with code 2 and one sentence, the last line, that has `message` in it."""
    last = done.stderr.replace("\r", "\n").strip().splitlines()[-1]
    assert done.returncode == 2, done.stderr
    assert last.strip().startswith("error: ") and message in last
    assert "Traceback" not in done.stderr


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A dataset directory after step 1, of nine songs, tenths of which are published factors."""
    song_tags = np.ones((9, 1))
    splits = {"train": np.arange(5), "valid": np.array([5, 6]), "test": np.array([7, 8])}
    write_split(tmp_path, ["rock"], SONGS, song_tags, splits)
    write_pickle(tmp_path / "google_emb.pkl", {"rock": np.ones(3, np.float32)})
    publish(tmp_path, [*SONGS[::-1], "TRXX"], np.arange(1, 31).reshape(10, 3) / 10)
    return tmp_path


def publish(directory: Path, song_ids: list[str], factors: np.ndarray) -> None:
    (directory / "items_index_MSD.tsv").write_text("\n".join(song_ids) + "\n", encoding="utf-8")
    np.save(directory / "item_factors_MSD.npy", factors)


def blocks(n_users: int = 120, n_songs: int = 90, n_blocks: int = 3) -> sp.csr_array:
    """Users and songs of three scenes; a user plays a fifth of the songs of theirs, few others."""
    rng = np.random.default_rng(0)
    same = np.arange(n_users)[:, None] % n_blocks == np.arange(n_songs) % n_blocks
    played = rng.random((n_users, n_songs)) < np.where(same, 0.2, 0.01)
    return sp.csr_array(np.where(played, rng.geometric(0.01, played.shape), 0).astype(np.float32))


OPTIONS = AlsOptions(factors=8, iterations=8, regularization=10.0, alpha=10.0, seed=0)


def learnt(**changes) -> np.ndarray:
    user_song = blocks()
    song_ids = np.array([str(song) for song in range(user_song.shape[1])], dtype=object)
    options = AlsOptions(**(vars(OPTIONS) | changes))
    return learn_factors(Plays(song_ids, user_song), options).vectors


# ---------------------------------------------------------------- published factors


def test_run_brings_factors_into_the_order_of_the_songs(directory):
    done = step3("run", directory)
    assert done.returncode == 0, done.stderr
    cf = open_dataset(directory, input_type="cf").vectors["cf"]
    assert cf.dtype == np.float32
    # the index lists the songs backwards: TR08 has row 0
    np.testing.assert_allclose(cf[8], [0.1, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(cf[0], [2.5, 2.6, 2.7], rtol=1e-6)
    about = json.loads((directory / "dataset.json").read_text(encoding="utf-8"))
    assert about["steps"]["step3"]["songs"] == 9


def test_run_names_songs_without_listening_data(directory):
    factors = np.ones((8, 2))
    factors[3] = 0
    publish(directory, SONGS[:8], factors)
    done = step3("run", directory)
    assert "given a zero vector: 2 (TR03, TR08)" in done.stdout
    assert np.load(directory / "ix_to_cf.npy").any(axis=1).tolist() == [True] * 3 + [False] + [
        True
    ] * 4 + [False]


def test_run_for_the_subset_writes_sub_files(directory):
    splits = {"train": np.array([0]), "valid": np.array([1]), "test": np.array([2])}
    write_split(directory, ["rock"], SONGS[4:7], np.ones((3, 1)), splits, prefix="sub_")
    done = step3("run", directory, "--is_subset")
    assert done.returncode == 0, done.stderr
    assert np.load(directory / "sub_ix_to_cf.npy").shape == (3, 3)
    assert not (directory / "ix_to_cf.npy").exists()


@pytest.mark.parametrize(
    "song_ids, factors, message",
    [
        (SONGS, np.ones((8, 2)), "has 8 rows but items_index_MSD.tsv lists 9 songs"),
        ([*SONGS[:8], "TR00"], np.ones((9, 2)), "lists the song 'TR00' twice"),
        (SONGS, np.full((9, 2), np.nan), "NaN or infinite values, first in row 0"),
        (SONGS, np.ones(9), "must hold a matrix of numbers"),
        (SONGS, np.full((9, 2), "a"), "must hold a matrix of numbers"),
    ],
)
def test_contradicting_files_are_explained(directory, song_ids, factors, message):
    publish(directory, song_ids, factors)
    with pytest.raises(UserError, match=message):
        read_published(directory)


def test_run_with_strange_ids_writes_nothing(directory):
    publish(directory, [f"SO{number}" for number in range(9)], np.ones((9, 2)))
    before = sorted(directory.iterdir())
    explains(step3("run", directory), "none of the 9 songs")
    assert sorted(directory.iterdir()) == before


def test_run_without_files_names_what_makes_them(directory):
    (directory / "items_index_MSD.tsv").unlink()
    with pytest.raises(UserError, match=r"items_index_MSD\.tsv is missing: the paper's"):
        run(directory)
    (directory / "existing_ids.npy").unlink()
    explains(step3("run", directory), "step1_data_split.py")
    with pytest.raises(UserError, match="is not a directory"):
        run(directory / "nowhere")


# ---------------------------------------------------------------- learnt factors


def test_learnt_factors_find_the_planted_scenes():
    vectors = learnt()
    similarity = vectors @ vectors.T
    scene = np.arange(len(vectors)) % 3
    same = scene[:, None] == scene
    np.fill_diagonal(same, False)
    different = scene[:, None] != scene
    assert similarity[same].mean() > similarity[different].mean() + 0.3
    nearest = np.where(np.eye(len(vectors), dtype=bool), -2, similarity).argmax(axis=1)
    assert (scene[nearest] == scene).mean() > 0.95


def test_learnt_factors_have_length_one_and_are_float32():
    vectors = learnt()
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_learnt_factors_agree_with_plain_least_squares():
    # at the fixed point each song's factor solves equation 5 of Hu et al. given the users'
    user_song = blocks(60, 40, 2)
    confidence = 1 + 10.0 * np.log1p(user_song.toarray())
    played = user_song.toarray() > 0
    rng = np.random.default_rng(1)
    users, songs = rng.random((60, 2)) * 0.1, rng.random((40, 2)) * 0.1
    for _ in range(25):
        for own, other, weight, truth in (
            (users, songs, confidence, played),
            (songs, users, confidence.T, played.T),
        ):
            for row in range(len(own)):
                left = (other.T * weight[row]) @ other + 10.0 * np.eye(2)
                own[row] = np.linalg.solve(left, (other.T * weight[row]) @ truth[row])
    song_ids = np.array([str(song) for song in range(40)], dtype=object)
    options = AlsOptions(factors=2, iterations=25, regularization=10.0, alpha=10.0, seed=0)
    ours = learn_factors(Plays(song_ids, user_song), options).vectors
    plain = songs / np.linalg.norm(songs, axis=1, keepdims=True)
    # factors are free up to a rotation, similarities are not
    np.testing.assert_allclose(ours @ ours.T, plain @ plain.T, atol=0.02)


def test_same_seed_same_factors_and_every_option_counts():
    base = learnt()
    np.testing.assert_array_equal(base, learnt())
    for change in (
        {"seed": 1},
        {"iterations": 2},
        {"regularization": 1.0},
        {"alpha": 1.0},
    ):
        assert np.abs(base - learnt(**change)).max() > 1e-3, change
    assert learnt(factors=5).shape == (90, 5)


@pytest.mark.parametrize("change", [{"alpha": 1e38}, {"regularization": 1e300}])
@pytest.mark.filterwarnings("error")
def test_numbers_beyond_float32_are_explained(change):
    with pytest.raises(UserError, match=r"--alpha=.* and --regularization=.* give lower ones"):
        learnt(**change)


def write_triplets(file: Path, prefix: str = "TR") -> None:
    """Listening data of songs 0 to 39; the dataset has 0 to 8."""
    matrix = blocks(n_songs=40).tocoo()
    with open(file, "w", encoding="utf-8") as stream:
        for user, song, count in zip(matrix.row, matrix.col, matrix.data, strict=True):
            stream.write(f"user{user}\t{prefix}{song:02d}\t{int(count)}\n")


def test_train_writes_vectors_of_the_songs(directory):
    file = directory / "triplets.tsv"
    write_triplets(file)
    with open(file, encoding="utf-8") as stream:
        rows = [row for row in stream if "\tTR03\t" not in row]
    file.write_text("".join(rows), encoding="utf-8")
    done = step3("train", directory, file, "--factors=8", "--iterations=3")
    assert done.returncode == 0, done.stderr
    assert "given a zero vector: 1 (TR03)" in done.stdout
    cf = open_dataset(directory, input_type="cf").vectors["cf"]
    assert cf.shape == (9, 8)
    assert np.flatnonzero(~cf.any(axis=1)).tolist() == [3]
    step = json.loads((directory / "dataset.json").read_text(encoding="utf-8"))["steps"]["step3"]
    assert (step["factors"], step["alpha"], step["min_song_users"]) == (8, 10.0, 1)


def test_train_with_an_id_map_and_minimum_counts(directory):
    write_triplets(directory / "plays.tsv", prefix="SO")
    id_map = directory / "map.tsv"
    # two tracks of one song, and a track whose song nobody plays
    pairs = [("SO00", "TR00"), ("SO00", "TR01"), ("SO02", "TR02"), ("SO99", "TR03")]
    id_map.write_text("".join(f"{so}\t{tr}\n" for so, tr in pairs), encoding="utf-8")
    with open(directory / "plays.tsv", "a", encoding="utf-8") as stream:
        stream.write("recluse\tSO99\t5\n")
    options = ("--factors=4", "--iterations=2", f"--id_map={id_map}", "--min_song_users=2")
    done = step3("train", directory, directory / "plays.tsv", *options)
    assert done.returncode == 0, done.stderr
    cf = np.load(directory / "ix_to_cf.npy")
    np.testing.assert_array_equal(cf[0], cf[1])
    assert cf.any(axis=1).tolist() == [True] * 3 + [False] * 6


def test_train_with_bad_input_writes_nothing(directory):
    file = directory / "triplets.tsv"
    write_triplets(file, prefix="SO")
    before = sorted(directory.iterdir())
    explains(step3("train", directory, file), "for the other with --id_map=FILE")
    explains(step3("train", directory, file, "--factors=0"), "--factors must be a whole number")
    assert step3("train", directory, file, "--factor=3").returncode == 2
    write_triplets(file)
    with pytest.raises(UserError, match="is missing: give an existing file as TRIPLETS"):
        train(directory, directory / "nowhere")
    with pytest.raises(UserError, match="is missing: give an existing file as --id_map"):
        train(directory, file, id_map=directory / "nowhere")
    with pytest.raises(UserError, match="lower --min_song_users"):
        train(directory, file, min_song_users=999)
    assert sorted(directory.iterdir()) == before


@pytest.mark.parametrize(
    "name, value",
    [
        ("factors", 2.5),
        ("iterations", True),
        ("seed", -1),
        ("alpha", "x"),
        ("regularization", float("nan")),
        ("min_song_users", 0),
        ("min_user_songs", "all"),
        ("is_subset", 3),
    ],
)
def test_wrong_numbers_are_explained(directory, name, value):
    with pytest.raises(UserError, match=f"--{name} must be"):
        train(directory, directory / "triplets.tsv", **{name: value})


@pytest.mark.parametrize(
    "text, message",
    [
        ("SO1\tTR1\nSO2\tTR1\n", "two listening-data ids, 'SO1' and 'SO2'"),
        ("SO1\nSO2\n", "maps nothing"),
        ("SO1 TR1\n", "maps nothing"),
        ("SO1\tTR1\n\tTR2\n", "without a listening-data id"),
    ],
)
def test_id_map_mistakes(tmp_path, text, message):
    (tmp_path / "map.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_id_map(tmp_path / "map.tsv")


def test_id_map_as_published(tmp_path):
    text = "SO1\tTR1\tTR2\r\nSO2\r\nSO3\tTR3\r\nSO3\tTR4\t\r\n"
    (tmp_path / "map.tsv").write_text(text, encoding="utf-8")
    expected = {"TR1": "SO1", "TR2": "SO1", "TR3": "SO3", "TR4": "SO3"}
    assert read_id_map(tmp_path / "map.tsv") == expected


def test_vectors_of_songs_by_hand():
    factors = Factors(["a", "b", "c"], np.array([[1.0, 2], [0, 0], [5, 6]]))
    vectors, without = vectors_of_songs(factors, ["c", "x", "b", "a"])
    np.testing.assert_array_equal(vectors, [[5, 6], [0, 0], [0, 0], [1, 2]])
    assert without == ["x", "b"]


@pytest.mark.real_data
def test_published_factors_of_the_million_song_dataset():
    raw = real_data("msd-taste-profile")
    factors = read_published(raw)
    assert factors.vectors.shape == (20001, 32)
    assert factors.song_ids[0] == "TRGXQES128F42BA5EB"
