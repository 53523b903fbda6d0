"""Chunks of mel spectrograms: which frames, and from where - GPU, memory or disk.

Every batch is cut by index arithmetic on all its songs at once, and is the same wherever the
spectrograms are kept.
"""

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import starmap
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dataset.bounded import allowed_memory
from dataset.directory import Dataset
from dataset.mel_crops import read_crops
from dataset.mel_store import FLOOR_DB, MelStore, silence
from errors import UserError
from progress import progress

SHARE_OF_FREE = 0.6  # of the free memory that a cache may take: the model needs room, too
CONTAINER_MEMORY = (  # what is allowed and used, in control groups of version 2 and 1
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
AHEAD = 2  # batches that each reading thread is ahead of the training


# ---------------------------------------------------------------- which frames


def random_first(n_frames: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Draw where a chunk of `length` frames begins, evenly over the song.

    Parameters
    ----------
    n_frames : Tensor of int64, shape (B,)
        Frames of each song.
    length : int
        Frames of a chunk.
    generator : torch.Generator
        On the device of `n_frames`.

    Returns
    -------
    Tensor of int64, shape (B,)
        0 to `n_frames - length`, both included; 0 for songs shorter than a chunk.
    """
    fraction = torch.rand(
        n_frames.shape, generator=generator, device=n_frames.device, dtype=torch.float64
    )
    return (fraction * ((n_frames - length).clamp(min=0) + 1)).long()


def spread_first(n_frames: Tensor, length: int, n_chunks: int) -> Tensor:
    """Where `n_chunks` chunks begin that are spread evenly over a song, both ends included.

    One chunk alone is taken from the middle.

    Parameters
    ----------
    n_frames : Tensor of int64, shape (B,)
        Frames of each song.
    length, n_chunks : int
        Frames of a chunk, and chunks of a song.

    Returns
    -------
    Tensor of int64, shape (B, n_chunks)
        First frame of each chunk.
    """
    last = (n_frames - length).clamp(min=0)[:, None].double()  # (B, 1)
    ends = (0, 1) if n_chunks > 1 else (0.5, 0.5)
    place = torch.linspace(*ends, n_chunks, dtype=torch.float64)
    return (last * place.to(last.device)).round().long()


def cut(
    frames: Tensor,
    starts: Tensor,
    n_frames: Tensor,
    first: Tensor,
    length: int,
    past_end: float = FLOOR_DB,
) -> Tensor:
    """Cut a stretch out of each of B songs; silence past the end of a song.

    Parameters
    ----------
    frames : Tensor of float, shape (frames of all songs, F)
        Song after song.
    starts, n_frames, first : Tensor of int64, shape (B,)
        Where a song begins, how long it is, and the first frame of the stretch, counted from the
        start of its song, at least 0.
    length : int
        Frames of a stretch.
    past_end : float
        What silence is.

    Returns
    -------
    Tensor of float, shape (B, length, F)
    """
    positions = first[:, None] + torch.arange(length, device=first.device)  # (B, length), in a song
    inside = positions < n_frames[:, None]
    index = torch.where(inside, starts[:, None] + positions, 0)
    chunks = frames.index_select(0, index.flatten()).unflatten(0, index.shape)
    return chunks.masked_fill_(~inside[:, :, None], past_end)


def spread_chunks(
    mel: np.ndarray, length: int, n_chunks: int, past_end: float = FLOOR_DB
) -> Tensor:
    """Chunks of a song as validation and test take them, spread evenly from end to end.

    Parameters
    ----------
    mel : ndarray of float16, shape (frames, F)
        Mel spectrogram.
    length, n_chunks : int
        Frames of a chunk, and how many.
    past_end : float
        What silence is: it follows a song that is too short.

    Returns
    -------
    Tensor of float32, shape (n_chunks, F, length)
    """
    n_frames = torch.tensor([len(mel)]).expand(n_chunks)
    first = spread_first(n_frames[:1], length, n_chunks)[0]
    starts = torch.zeros_like(first)
    frames = np.require(mel, requirements="W")  # of a store it may not be, as torch has it
    chunks = cut(torch.from_numpy(frames), starts, n_frames, first, length, past_end)
    return chunks.float().transpose(1, 2)


# ---------------------------------------------------------------- from where


class MelChunks:
    """Cuts batches of chunks out of the spectrograms of some songs.

    Parameters
    ----------
    dataset : Dataset
        With its spectrograms.
    songs : ndarray of int64, shape (n,)
        The songs that will be asked for.
    cache : {'gpu', 'memory', 'disk'}
        Where the spectrograms are kept; 'gpu' is `device`.
    device : torch.device
        Where chunks are delivered.
    num_workers : int
        Threads that read from disk, ahead of the training; 0 reads when it asks.
    """

    def __init__(
        self,
        dataset: Dataset,
        songs: np.ndarray,
        cache: str,
        device: torch.device,
        num_workers: int = 0,
    ):
        self.cache, self.device, self.num_workers = cache, device, num_workers
        self.store: MelStore = dataset.mel
        rows = self.store.rows_of(dataset.song_ids[song] for song in songs)
        self.row_of_song = np.full(len(dataset.song_ids), -1)
        self.row_of_song[songs] = rows
        n_frames = np.zeros(len(dataset.song_ids), dtype=np.int64)
        n_frames[songs] = self.store.n_frames[rows]
        self.n_frames = torch.from_numpy(n_frames).to(device)
        if cache != "disk":
            home = device if cache == "gpu" else torch.device("cpu")
            starts = np.zeros(len(n_frames), dtype=np.int64)
            starts[songs] = np.cumsum(n_frames[songs]) - n_frames[songs]
            self.starts = torch.from_numpy(starts).to(home)
            self.kept_n_frames = self.n_frames.to(home)
            self.frames = _load(self.store, rows, home)

    def batches(
        self, songs: Sequence[Tensor], first: Sequence[Tensor], length: int
    ) -> Iterator[Tensor]:
        """Cut one batch after the other.

        Parameters
        ----------
        songs, first : sequence of Tensor of int64, shape (B,)
            For each batch the songs (with repetitions) and the first frames of the chunks.
        length : int
            Frames of a chunk.

        Yields
        ------
        Tensor of float32, shape (B, F, length)
            On the device; silence past the end of a song.
        """
        if self.cache == "disk":
            batches = self._read_batches(songs, first, length)
        else:
            pairs = zip(songs, first, strict=True)
            batches = (self._crop(*pair, length) for pair in pairs)
        for chunks in batches:  # (B, length, F) float16
            yield chunks.to(self.device, non_blocking=True).float().transpose(1, 2)

    def _crop(self, songs: Tensor, first: Tensor, length: int) -> Tensor:
        songs, first = songs.to(self.frames.device), first.to(self.frames.device)
        where = self.starts[songs], self.kept_n_frames[songs], first, length
        return cut(self.frames, *where, silence(self.store.settings))

    def _read_batches(
        self, songs: Sequence[Tensor], first: Sequence[Tensor], length: int
    ) -> Iterator[Tensor]:
        jobs = [
            (self.row_of_song[one.cpu().numpy()], start.cpu().numpy(), length)
            for one, start in zip(songs, first, strict=True)
        ]
        return map_ahead(self._read, jobs, self.num_workers)

    def _read(self, rows: np.ndarray, first: np.ndarray, length: int) -> Tensor:
        crops = torch.from_numpy(read_crops(self.store, rows, first, length))
        return crops.pin_memory() if self.device.type == "cuda" else crops


def map_ahead(
    function: Callable[..., Any], jobs: Sequence[tuple], num_workers: int
) -> Iterator[Any]:
    """Yield `function(*job)` for each job, in their order; workers are a few jobs ahead.

    They are threads: a forked process would keep a copy of all that the training changes while it
    lives, and reading waits for the disk, not for Python. Without any the function is called here,
    when it is asked for.
    """
    if num_workers == 0:
        yield from starmap(function, jobs)
        return
    coming: deque[Future] = deque()
    with ThreadPoolExecutor(num_workers) as workers:
        try:
            for job in jobs:
                coming.append(workers.submit(function, *job))
                if len(coming) > AHEAD * num_workers:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            workers.shutdown(cancel_futures=True)


def _load(store: MelStore, rows: np.ndarray, home: torch.device) -> Tensor:
    """Read whole songs, one behind the other: float16 (frames of all, F)."""
    n_frames, n_mels = store.n_frames[rows], store.settings["n_mels"]
    n_rows = max(1, int(n_frames.sum()))  # one at least, for `cut` to point at where there is none
    frames = torch.empty(n_rows, n_mels, dtype=torch.float16, device=home)
    ends = np.cumsum(n_frames)
    songs = zip(rows, n_frames, ends, strict=True)
    for row, n, end in progress(songs, "reading spectrograms", len(rows), delay=3, leave=False):
        frames[end - n : end] = torch.from_numpy(np.array(store.song(row), dtype=np.float16))
    return frames


def choose_cache(asked: str, n_bytes: int, device: torch.device) -> str:
    """Say where so many bytes of spectrograms are kept: as asked, else where they fit first.

    Raises
    ------
    UserError
        A GPU is asked for where the model runs on the CPU.
    """
    if asked == "gpu" and device.type == "cpu":
        raise UserError("--cache gpu needs a GPU: use auto, memory or disk on the CPU")
    if asked != "auto":
        return asked
    if device.type == "cuda" and n_bytes < SHARE_OF_FREE * torch.cuda.mem_get_info(device)[0]:
        return "gpu"
    return "memory" if n_bytes < SHARE_OF_FREE * available_memory() else "disk"


def available_memory(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of memory that this process may still take, as far as the system tells; else 0."""
    meminfo = Path("/proc/meminfo")
    limits = []
    if meminfo.is_file():
        lines = (line.split() for line in meminfo.read_text().splitlines())
        limits += [int(fields[1]) * 1024 for fields in lines if fields[0] == "MemAvailable:"]
    for allowed, used in CONTAINER_MEMORY:  # a container may be allowed less than the machine has
        try:
            limits.append(int((cgroup / allowed).read_text()) - int((cgroup / used).read_text()))
        except (OSError, ValueError):  # no such files, or "max": no limit
            continue
    limit, taken = allowed_memory(), Path("/proc/self/statm")
    if math.isfinite(limit) and taken.is_file():
        limits.append(int(limit) - int(taken.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(limits, default=0))
