"""Pairs and negatives: distributions, naive references, rows without answer."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sampler import (
    NEGATIVE_WEIGHTINGS,
    STREAMS,
    PairSampler,
    draw_tags,
    epoch_seed,
    mine_negatives,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# songs x tags; song 3 has no tag, tag 3 has no song among the training songs 0..3
SONG_TAGS = torch.tensor(
    [
        [1, 1, 0, 0],
        [1, 0, 0, 0],
        [1, 1, 1, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 1],
    ],
    dtype=torch.bool,
)
TRAIN = torch.tensor([2, 0, 3, 1])


def pair_frequencies(is_balanced: bool, n: int = 60_000) -> np.ndarray:
    tags, songs = PairSampler(SONG_TAGS, TRAIN, is_balanced).draw(n, generator())
    counts = torch.zeros(SONG_TAGS.shape)
    counts.index_put_((songs, tags), torch.ones(n), accumulate=True)
    return (counts / n).numpy()


def test_further_tags_are_all_tags_of_the_song_alike():
    songs = torch.tensor([2, 1, 0, 2])
    tags = draw_tags(SONG_TAGS, songs, 30_000, generator())
    assert tags.shape == (4, 30_000)
    counts = torch.stack([torch.bincount(row, minlength=4) for row in tags]) / 30_000
    expected = SONG_TAGS[songs] / SONG_TAGS[songs].sum(dim=1, keepdim=True)
    assert (counts[~SONG_TAGS[songs]] == 0).all()
    torch.testing.assert_close(counts, expected, atol=0.015, rtol=0)


def test_random_pairs_draw_a_song_then_one_of_its_tags():
    expected = np.zeros(SONG_TAGS.shape)
    expected[0, [0, 1]] = 1 / 3 / 2
    expected[1, 0] = 1 / 3
    expected[2, [0, 1, 2]] = 1 / 3 / 3
    np.testing.assert_allclose(pair_frequencies(is_balanced=False), expected, atol=0.01)


def test_balanced_pairs_draw_a_tag_then_one_of_its_songs():
    expected = np.zeros(SONG_TAGS.shape)
    expected[[0, 1, 2], 0] = 1 / 3 / 3
    expected[[0, 2], 1] = 1 / 3 / 2
    expected[2, 2] = 1 / 3
    np.testing.assert_allclose(pair_frequencies(is_balanced=True), expected, atol=0.01)


@given(
    st.integers(1, 12), st.integers(1, 6), st.integers(0, 10_000), st.booleans(), st.integers(1, 40)
)
def test_pairs_are_annotations_of_training_songs(n_songs, n_tags, seed, is_balanced, n):
    song_tags = torch.rand(n_songs, n_tags, generator=generator(seed)) < 0.3
    song_tags[0, 0] = True
    train = torch.randperm(n_songs, generator=generator(seed))[: n_songs // 2 + 1]
    train = torch.unique(torch.cat([train, torch.tensor([0])]))
    tags, songs = PairSampler(song_tags, train, is_balanced).draw(n, generator(seed))
    assert tags.shape == songs.shape == (n,)
    assert song_tags[songs, tags].all()
    assert torch.isin(songs, train).all()


@pytest.mark.parametrize("weighting", NEGATIVE_WEIGHTINGS)
def test_half_precision_draws_from_the_whole_batch(weighting):
    similarity = torch.zeros(4000, 1024, dtype=torch.bfloat16)
    allowed = torch.ones_like(similarity, dtype=torch.bool)
    index, _ = mine_negatives(similarity, allowed, weighting, 256, generator())
    assert len(index.unique()) > 950  # of 1024, 4000 times: 20 missing are expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
@pytest.mark.parametrize("weighting", NEGATIVE_WEIGHTINGS)
def test_draws_on_a_gpu_are_annotations_and_candidates(weighting):
    on_gpu = torch.Generator("cuda").manual_seed(0)
    tags, songs = PairSampler(SONG_TAGS.to("cuda"), TRAIN.to("cuda"), True).draw(1000, on_gpu)
    assert SONG_TAGS.to("cuda")[songs, tags].all()
    index, is_valid = mine_negatives(
        SIMILARITY.to("cuda"), CANDIDATE.to("cuda"), weighting, 256, on_gpu
    )
    assert is_valid.all() and CANDIDATE.to("cuda").gather(1, index[:, None]).all()


def test_same_generator_same_pairs():
    sampler = PairSampler(SONG_TAGS, TRAIN, is_balanced=True)
    first, second, other = (sampler.draw(50, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not (torch.equal(first[0], other[0]) and torch.equal(first[1], other[1]))


def naive_weights(similarity, is_candidate, weighting, n_dims) -> np.ndarray:
    """Draw probabilities, one row and one candidate at a time."""
    rows = []
    for cosines, allowed in zip(similarity.tolist(), is_candidate.tolist(), strict=True):
        logs = []
        for cosine, may in zip(cosines, allowed, strict=True):
            if not may:
                logs.append(-math.inf)
            elif weighting == "uniform":
                logs.append(0.0)
            elif weighting == "similarity":
                logs.append(math.log((1 + cosine) / 2))
            else:
                d = min(max(math.sqrt(2 - 2 * cosine), 0.5), math.sqrt(2))
                density = (n_dims - 2) * math.log(d)
                density += (n_dims - 3) / 2 * math.log(1 - d * d / 4)
                logs.append(-density)
        weights = np.exp(np.array(logs) - max(logs))
        rows.append(weights / weights.sum())
    return np.array(rows)


SIMILARITY = torch.tensor([[0.9, 0.2, -0.3, 0.5], [0.1, -0.6, 0.4, 0.95], [0.3, 0.25, 0.2, 0.1]])
CANDIDATE = torch.tensor([[0, 1, 1, 1], [1, 1, 0, 1], [1, 0, 1, 1]], dtype=torch.bool)


@pytest.mark.parametrize("weighting", NEGATIVE_WEIGHTINGS)
def test_negatives_follow_their_weights(weighting):
    n, n_dims = 30_000, 8
    index, is_valid = mine_negatives(
        SIMILARITY.repeat(n, 1), CANDIDATE.repeat(n, 1), weighting, n_dims, generator()
    )
    drawn = torch.nn.functional.one_hot(index.view(n, 3), 4).float().mean(dim=0)
    assert is_valid.all()
    expected = naive_weights(SIMILARITY, CANDIDATE, weighting, n_dims)
    np.testing.assert_allclose(drawn.numpy(), expected, atol=0.012)


def test_distance_weights_prefer_near_songs_more_than_similarity_weights():
    def mean_similarity(weighting):
        similarity = torch.rand(400, 50, generator=generator(3)) * 1.2 - 0.6
        allowed = torch.ones_like(similarity, dtype=torch.bool)
        index, _ = mine_negatives(similarity, allowed, weighting, 256, generator())
        return similarity.gather(1, index[:, None]).mean()

    assert mean_similarity("uniform") < mean_similarity("similarity") < mean_similarity("distance")


@pytest.mark.parametrize("weighting", NEGATIVE_WEIGHTINGS)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1), lowest=st.sampled_from([-1.0, 0.9]))
def test_a_negative_is_a_candidate_or_the_row_is_invalid(weighting, seed, share, lowest):
    similarity = torch.rand(6, 6, generator=generator(seed)) * (1 - lowest) + lowest
    similarity[0] = -1  # the far end, where plain weights vanish
    similarity[1] = 1
    is_candidate = torch.rand(6, 6, generator=generator(seed + 1)) < share
    index, is_valid = mine_negatives(similarity, is_candidate, weighting, 256, generator(seed))
    assert torch.equal(is_valid, is_candidate.any(dim=1))
    chosen = is_candidate.gather(1, index[:, None]).squeeze(1)
    assert torch.equal(chosen, is_valid)


def test_unknown_weighting_is_refused():
    with pytest.raises(ValueError, match="uniform"):
        mine_negatives(SIMILARITY, CANDIDATE, "hardest", 8, generator())


def test_epoch_seeds_differ_by_stream_seed_epoch_and_process():
    seeds = {
        (*key, rank): epoch_seed(*key, rank)
        for *key, rank in product(STREAMS, (0, 1, 2**40), range(50), range(8))
    }
    assert len(set(seeds.values())) == len(seeds)
    assert epoch_seed("negatives", 1, 2, 3) == seeds["negatives", 1, 2, 3]
