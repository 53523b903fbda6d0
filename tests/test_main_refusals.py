"""The command line: wrong input is told in one sentence, with exit code 2."""

import shutil

import numpy as np
import pytest
import torch

from checkpoint import read_checkpoint
from commands import ROOT, assert_user_error, run_here, run_main
from dataset.directory import LABELS, VALIDATION, open_dataset
from main_runs import options_for, run_wrong, test_model
from planted import write_planted, write_planted_mels


def test_wrong_input(tmp_path):
    done = run_here(ROOT / "main.py", "--data_path", tmp_path, "--input_type", "cf")
    assert_user_error(done, "tags.npy is missing", "step1_data_split.py")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--lrr", "1"], "--lrr"),
        (["--batch", "1"], "--batch"),
        (["--batch_size", "1"], "--batch_size"),
        (["--batch_size", "many"], "--batch_size"),
        (["--lr", "-1"], "--lr"),
        (["--lr", "nan"], "--lr"),
        (["--is_balanced", "yes"], "--is_balanced"),
        (["--mode", "EVAL"], "--mode"),
        (["--input_type", "hybrid+cf"], "--input_type"),
        (["--input_type", "cf+cf"], "--input_type"),
        (["--input_type", "musicnn"], "musicnn_songs.npy is missing"),
        (["--gpu_id", "one", "--input_type", "cf"], "--gpu_id one"),
        (["--precision", "8"], "--precision"),
        (["--seed", "-3"], "--seed"),
        (["--seed", str(2**33)], "--seed"),
        (["--gpu_id", "0,0", "--input_type", "cf"], "--gpu_id 0,0"),
        (["--precision", "16-mixed", "--input_type", "cf", "--gpu_id", "cpu"], "bf16-mixed"),
    ],
)
def test_unusable_options_are_told(capsys, shared_dataset_dir, tmp_path, words, part):
    where = ["--data_path", shared_dataset_dir, "--model_save_path", tmp_path / "run"]
    assert part in run_wrong(capsys, *words, *where)
    assert not list(tmp_path.glob("run/*"))


def test_a_folder_that_cannot_be_made_is_told(capsys, shared_dataset_dir, tmp_path):
    (tmp_path / "file").write_text("")
    told = run_wrong(capsys, *options_for(shared_dataset_dir, tmp_path / "file" / "run"))
    assert str(tmp_path / "file") in told


def test_a_missing_vector_file_is_told(capsys, dataset_dir, tmp_path):
    told = run_wrong(capsys, *options_for(dataset_dir, tmp_path / "run", w2v_type="news"))
    assert "news_emb.pkl is missing" in told and "step2_word_embedding.py" in told
    assert not (tmp_path / "run").exists()


def test_missing_spectrograms_are_told(capsys, shared_dataset_dir):
    told = run_wrong(capsys, "--data_path", shared_dataset_dir, "--input_type", "hybrid")
    assert "has no mel spectrograms" in told and "step4_mel_spectrogram.py" in told


def test_hybrid_without_cf_vectors_is_told(capsys, tmp_path):
    directory = write_planted_mels(write_planted(tmp_path / "data", 60))
    (directory / "ix_to_cf.npy").unlink()
    told = run_wrong(capsys, "--data_path", directory, "--input_type", "hybrid")
    assert "ix_to_cf.npy is missing" in told and "step3_taste_profile.py" in told


def test_a_chunk_too_short_is_told(capsys, audio_dataset_dir):
    words = ("--data_path", audio_dataset_dir, "--input_type", "spec", "--input_length", "127")
    assert "at least 128 frames" in run_wrong(capsys, *words)


@pytest.mark.slow
def test_other_spectrograms_than_in_training_are_told(capsys, trained_on_audio, tmp_path):
    directory = write_planted_mels(write_planted(tmp_path / "data", 60), shortest=61)
    where = ["--mode", "TEST", "--model_load_path", trained_on_audio, "--data_path", directory]
    assert "another spectrograms" in run_wrong(capsys, *where)


def test_other_mel_settings_than_in_training_are_told(
    capsys, trained_on_audio, audio_dataset_dir, tmp_path
):
    checkpoint = read_checkpoint(trained_on_audio / "best.ckpt")
    checkpoint["hyper_parameters"]["mel_settings"]["hop_length"] = 256
    torch.save(checkpoint, tmp_path / "best.ckpt")
    where = ["--mode", "TEST", "--model_load_path", tmp_path, "--data_path", audio_dataset_dir]
    assert "made with other settings" in run_wrong(capsys, *where)


def test_a_contradiction_to_the_checkpoint_is_told(capsys, trained, shared_dataset_dir):
    where = ["--model_load_path", trained, "--data_path", shared_dataset_dir, "--mode", "TEST"]
    assert "--is_weighted" in run_wrong(capsys, *where, "--is_weighted")
    where = ["--model_save_path", trained, "--data_path", shared_dataset_dir, "--resume"]
    assert "--lr" in run_wrong(capsys, *where, "--lr", "0.5")


def test_a_checkpoint_of_another_data_set_is_told(capsys, trained, dataset_dir):
    tags = np.load(dataset_dir / "tags.npy")
    tags[0] = "another"
    np.save(dataset_dir / "tags.npy", tags)
    (dataset_dir / "train_tag_to_ix.pkl").unlink()
    import pickle

    vectors = {tag: np.ones(20, dtype=np.float32) for tag in tags.tolist()}
    (dataset_dir / "google_emb.pkl").write_bytes(pickle.dumps(vectors))
    where = ["--mode", "TEST", "--model_load_path", trained, "--data_path", dataset_dir]
    assert "other tags" in run_wrong(capsys, *where)


def test_other_cf_vectors_are_told(capsys, trained, dataset_dir):
    cf = np.load(dataset_dir / "ix_to_cf.npy")
    np.save(dataset_dir / "ix_to_cf.npy", cf[:, :9])
    where = ["--mode", "TEST", "--model_load_path", trained, "--data_path", dataset_dir]
    assert "another CF vectors" in run_wrong(capsys, *where)


def test_another_split_is_told(capsys, trained, dataset_dir):
    train, test = (dataset_dir / f"{name}_ids.npy" for name in ("train", "test"))
    (dataset_dir / "train_tag_to_ix.pkl").unlink()
    swapped = np.load(test), np.load(train)
    np.save(train, swapped[0])
    np.save(test, swapped[1])
    where = ["--mode", "TEST", "--model_load_path", trained, "--data_path", dataset_dir]
    assert "another split" in run_wrong(capsys, *where)


def other_tags(data, part: str) -> None:
    """Give the songs of a split each other's tags."""
    song_tags, songs = np.load(data / "binaries.npy"), open_dataset(data).splits[part]
    song_tags[songs] = song_tags[songs[::-1]]
    np.save(data / "binaries.npy", song_tags)
    (data / "train_tag_to_ix.pkl").unlink(missing_ok=True)


def of_an_earlier_version(trained, folder):
    """A copy of a run whose checkpoints do not tell tags and validation songs."""
    shutil.copytree(trained, folder)
    for file in folder.glob("*.ckpt"):
        checkpoint = torch.load(file, weights_only=True)
        told = checkpoint["hyper_parameters"]["made_by"]["fingerprint"]
        for name in (VALIDATION, *LABELS):
            del told[name]
        torch.save(checkpoint, file)
    return folder


@pytest.mark.parametrize("part", ["train", "valid"])
def test_other_tags_end_a_resumed_training_and_are_said_by_a_test(
    capsys, trained, dataset_dir, tmp_path, part
):
    other_tags(dataset_dir, part)
    name = {"train": "training", "valid": "validation"}[part]
    words = ("--data_path", dataset_dir, "--n_epochs", 3, "--gpu_id", "cpu")
    folder = shutil.copytree(trained, tmp_path / "run")
    told = run_wrong(capsys, "--resume", "--model_save_path", folder, *words)
    assert f"another set of tags of {name} songs than {dataset_dir} holds now" in told
    test_model(folder, dataset_dir)
    out = capsys.readouterr().out
    assert out.count(f"another set of tags of {name} songs than {dataset_dir} holds now") == 1


def test_songs_that_chose_the_model_are_no_test_songs(capsys, trained, dataset_dir):
    valid, test = (np.load(dataset_dir / f"{name}_ids.npy") for name in ("valid", "test"))
    np.save(dataset_dir / "valid_ids.npy", test)
    np.save(dataset_dir / "test_ids.npy", valid)
    where = ["--mode", "TEST", "--model_load_path", trained, "--data_path", dataset_dir]
    assert "another validation split" in run_wrong(capsys, *where)
    where = ["--resume", "--n_epochs", 3, "--model_save_path", trained, "--data_path", dataset_dir]
    assert "another validation split" in run_wrong(capsys, *where)


def test_other_test_songs_with_the_same_tags_are_tested(capsys, trained, dataset_dir, tmp_path):
    np.save(dataset_dir / "test_ids.npy", np.load(dataset_dir / "test_ids.npy")[:-20])
    other_tags(dataset_dir, "test")
    folder = shutil.copytree(trained, tmp_path / "run")
    assert test_model(folder, dataset_dir)["n_songs"] == 40
    assert "was trained with another" not in capsys.readouterr().out


def test_a_model_of_before_tags_were_told_is_tested_and_goes_on(
    capsys, trained, dataset_dir, tmp_path
):
    folder = of_an_earlier_version(trained, tmp_path / "run")
    other_tags(dataset_dir, "train")
    test_model(folder, dataset_dir)
    assert "was trained with another" not in capsys.readouterr().out
    words = ("--data_path", dataset_dir, "--n_epochs", 3, "--gpu_id", "cpu")
    run_main("--resume", "--model_save_path", folder, *words)
    assert "trained to epoch 3" in capsys.readouterr().out
    np.save(dataset_dir / "train_ids.npy", np.load(dataset_dir / "train_ids.npy")[1:])
    where = ["--mode", "TEST", "--model_load_path", folder, "--data_path", dataset_dir]
    assert "another split" in run_wrong(capsys, *where)


def test_nothing_to_test_or_resume_is_told(capsys, tmp_path, shared_dataset_dir):
    where = ["--data_path", shared_dataset_dir, "--input_type", "cf"]
    assert "--model_load_path" in run_wrong(capsys, "--mode", "TEST", *where)
    where += ["--model_save_path", tmp_path]
    assert "last.ckpt is missing" in run_wrong(capsys, "--resume", *where)


def test_divergence_is_told(capsys, shared_dataset_dir, tmp_path):
    told = run_wrong(capsys, *options_for(shared_dataset_dir, tmp_path, lr=1e30))
    assert "diverged" in told
