"""Step 3 `neighbours`: what artists and listeners tell of a song, in code and by command line."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from commands import ROOT, run_here
from dataset.directory import open_dataset
from dataset.writing import write_pickle, write_split
from errors import UserError
from preprocessing.listening.als import Factors
from preprocessing.listening.neighbours import (
    amount_of_plays,
    songs_of_artists,
    standardised,
    tags_beside,
    tags_of_listeners,
)
from step3_taste_profile import neighbours

SONGS = [f"S{number}" for number in range(8)]
SPLITS = {"train": np.arange(4), "valid": np.array([4, 5]), "test": np.array([6, 7])}
SONG_TAGS = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0], [0, 1], [1, 0], [0, 1]], bool)


def random_plays(n_users: int = 30, n_songs: int = 12, seed: int = 0) -> sp.csr_array:
    rng = np.random.default_rng(seed)
    played = rng.random((n_users, n_songs)) < 0.3
    return sp.csr_array(np.where(played, rng.geometric(0.1, played.shape), 0).astype(np.float32))


def random_labels(n_songs: int = 12, seed: int = 0) -> np.ndarray:
    labels = np.random.default_rng(seed).random((n_songs, 5)) < 0.4
    labels[:7, 0] = True  # seven training songs, each with a tag
    labels[7:] = False
    return labels.astype(np.float32)


def of_listeners(plays: np.ndarray, labels: np.ndarray, by_few: bool) -> np.ndarray:
    """As the docstring of `tags_of_listeners` says it, song by song and listener by listener."""
    known, told = labels.any(axis=1), np.full(labels.shape, np.nan)
    listeners, log_plays = (plays > 0).sum(axis=0), np.log1p(plays)
    weights = log_plays * known / np.sqrt(np.maximum(listeners, 1))
    typical, average = weights[weights > 0].mean(), log_plays[plays > 0].mean()
    for song in range(len(labels)):
        sums, total = np.zeros(labels.shape[1]), 0.0
        for user in np.flatnonzero(plays[:, song]):
            others = np.where(np.arange(len(labels)) == song, 0, weights[user])
            if others.sum() > 0:
                share = log_plays[user, song]
                if by_few:
                    share /= np.sqrt(max(others.sum(), typical / 10))
                sums += share * others @ labels / others.sum()
                total += share
        if total and by_few:
            told[song] = sums / total
        elif total:
            told[song] = (sums + average * labels[labels.any(axis=1)].mean(axis=0)) / (
                total + average
            )
    return told


def beside(plays: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """As the docstring of `tags_beside` says it, pair of songs by pair."""
    known, played = np.flatnonzero(labels.any(axis=1)), (plays > 0).astype(float)
    told = np.zeros(labels.shape)
    for song in range(len(labels)):
        sums, total = 3 * labels[labels.any(axis=1)].mean(axis=0), 3.0
        for other in known[known != song]:
            both = played[:, song] @ played[:, other]
            alone = (played[:, song].sum() + 30) * (played[:, other].sum() + 30)
            sums = sums + both / np.sqrt(alone) * labels[other]
            total += both / np.sqrt(alone)
        told[song] = sums / total
    return told


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Eight songs with two tags, factors, artists but for one, and six listeners."""
    write_split(tmp_path, ["a", "b"], SONGS, SONG_TAGS, SPLITS)
    write_pickle(tmp_path / "music_emb.pkl", {"a": np.ones(3), "b": np.arange(3.0)})
    factors = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    np.save(tmp_path / "ix_to_cf.npy", factors)
    artists = ["X", "X", "Y", "Y", "", "Z", "x", "Z"]
    rows = [f"{song}\t{artist}\t\t\n" for song, artist in zip(SONGS, artists, strict=True)]
    (tmp_path / "songs.tsv").write_text("".join(rows), encoding="utf-8")
    plays = [f"u{user}\tS{song}\t{1 + song}\n" for user in range(6) for song in range(user % 2, 8)]
    (tmp_path / "triplets.tsv").write_text("".join(plays), encoding="utf-8")
    return tmp_path


# ---------------------------------------------------------------- listeners


@pytest.mark.parametrize("by_few", [True, False])
@pytest.mark.parametrize(("seed", "unit"), [(0, 1), (1, 1), (2, 1), (0, 1e-12)])  # shares
def test_tags_of_listeners_are_those_of_a_plain_loop(seed, unit, by_few):
    plays, labels = random_plays(seed=seed) * np.float32(unit), random_labels(seed=seed)
    told = tags_of_listeners(plays, labels, by_few)
    np.testing.assert_allclose(told, of_listeners(plays.toarray(), labels, by_few), rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_tags_beside_are_those_of_a_plain_loop(seed):
    plays, labels = random_plays(seed=seed), random_labels(seed=seed)
    np.testing.assert_allclose(
        tags_beside(plays, labels), beside(plays.toarray(), labels), rtol=1e-5
    )


def test_one_listener_of_two_songs_tells_each_the_others_tags():
    plays = sp.csr_array(np.array([[3.0, 8.0, 1.0]], np.float32))
    labels = np.array([[1, 0], [0, 1], [0, 0]], np.float32)  # the third is held out
    told = tags_of_listeners(plays, labels, by_few=True)
    a, b = np.log1p(3), np.log1p(8)
    np.testing.assert_allclose(told, [[0, 1], [1, 0], [a / (a + b), b / (a + b)]], rtol=1e-6)


@pytest.mark.parametrize("song", range(7))
def test_a_training_songs_own_tags_do_not_come_back_to_it(song):
    plays, labels = random_plays(), random_labels()
    swapped = labels.copy()
    swapped[song, 1:] = 1 - labels[song, 1:]
    before, after = (tags_of_listeners(plays, one, by_few=True) for one in (labels, swapped))
    np.testing.assert_allclose(before[song], after[song], atol=1e-6)
    others = np.arange(len(labels)) != song
    assert not np.allclose(before[others], after[others])


def test_songs_that_nobody_plays_are_all_told_the_same():
    """An average that left out the song itself would tell its tags."""
    plays, labels = random_plays(), random_labels()
    plays = sp.csr_array(np.where(np.arange(12) % 2, plays.toarray(), 0))
    rows = tags_beside(plays, labels)[::2]
    np.testing.assert_allclose(rows, np.tile(rows[0], (6, 1)), rtol=1e-6)
    assert np.isnan(tags_of_listeners(plays, labels, by_few=False)[::2]).all()


def test_many_tags_are_taken_in_blocks():
    plays, labels = random_plays(), np.tile(random_labels(), (1, 50))  # 250 tags
    for told in (tags_of_listeners(plays, labels, by_few=False), tags_beside(plays, labels)):
        np.testing.assert_array_equal(told, np.tile(told[:, :5], (1, 50)))


def test_a_song_whose_listeners_play_nothing_known_is_not_told():
    plays = sp.csr_array(np.array([[2, 0, 5], [0, 1, 0]], np.float32))
    labels = np.array([[1], [1], [0]], np.float32)
    told = tags_of_listeners(plays, labels, by_few=True)
    assert np.isnan(told[:2]).all() and told[2] == 1


def test_amount_of_plays_counts_listeners_plays_and_the_most_by_one():
    plays = sp.csr_array(np.array([[2, 0, 0], [5, 1, 0]], np.float32))
    amounts = amount_of_plays(plays)
    np.testing.assert_allclose(amounts[0], np.log1p([2, 7, 5]), rtol=1e-6)
    np.testing.assert_allclose(amounts[1], np.log1p([1, 1, 1]), rtol=1e-6)
    assert np.isnan(amounts[2]).all()


def test_plays_beyond_all_numbers_are_the_most_that_there_are():
    most = np.finfo(np.float32).max
    plays = sp.csr_array(np.array([[most, 1], [most, 0]], np.float32))
    expected = np.log1p([2, most, most])
    np.testing.assert_allclose(amount_of_plays(plays)[0], expected, rtol=1e-6)


# ---------------------------------------------------------------- artists


def test_songs_of_artists_are_averaged_over_all_songs_with_a_factor(directory):
    vectors = np.array([[2.0, 0], [0, 3], [0, 0], [4, 0], [1, 1], [0, 1]], np.float32)
    factors = Factors(["S0", "S1", "S2", "S3", "S4", "extra"], vectors)
    extra = "extra\tX\t\t\n"  # in no split, but of the artist of S0 and S1
    with open(directory / "songs.tsv", "a", encoding="utf-8") as stream:
        stream.write(extra)
    told = songs_of_artists(factors, SONGS, directory)
    np.testing.assert_allclose(told[0], [1 / 3, 2 / 3, np.log(3), np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(told[1], [1 / 3, 2 / 3, np.log(3), np.log(3)], rtol=1e-6)
    np.testing.assert_allclose(told[3], [1, 0, 0, np.log(4)], atol=1e-6)
    assert np.isnan(told[[2, 4, 5, 6, 7]]).all()  # zero, without artist, and without factor


def test_where_few_artists_have_several_songs_they_tell_nothing(directory):
    factors = Factors(["S0", "S2", "S5"], np.eye(3, dtype=np.float32))
    assert songs_of_artists(factors, SONGS, directory) is None


def test_numbers_are_standardised_by_training_songs_and_unknown_ones_are_zero():
    part = np.array([[1, 7], [3, 7], [5, 8], [np.nan, np.nan]])
    scaled = standardised(part, np.array([0, 1, 3]))
    np.testing.assert_allclose(scaled, [[-1, 0], [1, 0], [3, 0], [0, 0]])


# ---------------------------------------------------------------- the file


def rows_of(directory: Path) -> np.ndarray:
    return np.load(directory / "neighbours_songs.npy")


def test_held_out_tags_change_nothing(directory):
    neighbours(str(directory), str(directory / "triplets.tsv"))
    before = rows_of(directory)
    assert before.shape == (8, 4 + 2 + 3 + 3 * 2) and np.isfinite(before).all()
    song_tags = SONG_TAGS.copy()
    song_tags[4:] = ~song_tags[4:]
    write_split(directory, ["a", "b"], SONGS, song_tags, SPLITS)
    neighbours(str(directory), str(directory / "triplets.tsv"))
    np.testing.assert_array_equal(rows_of(directory), before)


def test_strengths_of_training_songs_count_where_there_are(directory):
    neighbours(str(directory), str(directory / "triplets.tsv"))
    before = rows_of(directory)
    strengths = SONG_TAGS.astype(np.float32)
    strengths[0] = [0.5, 0.25]
    np.save(directory / "tag_strengths.npy", strengths)
    neighbours(str(directory), str(directory / "triplets.tsv"))
    with_strengths = rows_of(directory)
    assert not np.allclose(with_strengths, before)
    strengths[6] = [0.5, 0.25]  # a test song
    np.save(directory / "tag_strengths.npy", strengths)
    neighbours(str(directory), str(directory / "triplets.tsv"))
    np.testing.assert_array_equal(rows_of(directory), with_strengths)


def test_strengths_of_held_out_songs_may_change(directory):
    np.save(directory / "tag_strengths.npy", SONG_TAGS.astype(np.float32))
    neighbours(str(directory), str(directory / "triplets.tsv"))
    for song, is_held_out in ((6, True), (4, True), (0, False)):
        strengths = SONG_TAGS.astype(np.float32)
        strengths[song] = [0.5, 0.25]
        np.save(directory / "tag_strengths.npy", strengths)
        assert is_open(directory) == is_held_out


def is_open(directory: Path) -> bool:
    try:
        open_dataset(directory, "music", input_type="neighbours")
    except UserError as error:
        assert re.search("made from other training songs, .*: run step 3 nei", str(error))
        return False
    return True


def test_what_is_not_known_is_told(directory, capsys):
    rows = (directory / "triplets.tsv").read_text().replace("\tS5\t", "\tS9\t")
    (directory / "fewer.tsv").write_text(f"{rows}alone\tS5\t1\n")
    neighbours(str(directory), str(directory / "fewer.tsv"))
    told = capsys.readouterr().out
    for name in ("artist: 1 (S4)", "listeners: 1 (S5)"):
        assert f"songs of which nothing is known of {name}\n" in told


def test_another_split_of_another_size_asks_for_it_anew(directory):
    neighbours(str(directory), str(directory / "triplets.tsv"))
    splits = SPLITS | {"test": np.array([6])}
    write_split(directory, ["a", "b"], SONGS[:7], SONG_TAGS[:7], splits | {"train": np.arange(3)})
    np.save(directory / "ix_to_cf.npy", np.load(directory / "ix_to_cf.npy")[:7])
    assert not is_open(directory)


def test_another_split_or_other_tags_ask_for_it_anew(directory):
    neighbours(str(directory), str(directory / "triplets.tsv"))
    dataset = open_dataset(directory, "music", input_type="cf+neighbours")
    np.testing.assert_array_equal(dataset.vectors["neighbours"], rows_of(directory))
    swapped = SPLITS | {"train": np.array([0, 1, 2, 6]), "test": np.array([3, 7])}
    write_split(directory, ["a", "b"], SONGS, SONG_TAGS, swapped)
    assert not is_open(directory)
    other_tags = SONG_TAGS.copy()
    other_tags[0] = True
    write_split(directory, ["a", "b"], SONGS, other_tags, SPLITS)
    assert not is_open(directory)
    neighbours(str(directory))
    assert is_open(directory)


def test_the_subset_has_its_own(directory):
    neighbours(str(directory), str(directory / "triplets.tsv"))
    write_split(directory, ["a", "b"], SONGS, SONG_TAGS, SPLITS, prefix="sub_")
    write_pickle(directory / "sub_music_emb.pkl", {"a": np.ones(3), "b": np.arange(3.0)})
    np.save(directory / "sub_ix_to_cf.npy", np.load(directory / "ix_to_cf.npy"))
    with pytest.raises(UserError, match=r"sub_neighbours_songs\.npy is missing: .* neighbours"):
        open_dataset(directory, "music", is_subset=True, input_type="neighbours")
    neighbours(str(directory), is_subset=True)
    sub = open_dataset(directory, "music", is_subset=True, input_type="neighbours")
    assert sub.vectors["neighbours"].shape == (8, 6)


def test_ids_of_the_listening_data_are_translated(directory):
    neighbours(str(directory), str(directory / "triplets.tsv"))
    before = rows_of(directory)
    text = (directory / "triplets.tsv").read_text().replace("\tS", "\tL")
    (directory / "other.tsv").write_text(text)
    (directory / "map.tsv").write_text("".join(f"L{n}\tS{n}\n" for n in range(8)))
    with pytest.raises(UserError, match=r"none of the songs .* --id_map=FILE"):
        neighbours(str(directory), str(directory / "other.tsv"))
    neighbours(str(directory), str(directory / "other.tsv"), str(directory / "map.tsv"))
    np.testing.assert_array_equal(rows_of(directory), before)


def test_other_strengths_or_factors_ask_for_it_anew(directory):
    for name in ("tag_strengths.npy", "ix_to_cf.npy"):
        neighbours(str(directory), str(directory / "triplets.tsv"))
        assert is_open(directory)
        now = np.load(directory / name) if (directory / name).is_file() else SONG_TAGS
        np.save(directory / name, now / np.float32(2))
        assert not is_open(directory)


def test_plays_of_no_training_song_tell_nothing(directory):
    (directory / "few.tsv").write_text("u\tS7\t3\n")
    with pytest.raises(UserError, match=r"few\.tsv has no training song"):
        neighbours(str(directory), str(directory / "few.tsv"))


def test_without_artists_and_plays_one_sentence(directory):
    (directory / "songs.tsv").unlink()
    done = run_here(ROOT / "step3_taste_profile.py", "neighbours", directory)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "few artists of several songs: give play counts as TRIPLETS" in done.stderr
    assert not (directory / "neighbours_songs.npy").exists()


def test_a_model_of_factors_and_neighbours_is_trained_by_command_line(directory, tmp_path):
    done = run_here(
        ROOT / "step3_taste_profile.py", "neighbours", directory, directory / "triplets.tsv"
    )
    assert done.returncode == 0, done.stderr
    assert "8 songs x 15 numbers (6 of artist, 3 of plays, 2 of few listeners, 2 of" in done.stdout
    kind = ["--input_type", "cf+neighbours", "--w2v_type", "music"]
    short = ["--loss", "sigmoid", "--n_epochs", 1, "--batch_size", 4, "--triplets_per_epoch", 8]
    folder = ["--data_path", directory, "--model_save_path", tmp_path / "model"]
    done = run_here(ROOT / "main.py", "--mode", "TRAIN", *kind, *short, *folder)
    assert done.returncode == 0, done.stderr
