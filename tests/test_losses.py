"""The losses: values and gradients by hand, and against plain loops."""

import math

import pytest
import torch

from losses import infonce_loss, sigmoid_loss, triplet_margin_loss


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_values_by_hand():
    positive, negative = tensor(0.9, 0.5, 0.2), tensor(0.1, 0.4, 0.7)
    loss, active = triplet_margin_loss(positive, negative, torch.ones(3, dtype=torch.bool), 0.4)
    assert loss.shape == active.shape == ()
    assert loss.item() == pytest.approx((0 + 0.3 + 0.9) / 3)  # 0.4 - 0.9 + 0.1 < 0
    assert active.item() == pytest.approx(2 / 3)
    assert not active.requires_grad


def test_gradient_by_hand():
    positive, negative = tensor(0.9, 0.5, 0.2, 0.1), tensor(0.1, 0.4, 0.7, 0.8)
    is_valid = torch.tensor([True, True, True, False])
    triplet_margin_loss(positive, negative, is_valid, 0.4)[0].backward()
    third = pytest.approx(1 / 3)
    assert negative.grad.tolist() == [0, third, third, 0]
    assert (-positive.grad).tolist() == [0, third, third, 0]


def test_invalid_rows_count_for_nothing():
    positive, negative = torch.tensor([0.9, 0.5, 0.2]), torch.tensor([0.1, 0.4, 0.7])
    is_valid = torch.tensor([True, False, True])
    loss, active = triplet_margin_loss(positive, negative, is_valid, 0.4)
    assert loss.item() == pytest.approx(0.9 / 2)
    assert active.item() == pytest.approx(1 / 2)
    for other in (-1.0, 1.0):
        changed = positive.clone()
        changed[1] = other
        assert triplet_margin_loss(changed, negative, is_valid, 0.4)[0] == loss


def test_no_valid_row_gives_zero_and_zero_gradient():
    positive, negative = tensor(0.1, 0.2), tensor(0.3, 0.4)
    loss, active = triplet_margin_loss(positive, negative, torch.zeros(2, dtype=torch.bool), 0.4)
    loss.backward()
    assert (loss.item(), active.item()) == (0, 0)
    assert positive.grad.tolist() == negative.grad.tolist() == [0, 0]


@pytest.mark.parametrize("margin", [0.0, 0.4, 1.5])
def test_margin_is_the_loss_of_equal_similarities(margin):
    similarity = torch.linspace(-1, 1, 5)
    valid = torch.ones(5, dtype=torch.bool)
    loss, active = triplet_margin_loss(similarity, similarity, valid, margin)
    assert loss.item() == pytest.approx(margin)
    assert active.item() == float(margin > 0)


def many(n_songs=5, n_tags=4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n_songs, n_tags, generator=generator, dtype=torch.float64) * 3
    truth = (torch.rand(n_songs, n_tags, generator=generator) < 0.4).double()
    truth[2], truth[:, 1] = 0, 0  # a song without tag, a tag without song
    return logits, truth


def test_sigmoid_loss_is_the_plain_loop():
    logits, truth = many()
    total = 0.0
    for song in range(5):
        for tag in range(4):
            sign = 1 if truth[song, tag] else -1
            total += math.log(1 + math.exp(-sign * logits[song, tag].item()))
    assert sigmoid_loss(logits, truth).item() == pytest.approx(total / 5)


def one_way(logits: torch.Tensor, truth: torch.Tensor) -> float:
    losses = []
    for scores, positives in zip(logits.tolist(), truth.tolist(), strict=True):
        whole = math.log(sum(map(math.exp, scores)))
        found = [whole - one for one, bears in zip(scores, positives, strict=True) if bears]
        losses += [sum(found) / len(found)] if found else []
    return sum(losses) / len(losses)


def test_infonce_loss_is_the_plain_loop_both_ways():
    logits, truth = many()
    expected = (one_way(logits, truth) + one_way(logits.T, truth.T)) / 2
    assert infonce_loss(logits, truth).item() == pytest.approx(expected)


def test_losses_of_strengths_are_plain_loops():
    logits, truth = many()
    soft = truth * 0.8
    soft[0, 2], soft[2, 3] = 0.05, 0.25  # a weak tag among others, a song of a weak tag alone
    total = 0.0
    for scores, strengths in zip(logits.tolist(), soft.tolist(), strict=True):
        for score, strength in zip(scores, strengths, strict=True):
            total += strength * math.log(1 + math.exp(-score))
            total += (1 - strength) * math.log(1 + math.exp(score))
    assert sigmoid_loss(logits, soft).item() == pytest.approx(total / 5)
    expected = (one_way_soft(logits, soft) + one_way_soft(logits.T, soft.T)) / 2
    assert infonce_loss(logits, soft).item() == pytest.approx(expected)


def one_way_soft(logits: torch.Tensor, soft: torch.Tensor) -> float:
    """Cross-entropy with each row's strengths brought to a sum of 1."""
    losses = []
    for scores, strengths in zip(logits.tolist(), soft.tolist(), strict=True):
        whole = math.log(sum(map(math.exp, scores)))
        pairs = zip(scores, strengths, strict=True)
        losses += (
            [sum(s * (whole - x) for x, s in pairs) / sum(strengths)] if any(strengths) else []
        )
    return sum(losses) / len(losses)


@pytest.mark.parametrize("loss", [sigmoid_loss, infonce_loss])
def test_gradients_of_all_tags_are_those_of_differences(loss):
    logits, truth = many()
    assert torch.autograd.gradcheck(lambda x: loss(x, truth), logits.requires_grad_())


@pytest.mark.parametrize("loss", [sigmoid_loss, infonce_loss])
def test_losses_of_all_tags_fall_where_songs_are_near_their_tags(loss):
    _, truth = many()
    losses = [loss(scale * (2 * truth - 1), truth).item() for scale in (-3.0, 0.0, 3.0)]
    assert losses == sorted(losses, reverse=True)


def test_no_positive_at_all_gives_no_infonce_loss():
    logits = torch.randn(3, 2, requires_grad=True)
    loss = infonce_loss(logits, torch.zeros(3, 2))
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()
