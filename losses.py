"""Losses on similarities between an anchor (tag) and songs."""

import torch
from torch import Tensor


def triplet_margin_loss(
    positive: Tensor, negative: Tensor, is_valid: Tensor, margin: float
) -> tuple[Tensor, Tensor]:
    """Triplet margin loss on cosine similarity, mean over valid rows.

    max(0, margin - similarity(anchor, positive) + similarity(anchor, negative)), equation 1 of
    Won et al., ICASSP 2021 (arXiv 2010.16030).

    Parameters
    ----------
    positive, negative : Tensor of float, shape (B,)
        Cosine similarity of each anchor with its positive and its negative song.
    is_valid : Tensor of bool, shape (B,)
        Rows that count; a row without valid negative has none.
    margin : float
        By how much the positive should be more similar than the negative.

    Returns
    -------
    loss : Tensor of float, shape ()
        Zero, with zero gradient, if no row is valid.
    active : Tensor of float, shape ()
        Share of valid rows with a loss above zero.
    """
    per_row = torch.relu(margin - positive + negative) * is_valid
    n_valid = is_valid.sum().clamp(min=1)
    return per_row.sum() / n_valid, (per_row.detach() > 0).sum() / n_valid
