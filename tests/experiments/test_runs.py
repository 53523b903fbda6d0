"""experiments.runs: names of runs, seeds, options. test_sampling.py and test_variants.py run it."""

import json
import shutil
from argparse import Namespace
from pathlib import Path

import pytest

from errors import UserError
from experiments.runs import (
    CULTURAL,
    Column,
    command_parser,
    open_model,
    parse_command,
    parse_seeds,
    run_name,
    run_seeds,
    write_report,
)
from options import merge_options, parse_options


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ([], "cf-google-random-seed2"),
        (["--is_balanced"], "cf-google-balanced-seed2"),
        (["--is_weighted"], "cf-google-weighted-seed2"),
        (["--is_balanced", "--is_weighted"], "cf-google-balanced-weighted-seed2"),
        (
            ["--is_balanced", "--is_weighted", "--negative_weighting", "distance"],
            "cf-google-balanced-distance-weighted-seed2",
        ),
    ],
)
def test_a_run_is_named_by_what_experiments_vary(flags, name):
    options = parse_options(["--input_type", "cf", "--seed", "2", *flags])
    assert run_name(merge_options(options)) == name


def test_seeds_are_a_list_of_different_numbers():
    assert parse_seeds("0,12") == parse_seeds("0, 12") == [0, 12]
    for wrong in ("one", "1,,2", "1,1", "-1", "0,-1", "4294967296"):
        with pytest.raises(UserError, match="--seeds"):
            parse_seeds(wrong)


def test_what_is_given_overrides_the_recipe_and_what_makes_the_column_overrides_both():
    given = Namespace(data_path="data", result_dir=Path("out"))
    given.options = ["--n_epochs", "2", "--loss", "triplet", "--input_type", "cf"]
    job = Column(["--loss", "infonce"], CULTURAL).job("InfoNCE", given, seed=4)
    expected = {"n_epochs": 2, "loss": "infonce", "lr": 1e-3, "data_path": "data", "seed": 4}
    assert job.given.items() >= expected.items()
    assert job.folder == Path("out/runs/cf-google-infonce-mixup-seed4")
    own = Column([], folder="variants/mine").job("mine", given, seed=4)
    assert own.folder == Path("out/variants/mine-seed4") and own.given["loss"] == "triplet"


def test_what_is_left_are_options_of_main(monkeypatch):
    monkeypatch.setattr("sys.argv", ["x", "data", "out", "--seeds", "4", "--n_epochs", "2"])
    given = parse_command(command_parser("text"))
    assert (given.data_path, given.seeds, given.options) == ("data", [4], ["--n_epochs", "2"])


@pytest.mark.parametrize("wrong", [["--seed", "1"], ["--mode", "TEST"], ["--resume"]])
def test_what_the_experiment_sets_cannot_be_given(monkeypatch, wrong):
    monkeypatch.setattr("sys.argv", ["x", "data", "out", *wrong])
    with pytest.raises(UserError, match=f"{wrong[0]} is set by the experiment"):
        parse_command(command_parser("text"))


def test_runs_of_a_copied_folder_have_the_models_there(dataset_dir, tmp_path):
    def runs_in(folder: str) -> list[dict]:
        given = Namespace(data_path=str(dataset_dir), result_dir=tmp_path / folder, seeds=[0])
        given.options = ["--input_type", "cf", "--n_epochs", "1", "--triplets_per_epoch", "64"]
        given.options += ["--gpu_id", "cpu"]
        return run_seeds(given, {"a column": Column([])})["a column"]

    (trained,) = runs_in("first")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    shutil.rmtree(tmp_path / "first")
    (copied,) = runs_in("second")
    path, *_ = open_model(copied, str(dataset_dir))
    assert path == tmp_path / "second/runs/cf-google-random-seed0/best.ckpt"
    assert copied["map"] == trained["map"]
    path.unlink()
    with pytest.raises(
        UserError, match=rf"{path} is missing: bring it back, or remove {path.parent}"
    ):
        open_model(copied, str(dataset_dir))


def test_report_is_text_and_json(tmp_path, capsys):
    write_report(tmp_path / "new", "name", "| table |\n", [{"map": 0.5}])
    assert (tmp_path / "new" / "name.md").read_text() == "| table |\n"
    assert json.loads((tmp_path / "new" / "name.json").read_text()) == [{"map": 0.5}]
    assert "| table |" in capsys.readouterr().out
