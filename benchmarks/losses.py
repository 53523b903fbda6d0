"""A training step of the losses over all tags beside one of the triplet loss, cultural branch.

    python -m benchmarks.losses [--repeats 5] [--batch_size 512]

Both are epochs by a Lightning trainer on made-up data, in turns; a ratio above 1 says that the
triplet step takes longer.
"""

import argparse
import logging
import warnings
from functools import partial

from benchmarks.synthetic import CF_DIM, TAG_DIM, make_dataset
from benchmarks.timing import compare, print_comparison
from benchmarks.training_step import EPOCHS, our_epochs
from data_loader import RetrievalData
from options import merge_options
from solver import Solver


def main() -> None:
    """Print the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--n_songs", type=int, default=10_000, help="of the data, and of an epoch")
    parser.add_argument("--batch_size", type=int, default=512)
    given = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    dataset = make_dataset(given.n_songs)

    def epochs(**changed) -> None:
        options = merge_options(
            {"input_type": "cf", "is_balanced": True, "is_weighted": True}
            | {"batch_size": given.batch_size, "triplets_per_epoch": given.n_songs}
            | changed
        )
        solver = Solver(options.to_store(), dataset.tags, TAG_DIM, {"cf": CF_DIM})
        our_epochs(solver, RetrievalData(dataset, options))

    steps = EPOCHS * -(-given.n_songs // given.batch_size)
    for loss in ("sigmoid", "infonce"):
        seconds = compare(epochs, partial(epochs, loss=loss), given.repeats)
        print_comparison(
            f"one step of {given.batch_size} songs, triplet (reference) and {loss}",
            *([taken / steps for taken in runs] for runs in seconds),
        )


if __name__ == "__main__":
    main()
