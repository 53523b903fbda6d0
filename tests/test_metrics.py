"""Metrics against scikit-learn, against naive definitions, and by hand; ties above all."""

from itertools import pairwise, permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

import metrics
from metrics import (
    METRICS,
    average_precision,
    chance_map,
    mean_over_tags,
    precision_at_k,
    rank_songs,
    roc_auc,
    score_tags,
)

EXACT = {"rtol": 0, "atol": 1e-12}


@st.composite
def scored_songs(draw, max_songs: int = 40):
    """Scores with many ties and a truth with at least one positive."""
    n = draw(st.integers(1, max_songs))
    levels = draw(st.integers(1, 8))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    scores = draw(st.lists(st.integers(-levels, levels), min_size=n, max_size=n))
    truth = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    truth[draw(st.integers(0, n - 1))] = True
    return np.array(scores, dtype=dtype) / 7, np.array(truth)


def score_one(scores: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Metrics of a single tag."""
    return {name: values[0] for name, values in score_tags(scores[None], truth[None]).items()}


def many_tags(decimals: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Scores, with many ties where there are few decimals, and truth of rare and frequent tags."""
    rng = np.random.default_rng(decimals)
    truth = rng.random((5, 3000)) < [[0.2], [0.99], [0.001], [0.5], [0.01]]
    truth[:, 0] = True
    return (rng.normal(size=truth.shape) + truth).round(decimals).astype(dtype), truth


@settings(max_examples=60)
@given(scored_songs())
def test_average_precision_and_roc_auc_are_those_of_scikit_learn(case):
    scores, truth = case
    ours = score_one(scores, truth)
    np.testing.assert_allclose(ours["map"], average_precision_score(truth, scores), **EXACT)
    if truth.all():
        assert np.isnan(ours["roc_auc"])
    else:
        np.testing.assert_allclose(ours["roc_auc"], roc_auc_score(truth, scores), **EXACT)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_many_songs_agree_with_scikit_learn(dtype, decimals):
    scores, truth = many_tags(decimals, dtype)
    ours = score_tags(scores, truth)
    for tag in range(len(truth)):
        expected = average_precision_score(truth[tag], scores[tag])
        np.testing.assert_allclose(ours["map"][tag], expected, **EXACT)
        expected = roc_auc_score(truth[tag], scores[tag])
        np.testing.assert_allclose(ours["roc_auc"][tag], expected, **EXACT)


@settings(max_examples=60)
@given(st.lists(scored_songs(), min_size=1, max_size=6), st.integers(1, 100))
def test_tags_scored_together_are_as_if_alone(cases, block_scores):
    """Whatever the others of their block are, and wherever the blocks end."""
    n_songs = min(len(scores) for scores, _ in cases)
    scores = np.stack([scores[:n_songs] for scores, _ in cases])
    truth = np.stack([truth[:n_songs] for _, truth in cases])  # may have lost its positives
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "BLOCK_SCORES", block_scores)
        together = score_tags(scores, truth)
    for tag in range(len(cases)):
        assert_same(score_one(scores[tag], truth[tag]), {k: v[tag] for k, v in together.items()})


def assert_scored_alike(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert list(first) == list(second) == list(METRICS)
    for name, values in first.items():
        assert values.dtype == second[name].dtype == np.float64
        np.testing.assert_allclose(values, second[name], rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decimals", [1, 12])
def test_torch_ranks_as_numpy_does(monkeypatch, dtype, decimals):
    """What a GPU computes, here on the CPU: all is torch but the sort on a CPU."""
    scores, truth = many_tags(decimals, dtype)
    scores[0, ::7], scores[1, ::5] = np.inf, -np.inf
    expected = score_tags(scores, truth)
    monkeypatch.setattr(metrics, "sort_rows", lambda values: values.sort(dim=1).values)
    assert_scored_alike(score_tags(scores, truth), expected)
    scores[0, 5] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        score_tags(scores, truth)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_scores_as_the_cpu_does():
    scores, truth = many_tags(1, np.float32)
    on_gpu = score_tags(torch.from_numpy(scores).to("cuda"), truth)
    assert_scored_alike(on_gpu, score_tags(scores, truth))


def test_arrays_tensors_and_their_layout_are_all_one():
    scores, truth = many_tags(2, np.float32)
    expected = score_tags(scores, truth)
    for change in (torch.from_numpy, np.asfortranarray, lambda x: torch.from_numpy(x.T.copy()).T):
        assert_scored_alike(score_tags(change(scores), change(truth)), expected)


def naive_precision_at_k(scores: np.ndarray, truth: np.ndarray, k: int) -> float:
    """Mean over every order of the songs that goes down in score."""
    falling = [
        order
        for order in permutations(range(len(scores)))
        if all(scores[a] >= scores[b] for a, b in pairwise(order))
    ]
    return np.mean([truth[list(order[:k])].sum() / k for order in falling])


@settings(max_examples=60)
@given(scored_songs(max_songs=6), st.integers(1, 8))
def test_precision_at_k_is_the_mean_over_orders_of_tied_songs(case, k):
    scores, truth = case
    ours = precision_at_k(rank_songs(*map(torch.from_numpy, (scores[None], truth[None]))), k)
    np.testing.assert_allclose(ours, [naive_precision_at_k(scores, truth, k)], **EXACT)


@settings(max_examples=60)
@given(scored_songs(), st.integers(0, 2**32 - 1))
def test_order_of_songs_does_not_matter(case, seed):
    scores, truth = case
    order = np.random.default_rng(seed).permutation(len(scores))
    assert_same(score_one(scores, truth), score_one(scores[order], truth[order]))


@settings(max_examples=60)
@given(scored_songs())
def test_only_the_ranking_matters(case):
    scores, truth = case
    ranks = np.unique(scores, return_inverse=True)[1].astype(np.float64)
    assert_same(score_one(scores, truth), score_one(np.exp(ranks), truth))


@settings(max_examples=60)
@given(scored_songs())
def test_values_are_shares_and_a_perfect_ranking_reaches_one(case):
    scores, truth = case
    for value in score_one(scores, truth).values():
        assert np.isnan(value) or 0 <= value <= 1
    perfect = score_one(truth.astype(np.float64), truth)
    assert perfect["map"] == 1
    assert truth.all() or perfect["roc_auc"] == 1
    assert perfect["p@10"] == min(truth.sum(), 10) / 10


def assert_same(first: dict[str, float], second: dict[str, float]) -> None:
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], **EXACT)


def test_matrix_by_hand():
    scores = np.array(
        [
            [0.9, 0.8, 0.7, 0.6],  # ranking as listed
            [0.5, 0.5, 0.1, 0.5],  # three songs share the first place
            [0.2, 0.2, 0.2, 0.2],  # all songs share it
            [0.1, 0.2, 0.3, 0.4],  # ranking backwards
        ]
    )
    truth = np.array([[1, 0, 1, 0], [1, 0, 1, 0], [1, 0, 1, 0], [1, 0, 1, 0]], dtype=bool)
    found = score_tags(scores, truth)
    assert list(found) == list(METRICS)
    np.testing.assert_allclose(
        found["map"],
        [
            (1 / 1 + 2 / 3) / 2,
            (1 / 3 + 2 / 4) / 2,
            (2 / 4 + 2 / 4) / 2,
            (1 / 2 + 2 / 4) / 2,
        ],
        **EXACT,
    )
    np.testing.assert_allclose(found["p@10"], [0.2] * 4, **EXACT)  # ten places, two positives
    # pairs won of (positive, negative): song 0 and 2 against 1 and 3, ties half
    np.testing.assert_allclose(
        found["roc_auc"], [(2 + 1) / 4, (0.5 + 0.5) / 4, (4 * 0.5) / 4, (0 + 1) / 4], **EXACT
    )


def test_precision_at_ten_by_hand():
    scores = np.array([[9, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 1, 0]], dtype=np.float32)
    truth = np.array([[1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1]], dtype=bool)
    # nine places are sure and hold two positives; three songs, two of them positive, share one
    found = score_tags(scores, truth)["p@10"]
    np.testing.assert_allclose(found, [(2 + 2 / 3) / 10], **EXACT)


def test_tag_without_positive_is_undefined_and_harms_no_other():
    scores = np.array([[0.3, 0.2, 0.1], [0.3, 0.2, 0.1]])
    found = score_tags(scores, np.array([[0, 0, 0], [1, 0, 0]]))
    for name, expected in (("map", 1.0), ("p@10", 0.1), ("roc_auc", 1.0)):
        np.testing.assert_array_equal(found[name], [np.nan, expected])


def test_tag_that_all_songs_bear_has_no_roc_auc():
    found = score_tags(np.array([[0.3, 0.2, 0.1]]), np.ones((1, 3), dtype=bool))
    assert found["map"] == 1
    np.testing.assert_allclose(found["p@10"], 0.3, **EXACT)
    assert np.isnan(found["roc_auc"]).all()


def test_infinite_scores_rank():
    found = score_one(np.array([np.inf, 0, -np.inf]), np.array([True, False, True]))
    assert found["roc_auc"] == 0.5
    np.testing.assert_allclose(found["map"], (1 + 2 / 3) / 2, **EXACT)


def test_infinite_scores_are_no_padding():
    """Of 12 songs, 11 share the ten places; a second tag has more positives, so one is padded."""
    scores = np.full((2, 12), np.inf)
    scores[:, 0] = 0
    truth = np.arange(12) >= [[8], [0]]
    found = score_tags(scores, truth)
    np.testing.assert_allclose(found["map"], [4 / 11, 1], **EXACT)
    np.testing.assert_allclose(found["p@10"], [4 / 11, 1], **EXACT)
    np.testing.assert_allclose(found["roc_auc"], [(7 / 2 + 1) / 8, np.nan], **EXACT)


def test_inputs_are_left_as_they_are():
    scores, truth = np.array([[0.1, 0.3, 0.2]]), np.array([[True, False, True]])
    score_tags(scores, truth)
    assert scores.tolist() == [[0.1, 0.3, 0.2]] and truth.tolist() == [[True, False, True]]


def test_no_tags_or_no_songs():
    for n_songs in (0, 5, 50):
        none = np.empty((0, n_songs))
        assert [len(values) for values in score_tags(none, none).values()] == [0, 0, 0]
    for values in score_tags(np.empty((2, 0)), np.empty((2, 0))).values():
        assert len(values) == 2 and np.isnan(values).all()


def test_nan_scores_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        score_tags(np.array([[0.1, np.nan]]), np.array([[True, False]]))


@pytest.mark.parametrize("shapes", [((2, 3), (3, 2)), ((2, 3), (2, 4)), ((3,), (3,))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="shapes differ"):
        score_tags(np.zeros(shapes[0]), np.zeros(shapes[1], dtype=bool))


def test_functions_of_a_ranking_by_hand():
    scores, truth = torch.tensor([[0.2, 0.1, 0.9, 0.2]]), torch.tensor([[True, False, True, False]])
    ranked = rank_songs(scores, truth)
    assert average_precision(ranked).tolist() == [(1 + 2 / 3) / 2]
    at_k = [precision_at_k(ranked, k).item() for k in (1, 2, 3, 5)]
    np.testing.assert_allclose(at_k, [1, (1 + 1 / 2) / 2, 2 / 3, 2 / 5], **EXACT)
    assert roc_auc(ranked).tolist() == [(1 + 0.5 + 1 + 1) / 4]


@pytest.mark.parametrize(("n_songs", "n_positive"), [(1, 1), (5, 1), (5, 3), (6, 2), (6, 6)])
def test_chance_map_is_the_mean_over_all_orders(n_songs, n_positive):
    truth = np.arange(n_songs) < n_positive
    orders = np.array(list(permutations(range(n_songs))), dtype=np.float64)
    found = score_tags(orders, np.tile(truth, (len(orders), 1)))["map"].mean()
    expected = chance_map(n_songs, np.array([n_positive]))
    np.testing.assert_allclose(expected, found, rtol=1e-9)


def test_chance_map_is_a_mean_over_tags():
    one, two = (chance_map(9, np.array([n])) for n in (2, 7))
    np.testing.assert_allclose(chance_map(9, np.array([2, 7])), (one + two) / 2, **EXACT)
    assert np.isnan(chance_map(9, np.array([], dtype=int)))


def test_mean_over_tags_leaves_undefined_values_out():
    nan = np.nan
    per_tag = {
        "map": np.array([nan, 0.2, 0.6, 0.1]),
        "p@10": np.array([nan, 0.4, 0.8, 0.0]),
        "roc_auc": np.array([nan, nan, 0.9, 0.5]),
    }
    every = mean_over_tags(per_tag)
    assert every == pytest.approx({"map": 0.3, "p@10": 0.4, "roc_auc": 0.7})
    some = mean_over_tags(per_tag, [1, 2])
    assert some == pytest.approx({"map": 0.4, "p@10": 0.6, "roc_auc": 0.9})
    for chosen in ([], [0], np.array([], dtype=int)):
        assert all(np.isnan(value) for value in mean_over_tags(per_tag, chosen).values())
