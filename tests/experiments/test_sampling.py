"""experiments.sampling: the table, and that what is there is not run again."""

import json

import pytest

from commands import assert_user_error, run_here
from planted import write_planted

NAMES = ("random", "balanced", "balanced-weighted", "balanced-distance-weighted")
NAMES += ("sigmoid-mixup", "infonce-mixup")


def test_command_runs_each_sampling_once(tmp_path):
    data, out = write_planted(tmp_path / "data"), tmp_path / "out"
    command = ("-m", "experiments.sampling", data, out, "--seeds", "3")
    few = ("--n_epochs", "1", "--triplets_per_epoch", "512", "--is_balanced")
    options = ("--input_type", "cf", "--gpu_id", "cpu", *few)
    done = run_here(*command, *options)
    assert done.returncode == 0, done.stderr
    assert (out / "sampling.md").read_text() in done.stdout
    reached = {}
    for name in NAMES:
        results = out / "runs" / f"cf-google-{name}-seed3" / "results.json"
        reached[name] = json.loads(results.read_text())
        results.write_text(json.dumps(reached[name] | {"map": 0.125}))
    kept = json.loads((out / "sampling.json").read_text())
    assert [one["map"] for one in kept] == [one["map"] for one in reached.values()]
    assert all(one["made_by"]["train_seconds"] > 0 for one in kept)
    made_by = [one["made_by"]["options"] for one in kept]
    samplings = made_by[:4]
    assert [one["is_balanced"] for one in samplings] == [False, True, True, True]
    assert [one["is_weighted"] for one in samplings] == [False, False, True, True]
    assert [one["loss"] for one in made_by] == ["triplet"] * 4 + ["sigmoid", "infonce"]
    assert [one["batch_size"] for one in made_by] == [128] * 4 + [512] * 2  # the recipe's
    assert all((one["n_epochs"], one["triplets_per_epoch"]) == (1, 512) for one in made_by)
    assert "1 epoch of 512 triplets; sigmoid, infonce: 1 epoch of 512 songs" in done.stdout
    assert made_by[3]["negative_weighting"] == "distance"
    again = run_here(*command, *options)
    assert "trained to epoch" not in again.stdout
    assert again.stdout.count("0.1250") == 6
    other = run_here(*command, *options, "--margin", "0.3")
    assert_user_error(other, "--margin 0.4", "RESULT_DIR")


@pytest.mark.parametrize("seeds", ["one", "1,,2", "-1"])
def test_wrong_seeds_are_told(tmp_path, seeds):
    done = run_here("-m", "experiments.sampling", tmp_path, tmp_path, "--seeds", seeds)
    assert_user_error(done, f"--seeds {seeds} is no list")
    assert done.stdout == ""
