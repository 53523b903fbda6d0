"""experiments.report: all experiments of a directory in one report, and going on after a stop."""

from dataclasses import asdict

import numpy as np
from gensim.models import KeyedVectors

from commands import run_here
from experiment_results import results
from experiments.report import best_column, extremes_table, options_table
from options import Options
from planted import write_planted

RESULT_PARTS = ("Sampling", "Modalities", "Word vectors", "The learnt space")
RESULT_PARTS += ("Best and worst tags", "What made each row")


def write_vectors(directory, name: str) -> None:
    vectors = KeyedVectors(8)
    words = ["tag", "jungle", "house", *(f"tag_{letter}" for letter in "abcdefgh")]
    vectors.add_vectors(words, np.random.default_rng(0).normal(size=(len(words), 8)))
    (directory / f"{name}_w2v").mkdir()
    vectors.save(str(directory / f"{name}_w2v" / "small.kv"))


def test_report_has_all_parts_and_repeats_nothing(tmp_path):
    data, out = write_planted(tmp_path / "data"), tmp_path / "out"
    for name in ("google", "music"):
        write_vectors(data, name)
    command = ("-m", "experiments.report", data, out, "--seeds", "0")
    options = ("--n_epochs", "1", "--gpu_id", "cpu", "--triplets_per_epoch", "512")
    done = run_here(*command, *options)
    assert done.returncode == 0, done.stderr
    text = (out / "report.md").read_text()
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert titles == list(RESULT_PARTS)
    for picture in ("modalities.png", "space.png"):
        assert f"({picture})" in text
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
    runs = sorted(folder.name for folder in (out / "runs").iterdir())
    best = "balanced-weighted-seed0"
    assert [f"cf-google-{best}", f"cf-music-{best}"] == [name for name in runs if best in name]
    assert len(runs) == 7  # four samplings, two losses; two experiments share one; one other set
    assert done.stdout.count("trained to epoch") == 7
    (out / "runs" / f"cf-music-{best}" / "results.json").unlink()  # as if stopped before testing
    again = run_here(*command, *options)
    assert again.returncode == 0, again.stderr
    assert "nothing left to train" in again.stdout  # nothing was left to train
    assert (out / "report.md").read_text() == text


def test_best_column_is_by_mean_map():
    found = {"a": [results(0.5, 0.5), results(0.1, 0.1)], "b": [results(0.4, 0.4)]}
    assert best_column(found) == ("b", found["b"])


def test_extremes_are_ordered_by_average_precision():
    table = extremes_table("a", [results(0.75, 0.25)])
    best, worst = table.split("worst tags")
    assert [tag in best for tag in ("rock", "jazz", "Mali")] == [True, True, False]
    assert "Mali" in worst and "rock" not in worst
    assert "0.7500 |          2 |      0.2222 |" in best  # of 9 songs


def test_options_behind_a_row_are_those_that_were_changed():
    defaults = asdict(Options())
    del defaults["fusion"]  # as in a run of before it was an option
    made_by = {"options": defaults | {"n_epochs": 7}, "seed": 4, "train_seconds": 90.0}
    one = results(1, 1) | {"made_by": made_by | {"git_revision": "a" * 40}}
    row = options_table({"sampling": {"random": [one]}}).splitlines()[-1]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["sampling: random", "--n_epochs 7", "4", "1.5", "a" * 12]
