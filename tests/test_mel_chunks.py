"""Chunks: where they begin, padding, the same batch from every cache, what is left out."""

import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mel_chunks
from dataset.directory import open_dataset
from dataset.mel_crops import read_crops
from dataset.mel_index import FRAMES
from dataset.mel_store import FLOOR_DB, N_MELS, open_mel_store
from errors import UserError
from mel_chunks import (
    AHEAD,
    MelChunks,
    choose_cache,
    map_ahead,
    random_first,
    spread_chunks,
    spread_first,
)
from mel_samples import (
    LENGTHS,
    MELS,
    plain_crop,
    write_empty,
    write_packed,
    write_published,
)
from planted import write_planted

CPU = torch.device("cpu")
LENGTH = 173


@pytest.fixture(scope="module")
def dataset(audio_dataset_dir):
    return open_dataset(audio_dataset_dir, input_type="spec")


def song_frames(dataset, song: int) -> np.ndarray:
    """The whole song (frames, 128), read from the file."""
    row = dataset.mel.song_ids.index(dataset.song_ids[song])
    return np.array(dataset.mel.song(row))


# ------------------------------------------------------------ which frames


def test_random_chunks_begin_anywhere_and_equally_often():
    n_frames = torch.full((60_000,), LENGTH + 5)
    first = random_first(n_frames, LENGTH, torch.Generator().manual_seed(0))
    counts = torch.bincount(first, minlength=6).double()
    assert len(counts) == 6 and first.min() == 0  # both ends are reached, nothing beyond
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 20.5  # chi-squared, 5 degrees, p = 0.001


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=20), st.integers(1, 500))
def test_random_chunks_lie_in_the_song(n_frames, length):
    n_frames = torch.tensor(n_frames)
    first = random_first(n_frames, length, torch.Generator().manual_seed(0))
    assert (first >= 0).all()
    assert ((first + length <= n_frames) | (first == 0)).all()


def test_spread_chunks_reach_both_ends():
    first = spread_first(torch.tensor([173, 174, 873, 100]), LENGTH, 8)
    assert first.shape == (4, 8)
    assert first[2].tolist() == [0, 100, 200, 300, 400, 500, 600, 700]
    assert first[:, 0].tolist() == [0, 0, 0, 0]
    assert first[:, -1].tolist() == [0, 1, 700, 0]


def test_one_chunk_is_from_the_middle():
    assert spread_first(torch.tensor([373, 100]), LENGTH, 1).tolist() == [[100], [0]]


# ------------------------------------------------------------ from where


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_a_chunk_is_what_the_file_says_and_silence_behind(dataset, cache):
    songs = dataset.splits["train"]
    chunks = MelChunks(dataset, songs, cache, CPU)
    lengths = {song: len(song_frames(dataset, song)) for song in songs.tolist()}
    short = min(lengths, key=lengths.get)
    long = max(lengths, key=lengths.get)
    last = lengths[long] - LENGTH
    asked = torch.tensor([short, long, long])
    (batch,) = chunks.batches([asked], [torch.tensor([0, 0, last])], LENGTH)
    assert batch.shape == (3, 128, LENGTH) and batch.dtype == torch.float32
    whole = song_frames(dataset, long).astype(np.float32).T
    np.testing.assert_array_equal(batch[1], whole[:, :LENGTH])
    np.testing.assert_array_equal(batch[2], whole[:, last:])
    n = lengths[short]
    assert n < LENGTH
    np.testing.assert_array_equal(batch[0, :, :n], song_frames(dataset, short).T)
    assert (batch[0, :, n:] == FLOOR_DB).all()


def test_songs_none_of_which_has_a_spectrogram_are_silence(dataset):
    chunks = MelChunks(dataset, np.array([], dtype=np.int64), "memory", CPU)
    (batch,) = chunks.batches([torch.tensor([0, 3])], [torch.zeros(2, dtype=torch.long)], LENGTH)
    assert batch.shape == (2, 128, LENGTH) and (batch == FLOOR_DB).all()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_every_cache_gives_the_same_batches(dataset, num_workers):
    songs = dataset.splits["train"]
    generator = torch.Generator().manual_seed(3)
    picked = torch.from_numpy(songs)[torch.randint(len(songs), (50,), generator=generator)]
    in_memory = MelChunks(dataset, songs, "memory", CPU)
    on_disk = MelChunks(dataset, songs, "disk", CPU, num_workers)
    first = random_first(in_memory.n_frames[picked], LENGTH, generator)
    asked = (picked.split(16), first.split(16), LENGTH)
    state = torch.get_rng_state()
    pairs = zip(in_memory.batches(*asked), on_disk.batches(*asked), strict=True)
    sizes = [len(ours) for ours, theirs in pairs if torch.equal(ours, theirs)]
    assert sizes == [16, 16, 16, 2]
    assert torch.equal(state, torch.get_rng_state())  # no cache takes what dropout would draw


def resident_megabytes() -> float:
    """Memory of this process now, pages of mapped files included."""
    said = Path("/proc/self/status").read_text()
    return int(said.split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux tells")
@pytest.mark.parametrize("num_workers", [0, 2])
def test_what_is_read_from_disk_takes_no_memory(num_workers, tmp_path):
    """Nor what is read ahead of a training that is slow."""
    directory = write_planted(tmp_path / "data", 40)
    n_frames, length = 20_000, 200  # 5 MB a song, 205 MB in all
    song_ids = open_dataset(directory, input_type="cf").song_ids
    write_empty(directory, song_ids, n_frames)
    dataset = open_dataset(directory, input_type="spec")
    first = torch.arange(0, n_frames, length)
    songs = torch.arange(40).repeat_interleave(len(first))
    chunks = MelChunks(dataset, np.arange(40), "disk", CPU, num_workers)
    batches = chunks.batches(songs.split(50), first.repeat(40).split(50), length)
    next(batches)
    before = resident_megabytes()
    time.sleep(0.3)  # what is read meanwhile
    grown = [resident_megabytes() - before]
    for batch in batches:
        assert (batch == 0).all()
        grown.append(resident_megabytes() - before)
    assert len(grown) == 80 and max(grown) < 60


def test_workers_are_a_few_jobs_ahead_and_no_more():
    begun: list[int] = []
    results = map_ahead(lambda job: begun.append(job) or -job, [(job,) for job in range(50)], 3)
    assert next(results) == 0
    time.sleep(0.1)
    assert sorted(begun) == list(range(3 * AHEAD + 1))
    assert list(results) == [-job for job in range(1, 50)]


def test_an_error_of_a_worker_ends_the_others():
    begun = []

    def fail(job: int) -> None:
        begun.append(job)
        raise UserError(f"job {job}")

    with pytest.raises(UserError, match="job 0"):
        list(map_ahead(fail, [(job,) for job in range(50)], 2))
    assert len(begun) < 50


def test_a_store_that_becomes_shorter_is_told(tmp_path):
    store = open_mel_store(write_packed(tmp_path / "data"), [])
    os.truncate(tmp_path / "data" / FRAMES, 200)
    with pytest.raises(UserError, match="shorter"):
        read_crops(store, np.array([1]), np.array([0]), 3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_the_cache_on_the_gpu_gives_the_same_batches(dataset):
    songs = dataset.splits["train"]
    gpu = torch.device("cuda", 0)
    first = torch.zeros(len(songs), dtype=torch.int64, device=gpu)
    asked = ([torch.from_numpy(songs).to(gpu)], [first], LENGTH)
    batches = [
        next(MelChunks(dataset, songs, cache, gpu, 1).batches(*asked))
        for cache in ("gpu", "memory", "disk")
    ]
    assert all(batch.is_cuda for batch in batches)
    assert torch.equal(batches[0], batches[1]) and torch.equal(batches[0], batches[2])


def test_the_published_layout_gives_the_same_batches(dataset, tmp_path):
    published = write_planted(tmp_path / "data", 60)
    for song, song_id in enumerate(dataset.song_ids):
        folder = published.joinpath("spec", *song_id[2:5])
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{song_id}.npy", song_frames(dataset, song).T.astype(np.float32))
    theirs = open_dataset(published, input_type="spec")
    songs = dataset.splits["valid"]
    asked = ([torch.from_numpy(songs)], [torch.full((len(songs),), 7)], LENGTH)
    expected = next(MelChunks(dataset, songs, "memory", CPU).batches(*asked))
    for cache in ("memory", "disk"):
        batch = next(MelChunks(theirs, songs, cache, CPU).batches(*asked))
        assert torch.equal(batch, expected)


# ------------------------------------------------------------ where they are kept


def test_the_cache_is_where_they_fit_first(monkeypatch):
    cuda = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(mel_chunks, "available_memory", lambda: 1000)
    assert [choose_cache("auto", n, cuda) for n in (59, 61, 599, 601)] == [
        "gpu",
        "memory",
        "memory",
        "disk",
    ]
    assert choose_cache("auto", 59, CPU) == "memory"
    assert choose_cache("disk", 1, cuda) == "disk"
    with pytest.raises(UserError, match="--cache gpu needs a GPU"):
        choose_cache("gpu", 1, CPU)


@pytest.mark.parametrize(("allowed", "used"), mel_chunks.CONTAINER_MEMORY)
def test_a_container_may_be_allowed_less_memory(tmp_path, allowed, used):
    (tmp_path / "memory").mkdir()
    (tmp_path / allowed).write_text("5000\n")
    (tmp_path / used).write_text("1000\n")
    assert mel_chunks.available_memory(tmp_path) == 4000
    (tmp_path / allowed).write_text("max\n")
    assert mel_chunks.available_memory(tmp_path) > 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_a_process_may_be_allowed_less_memory(monkeypatch):
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (taken + 2**24, taken + 2**30))
    assert 0 <= mel_chunks.available_memory() <= 2**24
    monkeypatch.setattr(resource, "getrlimit", lambda _: (taken - 1, taken))
    assert mel_chunks.available_memory() == 0


def test_available_memory_is_known_here():
    assert 2**20 < mel_chunks.available_memory() < 2**50


# ------------------------------------------------------------ one way to cut


@pytest.mark.parametrize("writer", [write_packed, write_published])
@settings(max_examples=40)
@given(
    crops=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 350)), max_size=6),
    length=st.integers(1, 320),
)
def test_crops_of_both_layouts_are_those_of_a_plain_loop(tmp_path_factory, writer, crops, length):
    store = open_mel_store(writer(tmp_path_factory.mktemp("stores") / "data"), LENGTHS)
    rows = np.array([row for row, _ in crops], dtype=np.int64)
    first = np.array([start for _, start in crops], dtype=np.int64)
    chunks = read_crops(store, rows, first, length)
    assert chunks.dtype == np.float16 and chunks.shape == (len(crops), length, N_MELS)
    for chunk, (row, start) in zip(chunks, crops, strict=True):
        np.testing.assert_array_equal(chunk, plain_crop(store.song_ids[row], start, length))


def test_a_crop_belongs_to_the_caller(tmp_path):
    store = open_mel_store(write_packed(tmp_path / "data"), [])
    asked = (store, np.array([1]), np.array([0]), 3)
    read_crops(*asked)[:] = 0
    np.testing.assert_array_equal(read_crops(*asked)[0], MELS["SONGB"][:3])


def test_a_song_of_one_frame_is_padded_with_silence():
    chunk = spread_chunks(np.zeros((1, 128), dtype=np.float16), 3, 2)
    assert chunk.shape == (2, 128, 3)
    assert (chunk[:, :, 0] == 0).all() and (chunk[:, :, 1:] == FLOOR_DB).all()


@pytest.mark.filterwarnings("error")
def test_chunks_of_a_song_of_a_store_which_may_not_be_written():
    mel = MELS["SONGB"].copy()
    mel.flags.writeable = False
    chunks = torch.from_numpy(MELS["SONGB"][None, :3]).float().transpose(1, 2)
    torch.set_warn_always(True)  # not once in a process
    try:
        assert torch.equal(spread_chunks(mel, 3, 2)[:1], chunks)
    finally:
        torch.set_warn_always(False)


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system takes no advice")
def test_a_stretch_behind_the_end_asks_the_disk_for_nothing(tmp_path, monkeypatch):
    store = open_mel_store(write_packed(tmp_path / "data"), [])
    sizes = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _file, _offset, size, _: sizes.append(size))
    behind = np.array([store.n_frames[0], 0])
    crops = read_crops(store, np.array([0, 0]), behind, 2)
    assert (crops[0] == FLOOR_DB).all()
    assert sizes == [2 * store.song(0)[0].nbytes]  # 0 would ask for the rest of the file
