"""Runs of main.py in this process, with a few options."""

import json
from pathlib import Path

import pytest
import torch

from checkpoint import read_checkpoint
from command_line import run_or_explain
from commands import run_main

AUDIO_OPTIONS = {"batch_size": 8, "triplets_per_epoch": 40, "num_chunk": 2, "input_length": 128}


def options_for(directory: Path, folder: Path, **changed) -> list[str]:
    options = {"data_path": directory, "model_save_path": folder, "input_type": "cf"}
    options |= {"n_epochs": 1, "lr": 1e-3, "gpu_id": "cpu", "triplets_per_epoch": 1000} | changed
    return [part for name, value in options.items() for part in (f"--{name}", str(value))]


def train(directory: Path, folder: Path, **changed) -> dict:
    run_main(*options_for(directory, folder, **changed))
    return read_checkpoint(folder / "last.ckpt")


def test_model(folder: Path, directory: Path, *more: str) -> dict:
    run_main("--mode", "TEST", "--model_load_path", folder, "--data_path", directory, *more)
    return json.loads((folder / "results.json").read_text())


test_model.__test__ = False


def weights(checkpoint: dict) -> torch.Tensor:
    return torch.cat([w.flatten().double() for w in checkpoint["state_dict"].values()])


def run_wrong(capsys, *argv) -> str:
    """Run main with wrong input: exit code 2 and one sentence, which is returned."""
    with pytest.raises(SystemExit) as stop:
        run_or_explain(lambda: run_main(*argv))
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error
