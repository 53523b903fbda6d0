"""Several processes train as one: the same losses, metrics and gradients; and how they end."""

import csv
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import fusion
import model
import modules
from commands import ROOT, assert_user_error, run_here
from modules import HalfDropout, ShortChunkCNN
from planted import write_planted, write_planted_mels, write_planted_strengths
from processes import gather, helpers, part_of, share_batch_norm, total
from progress import progress

SMALL = ["--batch_size", "8", "--triplets_per_epoch", "45", "--lr", "1e-3", "--gpu_id", "cpu"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    data = write_planted_mels(write_planted(tmp_path_factory.mktemp("data") / "data", 60))
    write_planted_strengths(data)
    rows = np.load(data / "ix_to_cf.npy")
    rows[np.arange(60) % 12 > 0] = np.nan
    np.save(data / "rare_songs.npy", rows)  # known of none, one or a few songs of a batch
    return data


@pytest.fixture(autouse=True)
def network_comes_back(monkeypatch):
    """After `train`, which changes it in this process as well."""
    monkeypatch.setattr(HalfDropout, "forward", HalfDropout.forward)
    for module, name in (
        *((model, "song_head"), (model, "tag_head")),
        *((fusion, "song_head"), (fusion, "projection_head")),
    ):
        monkeypatch.setattr(module, name, getattr(modules, name))
    monkeypatch.setitem(model.ACOUSTIC, "short-chunk", ShortChunkCNN)


def train(data: Path, to: Path, n_processes: int, *options: str) -> list[float]:
    """Train without dropout, the branches in double precision; losses and MAPs, epoch by epoch."""
    done = run_here(
        ROOT / "tests/without_dropout.py",
        *("--mode", "TRAIN", "--data_path", data, "--model_save_path", to),
        *("--n_processes", str(n_processes), *SMALL, *options),
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr  # nor of DDP, which no filter of Python's would hide
    assert done.stdout.count("best validation MAP") == 1  # told once
    logs = sorted((to / "logs").glob("version_*/metrics.csv"))
    rows = [row for file in logs for row in csv.DictReader(file.open())]
    return [float(row[name]) for row in rows for name in ("loss", "map") if row.get(name)]


# ---------------------------------------------------------------- the same as one process


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["--input_type", "cf", "--is_balanced", "--is_weighted", "--anchors_per_song", "3"],
        ["--input_type", "cf", "--loss", "sigmoid", "--mixup"],
        ["--input_type", "cf", "--loss", "infonce"],
        ["--input_type", "cf", "--loss", "sigmoid", "--heads", "twins"],
        ["--input_type", "cf", "--heads", "twins", "--mixup"],  # which triplets take no notice of
        ["--input_type", "cf+rare", "--loss", "infonce", "--mixup", "--soft_tags"],
    ],
)
def test_two_processes_train_as_one(data, tmp_path, options):
    options = [*options, "--n_epochs", "2"]
    one, two = (train(data, tmp_path / str(n), n, *options) for n in (1, 2))
    assert len(one) == 4
    assert two == pytest.approx(one, abs=1e-4)
    weights = [
        torch.load(tmp_path / f"{n}/last.ckpt", weights_only=True)["state_dict"] for n in (1, 2)
    ]
    for name, weight in weights[0].items():
        is_before_batch_norm = name.endswith(".0.bias")  # its gradient is rounding alone
        if not is_before_batch_norm:
            torch.testing.assert_close(weights[1][name], weight, atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_a_stopped_training_goes_on_with_another_number_of_processes(data, tmp_path):
    options = ["--input_type", "cf", "--loss", "sigmoid"]
    whole = train(data, tmp_path / "whole", 1, *options, "--n_epochs", "2")
    train(data, tmp_path / "parts", 2, *options, "--n_epochs", "1")
    parts = train(data, tmp_path / "parts", 1, "--resume", "--n_epochs", "2")
    assert parts == pytest.approx(whole, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("input_type", ["spec", "spec+cf", "hybrid"])
def test_spectrograms_and_several_inputs_in_two_processes(data, tmp_path, input_type):
    options = ["--input_type", input_type, "--loss", "sigmoid", "--input_length", "128"]
    options += ["--num_chunk", "1", "--triplets_per_epoch", "8", "--n_epochs", "2"]
    one, two = (train(data, tmp_path / str(n), n, *options) for n in (1, 2))
    assert len(one) == 4
    assert two == pytest.approx(one, abs=1e-4)


def gradients(file: Path, n_songs: int, n_processes: int) -> None:
    """Write the gradients of a CNN in double precision after a step on this process's part."""
    if n_processes > 1:
        torch.distributed.init_process_group(
            "gloo", rank=int(os.environ["LOCAL_RANK"]), world_size=n_processes
        )
    torch.manual_seed(0)
    cnn = ShortChunkCNN(16).double()
    share_batch_norm(cnn)
    songs = torch.randn(n_songs, 128, 128, dtype=torch.float64)
    towards = torch.randn(n_songs, 16, dtype=torch.float64)
    found = gather(cnn(part_of(songs)), n_songs)
    assert found.shape == (n_songs, 16) and total(len(part_of(songs))) == n_songs
    (found * towards).sum().div(n_processes).backward()  # every process has the whole loss
    for parameter in cnn.parameters():
        if n_processes > 1:
            torch.distributed.all_reduce(parameter.grad)
    if part_of(torch.arange(2))[0] == 0:
        torch.save([p.grad for p in cnn.parameters()] + list(cnn.buffers()), file)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_songs", "n_processes"),
    [(5, 2), (2, 3)],  # three and two; and one, one, none
)
def test_gradients_and_batch_norm_are_those_of_the_whole_batch(tmp_path, n_songs, n_processes):
    for n in (1, n_processes):
        arguments = (tmp_path / str(n), n_songs, n)
        with helpers(n, gradients, *arguments):
            gradients(*arguments)
    one, many = (torch.load(tmp_path / str(n)) for n in (1, n_processes))
    for expected, found in zip(one, many, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_one_process_has_all_and_asks_nobody():
    rows = torch.randn(3, 2)
    assert part_of(rows) is rows and gather(rows, 3) is rows and total(3) == 3
    norm, shared = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    share_batch_norm(shared)
    assert torch.equal(norm(rows), shared(rows))


SLURM = {"JOB_ID": "1", "JOB_NAME": "night", "NTASKS": "1", "NTASKS_PER_NODE": "1", "NNODES": "1"}
SLURM = {f"SLURM_{name}": value for name, value in SLURM.items()}
SLURM |= {f"SLURM_{name}": "0" for name in ("PROCID", "LOCALID", "NODEID")}
TORCHRUN = {"RANK": "0", "WORLD_SIZE": "1", "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [SLURM, TORCHRUN])
def test_processes_are_counted_by_the_option_within_a_job_of_one(
    data, tmp_path, monkeypatch, launcher
):
    """As one task of the batch system each would train the whole, into the same folder."""
    for name, value in launcher.items():
        monkeypatch.setenv(name, value)
    train(data, tmp_path, 2, "--input_type", "cf", "--n_epochs", "1")
    assert [file.name for file in (tmp_path / "logs").iterdir()] == ["version_0"]


def test_a_job_of_several_tasks_trains_by_one_process(data, tmp_path, monkeypatch):
    for name, value in (SLURM | {"SLURM_NTASKS": "4"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE")
    train(data, tmp_path, 1, "--input_type", "cf", "--n_epochs", "1")


# ---------------------------------------------------------------- how they end


def wait_for(found, seconds: float = 60):
    """What `found()` gives, as soon as it is true."""
    until = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < until
        time.sleep(0.1)
    return result


def children(pid: int) -> list[int]:
    """Processes that a process has started to help it."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in found
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def is_there(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except FileNotFoundError:
        return False


def wait_beside(_first: object) -> None:
    """What a helper does that waits for the first process to begin."""
    time.sleep(600)


def first_alone(pid_file: Path) -> None:
    """What a first process does before a training has begun: its helpers are there, no more."""
    with helpers(2, wait_beside, None):
        pid_file.write_text(str(children(os.getpid())[0]))
        time.sleep(600)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
def test_a_helper_that_waits_for_the_first_process_ends_with_it(tmp_path):
    pid_file = tmp_path / "helper"
    first = multiprocessing.get_context("spawn").Process(target=first_alone, args=(pid_file,))
    first.start()
    helper = wait_for(lambda: pid_file.is_file() and int(pid_file.read_text() or 0))
    first.kill()
    first.join()
    wait_for(lambda: not is_there(helper), 30)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("when", ["helper starts", "helper waits", "training"])
def test_a_signal_to_all_processes_is_answered_by_the_first(data, tmp_path, stop, when):
    with start_training(data, tmp_path, start_new_session=True) as first:
        (helper,) = wait_for(lambda: children(first.pid))
        if when == "helper waits":
            wait_for(lambda: b"torch" in Path(f"/proc/{helper}/maps").read_bytes())
        elif when == "training":
            wait_for((tmp_path / "last.ckpt").is_file)
        os.killpg(first.pid, stop)  # as terminals and batch systems do
        _, err = first.communicate(timeout=120)
    assert first.returncode == 128 + stop and "Traceback" not in err
    assert ("the same command goes on" in err) == (when == "training")
    wait_for(lambda: not is_there(helper))


SIGNAL_WHILE_STARTING = """
import os, signal, time
from multiprocessing.context import SpawnProcess
from processes import helpers

def start(process, begin=SpawnProcess.start):
    begin(process)
    os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" has it ignored
SpawnProcess.start = start
with helpers(2, time.sleep, 600):
    print("not stopped")
"""


def test_a_signal_while_processes_start_leaves_none_behind():
    done = subprocess.run(
        [sys.executable, "-c", SIGNAL_WHILE_STARTING],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "KeyboardInterrupt" in done.stderr and "not stopped" not in done.stdout


def show_and_wait(shown: Path) -> None:
    """What a helper does that shows progress."""
    for _ in progress(range(2), "songs"):
        shown.touch()
        time.sleep(600)


KILLED_WHILE_SHOWING = """
import pathlib, sys, time
from processes import helpers
from test_processes import show_and_wait, wait_for

shown = pathlib.Path(sys.argv[1])
with helpers(2, show_and_wait, shown):
    wait_for(shown.exists)
"""


def test_the_end_of_a_helper_that_shows_progress_is_silent(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SHOWING, tmp_path / "shown"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 and done.stderr == ""


def start_training(data: Path, to: Path, **how) -> subprocess.Popen:
    """Start a training without end by two processes."""
    command = [sys.executable, "-u", ROOT / "main.py", "--mode", "TRAIN", "--data_path", data]
    command += ["--model_save_path", to, "--n_processes", "2", *SMALL]
    command += ["--input_type", "cf", "--n_epochs", "100000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(list(map(str, command)), **pipes, **how)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
@pytest.mark.parametrize("who", ["helper", "first", "stop"])
def test_no_process_is_left_alone(data, tmp_path, who):
    with start_training(data, tmp_path) as first:
        (helper,) = wait_for(lambda: children(first.pid))
        wait_for((tmp_path / "last.ckpt").is_file)
        if who == "stop":
            first.terminate()
        else:
            os.kill(helper if who == "helper" else first.pid, signal.SIGKILL)
        out, err = first.communicate(timeout=60)
    wait_for(lambda: not is_there(helper))
    done = subprocess.CompletedProcess(first.args, first.returncode, out, err)
    if who == "helper":
        assert_user_error(done, "ended with exit code -9", "--n_processes")
    elif who == "stop":
        assert done.returncode == 143 and "--resume" in err and "Traceback" not in err
