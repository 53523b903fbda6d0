"""experiments.modalities: the columns that the files allow, the table, and the chart."""

import json

import pytest

from commands import assert_user_error, run_here
from errors import UserError
from experiments.modalities import choose_columns, paper_categories, possible_columns
from planted import write_planted, write_planted_mels


def test_columns_are_those_that_the_files_allow(tmp_path, audio_dataset_dir, capsys):
    assert possible_columns(audio_dataset_dir, False) == ["cultural", "acoustic", "hybrid", "fused"]
    assert possible_columns(audio_dataset_dir, is_subset=True) == ["acoustic"]
    (tmp_path / "ix_to_cf.npy").touch()
    assert choose_columns(None, tmp_path, False) == ["cultural"]
    assert "no data for acoustic, hybrid, fused: left out" in capsys.readouterr().out
    (tmp_path / "spec").mkdir()
    assert choose_columns(None, tmp_path, False) == ["cultural", "acoustic", "hybrid", "fused"]
    assert choose_columns("hybrid,cultural", tmp_path, False) == ["hybrid", "cultural"]


def test_what_cannot_be_made_is_told(tmp_path):
    with pytest.raises(UserError, match="--columns audio is not one of cultural"):
        choose_columns("audio", tmp_path, False)
    with pytest.raises(UserError, match="neither CF vectors nor spectrograms"):
        choose_columns(None, tmp_path, False)


def test_the_papers_figure_is_said_to_be_quoted():
    assert paper_categories().startswith("Quoted from the paper, read off its figure")
    assert "| location        |    0.223 |    0.117 |" in paper_categories()


def test_command_makes_table_and_chart(tmp_path):
    data = write_planted_mels(write_planted(tmp_path / "data", 40), shortest=130)
    small = ("--batch_size", "4", "--triplets_per_epoch", "8", "--input_length", "128")
    options = (*small, "--num_chunk", "1", "--n_epochs", "1", "--gpu_id", "cpu")
    done = run_here(
        "-m", "experiments.modalities", data, tmp_path / "out", "--seeds", "0", *options
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out" / "modalities.md").read_text()
    columns = ["cultural", "acoustic", "hybrid", "fused", "fused, audio alone"]
    columns += ["fused, listening alone", "at random"]
    header = next(line for line in text.splitlines() if line.startswith("| "))
    assert [cell.strip() for cell in header.strip("| ").split("|")] == columns
    assert "![MAP by tag category](modalities.png)" in text
    assert "its Table 2: MSD100" in text
    assert (tmp_path / "out" / "modalities.png").read_bytes().startswith(b"\x89PNG")
    runs = json.loads((tmp_path / "out" / "modalities.json").read_text())
    options = [one["made_by"]["options"] for one in runs]
    assert [one["input_type"] for one in options] == ["cf", "spec", "hybrid"] + ["spec+cf"] * 3
    assert all(one["is_balanced"] and one["is_weighted"] for one in options)


def test_a_directory_that_is_not_there_is_told(tmp_path):
    missing, out = tmp_path / "none", tmp_path / "out"
    done = run_here("-m", "experiments.modalities", missing, out)
    assert_user_error(done, str(missing))
    assert not out.exists()
