"""experiments.runs: names of runs, seeds, options. test_sampling.py and test_variants.py run it."""

import json
import shutil
from argparse import Namespace
from pathlib import Path

import pytest

import train_test
from errors import UserError
from experiment_results import results
from experiments import runs
from experiments.runs import (
    BALANCED_WEIGHTED,
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
from options import Options, merge_options, parse_options
from sampler import NEGATIVE_WEIGHTINGS

OF_PAPER = Column([], BALANCED_WEIGHTED)


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


def test_every_weighting_has_a_name_of_its_own():
    weightings = set(NEGATIVE_WEIGHTINGS) - {"uniform"}
    names = {run_name(Options(is_weighted=True, negative_weighting=one)) for one in weightings}
    assert len(names) == len(weightings)


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


def test_recipes_that_one_command_trains_by_have_folders_of_their_own(tmp_path):
    given = Namespace(data_path="data", result_dir=tmp_path)
    given.options = ["--input_type", "cf", "--loss", "sigmoid", "--mixup", "False"]
    of_sampling = Column(["--loss", "sigmoid"], CULTURAL)
    for options in ([], ["--is_balanced", "--is_weighted"]):  # which recipes still train otherwise
        given.options += options
        one, other = (column.job("", given, 0) for column in (of_sampling, OF_PAPER))
        assert one.folder.name == "cf-google-sigmoid-seed0"
        assert other.folder.name == "cf-google-sigmoid-balanced-weighted-seed0"
        assert other.given["is_balanced"] and other.given["is_weighted"]
    given.options = ["--input_type", "cf"]
    name = OF_PAPER.job("", given, 0).folder.name
    assert name == "cf-google-balanced-weighted-seed0"  # which sampling shares


def test_a_run_of_before_its_recipe_was_in_its_name_is_found(tmp_path):
    given = Namespace(data_path="data", result_dir=tmp_path)
    given.options = ["--input_type", "cf", "--loss", "sigmoid"]
    new, before = (
        tmp_path / f"runs/cf-google-sigmoid{recipe}-seed0" for recipe in ("-balanced-weighted", "")
    )
    assert OF_PAPER.job("", given, 0).folder == new
    found = results(0.5, 0.5)
    options = merge_options(parse_options([*given.options, *BALANCED_WEIGHTED]))
    found["made_by"]["options"] = options.to_store()
    before.mkdir(parents=True)
    (before / "results.json").write_text(json.dumps(found))
    assert OF_PAPER.job("", given, 0).folder == before
    given.options += ["--lr", "0.5"]
    assert OF_PAPER.job("", given, 0).folder == new


def test_what_is_left_are_options_of_main(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "sys.argv", ["x", "data", str(tmp_path / "out"), "--seeds", "4", "--n_epochs", "2"]
    )
    given = parse_command(command_parser("text"))
    assert (given.data_path, given.seeds, given.options) == ("data", [4], ["--n_epochs", "2"])


@pytest.mark.parametrize("wrong", [["--seed", "1"], ["--mode", "TEST"], ["--resume"]])
def test_what_the_experiment_sets_cannot_be_given(monkeypatch, wrong):
    monkeypatch.setattr("sys.argv", ["x", "data", "out", *wrong])
    with pytest.raises(UserError, match=f"{wrong[0]} is set by the experiment"):
        parse_command(command_parser("text"))


def run_short(data_path: Path, result_dir: Path, *options: str) -> dict:
    """Results of a column with one seed."""
    given = Namespace(data_path=str(data_path), result_dir=result_dir, seeds=[0])
    given.options = ["--input_type", "cf", "--n_epochs", "1", "--triplets_per_epoch", "64"]
    given.options += ["--gpu_id", "cpu", *options]
    (run,) = run_seeds(given, {"a column": Column([])})["a column"]
    return run


def test_nothing_is_trained_where_a_later_column_cannot_be(dataset_dir, tmp_path):
    given = Namespace(data_path=str(dataset_dir), result_dir=tmp_path, seeds=[0])
    given.options = ["--input_type", "cf", "--n_epochs", "1", "--gpu_id", "cpu"]
    columns = {"first": Column([]), "second": Column(["--precision", "16-mixed"], folder="second")}
    with pytest.raises(UserError, match="second: --precision 16-mixed needs a GPU"):
        run_seeds(given, columns)
    assert not list(tmp_path.glob("runs/*"))


def test_a_run_stopped_before_its_test_is_that_of_an_undisturbed_one(dataset_dir, tmp_path, capsys):
    options = ("--n_epochs", "20", "--early_stopping", "1", "--lr", "1e-9")
    before = run_short(dataset_dir, tmp_path, *options)
    folder = tmp_path / "runs/cf-google-random-seed0"
    files = {file: file.read_bytes() for file in folder.glob("*.ckpt")}
    (folder / "results.json").unlink()
    assert run_short(dataset_dir, tmp_path, *options) == before
    assert "by --early_stopping 1" in capsys.readouterr().out
    assert {file: file.read_bytes() for file in folder.glob("*.ckpt")} == files


def test_runs_of_a_copied_folder_have_the_models_there(dataset_dir, tmp_path):
    trained = run_short(dataset_dir, tmp_path / "first")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    shutil.rmtree(tmp_path / "first")
    copied = run_short(dataset_dir, tmp_path / "second")
    given = Namespace(data_path=str(dataset_dir), options=["--gpu_id", "cpu", "--n_epochs", "1"])
    path, _, options, _ = open_model(copied, given)
    assert options.gpu_id == "cpu"
    assert path == tmp_path / "second/runs/cf-google-random-seed0/best.ckpt"
    assert copied["map"] == trained["map"]
    path.unlink()
    with pytest.raises(
        UserError, match=rf"{path} is missing: bring it back, or remove {path.parent}"
    ):
        open_model(copied, given)


def test_runs_are_tested_where_they_are_trained(dataset_dir, tmp_path, monkeypatch):
    """On another GPU than was asked for there may be no room."""
    tested = []
    monkeypatch.setattr(runs, "test", lambda given: tested.append(given) or train_test.test(given))
    run_short(dataset_dir, tmp_path, "--num_threads", "1")
    (given,) = tested
    assert given.items() >= {"gpu_id": "cpu", "num_threads": 1}.items() and "lr" not in given


def test_what_cannot_be_written_is_told_before_anything_is_computed(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("sys.argv", ["x", "data", str(tmp_path / "file/out"), "--input_type", "cf"])
    with pytest.raises(UserError, match="file/out cannot be written to"):
        parse_command(command_parser("text"))


def test_report_is_text_and_json(tmp_path, capsys):
    write_report(tmp_path / "new", "name", "| table |\n", [{"map": 0.5}])
    assert (tmp_path / "new" / "name.md").read_text() == "| table |\n"
    assert json.loads((tmp_path / "new" / "name.json").read_text()) == [{"map": 0.5}]
    assert "| table |" in capsys.readouterr().out
