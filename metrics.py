"""Retrieval metrics per tag: average precision, precision at k, ROC-AUC; ties counted fairly.

Pure functions of scores and truth, many tags at once, on the device where the scores are. Average
precision and ROC-AUC equal `sklearn.metrics.average_precision_score` and `roc_auc_score` of each
tag, ties included.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Key in results.json -> as tables write it; `score_tags` computes them in this order.
METRICS = {"map": "MAP", "p@10": "P@10", "roc_auc": "ROC-AUC"}
# Tags are taken in blocks of so many scores: that bounds the memory for counts of 8 bytes and for
# a GPU's sort, and lets frequent and rare tags be padded apart; smaller ones would starve a GPU.
BLOCK_SCORES = 2**21


def score_tags(
    tag_song_scores: Tensor | np.ndarray, tag_song_truth: Tensor | np.ndarray
) -> dict[str, np.ndarray]:
    """Average precision, precision at 10 and ROC-AUC of the song ranking of every tag.

    Parameters
    ----------
    tag_song_scores : Tensor or ndarray of float32 or float64, shape (T, N)
        Score of each song for each tag, higher is nearer.
    tag_song_truth : Tensor or ndarray of bool, shape (T, N)
        Whether the song bears the tag; it is brought to the device of the scores.

    Returns
    -------
    dict of ndarray of float64, shape (T,)
        'map' (average precision; its mean over tags is MAP), 'p@10', 'roc_auc'. NaN where a
        metric is not defined: a tag without positive song; ROC-AUC also without negative song.

    Raises
    ------
    ValueError
        If the shapes differ or a score is NaN.
    """
    shapes = [tuple(one.shape) for one in (tag_song_scores, tag_song_truth)]
    if shapes[0] != shapes[1] or len(shapes[0]) != 2:
        raise ValueError(f"shapes differ: {shapes[0]}, {shapes[1]}")
    n_tags, n_songs = shapes[0]
    scores = torch.as_tensor(tag_song_scores).detach()
    truth = torch.as_tensor(tag_song_truth, device=scores.device).bool().contiguous()
    values = torch.empty(len(METRICS), n_tags, dtype=torch.float64, device=scores.device)
    rare_first = truth.sum(dim=1, dtype=torch.int32).argsort()  # alike together: little padding
    for tags in rare_first.split(max(1, BLOCK_SCORES // max(1, n_songs))):
        ranked = rank_songs(scores[tags], truth[tags])
        found = average_precision(ranked), precision_at_k(ranked, k=10), roc_auc(ranked)
        values[:, tags] = torch.stack(found)
    return dict(zip(METRICS, values.cpu().numpy(), strict=True))


class Ranked(NamedTuple):
    """Sorted scores of T tags; P is the largest number of positive songs of one of them.

    Attributes
    ----------
    ranking : Tensor of float, shape (T, N)
        Scores of all songs, ascending.
    positives : Tensor of float, shape (T, P)
        Scores of the positive songs, ascending, then infinity up to P.
    n_positive : Tensor of int64, shape (T, 1)
        Number of positive songs.
    below : Tensor of int64, shape (T, P)
        How many songs score lower than each of `positives`.
    """

    ranking: Tensor
    positives: Tensor
    n_positive: Tensor
    below: Tensor

    def sum_over_positives(self, values: Tensor) -> Tensor:
        """Sum of (T, P) values, those of the padding left out: (T,)."""
        is_padding = torch.arange(values.shape[1], device=values.device) >= self.n_positive
        return values.masked_fill(is_padding, 0).sum(dim=1)


def rank_songs(scores: Tensor, truth: Tensor) -> Ranked:
    """Sort the songs of some tags; errors as in `score_tags`.

    Parameters
    ----------
    scores : Tensor of float, shape (T, N)
    truth : Tensor of bool, shape (T, N)
    """
    # Shapes depend on the truth: only in this function the host waits for the device, a moment
    tags, songs = truth.nonzero(as_tuple=True)  # of each positive, tag by tag
    n_positive = tags.bincount(minlength=len(truth))[:, None]  # (T, 1)
    largest = int(n_positive.max()) if len(truth) else 0
    is_filled = torch.arange(largest, device=truth.device) < n_positive  # (T, P)
    positives = scores.new_full(is_filled.shape, torch.inf)
    positives = sort_rows(positives.masked_scatter_(is_filled, scores[tags, songs]))
    ranking = sort_rows(scores.contiguous())
    if ranking[:, :1].isnan().any() or ranking[:, -1:].isnan().any():  # sorted to an end
        raise ValueError("scores contain NaN")
    return Ranked(ranking, positives, n_positive, torch.searchsorted(ranking, positives))


def sort_rows(values: Tensor) -> Tensor:
    """Each row of a matrix in ascending order."""
    if values.device.type == "cpu":  # torch sorts indices along, NumPy need not: 15 times faster
        return torch.from_numpy(np.sort(values.numpy(), axis=1))
    return values.sort(dim=1).values


def average_precision(ranked: Ranked) -> Tensor:
    """Mean over the positives of the precision of all songs that score at least as high.

    Returns
    -------
    Tensor of float64, shape (T,)
        NaN for a tag without positive.
    """
    songs_at_or_above = ranked.ranking.shape[1] - ranked.below  # (T, P)
    positives_below = torch.searchsorted(ranked.positives, ranked.positives)
    positives_at_or_above = ranked.n_positive - positives_below
    precision = positives_at_or_above.double() / songs_at_or_above
    return ranked.sum_over_positives(precision) / ranked.n_positive[:, 0]  # 0 / 0 is NaN


def precision_at_k(ranked: Ranked, k: int) -> Tensor:
    """Share of positives among the first k songs, expected over all orders of tied songs.

    With fewer than k songs the missing ones count as wrong. Returns as `average_precision`.
    """
    ranking, positives, n_positive, _ = ranked
    n_songs = ranking.shape[1]
    found = n_positive.double()  # (T, 1)
    if n_songs > k:
        # score of the k-th song: what ties with it shares the last places
        threshold = ranking[:, -k, None].contiguous()
        above = n_songs - torch.searchsorted(ranking, threshold, right=True)
        tied = n_songs - torch.searchsorted(ranking, threshold) - above
        not_above = torch.searchsorted(positives, threshold, right=True)
        positives_above = (n_positive - not_above).clamp(min=0)  # an infinite one ties with padding
        positives_tied = n_positive - torch.searchsorted(positives, threshold) - positives_above
        found = positives_above + positives_tied * (k - above).double() / tied
    return torch.where(n_positive > 0, found / k, torch.nan)[:, 0]


def roc_auc(ranked: Ranked) -> Tensor:
    """Chance that a positive song outranks a negative one, a tie counting half; NaN without any.

    By the rank-sum statistic of Mann and Whitney. Returns as `average_precision`.
    """
    n_positive = ranked.n_positive[:, 0]
    n_negative = ranked.ranking.shape[1] - n_positive
    below_or_tied = torch.searchsorted(ranked.ranking, ranked.positives, right=True)
    # Wins twice, to stay in integers; positives against positives, themselves too, are no pairs
    doubled = ranked.sum_over_positives(ranked.below + below_or_tied) - n_positive**2
    return doubled.double() / (2 * n_positive * n_negative)  # 0 / 0 is NaN


def chance_map(n_songs: int, n_positive: np.ndarray) -> float:
    """MAP that ranking at random reaches on average; NaN without tags.

    Position i holds a positive with chance P / N, and each of the i - 1 songs above a positive is
    one with chance (P - 1) / (N - 1); so it is above P / N, much so for few positives.

    Parameters
    ----------
    n_songs : int
        Number N of songs.
    n_positive : ndarray of int, shape (T,)
        Number P > 0 of positive songs of each tag.
    """
    if len(n_positive) == 0:
        return float("nan")
    harmonic = np.sum(1 / np.arange(1, n_songs + 1))
    others = (n_positive - 1) / max(n_songs - 1, 1)
    return float(np.mean(harmonic + others * (n_songs - harmonic)) / n_songs)


def mean_over_tags(
    per_tag: dict[str, np.ndarray], chosen: Sequence[int] | None = None
) -> dict[str, float]:
    """Mean of each metric over tags (or the `chosen` ones), undefined values left out.

    NaN where no tag has a defined value.
    """
    means = {}
    for name, values in per_tag.items():
        values = values if chosen is None else values[list(chosen)]
        defined = values[~np.isnan(values)]
        means[name] = float(defined.mean()) if len(defined) else float("nan")
    return means
