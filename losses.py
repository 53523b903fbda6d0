"""Losses on similarities between tags and songs: of triplets, or of every song with every tag."""

import torch
from torch import Tensor
from torch.nn import functional as F


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


def sigmoid_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy of every song with every tag, summed over tags, mean over songs.

    The loss of SigLIP (Zhai et al. 2023, arXiv 2303.15343, section 3.2), where a row may have
    several positives.

    Parameters
    ----------
    logits : Tensor of float, shape (B, T)
        Similarity of each song with each tag, scaled and shifted.
    truth : Tensor of float, shape (B, T)
        1 where the song bears the tag, else 0; between them for mixed songs and soft tags.

    Returns
    -------
    Tensor of float, shape ()
    """
    return F.binary_cross_entropy_with_logits(logits, truth, reduction="sum") / len(logits)


def infonce_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Softmax cross-entropy of songs over tags and of tags over songs, the mean of both ways.

    InfoNCE with several positives, whose logarithms are averaged: equation 2 of Khosla et al. 2020
    (arXiv 2004.11362), between two kinds of things.

    Parameters
    ----------
    logits, truth
        As `sigmoid_loss` takes them.

    Returns
    -------
    Tensor of float, shape ()
        A song without tag, or a tag without song, counts in the other way alone. Strengths below
        1 weigh the tags of a song among themselves; songs of weak tags count as much as others.
    """
    return (_softmax_loss(logits, truth) + _softmax_loss(logits.T, truth.T)) / 2


# Over all tags, by the name of --loss: each takes logits and truth as `sigmoid_loss` does.
LABEL_LOSSES = {"sigmoid": sigmoid_loss, "infonce": infonce_loss}


def _softmax_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy of the rows' softmax with the rows' truth, mean over rows that have any."""
    n_positives = truth.sum(dim=1)  # (B,)
    per_row = -(truth * logits.log_softmax(dim=1)).sum(dim=1) / n_positives.clamp(min=1e-9)
    has_any = n_positives > 0
    return (per_row * has_any).sum() / has_any.sum().clamp(min=1)
