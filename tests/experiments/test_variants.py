"""experiments.variants: columns of one's own, and what is told before anything is trained."""

import json

import numpy as np
import pytest

from commands import assert_user_error, run_here
from errors import UserError
from experiments.variants import variant_columns

SHORT = ("--input_type", "cf", "--gpu_id", "cpu", "--n_epochs", "1", "--triplets_per_epoch", "256")


def variants(data, out, *own: str, seeds: str = "0"):
    options = (part for one in own for part in ("--variant", one))
    return run_here("-m", "experiments.variants", data, out, "--seeds", seeds, *SHORT, *options)


def test_each_variant_is_a_column_with_each_seed(dataset_dir, tmp_path):
    out = tmp_path / "out"
    own = ("plain=", "large steps=--lr 1e-3 --n_epochs 2", "sigmoid=@recipes/cultural.args")
    own = (*own[:2], f"{own[2]} --n_epochs 1 --triplets_per_epoch 512")
    done = variants(dataset_dir, out, *own, seeds="0,1")
    assert done.returncode == 0, done.stderr
    text = (out / "variants.md").read_text()
    header = text.splitlines()[2]
    columns = ["plain", "large steps", "sigmoid"]
    assert [cell.strip() for cell in header.split("|")[2:5]] == columns
    line = (
        "Trainings differ: plain: 1 epoch of 256 triplets; large steps: 2 epochs of "
        "256 triplets; sigmoid: 1 epoch of 512 songs."
    )
    assert line in text.splitlines()
    assert "| large steps - plain " in text and "| sigmoid - large steps " in text
    runs = json.loads((out / "variants.json").read_text())
    assert [(one["column"], one["made_by"]["seed"]) for one in runs] == [
        (name, seed) for name in columns for seed in (0, 1)
    ]
    ran = [one["made_by"]["options"] for one in runs[::2]]
    assert [(one["lr"], one["loss"]) for one in ran] == [
        (1e-4, "triplet"),
        (1e-3, "triplet"),
        (1e-3, "sigmoid"),
    ]
    assert (out / "variants" / "large steps-seed1" / "results.json").is_file()


def test_a_run_on_data_as_it_was_is_no_run_on_data_as_it_is(dataset_dir, tmp_path):
    out = tmp_path / "out"
    first = variants(dataset_dir, out, "plain=")
    assert first.returncode == 0, first.stderr
    assert "Wilcoxon" not in first.stdout  # there is nothing to compare with
    again = variants(f"{dataset_dir}/.", out, "plain=")
    assert again.returncode == 0, again.stderr
    assert "trained to epoch" not in again.stdout
    cf = np.load(dataset_dir / "ix_to_cf.npy")
    np.save(dataset_dir / "ix_to_cf.npy", np.random.default_rng(1).permutation(cf))
    changed = variants(dataset_dir, out, "another=--lr 1e-3", "plain=")
    assert_user_error(changed, "plain-seed0/results.json", "another CF vectors")
    assert "--- run" not in changed.stdout and not (out / "variants" / "another-seed0").exists()
    fresh = variants(dataset_dir, tmp_path / "fresh", "plain=")
    assert fresh.returncode == 0, fresh.stderr


@pytest.mark.parametrize(
    ("own", "parts"),
    [
        (("fine=", "odd=--lrr 1"), ("--variant odd", "--lrr 1")),
        (("fine=", "odd=--lr fast"), ("--variant odd", "--lr")),
        (("fine=", "odd=--loss 'sigmoid"), ("--variant odd", "quotation")),
        (("fine=", "odd=@none.args"), ("--variant odd", "@none.args")),
        (("fine=", "odd=--seed 3"), ("--variant odd", "--seed is set by the experiment")),
        (("fine=", "odd=--w2v_type none"), ("odd: ", "none_emb.pkl")),
        (("fine=", "Fine=--lr 1"), ("--variant Fine stands twice",)),
        (("a/b=",), ("does not begin with NAME=",)),
        (("..=",), ("does not begin with NAME=",)),
        (("--lr 1",), ("--variant",)),
        ((), ("required: --variant",)),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_trained(shared_dataset_dir, tmp_path, own, parts):
    done = variants(shared_dataset_dir, tmp_path / "out", *own)
    assert_user_error(done, *parts)
    assert "--- run" not in done.stdout and not (tmp_path / "out").exists()


def test_names_may_have_blanks_and_options_quotes():
    columns = variant_columns(["  large steps = --lr 1e-3", "c+d='--lr' 1"])
    assert list(columns) == ["large steps", "c+d"]
    assert columns["large steps"].fixed == ["--lr", "1e-3"]
    assert columns["c+d"] == (["--lr", "1"], (), "variants/c+d")
    with pytest.raises(UserError, match="--variant 'plain' does not begin with NAME="):
        variant_columns(["plain"])
