"""Batches: content against the dataset's arrays, reproducible, shared by processes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data_loader import LabelBatch, RetrievalData, mixed
from dataset.directory import open_dataset
from dataset.mel_store import FLOOR_DB
from losses import LABEL_LOSSES
from options import Options
from planted import write_planted, write_planted_mels, write_planted_strengths

OPTIONS = {"batch_size": 128, "triplets_per_epoch": 10_000, "is_balanced": False, "seed": 0}
OPTIONS |= {"anchors_per_song": 1}
SOFT = {"loss": "sigmoid", "soft_tags": True}
AUDIO = {"input_length": 173, "num_chunk": 3, "cache": "memory", "num_workers": 0}


def data_for(
    directory,
    rank=0,
    world_size=1,
    epoch=0,
    stage=None,
    input_type="cf",
    any_input=False,
    **options,
) -> RetrievalData:
    options = Options(**OPTIONS | AUDIO | options)
    dataset = open_dataset(
        directory,
        input_type=input_type,
        any_input=any_input,
        with_strengths=options.learns_strengths,
    )
    data = RetrievalData(dataset, options)
    data.trainer = SimpleNamespace(
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
        current_epoch=epoch,
        global_rank=rank,
        world_size=world_size,
    )
    data.setup(stage or "fit")
    return data


@pytest.mark.parametrize(("triplets", "n_batches"), [(10_000, 79), (300, 3)])
def test_an_epoch_has_its_triplets(shared_dataset_dir, triplets, n_batches):
    loader = data_for(shared_dataset_dir, triplets_per_epoch=triplets).train_dataloader()
    batches = list(loader)
    assert sum(len(batch.tag_vectors) for batch in batches) == triplets
    assert len(batches) == len(loader) == n_batches


def test_no_batch_has_a_single_triplet(shared_dataset_dir):
    batches = list(data_for(shared_dataset_dir, batch_size=9).train_dataloader())
    assert len(batches) == len(data_for(shared_dataset_dir, batch_size=9).train_dataloader())
    assert {len(batch.tag_vectors) for batch in batches} == {9}


def test_songs_without_a_spectrogram_are_batches_with_nan(tmp_path):
    directory = write_planted_mels(write_planted(tmp_path / "data", 60), skipped=20)
    cf = np.load(directory / "ix_to_cf.npy")
    cf[[3, 30]] = 0  # 3 has neither
    np.save(directory / "ix_to_cf.npy", cf)
    dataset = open_dataset(directory, input_type="spec+cf", any_input=True)
    left = np.concatenate(list(dataset.splits.values()))
    assert sorted(left) == [song for song in range(60) if song != 3]
    data = data_for(directory, input_type="spec+cf", any_input=True, stage="test")
    batches = list(data.test_dataloader())
    spec = torch.cat([batch["spec"] for batch in batches])
    test_songs = dataset.splits["test"]
    assert spec.flatten(1).isnan().all(dim=1).tolist() == (test_songs < 20).tolist()
    assert spec.flatten(1).isnan().any(dim=1).tolist() == (test_songs < 20).tolist()
    vectors = torch.cat([batch["cf"] for batch in batches])
    assert vectors.isnan().all(dim=1).tolist() == (test_songs == 30).tolist()
    training = data_for(directory, input_type="spec+cf", any_input=True, loss="sigmoid", mixup=True)
    for batch in training.train_dataloader():
        known = ~batch.songs["spec"][:, 0, 0].isnan()
        assert known.any() and not known.all()


@pytest.mark.parametrize("options", [{}, {"loss": "sigmoid"}, {"loss": "sigmoid", "mixup": True}])
def test_processes_share_each_batch(shared_dataset_dir, monkeypatch, options):
    def batches(rank, n):
        monkeypatch.setattr("processes.place", lambda: (rank, n))
        return list(data_for(shared_dataset_dir, **options).train_dataloader())

    whole, parts = batches(0, 1), [batches(rank, 3) for rank in range(3)]
    for batch, *shares in zip(whole, *parts, strict=True):
        found = torch.cat([one.songs["cf"] for one in shares])
        assert torch.equal(found, batch.songs["cf"]) and batch.n_songs == len(found)
        for one in shares:
            assert torch.equal(one.tag_vectors, batch.tag_vectors)
            assert torch.equal(one[-1], batch[-1])  # which songs are whose negative, or the truth


@pytest.mark.parametrize("is_balanced", [False, True])
def test_a_batch_is_what_the_files_say(shared_dataset_dir, is_balanced):
    data = data_for(shared_dataset_dir, is_balanced=is_balanced)
    dataset = data.dataset
    song_of_cf = {row.tobytes(): song for song, row in enumerate(dataset.vectors["cf"])}
    tag_of_vector = {row.tobytes(): tag for tag, row in enumerate(dataset.tag_vectors)}
    batch = next(iter(data.train_dataloader()))
    songs = [song_of_cf[row.tobytes()] for row in batch.songs["cf"].numpy()]
    tags = [tag_of_vector[row.tobytes()] for row in batch.tag_vectors.numpy()]
    assert set(songs) <= set(dataset.splits["train"].tolist())
    for anchor, tag in enumerate(tags):
        assert dataset.song_tags[songs[anchor], tag]
        for column, song in enumerate(songs):
            assert batch.is_candidate[anchor, column] == (not dataset.song_tags[song, tag])


@pytest.mark.parametrize("loss", LABEL_LOSSES)
def test_a_batch_of_labels_is_what_the_files_say(shared_dataset_dir, loss):
    data = data_for(shared_dataset_dir, loss=loss)
    dataset = data.dataset
    song_of_cf = {row.tobytes(): song for song, row in enumerate(dataset.vectors["cf"])}
    batches = list(data.train_dataloader())
    assert sum(len(batch.truth) for batch in batches) == 10_000
    songs = [song_of_cf[row.tobytes()] for row in batches[0].songs["cf"].numpy()]
    assert set(songs) <= set(dataset.splits["train"].tolist())
    assert batches[0].truth.tolist() == dataset.song_tags[songs].astype(float).tolist()
    np.testing.assert_array_equal(batches[0].tag_vectors, dataset.tag_vectors)


def test_soft_tags_are_the_strengths_of_the_songs(dataset_dir):
    strengths = write_planted_strengths(dataset_dir)
    plain, soft = (
        list(data_for(dataset_dir, loss="sigmoid", soft_tags=is_soft).train_dataloader())
        for is_soft in (False, True)
    )
    dataset = open_dataset(dataset_dir, input_type="cf")
    song_of_cf = {row.tobytes(): song for song, row in enumerate(dataset.vectors["cf"])}
    total = np.zeros(len(dataset.tags))
    for hard, batch in zip(plain, soft, strict=True):
        assert torch.equal(hard.songs["cf"], batch.songs["cf"])  # the same songs are drawn
        songs = [song_of_cf[row.tobytes()] for row in batch.songs["cf"].numpy()]
        assert batch.truth.dtype == torch.float32
        np.testing.assert_array_equal(batch.truth, strengths[songs])
        total += batch.truth.double().sum(dim=0).numpy()
    bears = dataset.song_tags[dataset.splits["train"]]
    drawn = bears.sum(axis=1) > 0  # by chance alike, for a song is drawn, then one of its tags
    mean = strengths[dataset.splits["train"]][drawn].mean(axis=0)
    np.testing.assert_allclose(total / 10_000, mean, atol=0.03)


def test_mixed_soft_tags_lie_between_those_of_two_songs(dataset_dir):
    write_planted_strengths(dataset_dir)
    plain, mixes = (
        next(iter(data_for(dataset_dir, **SOFT, mixup=is_mixed).train_dataloader())).truth
        for is_mixed in (False, True)
    )
    for own, mix in zip(plain, mixes, strict=True):
        low, high = torch.minimum(own, plain), torch.maximum(own, plain)  # (B, T)
        assert ((low - 1e-6 <= mix) & (mix <= high + 1e-6)).all(dim=1).any()
    assert not torch.equal(plain, mixes)


def test_mixed_songs_lie_between_two_songs_and_so_do_their_tags(shared_dataset_dir):
    plain = next(iter(data_for(shared_dataset_dir, loss="sigmoid").train_dataloader()))
    again = data_for(shared_dataset_dir, loss="sigmoid", mixup=True).train_dataloader()
    found = next(iter(again))
    both = torch.cat([plain.songs["cf"], plain.truth], dim=1)
    mixes = torch.cat([found.songs["cf"], found.truth], dim=1)
    shares = []
    for own, mix in zip(both, mixes, strict=True):
        step, way = mix - own, both - own
        share = (way @ step) / way.square().sum(dim=1).clamp(min=1e-9)
        left = (share[:, None] * way - step).square().sum(dim=1)  # nothing, for the right partner
        assert left.min() < 1e-6
        shares.append(share[left.argmin()].item())
    assert 0 <= min(shares) < 0.1 and 0.9 < max(shares) <= 1
    assert 0.4 < np.mean(shares) < 0.6


def test_songs_are_mixed_only_with_those_of_which_the_same_is_known():
    n = 200
    cf, spec = torch.rand(n, 2), torch.rand(n, 3, 4)
    truth = torch.eye(n)
    cf[:100], spec[50:150] = float("nan"), float("nan")
    kinds = torch.tensor([0] * 50 + [1] * 50 + [2] * 50 + [3] * 50)
    batch = LabelBatch(torch.rand(n, 5), {"cf": cf, "spec": spec}, truth)
    found = mixed(batch, torch.Generator().manual_seed(0))
    n_mixed = 0
    for song in range(n):
        bearers = found.truth[song].nonzero().flatten().tolist()
        assert set(kinds[bearers].tolist()) == {kinds[song].item()}
        n_mixed += len(bearers) == 2
        for name, rows in batch.songs.items():
            mix = sum(found.truth[song, one] * rows[one] for one in bearers)
            torch.testing.assert_close(found.songs[name][song], mix, equal_nan=True)
    assert 20 < n_mixed < 90  # a quarter of the partners are of the same kind


def test_several_anchors_share_a_song(shared_dataset_dir):
    one = next(iter(data_for(shared_dataset_dir, batch_size=16).train_dataloader()))
    data = data_for(shared_dataset_dir, batch_size=16, anchors_per_song=3)
    dataset, batch = data.dataset, next(iter(data.train_dataloader()))
    assert torch.equal(
        batch.songs["cf"], one.songs["cf"]
    )  # the same songs, with the same first anchor
    assert torch.equal(batch.tag_vectors[::3], one.tag_vectors)
    song_of_cf = {row.tobytes(): song for song, row in enumerate(dataset.vectors["cf"])}
    tag_of_vector = {row.tobytes(): tag for tag, row in enumerate(dataset.tag_vectors)}
    songs = [song_of_cf[row.tobytes()] for row in batch.songs["cf"].numpy()]
    tags = [tag_of_vector[row.tobytes()] for row in batch.tag_vectors.numpy()]
    assert len(songs) == 16 and len(tags) == 48 and batch.is_candidate.shape == (48, 16)
    for anchor, (tag, positive) in enumerate(zip(tags, batch.positive.tolist(), strict=True)):
        assert positive == anchor // 3
        assert dataset.song_tags[songs[positive], tag]
        expected = [not dataset.song_tags[song, tag] for song in songs]
        assert batch.is_candidate[anchor].tolist() == expected


def test_draws_depend_on_seed_and_epoch_alone(shared_dataset_dir):
    def first(**options):
        return next(iter(data_for(shared_dataset_dir, **options).train_dataloader())).songs["cf"]

    assert torch.equal(first(seed=1, epoch=4), first(seed=1, epoch=4))
    assert not torch.equal(first(seed=1, epoch=4), first(seed=1, epoch=5))
    assert not torch.equal(first(seed=1, epoch=4), first(seed=2, epoch=4))


def test_one_loader_draws_anew_each_epoch(shared_dataset_dir):
    data = data_for(shared_dataset_dir)
    loader = data.train_dataloader()
    first = next(iter(loader)).songs["cf"]
    assert torch.equal(first, next(iter(loader)).songs["cf"])
    data.trainer.current_epoch = 1
    assert not torch.equal(first, next(iter(loader)).songs["cf"])


@pytest.mark.parametrize("split", ["valid", "test"])
def test_evaluation_songs_come_once_and_in_order(shared_dataset_dir, split, monkeypatch):
    monkeypatch.setattr("data_loader.EVAL_SONGS", 7)
    data = data_for(shared_dataset_dir)
    loader = data.val_dataloader() if split == "valid" else data.test_dataloader()
    songs = torch.cat([batch["cf"] for batch in loader]).numpy()
    indices = data.dataset.splits[split]
    np.testing.assert_array_equal(songs, data.dataset.vectors["cf"][indices])
    assert len(loader) == -(-len(indices) // 7)
    np.testing.assert_array_equal(data.tag_song_truth(split), data.dataset.song_tags[indices].T)


# ------------------------------------------------------------ with spectrograms


def song_frames(data, song: int) -> np.ndarray:
    mel = data.dataset.mel
    row = mel.song_ids.index(data.dataset.song_ids[song])
    return np.array(mel.song(row))


def padded(frames: np.ndarray, first: int, length: int) -> np.ndarray:
    chunk = np.full((length, 128), FLOOR_DB, dtype=np.float32)
    part = frames[first : first + length]
    chunk[: len(part)] = part
    return chunk.T


def test_a_training_song_comes_with_its_own_frames(audio_dataset_dir):
    data = data_for(audio_dataset_dir, input_type="hybrid", batch_size=16, triplets_per_epoch=40)
    songs_seen = 0
    song_of_cf = {row.tobytes(): song for song, row in enumerate(data.dataset.vectors["cf"])}
    for batch in data.train_dataloader():
        for spec, cf in zip(batch.songs["spec"].numpy(), batch.songs["cf"].numpy(), strict=True):
            frames = song_frames(data, song_of_cf[cf.tobytes()])
            starts = range(max(len(frames) - 173, 0) + 1)
            assert any(np.array_equal(spec, padded(frames, first, 173)) for first in starts)
            songs_seen += 1
    assert songs_seen == 40


def test_with_and_without_spectrograms_the_same_songs_are_drawn(audio_dataset_dir):
    batches = [
        next(iter(data_for(audio_dataset_dir, input_type=kind).train_dataloader()))
        for kind in ("cf", "hybrid")
    ]
    assert torch.equal(batches[0].songs["cf"], batches[1].songs["cf"])
    assert set(batches[0].songs) == {"cf"}


@pytest.mark.parametrize("stage", ["fit", "test"])
def test_evaluation_chunks_go_from_end_to_end(audio_dataset_dir, stage, monkeypatch):
    monkeypatch.setattr("data_loader.EVAL_CHUNKS", {"cpu": 7})
    data = data_for(audio_dataset_dir, stage=stage, input_type="spec")
    split = "test" if stage == "test" else "valid"
    loader = data.test_dataloader() if stage == "test" else data.val_dataloader()
    batches = list(loader)
    assert {len(batch["spec"]) for batch in batches} == {2} and len(loader) == 6
    assert set(batches[0]) == {"spec"}
    spec = torch.cat([batch["spec"] for batch in batches]).numpy()
    songs = data.dataset.splits[split].tolist()
    assert spec.shape == (len(songs), 3, 128, 173)
    for song, chunks in zip(songs, spec, strict=True):
        frames = song_frames(data, song)
        last = max(len(frames) - 173, 0)
        for chunk, first in zip(chunks, (0, round(last / 2), last), strict=True):
            np.testing.assert_array_equal(chunk, padded(frames, first, 173))


def test_where_spectrograms_are_kept_is_said_in_a_line(audio_dataset_dir, capsys):
    data_for(audio_dataset_dir, input_type="spec", cache="auto")
    assert capsys.readouterr().out.count("kept in memory\n") == 1
    data_for(audio_dataset_dir, input_type="spec", rank=1, world_size=2)
    assert capsys.readouterr().out == ""  # one process speaks for all
