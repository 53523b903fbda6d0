"""Batches for training and evaluation, cut on the device that trains.

CF vectors, tags and truth are small and live on the device as whole tensors; a batch is an index
into them, so there is no DataLoader that collects single rows.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from dataset_files import Dataset
from model import SongInputs
from sampler import PairSampler, epoch_generator

TRIPLETS_PER_EPOCH = 10_000
EVAL_BATCH_SIZE = 4096


class TripletBatch(NamedTuple):
    """Anchors with their positives, and which songs of the batch may be whose negative.

    Attributes
    ----------
    tag_vectors : Tensor of float, shape (B, D)
        Word vectors of the anchors.
    songs : SongInputs
        The B positive songs.
    is_candidate : Tensor of bool, shape (B, B)
        Whether song j may be anchor i's negative: it does not bear that tag.
    """

    tag_vectors: Tensor
    songs: SongInputs
    is_candidate: Tensor


class _Batches:
    """A sized iterable that starts anew each epoch."""

    def __init__(self, n_batches: int, start: Callable[[], Iterator]):
        self.n_batches = n_batches
        self.start = start

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator:
        return self.start()


class RetrievalData(LightningDataModule):
    """Triplet batches of the training split; batches of songs of the other splits, in order.

    Parameters
    ----------
    dataset : Dataset
        An opened dataset directory.
    batch_size : int
        Triplets a step, on each device.
    is_balanced : bool
        Balanced instead of random sampling.
    seed : int
        Together with epoch and process it determines every draw.
    """

    def __init__(self, dataset: Dataset, batch_size: int, is_balanced: bool, seed: int):
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size
        self.is_balanced = is_balanced
        self.seed = seed

    def train_dataloader(self) -> _Batches:
        """10,000 triplets an epoch, shared by the processes, as `TripletBatch`es."""
        device = self.trainer.strategy.root_device
        triplets = -(-TRIPLETS_PER_EPOCH // self.trainer.world_size)
        if triplets % self.batch_size == 1:
            triplets -= 1  # a last batch of one has no negative, and no statistics for batch norm
        cf = torch.from_numpy(self.dataset.cf).to(device)
        tag_vectors = torch.from_numpy(self.dataset.tag_vectors).to(device)
        song_tags = torch.from_numpy(self.dataset.song_tags).to(device)
        train_songs = torch.from_numpy(self.dataset.splits["train"]).to(device)
        pairs = PairSampler(song_tags, train_songs, self.is_balanced)

        def start() -> Iterator[TripletBatch]:
            generator = epoch_generator(
                self.seed, self.trainer.current_epoch, self.trainer.global_rank, device
            )
            tags, songs = pairs.draw(triplets, generator)
            # The rows of the epoch are looked up at once: 20 MB of vectors, and bits.
            columns = (tags, tag_vectors[tags], cf[songs], song_tags[songs])
            for tag, tag_vector, song_cf, bears in zip(
                *(column.split(self.batch_size) for column in columns), strict=True
            ):
                # (B, T) -> (B, B) song by anchor -> anchor by song
                is_candidate = ~bears.index_select(1, tag).T
                yield TripletBatch(tag_vector, SongInputs(cf=song_cf), is_candidate)

        return _Batches(-(-triplets // self.batch_size), start)

    def transfer_batch_to_device(self, batch, device: torch.device, dataloader_idx: int):
        """Leave the batch where it was cut: Lightning's search for tensors would cost 0.1 ms."""
        return batch

    def val_dataloader(self) -> _Batches:
        """Validation songs as `SongInputs`, in the order of the split."""
        return self._songs("valid")

    def test_dataloader(self) -> _Batches:
        """Test songs as `SongInputs`, in the order of the split."""
        return self._songs("test")

    def tag_vectors(self) -> Tensor:
        """Word vectors of all tags: float (T, D), on the CPU."""
        return torch.from_numpy(self.dataset.tag_vectors)

    def tag_song_truth(self, split: str) -> np.ndarray:
        """Whether the songs of a split bear the tags: bool (T, n songs)."""
        return self.dataset.song_tags[self.dataset.splits[split]].T

    def _songs(self, split: str) -> _Batches:
        device = self.trainer.strategy.root_device
        cf = torch.from_numpy(self.dataset.cf[self.dataset.splits[split]]).to(device)
        batches = cf.split(EVAL_BATCH_SIZE)
        return _Batches(len(batches), lambda: (SongInputs(cf=rows) for rows in batches))
