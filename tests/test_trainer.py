"""Trainer and Solver made from options: devices, precision, compiling, loggers."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch

import trainer
from errors import UserError
from modules import ShortChunkCNN
from options import merge_options


def test_without_a_gpu_the_cpu_serves(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert trainer.choose_devices("0,1") == {"accelerator": "cpu", "devices": 1}
    assert "no GPU found: using the CPU" in capsys.readouterr().out
    assert trainer.choose_devices("cpu") == {"accelerator": "cpu", "devices": 1}
    with pytest.raises(UserError, match="--n_processes 1000000 is too many for"):
        trainer.choose_devices("cpu", n_processes=1_000_000)
    two = trainer.choose_devices("cpu", n_processes=2)
    assert two == {"accelerator": "cpu", "devices": 2} and trainer.n_processes_on(two) == 2
    assert capsys.readouterr().out == ""


def test_gpu_id_names_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert trainer.choose_devices("1") == {"accelerator": "gpu", "devices": [1]}
    both = {"accelerator": "gpu", "devices": [0, 1]}
    assert trainer.choose_devices("0,1") == both and trainer.n_processes_on(both) == 2
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


@pytest.mark.parametrize(
    ("asked", "device", "n_epochs", "compiles"),
    [
        ("auto", "cuda", 200, True),
        ("auto", "cuda", 10, False),  # over before it pays
        ("auto", "cpu", 200, False),
        (True, "cpu", 1, True),
        (False, "cuda", 200, False),
    ],
)
def test_long_trainings_on_a_gpu_are_compiled(monkeypatch, asked, device, n_epochs, compiles):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "triton" or None)
    strategy = SimpleNamespace(root_device=torch.device(device))
    alone = SimpleNamespace(strategy=strategy, world_size=1)
    options = merge_options({"compile": asked, "n_epochs": n_epochs})
    assert trainer.chooses_to_compile(options, alone) is compiles


def test_a_last_small_batch_is_not_compiled(monkeypatch):
    compiled = []

    def compile_visibly(forward, **_):
        return lambda chunks: compiled.append(len(chunks)) or forward(chunks)

    monkeypatch.setattr(torch, "compile", compile_visibly)
    network = torch.nn.Linear(3, 2)
    names = list(network.state_dict())
    trainer.compile_for(network, {4, 6})
    for n in (4, 6, 4, 1):
        chunks = torch.ones(n, 3)
        assert torch.equal(network(chunks), torch.nn.Linear.forward(network, chunks))
    assert compiled == [4, 6, 4]
    assert list(network.state_dict()) == names


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_the_compiled_network_learns_as_the_plain_one():
    def train(is_compiled: bool) -> tuple[ShortChunkCNN, list[float]]:
        torch.manual_seed(0)
        network = ShortChunkCNN().cuda()
        if is_compiled:
            trainer.compile_for(network, {8})
        adam = torch.optim.Adam(network.parameters(), lr=1e-3)
        target = torch.rand(8, 256, device="cuda")
        losses = []
        for _ in range(20):
            with torch.autocast("cuda", dtype=torch.bfloat16):
                loss = (network(chunks) - target).float().square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.item())
        return network, losses

    chunks = torch.randn(8, 128, 128, generator=torch.Generator().manual_seed(0)).cuda()
    _, plain = train(False)
    network, compiled = train(True)
    assert plain[-1] < 0.8 * plain[0]
    assert compiled == pytest.approx(plain, rel=0.1)
    network.eval()
    with torch.no_grad(), torch.autocast("cuda", dtype=torch.bfloat16):
        found, expected = network(chunks), ShortChunkCNN.forward(network, chunks)
    assert ((found - expected).float().norm() / expected.float().norm()).item() < 0.02
