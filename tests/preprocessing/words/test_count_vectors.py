"""Counts of words near each other, and their PPMI, against plain loops."""

import math
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from preprocessing.words.count_vectors import SMOOTHING, count_near, count_vectors, ppmi

SENTENCES = st.lists(st.lists(st.integers(0, 4), max_size=8), max_size=6)


@given(SENTENCES, st.integers(1, 9))
def test_pairs_are_those_of_a_plain_loop(sentences, window):
    expected = np.zeros((5, 5))
    for sentence in sentences:
        for first, word in enumerate(sentence):
            for second in range(first + 1, min(first + window + 1, len(sentence))):
                expected[word, sentence[second]] += (window + 1 - (second - first)) / window
    words = np.array([word for sentence in sentences for word in sentence], dtype=np.int64)
    numbers = np.repeat(np.arange(len(sentences)), [len(sentence) for sentence in sentences])
    near = count_near(words, numbers, window, 5)
    np.testing.assert_allclose(near.toarray(), expected, rtol=1e-5)


def test_ppmi_is_that_of_a_plain_loop():
    near = np.random.default_rng(0).poisson(1.5, (6, 6)).astype(np.float32)
    context = near.sum(axis=0) ** SMOOTHING
    for word, context_word in np.ndindex(6, 6):
        n = near[word, context_word]
        share = n / near[word].sum() / (context[context_word] / context.sum())
        expected = max(0.0, math.log(share)) if n else 0.0
        found = ppmi(csr_matrix(near))[word, context_word]
        assert abs(found - expected) < 1e-5


def learn(sentences: list[list[str]], dimensions: int, sample: float = 0.0) -> np.ndarray:
    counts = Counter(word for sentence in sentences for word in sentence)
    return count_vectors(sentences, counts, dimensions=dimensions, window=2, sample=sample, seed=0)


def test_words_of_the_same_contexts_have_the_same_vector():
    sentences = [["a", "x"], ["b", "x"], ["c", "y"], ["d", "y"]] * 5
    a, x, b, c, _, d = learn(sentences, 4)
    np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(c, d, atol=1e-5)
    assert abs(a @ c) < 1e-5 < a @ b and np.isfinite(x).all()


def test_few_words_and_words_that_stand_alone():
    vectors = learn([["a"], ["b", "c"]], 10)
    assert vectors.shape == (3, 10) and vectors.dtype == np.float32
    assert not vectors[0].any() and vectors[1].any() and not vectors[:, 3:].any()


def test_frequent_words_are_thinned_out():
    sentences = [["the", "a"], ["the", "b"], ["a", "b"]] * 50
    assert not np.array_equal(learn(sentences, 3), learn(sentences, 3, sample=0.01))
