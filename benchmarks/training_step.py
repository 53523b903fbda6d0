"""Cultural training: our epochs, Lightning included, against a plain loop row by row.

The plain loop does what a first version of the same training does: a Dataset of single triplets
behind a DataLoader, and negatives drawn for one anchor after the other by `random.choices`.

    python -m benchmarks.training_step [--repeats 5] [--n_songs 10000]
"""

import argparse
import logging
import random
import warnings
from itertools import chain

import numpy as np
import torch
from pytorch_lightning import Trainer
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from benchmarks.synthetic import make_dataset
from benchmarks.timing import compare, print_comparison
from data_loader import RetrievalData
from dataset_files import Dataset
from model import RetrievalModel, SongInputs
from options import merge_options
from solver import Solver

BATCH_SIZE = 128
TRIPLETS_PER_EPOCH = 10_000
EPOCHS = 3


class RowByRow(TorchDataset):
    """One balanced triplet's anchor and positive at a time."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset
        train = set(dataset.splits["train"].tolist())
        self.songs_of_tag = [
            [song for song in np.flatnonzero(column).tolist() if song in train]
            for column in dataset.song_tags.T
        ]
        self.one_hot = np.eye(len(dataset.tags))
        self.song_tags = dataset.song_tags.astype(np.float64)

    def __len__(self) -> int:
        return TRIPLETS_PER_EPOCH

    def __getitem__(self, index: int):
        tag = index % len(self.songs_of_tag)
        song = random.choice(self.songs_of_tag[tag])
        data = self.dataset
        return data.tag_vectors[tag], data.cf[song], self.one_hot[tag], self.song_tags[song]


def plain_negatives(tags, songs, one_hot, song_tags) -> list[int]:
    """Negatives by similarity weight, one `random.choices` for each row."""
    similarity = F.normalize(tags) @ F.normalize(songs).T
    weights = (similarity + 1) / 2 * (1 - one_hot @ song_tags.T)
    positions = torch.arange(len(tags))
    return [random.choices(positions, weights=row, k=1)[0].item() for row in weights]


def plain_epochs(model: RetrievalModel, loader: DataLoader, optimizer) -> None:
    """The plain loop."""
    model.train()
    for tag_vectors, cf, one_hot, song_tags in chain.from_iterable([loader] * EPOCHS):
        tags = model.embed_tags(tag_vectors)
        songs = model.embed_songs(SongInputs(cf=cf))
        with torch.no_grad():
            negatives = songs[plain_negatives(tags, songs, one_hot, song_tags)]
        cosine = torch.nn.CosineSimilarity(dim=-1)
        loss = torch.relu(0.4 - cosine(tags, songs) + cosine(tags, negatives)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


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
    arguments = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    dataset = make_dataset(arguments.n_songs)
    options = merge_options({"input_type": "cf", "is_balanced": True, "is_weighted": True})
    solver = Solver(options, dataset.tags, tag_dim=300, cf_dim=200)
    data = RetrievalData(dataset, options)
    model = RetrievalModel("cf", tag_dim=300, cf_dim=200)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-4)
    loader = DataLoader(RowByRow(dataset), BATCH_SIZE, shuffle=True)
    seconds = compare(
        lambda: plain_epochs(model, loader, optimizer),
        lambda: our_epochs(solver, data),
        arguments.repeats,
    )
    steps = EPOCHS * -(-TRIPLETS_PER_EPOCH // BATCH_SIZE)
    print_comparison(
        f"one step of {BATCH_SIZE} triplets, cultural branch",
        *([taken / steps for taken in runs] for runs in seconds),
    )


if __name__ == "__main__":
    main()
