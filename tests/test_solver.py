"""Solver: the loss against a plain loop, learning, two processes, checkpoints."""

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from data_loader import LabelBatch, TripletBatch
from losses import LABEL_LOSSES
from model import SongInputs
from planted import write_planted
from sampler import mine_negatives
from solver import (
    Solver,
    cosine_schedule,
    cosine_similarity,
)
from training_runs import OPTIONS, fit


def make_solver(**changed) -> Solver:
    torch.manual_seed(0)
    return Solver(OPTIONS | changed, ["a", "b"], tag_dim=20, inputs={"cf": 16})


def random_batch(n=24) -> TripletBatch:
    generator = torch.Generator().manual_seed(1)
    is_candidate = torch.rand(n, n, generator=generator) < 0.7
    is_candidate[3] = False  # an anchor that every song of the batch bears
    return TripletBatch(
        torch.randn(n, 20, generator=generator),
        SongInputs(cf=torch.randn(n, 16, generator=generator)),
        torch.arange(n),
        is_candidate,
    )


@pytest.mark.parametrize("is_weighted", [False, True])
def test_training_step_is_the_triplet_loss_row_by_row(is_weighted):
    solver, batch = make_solver(is_weighted=is_weighted).eval(), random_batch()
    solver._generator = torch.Generator().manual_seed(5)
    solver._logged = torch.zeros(4)
    loss = solver.training_step(batch, 0)

    tags = solver.model.embed_tags(batch.tag_vectors)
    songs = solver.model.embed_songs(batch.songs)
    cosine = torch.nn.CosineSimilarity(dim=0)
    similarity = torch.stack([torch.stack([cosine(tag, song) for song in songs]) for tag in tags])
    index, _ = mine_negatives(
        similarity,
        batch.is_candidate,
        "similarity" if is_weighted else "uniform",
        256,
        torch.Generator().manual_seed(5),
    )
    losses = [
        max(0.0, 0.4 - similarity[row, row].item() + similarity[row, index[row]].item())
        for row in range(len(tags))
        if row != 3
    ]
    positives = [similarity[row, row].item() for row in range(len(tags))]
    negatives = [similarity[row, index[row]].item() for row in range(len(tags)) if row != 3]

    assert loss.item() == pytest.approx(sum(losses) / 23, abs=1e-5)
    logged = dict(zip(Solver.LOGGED, solver._logged.tolist(), strict=True))
    assert logged["loss"] == pytest.approx(loss.item())
    assert logged["active_triplets"] == pytest.approx(sum(x > 0 for x in losses) / 23)
    assert logged["positive_similarity"] == pytest.approx(sum(positives) / 24, abs=1e-5)
    assert logged["negative_similarity"] == pytest.approx(sum(negatives) / 23, abs=1e-5)


def test_several_anchors_of_a_song_are_rows_of_the_same_loss():
    solver, batch = make_solver(is_weighted=False).eval(), random_batch()
    positive = torch.tensor([5, 5, 0, 7])
    batch = TripletBatch(batch.tag_vectors[:4], batch.songs, positive, batch.is_candidate[:4])
    solver._generator = torch.Generator().manual_seed(5)
    solver._logged = torch.zeros(4)
    loss = solver.training_step(batch, 0)
    tags = solver.model.embed_tags(batch.tag_vectors)
    similarity = cosine_similarity(tags, solver.model.embed_songs(batch.songs))
    again = torch.Generator().manual_seed(5)
    index, valid = mine_negatives(similarity, batch.is_candidate, "uniform", 256, again)
    assert valid.tolist() == [True, True, True, False]  # the last one has no candidate
    losses = [
        max(0.0, 0.4 - similarity[row, positive[row]].item() + similarity[row, index[row]].item())
        for row in range(3)
    ]
    assert loss.item() == pytest.approx(sum(losses) / 3, abs=1e-6)


@pytest.mark.parametrize(("loss", "by_hand"), LABEL_LOSSES.items())
def test_training_step_on_all_tags_is_the_loss_of_scaled_similarities(loss, by_hand):
    solver = make_solver(loss=loss).eval()
    songs = random_batch().songs
    truth = (torch.arange(48).view(24, 2) % 3 == 0).float()
    vectors = torch.randn(2, 20)
    solver._logged = torch.zeros(4)
    found = solver.training_step(LabelBatch(vectors, songs, truth), 0)
    similarity = cosine_similarity(
        solver.model.embed_songs(songs), solver.model.embed_tags(vectors)
    )
    assert found.item() == pytest.approx(by_hand(10 * similarity - 3, truth).item(), rel=1e-5)
    logged = dict(zip(Solver.LOGGED_LABELS, solver._logged.tolist(), strict=True))
    assert logged["scale"] == pytest.approx(10)
    of_positives = similarity[truth.bool()].mean().item()
    assert logged["positive_similarity"] == pytest.approx(of_positives, abs=1e-6)
    found.backward()
    assert solver.logit_scale.grad != 0
    moves = abs(solver.logit_bias.grad.item()) > 1e-4
    assert moves == (loss != "infonce")  # a softmax ignores what all share


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("loss", LABEL_LOSSES)
def test_losses_on_all_tags_find_the_planted_answer(shared_dataset_dir, loss, precision):
    solver, trainer = fit(shared_dataset_dir, loss=loss, precision=precision)
    assert trainer.callback_metrics["map"] > 0.8
    assert trainer.callback_metrics["scale"] != 10
    assert "logit_scale" in solver.state_dict()


def test_similarity_stays_exact_in_mixed_precision():
    tags, songs = torch.randn(5, 256), torch.randn(7, 256)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = cosine_similarity(tags.bfloat16(), songs)
    assert mixed.dtype == torch.float32
    expected = torch.nn.functional.cosine_similarity(tags[:, None], songs[None], dim=-1)
    torch.testing.assert_close(cosine_similarity(tags, songs), expected)
    torch.testing.assert_close(mixed, expected, atol=1e-2, rtol=0)


@pytest.mark.slow
def test_training_finds_the_planted_answer_and_no_other(tmp_path, shared_dataset_dir):
    _, trainer = fit(shared_dataset_dir)
    assert trainer.callback_metrics["map"] > 0.8
    _, trainer = fit(write_planted(tmp_path / "broken", with_answer=False))
    assert trainer.callback_metrics["map"] < 0.4  # a share of 0.19 of the songs bears a tag


def test_an_epoch_logs_its_means(shared_dataset_dir):
    _, trainer = fit(shared_dataset_dir, epochs=1)
    logged = trainer.callback_metrics
    assert set(Solver.LOGGED) | {"map", "p@10", "roc_auc"} <= set(logged)
    assert 0 < logged["active_triplets"] < 1
    assert logged["positive_similarity"] > logged["negative_similarity"]
    assert 0 < logged["loss"] < 0.5


def test_cosine_schedule_rises_and_falls():
    shares = np.array([cosine_schedule(step, 400) for step in range(400)])
    assert shares[0] == pytest.approx(1 / 20)
    assert shares[10] == pytest.approx(11 / 20, rel=0.01)
    assert shares.argmax() in (19, 20) and shares.max() > 0.99
    assert shares[200] == pytest.approx(0.5)
    assert shares[-1] < 1e-4
    assert cosine_schedule(0, 1) == 1.0  # a training of one step makes it


class LearningRates(Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, *_):
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


def test_learning_rate_follows_the_schedule_and_goes_on_after_a_stop(shared_dataset_dir, tmp_path):
    rates = LearningRates()
    keep = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1)
    more = {"callbacks": [rates, keep], "enable_checkpointing": True}
    whole, trainer = fit(shared_dataset_dir, 2, "cosine", **more)
    n_steps = trainer.global_step
    expected = [OPTIONS["lr"] * cosine_schedule(step, n_steps) for step in range(n_steps)]
    assert rates.seen == pytest.approx(expected)
    resumed, _ = fit(shared_dataset_dir, 2, "cosine", str(tmp_path / "epoch=0.ckpt"))
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    rates.seen.clear()  # --n_epochs is raised
    fit(shared_dataset_dir, 3, "cosine", str(tmp_path / "epoch=1.ckpt"), callbacks=[rates])
    n_all = n_steps * 3 // 2
    expected = [OPTIONS["lr"] * cosine_schedule(step, n_all) for step in range(n_steps, n_all)]
    assert rates.seen == pytest.approx(expected)
