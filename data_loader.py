"""Batches for training and evaluation, cut on the device that trains.

Song vectors, tags and truth are small and live on the device as whole tensors; a batch is an index
into them, so there is no DataLoader that collects single rows. Chunks of mel spectrograms come from
`mel_chunks`.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from dataset.directory import Dataset
from dataset.files import counted
from dataset.mel_index import frame_bytes
from errors import UserError
from fusion import is_known
from mel_chunks import MelChunks, choose_cache, random_first, spread_first
from model import SongInputs
from modules import ShortChunkCNN
from options import Options
from processes import part_of
from sampler import PairSampler, draw_tags, epoch_seed

EVAL_SONGS = 4096  # of a batch, by vectors alone
EVAL_CHUNKS = {"cpu": 64, "cuda": 512}  # of a batch: their feature maps take 2 GB


class TripletBatch(NamedTuple):
    """Anchors with their positives, and which songs of the batch may be whose negative."""

    tag_vectors: Tensor  # float (A, D): word vectors of the anchors
    songs: SongInputs  # the B positive songs; of several processes each has its part
    positive: Tensor  # int64 (A,): which of the songs is the anchor's positive
    is_candidate: Tensor  # bool (A, B): song j may be anchor i's negative, for it lacks that tag

    @property
    def n_songs(self) -> int:
        """B: the songs of all processes."""
        return self.is_candidate.shape[1]


class LabelBatch(NamedTuple):
    """Songs, and which of all tags they bear, or how strongly.

    Attributes
    ----------
    tag_vectors : Tensor of float, shape (T, D)
        Word vectors of all tags.
    songs : SongInputs
        B songs; of several processes each has its part.
    truth : Tensor of float, shape (B, T)
        1 where the song bears the tag, else 0; between them for mixed songs. With --soft_tags how
        strongly people gave the song the tag, from 0 to 1, also where it is too weak to bear it.
    """

    tag_vectors: Tensor
    songs: SongInputs
    truth: Tensor

    @property
    def n_songs(self) -> int:
        """B: the songs of all processes."""
        return len(self.truth)


def songs_at_once(n_chunks: int, device: torch.device) -> int:
    """Songs of a batch in validation and test, of `n_chunks` chunks each."""
    return max(1, EVAL_CHUNKS[device.type] // n_chunks)


def triplet_batch(
    tag_vectors: Tensor, tags: Tensor, songs: SongInputs, bears: Tensor
) -> TripletBatch:
    """Put a batch together: each song is the positive of its anchors.

    Parameters
    ----------
    tag_vectors : Tensor of float, shape (T, D)
        Word vectors of all tags.
    tags : Tensor of int64, shape (B,) or (B, n)
        The anchors of each song.
    songs : SongInputs
        The B songs.
    bears : Tensor of bool, shape (B, T)
        Which tags the songs bear.
    """
    anchors = tags.flatten()  # (B, n) -> (A,)
    is_candidate = ~bears.index_select(1, anchors).T  # (B, T) -> (B, A) -> (A, B)
    each = torch.arange(len(tags), device=tags.device)
    positive = each.repeat_interleave(len(anchors) // len(tags))
    return TripletBatch(tag_vectors[anchors], songs, positive, is_candidate)


def mixed(batch: LabelBatch, generator: torch.Generator) -> LabelBatch:
    """Mix each song, and its tags, with another of the batch: mixup with alpha = 1.

    Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization" (ICLR 2018). A
    song stays as it is if other inputs are known of its partner than of itself. The batch has the
    inputs of all its songs, and keeps those of this process's part.
    """
    truth = batch.truth
    n_songs = len(truth)
    share = torch.rand(n_songs, 1, generator=generator, device=truth.device)
    other = torch.randperm(n_songs, generator=generator, device=truth.device)
    for rows in batch.songs.values():
        known = is_known(rows)[:, None]  # (B, 1)
        share = torch.where(known == known[other], share, 1.0)

    def mix(rows: Tensor) -> Tensor:
        weight = share.view(-1, *[1] * (rows.dim() - 1))
        mixes = weight * rows + (1 - weight) * rows[other]
        return torch.where(weight == 1, rows, mixes)  # 0 times NaN is none

    songs = {name: part_of(mix(rows)) for name, rows in batch.songs.items()}
    return LabelBatch(batch.tag_vectors, songs, mix(truth))


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
    """Batches of the training split for the loss; batches of songs of the other splits, in order.

    Parameters
    ----------
    dataset : Dataset
        An opened dataset directory, with what the input type needs of `vectors` and `mel`; where it
        has `tag_strengths`, they are the truth of training songs.
    options : Options
        `loss`, `batch_size` and `triplets_per_epoch` (in songs, unless each has one anchor),
        `anchors_per_song`, `mixup`, `is_balanced`, `seed` (with epoch and process it determines
        every draw);
        for spectrograms `input_length`, `num_chunk`, `cache`, `num_workers`.
    to_embed : ndarray of int64, shape (n,), optional
        Songs to predict embeddings of.

    Raises
    ------
    UserError
        `input_length` is too short for the acoustic branch.
    """

    def __init__(self, dataset: Dataset, options: Options, to_embed: np.ndarray | None = None):
        super().__init__()
        if dataset.mel is not None and options.input_length < ShortChunkCNN.MIN_FRAMES:
            raise UserError(
                f"--input_length {options.input_length} is too short for the acoustic branch: give "
                f"at least {ShortChunkCNN.MIN_FRAMES} frames"
            )
        self.to_embed = to_embed
        self.dataset = dataset
        self.options = options
        self._mels: MelChunks | None = None
        self._is_heard: Tensor | None = None  # (N,) bool, where some songs have no spectrogram

    def setup(self, stage: str) -> None:
        """Bring the spectrograms of the stage's splits to where they are kept."""
        if self.dataset.mel is None:
            return
        parts = {"fit": ("train", "valid"), "validate": ("valid",), "test": ("test",)}
        songs = self.to_embed
        if stage != "predict":
            songs = np.concatenate([self.dataset.splits[part] for part in parts[stage]])
        device, options = self._device, self.options
        is_heard = np.isin(self.dataset.song_ids, self.dataset.mel.song_ids)  # (N,)
        if not is_heard[songs].all():
            self._is_heard = torch.from_numpy(is_heard).to(device)
        songs = songs[is_heard[songs]]
        rows = self.dataset.mel.rows_of(self.dataset.song_ids[song] for song in songs)
        n_frames = int(self.dataset.mel.n_frames[rows].sum())
        n_bytes = frame_bytes(n_frames, self.dataset.mel.settings["n_mels"])
        here = n_bytes * self.trainer.world_size  # every process keeps its own
        cache = choose_cache(options.cache, here, device)
        home = {"gpu": "on the GPU", "memory": "in memory", "disk": "on disk"}[cache]
        if self.trainer.global_rank == 0:
            of_songs = f"spectrograms of {counted(len(songs), 'song')}"
            print(f"{of_songs}, {n_bytes / 1e6:.0f} MB, kept {home}")
        self._mels = MelChunks(self.dataset, songs, cache, device, options.num_workers)

    def train_dataloader(self) -> _Batches:
        """An epoch's songs, shared by the processes, as `TripletBatch`es or `LabelBatch`es."""
        device, size = self._device, self.options.batch_size
        n_anchors, triplets = self.options.anchors_per_song, self.options.triplets_per_epoch
        if triplets % size == 1:
            triplets -= 1  # a last batch of one has no negative, and no statistics for batch norm
        tag_vectors = self.tag_vectors()
        song_tags = torch.from_numpy(self.dataset.song_tags).to(device)
        strengths = self.dataset.tag_strengths  # None unless --soft_tags
        labels = song_tags if strengths is None else torch.from_numpy(strengths).to(device)
        train_songs = torch.from_numpy(self.dataset.splits["train"]).to(device)
        pairs = PairSampler(song_tags, train_songs, self.options.is_balanced)
        vectors = self._vectors()

        def start() -> Iterator[TripletBatch | LabelBatch]:
            seed = epoch_seed("pairs", self.options.seed, self.trainer.current_epoch)
            generator = torch.Generator(device).manual_seed(seed)
            tags, songs = pairs.draw(triplets, generator)
            inputs = self._training_inputs(songs, vectors, generator)
            if self.options.asks_all_tags:
                truth = (labels[one].float() for one in songs.split(size))
                batches = map(partial(LabelBatch, tag_vectors), inputs, truth)
                mix = partial(mixed, generator=generator)
                yield from map(mix, batches) if self.options.mixes_songs else batches
                return
            if n_anchors > 1:
                more = draw_tags(song_tags, songs, n_anchors - 1, generator)
                tags = torch.cat([tags[:, None], more], dim=1)
            bears = song_tags[songs].split(size)  # looked up at once for the epoch
            yield from map(partial(triplet_batch, tag_vectors), tags.split(size), inputs, bears)

        return _Batches(-(-triplets // size), start)

    def transfer_batch_to_device(self, batch, device: torch.device, dataloader_idx: int):
        """Leave the batch where it was cut: Lightning's search for tensors would cost 0.1 ms."""
        return batch

    def val_dataloader(self) -> _Batches:
        """Validation songs of this process as `SongInputs`, in the order of the split."""
        songs = torch.from_numpy(self.dataset.splits["valid"])
        return self._songs(part_of(songs).numpy())

    def test_dataloader(self) -> _Batches:
        """Test songs as `SongInputs`, in the order of the split."""
        return self._songs(self.dataset.splits["test"])

    def predict_dataloader(self) -> _Batches:
        """Songs to embed as `SongInputs`, in their order."""
        return self._songs(self.to_embed)

    def tag_vectors(self) -> Tensor:
        """Word vectors of all tags: float (T, D), on the device."""
        return torch.from_numpy(self.dataset.tag_vectors).to(self._device)

    def tag_song_truth(self, split: str) -> np.ndarray:
        """Whether the songs of a split bear the tags: bool (T, n songs)."""
        return self.dataset.song_tags[self.dataset.splits[split]].T

    @property
    def _device(self) -> torch.device:
        return self.trainer.strategy.root_device

    def _vectors(self) -> SongInputs:
        """Vectors of all N songs, on the device."""
        vectors = self.dataset.vectors.items()
        return {name: torch.from_numpy(rows).to(self._device) for name, rows in vectors}

    def _training_inputs(
        self, songs: Tensor, vectors: SongInputs, generator: torch.Generator
    ) -> Iterator[SongInputs]:
        """Inputs of the songs drawn, batch by batch, each song with one chunk from anywhere.

        Those of this process's part of a batch; of all where songs are mixed.
        """
        size = self.options.batch_size
        takes = (lambda rows: rows) if self.options.mixes_songs else part_of
        batches = [takes(one) for one in songs.split(size)]
        # The rows of the epoch are looked up at once, which is faster than batch by batch.
        looked_up = {name: rows[songs].split(size) for name, rows in vectors.items()}
        looked_up = {name: [takes(one) for one in rows] for name, rows in looked_up.items()}
        inputs: list[SongInputs] = [
            {name: rows[number] for name, rows in looked_up.items()}
            for number in range(len(batches))
        ]
        if self._mels is None:
            return iter(inputs)
        first = random_first(self._mels.n_frames[songs], self.options.input_length, generator)
        chunks = self._chunks(batches, [takes(one) for one in first.split(size)])
        return (one | {"spec": spec} for one, spec in zip(inputs, chunks, strict=True))

    def _songs(self, indices: np.ndarray) -> _Batches:
        """Inputs of some songs, each with `num_chunk` chunks from end to end."""
        songs = torch.from_numpy(indices).to(self._device)
        vectors = self._vectors()

        def looked_up(one: Tensor) -> SongInputs:
            return {name: rows[one] for name, rows in vectors.items()}

        if self._mels is None:
            batches = songs.split(EVAL_SONGS)
            return _Batches(len(batches), lambda: map(looked_up, batches))
        n_chunks, length = self.options.num_chunk, self.options.input_length
        batches = songs.split(songs_at_once(n_chunks, self._device))

        def start() -> Iterator[SongInputs]:
            first = [spread_first(self._mels.n_frames[one], length, n_chunks) for one in batches]
            repeated = [one.repeat_interleave(n_chunks) for one in batches]
            chunks = self._chunks(repeated, [one.flatten() for one in first])
            for one, rows in zip(batches, chunks, strict=True):
                spec = rows.unflatten(0, (len(one), n_chunks))  # (b * chunks, F, L) -> (b, c, F, L)
                yield looked_up(one) | {"spec": spec}

        return _Batches(len(batches), start)

    def _chunks(self, songs: Sequence[Tensor], first: Sequence[Tensor]) -> Iterator[Tensor]:
        """Chunks batch by batch, (B, F, L); NaN for songs that have no spectrogram."""
        chunks = self._mels.batches(songs, first, self.options.input_length)
        for one, spec in zip(songs, chunks, strict=True):
            if self._is_heard is not None:
                spec = spec.masked_fill(~self._is_heard[one][:, None, None], torch.nan)
            yield spec
