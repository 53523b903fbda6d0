"""Loss curves in two precisions beside those of two seeds: does the faster one learn the same?

    python -m benchmarks.precision DATA_PATH [--against bf16-mixed] [--n_seeds 2]
        [any option of main.py]

Trains by main.py in float32, eager, and in the other precision, with the same seeds, and compares
loss and validation MAP after every epoch. Noise is what another seed changes in float32; what the
precision changes with the same seed should be no more.
"""

import argparse
import contextlib
import csv
import io
import itertools
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import machine
from command_line import run_or_explain
from errors import UserError
from option_values import two_or_more
from options import parse_options
from train_test import train as train_model

FLOAT32 = ["--precision", "32", "--compile", "False"]
FIXED = {"precision", "compile", "seed", "early_stopping"}
CURVES = ("loss", "map")


def read_curves(log: Path) -> np.ndarray:
    """Loss and validation MAP of each epoch from `metrics.csv`, (epochs, 2)."""
    with open(log, encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    columns = [[float(row[name]) for row in rows if row.get(name)] for name in CURVES]
    return np.array(columns).T


def train(data_path: str, seed: int, options: list[str]) -> np.ndarray:
    """Train once; return what `read_curves` gives."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        where = {"data_path": data_path, "model_save_path": folder, "seed": seed}
        train_model(parse_options(options) | where)
        return read_curves(Path(folder) / "logs" / "version_0" / "metrics.csv")


def differences(plain: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the precision changes, and what the seed changes.

    Parameters
    ----------
    plain, other : ndarray, shape (seeds, epochs, curves)
        Curves in float32 and in the other precision.

    Returns
    -------
    by_precision, by_seed : ndarray, shape (curves,)
        Root mean square of the differences of the two precisions with the same seed, and of any two
        seeds in float32, over all epochs.
    shift : ndarray, shape (curves,)
        Mean difference of the two precisions.
    """
    pairs = np.array([one - two for one, two in itertools.combinations(plain, 2)])
    by_precision, by_seed = (
        np.sqrt(np.mean(np.square(gaps), axis=(0, 1))) for gaps in (other - plain, pairs)
    )
    return by_precision, by_seed, (other - plain).mean(axis=(0, 1))


def main(argv: list[str] | None = None) -> None:
    """Train all, and print the curves and how far apart they are."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("data_path")
    parser.add_argument("--against", default="bf16-mixed", choices=("16-mixed", "bf16-mixed"))
    parser.add_argument("--n_seeds", type=two_or_more, default=2)
    arguments, options = parser.parse_known_args(argv)
    fixed = FIXED & parse_options(options).keys()
    if fixed:
        raise UserError(f"--{fixed.pop()} is set here, or would make curves unequal: leave it out")
    seeds = range(arguments.n_seeds)
    precisions = (FLOAT32, ["--precision", arguments.against])
    plain, other = (
        np.array([train(arguments.data_path, seed, [*options, *precision]) for seed in seeds])
        for precision in precisions
    )  # (seeds, epochs, curves) each

    print(f"32 and {arguments.against}, mean of {len(seeds)} seeds  ({machine()})")
    print(f"  {'epoch':<8}{'loss':>18}{'validation MAP':>18}")
    for epoch, (ours, theirs) in enumerate(zip(plain.mean(0), other.mean(0), strict=True), 1):
        both = [f"{a:.4f} {b:.4f}" for a, b in zip(ours, theirs, strict=True)]
        print(f"  {epoch:<8}{both[0]:>18}{both[1]:>18}")
    for name, precision, seed, shift in zip(CURVES, *differences(plain, other), strict=True):
        print(
            f"  {name}: another precision changes {precision:.4f} (by {shift:+.4f} on average), "
            f"another seed {seed:.4f}: {precision / seed:.2f} of the noise"
        )


if __name__ == "__main__":
    run_or_explain(main)
