"""The command line: each option changes something."""

import json
import shutil

import numpy as np
import pytest
import torch

from checkpoint import read_checkpoint
from commands import run_main
from errors import UserError
from main_runs import test_model, train, weights


@pytest.fixture(scope="module")
def plain_weights(shared_dataset_dir, tmp_path_factory) -> torch.Tensor:
    return weights(train(shared_dataset_dir, tmp_path_factory.mktemp("plain")))


@pytest.mark.parametrize(
    "changed",
    [
        {"batch_size": 100},
        {"heads": "twins"},
        {"margin": 0.2},
        {"w2v_type": "music"},
        {"is_balanced": True},
        {"is_weighted": True},
        {"lr": 2e-3},
        {"lr_schedule": "cosine"},
        {"seed": 1},
        {"triplets_per_epoch": 500},
        {"anchors_per_song": 2},
        {"precision": "bf16-mixed"},
        {"precision": "bf16-mixed", "is_weighted": True},
    ],
    ids=str,
)
def test_an_option_changes_the_weights(plain_weights, shared_dataset_dir, tmp_path, changed):
    assert not torch.equal(weights(train(shared_dataset_dir, tmp_path, **changed)), plain_weights)


def test_input_dropout_changes_the_weights_of_what_hears_vectors(dataset_dir, tmp_path):
    np.save(dataset_dir / "other_songs.npy", np.load(dataset_dir / "ix_to_cf.npy"))
    for input_type, is_same in (("other", False), ("cf", True)):
        found = [
            weights(train(dataset_dir, tmp_path / str(share), input_type=input_type, **given))
            for share, given in ((0, {}), (0.5, {"input_dropout": 0.5}))
        ]
        assert torch.equal(*found) == is_same


def test_negative_weighting_matters_with_is_weighted_alone(
    plain_weights, shared_dataset_dir, tmp_path
):
    distance = {"negative_weighting": "distance"}
    unweighted = train(shared_dataset_dir, tmp_path / "a", **distance)
    assert torch.equal(weights(unweighted), plain_weights)
    similarity = train(shared_dataset_dir, tmp_path / "b", is_weighted=True)
    weighted = train(shared_dataset_dir, tmp_path / "c", is_weighted=True, **distance)
    assert not torch.equal(weights(similarity), weights(weighted))


def test_is_subset_reads_the_smaller_set(dataset_dir, tmp_path):
    for file in list(dataset_dir.glob("*.npy")) + list(dataset_dir.glob("*.pkl")):
        file.rename(file.with_name(f"sub_{file.name}"))
    checkpoint = train(dataset_dir, tmp_path / "run", is_subset=True)
    assert checkpoint["hyper_parameters"]["options"]["is_subset"] is True
    with pytest.raises(UserError, match=r"tags.npy is missing"):
        train(dataset_dir, tmp_path / "whole")


def test_early_stopping_stops(shared_dataset_dir, tmp_path):
    checkpoint = train(shared_dataset_dir, tmp_path, n_epochs=30, lr=1e-9, early_stopping=2)
    assert checkpoint["epoch"] < 15


def test_what_early_stopping_ended_is_trained(shared_dataset_dir, tmp_path, capsys):
    still = {"n_epochs": 30, "lr": 1e-9, "early_stopping": 2}
    ended = train(shared_dataset_dir, tmp_path, **still)["epoch"] + 1
    files = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    words = ["--resume", "--model_save_path", tmp_path, "--data_path", shared_dataset_dir]
    words += ["--gpu_id", "cpu"]
    for same in ([], ["--early_stopping", 2], ["--n_epochs", 40]):
        run_main(*words, *same)
        told = f"last.ckpt ended at epoch {ended} by --early_stopping 2"
        assert told in capsys.readouterr().out
    assert all(file.read_bytes() == content for file, content in files.items())
    run_main(*words, "--early_stopping", 4)
    assert read_checkpoint(tmp_path / "last.ckpt")["epoch"] + 1 == ended + 2
    run_main(*words, "--early_stopping", 0, "--n_epochs", ended + 3)
    assert read_checkpoint(tmp_path / "last.ckpt")["epoch"] + 1 == ended + 3


def test_a_resumed_training_stops_early_where_an_undisturbed_one_does(shared_dataset_dir, tmp_path):
    still = {"lr": 1e-9, "early_stopping": 3}
    whole = train(shared_dataset_dir, tmp_path / "whole", n_epochs=30, **still)
    train(shared_dataset_dir, tmp_path / "cut", n_epochs=whole["epoch"], **still)
    resumed = train(shared_dataset_dir, tmp_path / "cut", n_epochs=30, resume=True, **still)
    assert resumed["epoch"] == whole["epoch"]
    assert torch.equal(weights(resumed), weights(whole))
    best = (read_checkpoint(tmp_path / name / "best.ckpt")["epoch"] for name in ("whole", "cut"))
    assert len(set(best)) == 1


def test_result_path_moves_the_results(trained, shared_dataset_dir, tmp_path):
    target = tmp_path / "new folder" / "mine.json"
    where = ["--model_load_path", trained, "--data_path", shared_dataset_dir]
    run_main("--mode", "TEST", *where, "--result_path", target)
    assert json.loads(target.read_text())["n_tags"] == 8


def test_results_that_cannot_be_written_are_told_before_the_test(
    trained, shared_dataset_dir, tmp_path, capsys
):
    shutil.copy(trained / "best.ckpt", tmp_path)
    (tmp_path / "results.json").mkdir()  # as where the folder is read-only, which root may write
    where = ["--model_load_path", tmp_path, "--data_path", shared_dataset_dir]
    with pytest.raises(UserError, match=r"results\.json cannot be written: give --result_path"):
        run_main("--mode", "TEST", *where)
    assert "all tags" not in capsys.readouterr().out


def test_audio_options_say_that_they_are_idle_with_cf(shared_dataset_dir, tmp_path, capsys):
    train(shared_dataset_dir, tmp_path, num_workers=1, num_chunk=4, input_length=200)
    told = capsys.readouterr().out
    assert "no effect with --input_type cf: --input_length, --num_chunk, --num_workers" in told


def test_idle_options_of_a_mode_are_told(trained, shared_dataset_dir, capsys):
    test_model(trained, shared_dataset_dir, "--n_epochs", "7", "--n_processes", "2", "--resume")
    assert (
        "no effect with --mode TEST: --n_epochs, --n_processes, --resume\n"
        in capsys.readouterr().out
    )


def test_the_neptune_key_is_never_stored(trained, shared_dataset_dir):
    saved = read_checkpoint(trained / "best.ckpt")["hyper_parameters"]
    assert "neptune_api_key" not in saved["options"]
    results = test_model(trained, shared_dataset_dir, "--neptune_api_key", "secret-key")
    assert "secret-key" not in json.dumps(results)
