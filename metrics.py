"""Retrieval metrics per tag: average precision, precision at k, ROC-AUC; ties counted fairly.

Pure functions of scores and truth. Average precision and ROC-AUC equal
`sklearn.metrics.average_precision_score` and `roc_auc_score` of each tag, ties included.
"""

from collections.abc import Sequence

import numpy as np

METRICS = {"map": "MAP", "p@10": "P@10", "roc_auc": "ROC-AUC"}  # key -> as it is written


def score_tags(tag_song_scores: np.ndarray, tag_song_truth: np.ndarray) -> dict[str, np.ndarray]:
    """Average precision, precision at 10 and ROC-AUC of the song ranking of every tag.

    Parameters
    ----------
    tag_song_scores : ndarray of float, shape (T, N)
        Score of each song for each tag, higher is nearer.
    tag_song_truth : ndarray of bool, shape (T, N)
        Whether the song bears the tag.

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
    if tag_song_scores.shape != tag_song_truth.shape or tag_song_scores.ndim != 2:
        raise ValueError(f"shapes differ: {tag_song_scores.shape}, {tag_song_truth.shape}")
    if np.isnan(tag_song_scores).any():
        raise ValueError("scores contain NaN")
    values = np.full((len(METRICS), len(tag_song_scores)), np.nan)
    for tag, (scores, truth) in enumerate(zip(tag_song_scores, tag_song_truth, strict=True)):
        positives = np.sort(scores[truth.astype(bool)])
        if len(positives):
            ranking = np.sort(scores)  # values alone: several times faster than an argsort
            values[:, tag] = (
                average_precision(ranking, positives),
                precision_at_k(ranking, positives, k=10),
                roc_auc(ranking, positives),
            )
    return dict(zip(METRICS, values, strict=True))


def average_precision(ranking: np.ndarray, positives: np.ndarray) -> float:
    """Mean over the positives of the precision of all songs that score at least as high.

    Parameters
    ----------
    ranking : ndarray of float, shape (N,)
        Scores of all songs, ascending.
    positives : ndarray of float, shape (P,), P > 0
        Scores of the positive songs, ascending.
    """
    songs_at_or_above = len(ranking) - np.searchsorted(ranking, positives, side="left")
    positives_at_or_above = len(positives) - np.searchsorted(positives, positives, side="left")
    return float(np.mean(positives_at_or_above / songs_at_or_above))


def precision_at_k(ranking: np.ndarray, positives: np.ndarray, k: int) -> float:
    """Share of positives among the first k songs, expected over all orders of tied songs.

    Parameters as in `average_precision`. With fewer than k songs the missing ones count as wrong.
    """
    if len(ranking) <= k:
        return len(positives) / k
    threshold = ranking[-k]  # score of the k-th song: what ties with it shares the last places
    above = len(ranking) - np.searchsorted(ranking, threshold, side="right")
    tied = len(ranking) - np.searchsorted(ranking, threshold, side="left") - above
    positives_above = len(positives) - np.searchsorted(positives, threshold, side="right")
    positives_tied = len(positives) - np.searchsorted(positives, threshold) - positives_above
    return float((positives_above + positives_tied * (k - above) / tied) / k)


def roc_auc(ranking: np.ndarray, positives: np.ndarray) -> float:
    """Chance that a positive song outranks a negative one, a tie counting half; NaN without any.

    Parameters as in `average_precision`. By the rank-sum statistic of Mann and Whitney.
    """
    n_negatives = len(ranking) - len(positives)
    if n_negatives == 0:
        return float("nan")
    below = np.searchsorted(ranking, positives, side="left")
    below_or_tied = np.searchsorted(ranking, positives, side="right")
    pairs_of_positives = len(positives) ** 2 / 2  # positives against positives, themselves too
    wins = np.sum(below + below_or_tied) / 2 - pairs_of_positives
    return float(wins / (len(positives) * n_negatives))


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
