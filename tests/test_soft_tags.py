"""--soft_tags: from raw taggings to a model, what it changes, and what is noticed of its data."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from checkpoint import read_checkpoint
from commands import ROOT, run_here, run_main
from dataset.directory import STRENGTHS, open_dataset
from dataset.writing import write_pickle
from errors import UserError
from experiments.finished import Job, check_finished, contents
from main_runs import run_wrong, test_model, train, weights
from planted import write_planted, write_planted_strengths
from raw_samples import ARTISTS, PLAYS, TAGGINGS, TAGS
from real_data import real_data
from step0_runs import write_lines

SOFT = {"loss": "sigmoid", "soft_tags": True}


def step(script: str, *arguments) -> str:
    done = run_here(ROOT / script, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ------------------------------------------------------------ from raw data


def write_raw(raw: Path) -> Path:
    """lastfm-2k of 60 artists: rock by 3 people each, jazz by 1 of the even, 3 of the odd ones."""
    raw.mkdir()
    write_lines(raw / "artists.dat", [ARTISTS[0], *(f"{n}\tArtist {n}\tu\tp" for n in range(60))])
    write_lines(raw / "tags.dat", [TAGS[0], "1\trock", "2\tjazz", "3\tjazz music"])
    write_lines(raw / "user_artists.dat", [PLAYS[0], *(f"1\t{n}\t5" for n in range(60))])
    rows = [(user, n, 1) for n in range(60) for user in (1, 2, 3)]
    rows += [(user, n, 2) for n in range(60) for user in ((1, 2, 3) if n % 2 else (1,))]
    rows += [(user, 0, 3) for user in (4, 5)]  # another spelling, of two people: a score of 67
    lines = [f"{user}\t{artist}\t{tag}\t1\t4\t2009" for user, artist, tag in rows]
    write_lines(raw / "user_taggedartists.dat", [TAGGINGS[0], *lines])
    return raw


def test_from_taggings_to_a_model(tmp_path):
    raw, data, run = write_raw(tmp_path / "raw"), tmp_path / "data", tmp_path / "run"
    told = step("step0_dataset.py", "lastfm2k", raw, data, "--min_songs", 1)
    assert "tag strengths: 120, 29 of them too weak for the song to bear the tag" in told
    told = step("step1_data_split.py", "run", data, 2, 3)
    assert "tag strengths: 91 of tags that songs bear, 29 of weaker ones" in told
    tags, song_ids = (np.load(data / f"{name}.npy").tolist() for name in ("tags", "existing_ids"))
    assert tags == ["jazz", "rock"]
    jazz = [3 / 4 if int(artist) % 2 or artist == "0" else 1 / 3 / 2 for artist in song_ids]
    strengths = np.load(data / "tag_strengths.npy")
    np.testing.assert_allclose(strengths, np.transpose([jazz, [3 / 4] * 60]), atol=1e-6)
    write_pickle(data / "own_emb.pkl", {"jazz": np.eye(4)[0], "rock": np.eye(4)[1]})
    np.save(data / "ix_to_cf.npy", np.random.default_rng(0).normal(size=(60, 8)))
    where = ("--data_path", data, "--gpu_id", "cpu")
    few = ("--input_type", "cf", "--w2v_type", "own", "--n_epochs", 1, "--triplets_per_epoch", 256)
    told = step(
        *("main.py", "--mode", "TRAIN", *where, *few, "--loss", "sigmoid", "--soft_tags", "True"),
        *("--model_save_path", run),
    )
    assert "best validation MAP" in told and "no effect" not in told
    told = step("main.py", "--mode", "TEST", *where, "--model_load_path", run)
    assert "2 tags" in told


@pytest.mark.real_data
def test_numbers_of_the_real_set(tmp_path):
    raw, data = real_data("lastfm-2k"), tmp_path / "data"
    told = step("step0_dataset.py", "lastfm2k", raw, data)
    assert "tag strengths: 53994, 23664 of them too weak for the song to bear the tag" in told
    told = step("step1_data_split.py", "run", data, 100, 20)
    # 25653 and 17950 of the 100 tags with a word vector in music
    assert "tag strengths: 25721 of tags that songs bear, 17964 of weaker ones" in told
    strengths, bears = (np.load(data / f"{name}.npy") for name in ("tag_strengths", "binaries"))
    assert ((strengths > 0) & (bears == 0)).sum() == 17964 and (strengths[bears == 1] >= 0.5).all()
    assert strengths.max() < 1
    assert strengths[bears == 0].max() < 0.5


# ------------------------------------------------------------ what it changes


@pytest.fixture(scope="module")
def soft_dir(tmp_path_factory) -> Path:
    """A planted directory with strengths; tests only read it."""
    directory = write_planted(tmp_path_factory.mktemp("soft") / "data")
    write_planted_strengths(directory)
    return directory


@pytest.fixture(scope="module")
def soft_run(soft_dir, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("soft_run")
    train(soft_dir, folder, **SOFT)
    return folder


@pytest.mark.parametrize("more", [{}, {"loss": "infonce"}, {"mixup": True}], ids=str)
def test_soft_tags_change_the_weights(soft_dir, tmp_path, capsys, more):
    soft = train(soft_dir, tmp_path / "soft", **SOFT | more)
    hard = train(soft_dir, tmp_path / "hard", **SOFT | more | {"soft_tags": False})
    assert not torch.equal(weights(soft), weights(hard))
    assert "no effect" not in capsys.readouterr().out


def test_strengths_of_one_are_tags(shared_dataset_dir, tmp_path):
    data = shutil.copytree(shared_dataset_dir, tmp_path / "data")
    shutil.copy(data / "binaries.npy", data / "tag_strengths.npy")
    soft = train(data, tmp_path / "soft", **SOFT)
    assert torch.equal(weights(soft), weights(train(data, tmp_path / "hard", loss="sigmoid")))


def test_strengths_of_other_songs_teach_nothing(soft_dir, soft_run, tmp_path):
    data = shutil.copytree(soft_dir, tmp_path / "data")
    strengths, dataset = np.load(data / "tag_strengths.npy"), open_dataset(data)
    for part in ("valid", "test"):
        strengths[dataset.splits[part]] = 1
    np.save(data / "tag_strengths.npy", strengths)
    expected = weights(read_checkpoint(soft_run / "last.ckpt"))
    assert torch.equal(weights(train(data, tmp_path / "run", **SOFT)), expected)


def test_triplets_take_no_notice_and_say_so(shared_dataset_dir, tmp_path, capsys):
    soft = train(shared_dataset_dir, tmp_path / "soft", soft_tags=True)  # without the file
    assert "no effect with --loss triplet: --soft_tags\n" in capsys.readouterr().out
    assert torch.equal(weights(soft), weights(train(shared_dataset_dir, tmp_path / "hard")))


# ------------------------------------------------------------ what is noticed


def test_a_training_without_strengths_is_told(capsys, shared_dataset_dir, tmp_path):
    words = ("--data_path", shared_dataset_dir, "--model_save_path", tmp_path, "--input_type", "cf")
    told = run_wrong(capsys, *words, "--loss", "sigmoid", "--soft_tags")
    assert "tag_strengths.npy is missing: --soft_tags learns from it, step 1 writes it" in told


def test_a_test_needs_no_strengths(soft_dir, soft_run, tmp_path, capsys):
    data, run = shutil.copytree(soft_dir, tmp_path / "data"), tmp_path / "run"
    shutil.copytree(soft_run, run)
    expected = test_model(run, data)
    assert expected["made_by"]["options"]["soft_tags"] is True
    (data / "tag_strengths.npy").unlink()
    assert test_model(run, data)["tags"] == expected["tags"]
    assert "was trained with another" not in capsys.readouterr().out


def change_strengths(data: Path, part: str) -> None:
    strengths = np.load(data / "tag_strengths.npy")
    strengths[open_dataset(data).splits[part][0]] /= 2
    np.save(data / "tag_strengths.npy", strengths)


def test_a_resumed_training_wants_the_same_strengths(soft_dir, soft_run, tmp_path, capsys):
    data, run = (shutil.copytree(one, tmp_path / one.name) for one in (soft_dir, soft_run))
    words = ("--resume", "--data_path", data, "--model_save_path", run, "--gpu_id", "cpu")
    change_strengths(data, "test")
    run_main(*words, "--n_epochs", 2)
    whole = train(soft_dir, tmp_path / "whole", **SOFT, n_epochs=2)
    assert torch.equal(weights(read_checkpoint(run / "last.ckpt")), weights(whole))
    capsys.readouterr()
    change_strengths(data, "train")
    assert f"another {STRENGTHS} than {data}" in run_wrong(capsys, *words, "--n_epochs", 3)
    (data / "tag_strengths.npy").unlink()
    assert "tag_strengths.npy is missing" in run_wrong(capsys, *words, "--n_epochs", 3)


def test_a_run_of_before_the_option_goes_on_without(soft_dir, tmp_path):
    train(soft_dir, tmp_path / "run", loss="sigmoid")
    file = tmp_path / "run/last.ckpt"
    checkpoint = torch.load(file, weights_only=True)
    for options in (
        checkpoint["hyper_parameters"]["options"],
        checkpoint["hyper_parameters"]["made_by"]["options"],
    ):
        options.pop("soft_tags", None)
    torch.save(checkpoint, file)
    data = shutil.copytree(soft_dir, tmp_path / "data")
    change_strengths(data, "train")
    words = ("--resume", "--data_path", data, "--model_save_path", tmp_path / "run")
    run_main(*words, "--gpu_id", "cpu", "--n_epochs", 2)
    assert read_checkpoint(file)["epoch"] == 1
    test_model(tmp_path / "run", data)


def test_experiments_want_the_same_strengths(soft_dir, soft_run, tmp_path, capsys):
    data, run = (shutil.copytree(one, tmp_path / one.name) for one in (soft_dir, soft_run))
    given = {"data_path": str(data), "input_type": "cf", "n_epochs": 1, "lr": 1e-3}
    given |= {"triplets_per_epoch": 1000} | SOFT

    def refusal(**more) -> str:
        job = Job("soft", run, given | more)
        with pytest.raises(UserError) as caught:
            check_finished([job], contents([job]))
        return str(caught.value)

    for is_tested in (False, True):
        if is_tested:
            test_model(run, soft_dir)
        job = Job("soft", run, given)
        check_finished([job], contents([job]))
        assert "with --soft_tags True, not False" in refusal(soft_tags=False)
    change_strengths(data, "valid")
    check_finished([job], contents([job]))
    change_strengths(data, "train")
    assert f"another {STRENGTHS} than {data}" in refusal()


def test_columns_with_and_without_strengths_read_what_they_need(soft_dir, tmp_path):
    given = {"data_path": str(soft_dir), "input_type": "cf", "loss": "sigmoid"}
    jobs = [Job("hard", tmp_path, given), Job("soft", tmp_path, given | SOFT)]
    jobs.append(Job("triplet", tmp_path, given | SOFT | {"loss": "triplet"}))
    assert [STRENGTHS in holds for holds in contents(jobs)] == [False, True, False]
