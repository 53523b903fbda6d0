"""Parts of the packed mel store, each written by the machine that computes it.

A part is written under another name and renamed once it is whole: what a lost machine was at is no
part, and nothing but its own songs is done again.
"""

import functools
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import numpy as np

from dataset.mel_index import FRAMES, INDEX, PARTS, StoredSong, index_line
from errors import UserError
from preprocessing.mel.song_run import Kept, Made
from preprocessing.mel.sources import Source
from preprocessing.mel.store_writer import frames_header, to_disk
from preprocessing.mel.worker_pool import TaskFailed, TaskMap, attempt

LEAST_SONGS, MOST_SONGS = 8, 64  # of a part; the most are a minute of a core
USUAL_PARTS = 64  # that fewer songs are shared out to

Make = Callable[[Path], Made | str]
PartTask = tuple[Path, list[Source]]  # the folder of a part, and its songs
PartResult = list[Kept | str | TaskFailed]


def make_parts(
    directory: Path, sources: list[Source], make: Make, n_mels: int, map_tasks: TaskMap
) -> Generator[Kept | str | TaskFailed, None, None]:
    """Let machines write parts of the store; yield what became of each song, in their order.

    Parameters
    ----------
    directory : Path
        The dataset directory, at the same path on all machines.
    sources : list of Source
        The songs.
    make : callable
        File -> its spectrogram (frames, `n_mels`), or why there is none.
    map_tasks : callable
        `worker_pool.task_map`.

    Raises
    ------
    UserError
        A part cannot be written.
    """
    remove_unfinished(directory)
    tasks = _share_out(directory, sources)
    write = functools.partial(write_part, make=make, n_mels=n_mels)
    with closing(map_tasks(write, tasks)) as parts:
        for (folder, _), results in zip(tasks, parts, strict=True):
            if isinstance(results, TaskFailed):
                raise UserError(
                    f"{folder} cannot be written ({results}): see to that and run step 4 again, it "
                    "goes on where it was"
                )
            yield from results


def remove_unfinished(directory: Path) -> None:
    """Remove what machines that were lost had begun."""
    for left in (directory / PARTS).glob(".*"):
        shutil.rmtree(left, ignore_errors=True)


def _share_out(directory: Path, sources: list[Source]) -> list[PartTask]:
    size = min(MOST_SONGS, max(LEAST_SONGS, math.ceil(len(sources) / USUAL_PARTS)))
    run = f"{time.time_ns():016x}"  # a machine given up in another run may still write its part
    return [
        (directory / PARTS / f"part-{run}-{start // size:06d}", sources[start : start + size])
        for start in range(0, len(sources), size)
    ]


def write_part(task: PartTask, make: Make, n_mels: int) -> PartResult:
    """Make the spectrograms of some songs and write them as a part; nothing if there are none."""
    folder, sources = task
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as temporary:
        stage = Path(temporary) / folder.name
        stage.mkdir()
        results = _write(stage, sources, make, n_mels)
        if any(isinstance(one, Kept) for one in results):
            try:
                stage.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another machine was given the same work
                    raise
    return results


def _write(stage: Path, sources: list[Source], make: Make, n_mels: int) -> PartResult:
    results: PartResult = []
    n_frames = 0
    with open(stage / FRAMES, "wb") as frames, open(stage / INDEX, "wb") as index:
        frames.write(frames_header(0, n_mels))
        for source in sources:
            made = attempt(make, source.file)
            if not isinstance(made, Made):
                results.append(made)
                continue
            frames.write(np.ascontiguousarray(made.array, dtype="<f2").data)
            about = len(made.array), source.n_bytes, made.digest, made.note
            song = StoredSong(source.song_id, n_frames, *about)
            index.write(index_line(song).encode("utf-8"))
            n_frames += song.n_frames
            results.append(Kept(song, made.seconds))
        frames.seek(0)
        frames.write(frames_header(n_frames, n_mels))
        to_disk(frames)
        to_disk(index)
    return results
