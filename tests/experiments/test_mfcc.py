"""experiments.mfcc: the baseline hears what differs, and does not where nothing does."""

import json

import numpy as np
import pytest
import soundfile

from commands import assert_user_error, run_here
from dataset.directory import open_dataset
from dataset.files import SONGS
from dataset.writing import write_tsv
from errors import UserError
from experiments.mfcc import baseline_scores, mfcc_statistics, run_baseline, song_features
from options import merge_options
from planted import write_planted


def write_tone(path, pitch: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=11025)
    time = np.arange(11025) / 22050
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * pitch * time) + 0.01 * noise, 22050)


@pytest.fixture
def dataset(tmp_path):
    """Songs that sound high if they bear the first tag, else low."""
    directory = write_planted(tmp_path / "data", 40)
    dataset = open_dataset(directory)
    for song, song_id in enumerate(dataset.song_ids):
        pitch = 2000 if dataset.song_tags[song, 0] else 200
        write_tone(directory / f"{song_id}.wav", pitch, song)
    rows = ((song_id, "", "", f"{song_id}.wav") for song_id in dataset.song_ids)
    write_tsv(directory / SONGS, rows)
    return dataset


def test_statistics_are_means_and_deviations(tmp_path):
    write_tone(tmp_path / "a.wav", 440, 0)
    features = mfcc_statistics(tmp_path / "a.wav")
    assert features.shape == (40,)
    assert (features[20:] >= 0).all()


def test_the_baseline_hears_the_tag_that_sounds(dataset):
    results = run_baseline(dataset, merge_options({}), "mfcc")
    assert results["tags"][dataset.tags[0]]["map"] == 1
    assert results["n_songs"] == 8
    assert results["made_by"]["baseline"]["strength"] > 0


def test_audio_that_is_not_there_or_no_sound_is_told(dataset):
    song_id = dataset.song_ids[dataset.splits["train"][0]]
    (dataset.path / f"{song_id}.wav").write_text("no sound")
    with pytest.raises(UserError, match=rf"{song_id}\.wav cannot be read .*songs\.tsv"):
        song_features(dataset, "mfcc")
    (dataset.path / f"{song_id}.wav").unlink()
    with pytest.raises(UserError, match=rf"{song_id}\.wav is missing: the audio must be where"):
        song_features(dataset, "mfcc")


def run(*arguments):
    return run_here("-m", "experiments.mfcc", *arguments)


@pytest.mark.parametrize("features", ["spec", "mfcc,hybrid", "cf+moods"])
def test_features_that_are_none_do_not_become_mfcc(dataset, tmp_path, features):
    """They had a column of their name, with the numbers of MFCC in it."""
    done = run(dataset.path, tmp_path / "out", "--features", features, "--input_types", "cf")
    assert_user_error(done, f"--features {features.rpartition(',')[2]} has no vectors of its own")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_compared_is_told_before_anything_is_computed(dataset, tmp_path):
    vectors = np.ones((len(dataset.song_ids), 2), np.float32)
    vectors[dataset.splits["test"][0]] = np.nan
    np.save(dataset.path / "moods_songs.npy", vectors)
    out = tmp_path / "out"
    done = run(dataset.path, out, "--features", "moods", "--input_types", "cf,cf+moods")
    assert_user_error(done, "moods + logistic regression and cf, triplet would be tested on diff")
    assert_user_error(run(dataset.path, out, "--losses", "foo"), "invalid choice: 'foo'")
    assert_user_error(run(dataset.path, out, "--features", "", "--input_types", ""), "name nothing")
    assert not out.exists()


def test_a_baseline_alone(dataset, tmp_path):
    done = run(dataset.path, tmp_path / "out", "--input_types", "", "--input_type", "cf")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads((tmp_path / "out/mfcc.json").read_text())
    assert found["column"] == "MFCC + logistic regression" and found["n_songs"] == 8


def test_a_tag_that_all_songs_bear_scores_all_alike():
    rng = np.random.default_rng(0)
    features = {part: rng.normal(size=(6, 3)) for part in ("train", "valid", "test")}
    train_tags = np.array([[1, 0, 1]] * 3 + [[1, 0, 0]] * 3, dtype=bool)
    scores = baseline_scores(features, train_tags, 1.0)
    assert scores["test"].shape == (3, 6)
    assert (scores["test"][:2] == 0).all() and len(set(scores["test"][2])) == 6
