"""The triplet margin loss: values and gradients by hand."""

import pytest
import torch

from losses import triplet_margin_loss


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
