"""Trainer and Solver made from options: devices, precision, compiling, loggers."""

import dataclasses

import pytest
import torch

import trainer
from errors import UserError
from options import merge_options


def test_without_a_gpu_the_cpu_serves(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert trainer.choose_devices("0,1") == {"accelerator": "cpu", "devices": 1}
    assert "no GPU found: using the CPU" in capsys.readouterr().out
    assert trainer.choose_devices("cpu") == {"accelerator": "cpu", "devices": 1}
    two = trainer.choose_devices("cpu", n_processes=2)
    assert two == {"accelerator": "cpu", "devices": 2} and trainer.n_devices(two) == 2
    assert capsys.readouterr().out == ""


def test_gpu_id_names_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert trainer.choose_devices("1") == {"accelerator": "gpu", "devices": [1]}
    both = {"accelerator": "gpu", "devices": [0, 1]}
    assert trainer.choose_devices("0,1") == both and trainer.n_devices(both) == 2
    with pytest.raises(UserError, match="--n_processes is for the CPU"):
        trainer.choose_devices("0", n_processes=2)
    with pytest.raises(UserError, match="there are 2 GPUs"):
        trainer.choose_devices("2")


def test_neptune_is_used_on_request_alone(tmp_path):
    pytest.importorskip("neptune")
    plain = [type(logger).__name__ for logger in trainer.make_loggers(merge_options({}), tmp_path)]
    assert plain == ["CSVLogger", "TensorBoardLogger"]
    options = merge_options({"neptune_project": "space/project", "neptune_api_key": "key"})
    *others, neptune = trainer.make_loggers(options, tmp_path)
    assert [type(logger).__name__ for logger in others] == plain
    assert neptune.name == "space/project"


@pytest.mark.parametrize(
    ("has", "input_type", "accelerator", "precision"),
    [
        (True, "spec", "cpu", "bf16-mixed"),
        (True, "hybrid", "gpu", "bf16-mixed"),
        (False, "spec", "cpu", "32-true"),
        (False, "spec", "gpu", "32-true"),
        (True, "cf", "gpu", "32-true"),
    ],
)
def test_the_fastest_precision_is_chosen(monkeypatch, has, input_type, accelerator, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has})
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has)
    options = merge_options({"input_type": input_type})
    assert trainer.choose_precision(options, accelerator) == precision
    asked = dataclasses.replace(options, precision="32")
    assert trainer.choose_precision(asked, accelerator) == "32-true"
