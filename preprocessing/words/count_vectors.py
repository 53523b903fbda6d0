"""Word vectors by counting which words stand near each other, and factorising the counts.

On texts of a few million words this finds more than word2vec, which learns from one pair at a time
(Levy, Goldberg, Dagan: "Improving distributional similarity with lessons learned from word
embeddings", TACL 2015; the choices here are theirs).
"""

from collections.abc import Iterable, Mapping
from itertools import islice

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.utils.extmath import randomized_svd

SMOOTHING = 0.75  # of how often a context is met: rare ones would count too much

_BLOCK = 100_000  # sentences whose pairs are counted at once


def count_vectors(
    sentences: Iterable[list[str]],
    counts: Mapping[str, int],
    *,
    dimensions: int,
    window: int,
    sample: float,
    seed: int,
) -> np.ndarray:
    """Learn vectors from positive pointwise mutual information (PPMI).

    Parameters
    ----------
    sentences : iterable of list of str
        The text.
    counts : mapping of str to int
        The words to learn, in the order of the rows, and how often each occurs.
    dimensions, window, sample, seed
        As in `Recipe`; the seed is that of thinning and of the randomised factorisation.

    Returns
    -------
    ndarray of float32, shape (words, dimensions)
        Zeros for words that are never near another, and where there are more dimensions than words.
    """
    rng = np.random.default_rng(seed)
    share = np.array(list(counts.values())) / max(1, sum(counts.values()))
    kept = np.minimum(1, np.sqrt(sample / share)) if sample else np.ones(len(share))
    row_of = {word: row for row, word in enumerate(counts)}
    near = csr_matrix((len(counts), len(counts)), dtype=np.float32)
    stream = iter(sentences)
    while block := list(islice(stream, _BLOCK)):
        rows, places = [], []
        for number, words in enumerate(block):
            found = [row for word in words if (row := row_of.get(word)) is not None]
            rows += found
            places += [number] * len(found)
        words_of, sentence_of = np.array(rows, dtype=np.int64), np.array(places, dtype=np.int64)
        stay = rng.random(len(words_of)) < kept[words_of]
        near += count_near(words_of[stay], sentence_of[stay], window, len(counts))
    rank = min(dimensions, len(counts))
    surprise = ppmi(near + near.T)
    u, sizes, _ = randomized_svd(surprise, rank, n_iter=4, random_state=seed)
    vectors = np.zeros((len(counts), dimensions), dtype=np.float32)
    vectors[:, :rank] = u * np.sqrt(sizes)
    vectors[surprise.getnnz(axis=1) == 0] = 0  # not what rounding left
    return vectors


def count_near(words: np.ndarray, sentences: np.ndarray, window: int, n_words: int) -> csr_matrix:
    """Count the pairs of words of a sentence that are at most `window` apart.

    Parameters
    ----------
    words, sentences : ndarray of int64, shape (n,)
        The words of a text, and which sentence each is in.
    window : int
        A pair at distance d counts (window + 1 - d) / window, as in word2vec on average.
    n_words : int
        Size of the vocabulary.

    Returns
    -------
    csr_matrix of float32, shape (n_words, n_words)
        Row: the word before; column: the word behind.
    """
    near = csr_matrix((n_words, n_words), dtype=np.float32)
    for distance in range(1, window + 1):
        together = sentences[distance:] == sentences[:-distance]
        first, second = words[:-distance][together], words[distance:][together]
        weight = np.full(len(first), (window + 1 - distance) / window, dtype=np.float32)
        near += coo_matrix((weight, (first, second)), shape=near.shape).tocsr()
    return near


def ppmi(near: csr_matrix) -> csr_matrix:
    """How much oftener than by chance a word and a context meet: max(0, log P(w, c) / P(w) P(c)).

    Parameters
    ----------
    near : csr_matrix of float, shape (V, V)
        How often they meet.

    Returns
    -------
    csr_matrix of float32, shape (V, V)
    """
    pairs = near.tocoo()
    of_word = np.asarray(near.sum(axis=1), dtype=np.float64).ravel()
    of_context = np.asarray(near.sum(axis=0), dtype=np.float64).ravel() ** SMOOTHING
    of_context /= max(of_context.sum(), 1e-12)
    surprise = np.log(pairs.data / (of_word[pairs.row] * of_context[pairs.col]))
    more = surprise > 0
    kept = surprise[more].astype(np.float32), (pairs.row[more], pairs.col[more])
    return csr_matrix(kept, shape=near.shape)
