"""Batches: content against the dataset's arrays, reproducible, shared by processes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data_loader import TRIPLETS_PER_EPOCH, RetrievalData
from dataset_files import open_dataset


def data_for(directory, rank=0, world_size=1, epoch=0, **options) -> RetrievalData:
    options = {"batch_size": 128, "is_balanced": False, "seed": 0} | options
    data = RetrievalData(open_dataset(directory, with_cf=True), **options)
    data.trainer = SimpleNamespace(
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
        current_epoch=epoch,
        global_rank=rank,
        world_size=world_size,
    )
    return data


def test_an_epoch_has_10000_triplets(shared_dataset_dir):
    batches = list(data_for(shared_dataset_dir).train_dataloader())
    assert sum(len(batch.tag_vectors) for batch in batches) == TRIPLETS_PER_EPOCH == 10_000
    assert len(batches) == len(data_for(shared_dataset_dir).train_dataloader()) == 79


def test_no_batch_has_a_single_triplet(shared_dataset_dir):
    batches = list(data_for(shared_dataset_dir, batch_size=9).train_dataloader())
    assert len(batches) == len(data_for(shared_dataset_dir, batch_size=9).train_dataloader())
    assert {len(batch.tag_vectors) for batch in batches} == {9}


def test_processes_share_the_epoch_and_draw_different_triplets(shared_dataset_dir):
    ranks = [
        list(data_for(shared_dataset_dir, rank=rank, world_size=3).train_dataloader())
        for rank in range(3)
    ]
    assert [sum(len(b.tag_vectors) for b in batches) for batches in ranks] == [3334] * 3
    assert not torch.equal(ranks[0][0].songs.cf, ranks[1][0].songs.cf)


@pytest.mark.parametrize("is_balanced", [False, True])
def test_a_batch_is_what_the_files_say(shared_dataset_dir, is_balanced):
    data = data_for(shared_dataset_dir, is_balanced=is_balanced)
    dataset = data.dataset
    song_of_cf = {row.tobytes(): song for song, row in enumerate(dataset.cf)}
    tag_of_vector = {row.tobytes(): tag for tag, row in enumerate(dataset.tag_vectors)}
    batch = next(iter(data.train_dataloader()))
    songs = [song_of_cf[row.tobytes()] for row in batch.songs.cf.numpy()]
    tags = [tag_of_vector[row.tobytes()] for row in batch.tag_vectors.numpy()]
    assert set(songs) <= set(dataset.splits["train"].tolist())
    for anchor, tag in enumerate(tags):
        assert dataset.song_tags[songs[anchor], tag]
        for column, song in enumerate(songs):
            assert batch.is_candidate[anchor, column] == (not dataset.song_tags[song, tag])


def test_draws_depend_on_seed_and_epoch_alone(shared_dataset_dir):
    def first(**options):
        return next(iter(data_for(shared_dataset_dir, **options).train_dataloader())).songs.cf

    assert torch.equal(first(seed=1, epoch=4), first(seed=1, epoch=4))
    assert not torch.equal(first(seed=1, epoch=4), first(seed=1, epoch=5))
    assert not torch.equal(first(seed=1, epoch=4), first(seed=2, epoch=4))


def test_one_loader_draws_anew_each_epoch(shared_dataset_dir):
    data = data_for(shared_dataset_dir)
    loader = data.train_dataloader()
    first = next(iter(loader)).songs.cf
    assert torch.equal(first, next(iter(loader)).songs.cf)
    data.trainer.current_epoch = 1
    assert not torch.equal(first, next(iter(loader)).songs.cf)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_evaluation_songs_come_once_and_in_order(shared_dataset_dir, split, monkeypatch):
    monkeypatch.setattr("data_loader.EVAL_BATCH_SIZE", 7)
    data = data_for(shared_dataset_dir)
    loader = data.val_dataloader() if split == "valid" else data.test_dataloader()
    songs = torch.cat([batch.cf for batch in loader]).numpy()
    indices = data.dataset.splits[split]
    np.testing.assert_array_equal(songs, data.dataset.cf[indices])
    assert len(loader) == -(-len(indices) // 7)
    np.testing.assert_array_equal(data.tag_song_truth(split), data.dataset.song_tags[indices].T)
