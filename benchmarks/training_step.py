"""Cultural training: our epochs, Lightning included, against a plain loop row by row.

The plain loop does what a first version of the same training does: a Dataset of single triplets
behind a DataLoader, and negatives drawn for one anchor after the other by `random.choices`.

    python -m benchmarks.training_step [--repeats 5] [--n_songs 10000] [--n_triplets 10000]
"""

import argparse
import logging
import random
import warnings
from collections.abc import Callable
from itertools import chain

import numpy as np
import torch
from pytorch_lightning import Trainer
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from benchmarks.synthetic import CF_DIM, TAG_DIM, make_dataset
from benchmarks.timing import compare, print_comparison
from data_loader import RetrievalData
from dataset.directory import Dataset
from model import RetrievalModel
from options import merge_options
from solver import Solver

BATCH_SIZE = 128
EPOCHS = 3


class RowByRow(TorchDataset):
    """One balanced triplet's anchor and positive at a time; `read_song` gives what a song is."""

    def __init__(self, dataset: Dataset, n_triplets: int, read_song: Callable[[int], np.ndarray]):
        self.n_triplets, self.read_song = n_triplets, read_song
        self.tag_vectors = dataset.tag_vectors
        train = set(dataset.splits["train"].tolist())
        songs_of_tag = {
            tag: [song for song in np.flatnonzero(column).tolist() if song in train]
            for tag, column in enumerate(dataset.song_tags.T)
        }
        self.songs_of_tag = [(tag, songs) for tag, songs in songs_of_tag.items() if songs]
        self.one_hot = np.eye(len(dataset.tags))
        self.song_tags = dataset.song_tags.astype(np.float64)

    def __len__(self) -> int:
        return self.n_triplets

    def __getitem__(self, index: int):
        tag, songs = self.songs_of_tag[index % len(self.songs_of_tag)]
        song = random.choice(songs)
        return self.tag_vectors[tag], self.read_song(song), self.one_hot[tag], self.song_tags[song]


def plain_negatives(tags, songs, one_hot, song_tags) -> list[int]:
    """Negatives by similarity weight, one `random.choices` for each row."""
    similarity = F.normalize(tags) @ F.normalize(songs).T
    weights = ((similarity + 1) / 2 * (1 - one_hot @ song_tags.T)).cpu()
    weights = weights.clamp(min=1e-9)  # where an anchor has no candidate, any song
    positions = torch.arange(len(tags))
    return [random.choices(positions, weights=row, k=1)[0].item() for row in weights]


def plain_step(model: RetrievalModel, optimizer: torch.optim.Optimizer, batch: list) -> None:
    """One step of the plain loop, for a batch of `RowByRow` on the model's device."""
    tag_vectors, read, one_hot, song_tags = batch
    tags, songs = model.embed_tags(tag_vectors), model.embed_songs({model.names[0]: read})
    with torch.no_grad():
        negatives = songs[plain_negatives(tags, songs, one_hot, song_tags)]
    cosine = torch.nn.CosineSimilarity(dim=-1)
    loss = torch.relu(0.4 - cosine(tags, songs) + cosine(tags, negatives)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def plain_epochs(model: RetrievalModel, loader: DataLoader, optimizer) -> None:
    """The plain loop."""
    model.train()
    for batch in chain.from_iterable([loader] * EPOCHS):
        plain_step(model, optimizer, batch)


def our_epochs(solver: Solver, data: RetrievalData) -> None:
    """Ours by a Lightning trainer, its start and end included, without validation."""
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(solver, datamodule=data)


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--n_songs", type=int, default=10_000)
    parser.add_argument("--n_triplets", type=int, default=10_000, help="of an epoch")
    arguments = parser.parse_args()
    n_triplets = arguments.n_triplets
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    dataset = make_dataset(arguments.n_songs)
    given = {"input_type": "cf", "is_balanced": True, "is_weighted": True}
    options = merge_options(given | {"triplets_per_epoch": n_triplets})
    solver = Solver(options.to_store(), dataset.tags, TAG_DIM, {"cf": CF_DIM})
    data = RetrievalData(dataset, options)
    model = RetrievalModel(TAG_DIM, {"cf": CF_DIM})
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-4)
    loader = DataLoader(
        RowByRow(dataset, n_triplets, dataset.vectors["cf"].__getitem__), BATCH_SIZE, shuffle=True
    )
    seconds = compare(
        lambda: plain_epochs(model, loader, optimizer),
        lambda: our_epochs(solver, data),
        arguments.repeats,
    )
    steps = EPOCHS * -(-n_triplets // BATCH_SIZE)
    print_comparison(
        f"one step of {BATCH_SIZE} triplets, cultural branch",
        *([taken / steps for taken in runs] for runs in seconds),
    )


if __name__ == "__main__":
    main()
