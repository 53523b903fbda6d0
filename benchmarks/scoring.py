"""Scoring: MAP, P@10 and ROC-AUC of all tags at once against a loop of scikit-learn calls.

python -m benchmarks.scoring [--repeats 5] [--n_songs 17000] [--n_tags 100] [--device cpu]

Ours starts from scores on the device, where the model leaves them, and truth on the host, in the
layout of a data set. It ends with its values on the host, so the time is that of the device too.
"""

import argparse

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.timing import compare, print_comparison
from metrics import score_tags


def scikit_learn_loop(scores: np.ndarray, truth: np.ndarray) -> list[tuple[float, float, float]]:
    """The three metrics of each tag, one call each."""
    return [
        (
            average_precision_score(is_positive, row),
            is_positive[np.argsort(row)[::-1][:10]].mean(),
            roc_auc_score(is_positive, row),
        )
        for row, is_positive in zip(scores, truth, strict=True)
    ]


def main() -> None:
    """Check that both agree, then print the comparison."""
    has_gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--n_songs", type=int, default=17_000)
    parser.add_argument("--n_tags", type=int, default=100)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if has_gpu else "cpu")
    arguments = parser.parse_args()
    is_gpu = arguments.device == "cuda"
    if is_gpu and not has_gpu:
        parser.error("--device cuda: there is no GPU, give cpu")
    rng = np.random.default_rng(0)
    shape = (arguments.n_tags, arguments.n_songs)
    scores = rng.normal(size=shape).astype(np.float32)
    truth = (rng.random(shape[::-1]) < 0.03).T
    there = torch.from_numpy(scores).to(arguments.device)
    ours = np.stack(list(score_tags(there, truth).values()), axis=1)
    np.testing.assert_allclose(ours, scikit_learn_loop(scores, truth), atol=1e-6)
    seconds = compare(
        lambda: scikit_learn_loop(scores, truth),
        lambda: score_tags(there, truth),
        arguments.repeats,
    )
    where = f" on {torch.cuda.get_device_name()}" if is_gpu else ""
    print_comparison(f"scoring {shape[0]} tags x {shape[1]} songs{where}", *seconds)


if __name__ == "__main__":
    main()
