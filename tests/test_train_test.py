"""Training and testing with several song inputs, and with a checkpoint of an older format."""

import json

import numpy as np
import pytest
import torch

from planted import write_planted, write_planted_mels
from train_test import test as run_test
from train_test import train as run_training

FEW = {"batch_size": 16, "num_chunk": 2, "input_length": 128, "lr": 1e-3}


def train_and_test(directory, folder, **options) -> dict:
    where = {"data_path": str(directory)}
    run_training(where | {"model_save_path": str(folder)} | FEW | options)
    return results_of(directory, folder)


def results_of(directory, folder) -> dict:
    run_test({"mode": "TEST", "data_path": str(directory), "model_load_path": str(folder)})
    return json.loads((folder / "results.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["triplet", "sigmoid"])
def test_masked_fusion_finds_songs_by_whatever_is_known(tmp_path, loss):
    directory = write_planted_mels(write_planted(tmp_path / "data", 120), skipped=30)
    options = {"input_type": "spec+cf", "n_epochs": 2, "loss": loss, "triplets_per_epoch": 64}
    results = train_and_test(directory, tmp_path / "run", **options)
    saved = torch.load(tmp_path / "run" / "best.ckpt", weights_only=True)["hyper_parameters"]
    assert saved["inputs"] == {"spec": None, "cf": 16}
    assert results["n_songs"] == 24  # those without audio are among them
    assert results["n_left_out"] == 0
    assert results["map"] > 2 * results["chance_map"]


def test_vectors_of_any_origin_train_a_branch_of_their_own(dataset_dir):
    cf = np.load(dataset_dir / "ix_to_cf.npy")
    vectors = np.where(np.arange(300)[:, None] % 10 == 0, np.nan, cf * 100 + 3)
    np.save(dataset_dir / "other_songs.npy", vectors.astype(np.float32))
    options = {"input_type": "other", "n_epochs": 3, "loss": "infonce", "mixup": True}
    results = train_and_test(dataset_dir, dataset_dir / "run", **options)
    test_songs = [int(line.split("//")[0]) for line in np.load(dataset_dir / "test_ids.npy")]
    assert results["n_songs"] == sum(song % 10 > 0 for song in test_songs) < 60
    assert results["n_left_out"] == len(test_songs) - results["n_songs"]
    assert results["map"] > 0.7


def test_a_checkpoint_of_format_2_gives_what_it_gave(shared_dataset_dir, tmp_path):
    expected = train_and_test(shared_dataset_dir, tmp_path, input_type="cf", n_epochs=1)
    checkpoint = torch.load(tmp_path / "best.ckpt", weights_only=True)
    saved = checkpoint["hyper_parameters"]
    checkpoint["tag_retrieval_format"] = 2
    saved["cf_dim"] = saved.pop("inputs")["cf"]
    for name in ("loss", "mixup", "fusion"):
        del saved["options"][name]
    torch.save(checkpoint, tmp_path / "best.ckpt")
    assert results_of(shared_dataset_dir, tmp_path)["tags"] == expected["tags"]
