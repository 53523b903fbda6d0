"""The chain of commands in the README: from raw data to results.json."""

import json
import lzma
import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from commands import ROOT, run_here
from real_data import real_data


def step(script: str, *arguments) -> str:
    done = run_here(ROOT / script, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def train_and_test(data: Path, folder: Path, *more: str) -> dict:
    where = ("--data_path", data, "--input_type", "cf", "--w2v_type", "music")
    sampling = ("--is_balanced", "True", "--is_weighted", "True", "--lr", "1e-3")
    step("main.py", "--mode", "TRAIN", *where, *sampling, "--model_save_path", folder, *more)
    step("main.py", "--mode", "TEST", "--data_path", data, "--model_load_path", folder)
    return json.loads((folder / "results.json").read_text())


@pytest.fixture
def clone(tmp_path) -> Path:
    """A copy of the project whose environment is the one that runs the tests."""
    leave_out = shutil.ignore_patterns(".venv", ".git", "data", "checkpoints", ".*_cache")
    copy = shutil.copytree(ROOT, tmp_path / "clone", ignore=leave_out)
    (copy / ".venv/bin").mkdir(parents=True)
    for name in ("python", "pip"):
        (copy / ".venv/bin" / name).write_text(f'#!/bin/sh\nexec "{sys.prefix}/bin/{name}" "$@"\n')
        (copy / ".venv/bin" / name).chmod(0o755)
    requirements = (copy / "requirements.txt").read_text()
    (copy / ".venv/requirements.txt").write_text(requirements * 2)
    return copy


def shell(script: Path, *arguments: str, cwd: Path, **variables) -> str:
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    done = subprocess.run(
        ["bash", script, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_commands_of_the_quick_start(clone, tmp_path):
    few = ("--n_epochs", "1", "--triplets_per_epoch", "64")
    offline = {"PIP_NO_INDEX": 1, "XDG_CACHE_HOME": tmp_path / "empty"}  # no musicnn to be had
    out = shell(clone / "run.sh", *few, cwd=tmp_path, **offline)
    assert "installing" not in out and "fetching musicnn" in out
    save = clone / "checkpoints/demo"
    table = (save / "compare.md").read_text()
    assert table in out
    assert [cell.strip() for cell in table.splitlines()[0].split("|")[2:-1]] == [
        *("spec", "cf", "hybrid", "at random")
    ]
    assert "MAP genre" in table and "MAP location" in table
    assert (save / "compare.png").stat().st_size > 10_000
    results = json.loads((save / "hybrid/results.json").read_text())
    steps = {"step0", "step1", "step2", "step3", "step4"}
    assert steps <= set(results["made_by"]["dataset"]["steps"])
    again = shell(clone / "eval.sh", cwd=tmp_path)
    assert again[again.index("songs of the test split") : again.index("written to")] in out

    (clone / "data/demo").rename(tmp_path / "mine")
    few += ("--w2v_type", "music", "--input_type", "cf")
    shell(clone / "run.sh", *few, cwd=tmp_path, DATA_PATH="mine")
    again = shell(clone / "eval.sh", cwd=tmp_path, DATA_PATH="mine")
    assert "songs of the test split" in again
    mine = json.loads((tmp_path / "checkpoints/results.json").read_text())
    options = mine["made_by"]["options"]
    assert options["is_balanced"] and options["is_weighted"] and options["n_epochs"] == 1


@pytest.fixture(scope="module")
def music_text(tmp_path_factory) -> Path:
    """The first sentences of a real text, enough for vectors of the common tags."""
    text = tmp_path_factory.mktemp("text") / "music.txt"
    with lzma.open(real_data("text") / "music.txt.xz", "rt", encoding="utf-8") as lines:
        text.write_text("".join(islice(lines, 15_000)))
    return text


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "name", "step3", "level"),
    [
        ("lastfm2k", "lastfm-2k", ("train", "triplets.tsv", "--factors", 50), 3),
        ("msd", "msd-taste-profile", ("run",), 1.5),
    ],
)
def test_real_set_from_raw_data_to_results(tmp_path, music_text, command, name, step3, level):
    raw, data = real_data(name), tmp_path / "data"
    step("step0_dataset.py", command, raw, data)
    step("step2_word_embedding.py", "train", data, music_text, "--epochs", 3, "--dimensions", 50)
    step("step1_data_split.py", "run", data, 50, 10, "--vectors", "music")
    step("step2_word_embedding.py", "run", data)
    more = [data / part if part == "triplets.tsv" else part for part in step3[1:]]
    step("step3_taste_profile.py", step3[0], data, *more)
    results = train_and_test(data, tmp_path / "run", "--n_epochs", "4")
    assert results["n_tags"] == 50
    assert results["map"] > level * results["chance_map"]
