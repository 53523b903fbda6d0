"""Reading fastText's own binary files (.bin), of which a word's vector has to be put together.

gensim has a reader too, but it reads on for ever where a file is cut, and holds all numbers thrice.
"""

import struct
from typing import BinaryIO

import numpy as np
from gensim.models.fasttext import ft_ngram_hashes

from preprocessing.words.word2vec_files import BLOCK, read_records

MAGIC = struct.pack("<i", 793712314)


def read_fasttext(stream: BinaryIO) -> tuple[list[str], np.ndarray]:
    """Read the words of a model and their vectors.

    As in fastText's `getWordVector`, a word's vector is the mean of its own row and of the rows of
    its n-grams, which stand behind the words in as many rows as there are buckets.

    Raises
    ------
    ValueError, EOFError
        The file is no model, is quantised (.ftz), or is not whole.
    """
    # magic, version, dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn,
    # lrUpdateRate, t; then the sizes of the dictionary: all, words, labels, tokens, pruned
    _, version, dim, *_, bucket, minn, maxn, _, _ = struct.unpack("<14id", _take(stream, 64))
    n_entries, n_words, n_labels, _, n_pruned = struct.unpack("<3i2q", _take(stream, 28))
    if version not in (11, 12) or n_words + n_labels != n_entries or n_pruned > 0:
        raise ValueError("it is a quantised fastText model (.ftz), or none")
    entries, _ = read_records(stream, n_entries, b"\0", 9)  # each with its count and kind
    rows, columns = _matrix_shape(stream)
    if (rows, columns) != (n_words + bucket, dim) or min(bucket, minn, maxn) < 0:
        raise ValueError(f"{rows} rows of {columns} numbers do not fit the model")
    numbers = _take(stream, 4 * rows * columns)
    matrix = np.frombuffer(numbers, dtype="<f4").reshape(rows, columns)
    rows, columns = _matrix_shape(stream)  # of what it predicts with, which nobody needs
    if sum(map(len, iter(lambda: stream.read(BLOCK), b""))) != 4 * rows * columns:
        raise EOFError("it does not end where it should")
    words, vectors, ngrams = entries[:n_words], matrix[:n_words], matrix[n_words:]
    for vector, word in zip(vectors, words, strict=True):
        if bucket and word != "</s>":
            hashes = ft_ngram_hashes(word, minn, maxn, bucket)
            with np.errstate(all="ignore"):  # the numbers are checked when all are there
                vector += ngrams[hashes].sum(axis=0)
                vector /= len(hashes) + 1
    return words, vectors


def _matrix_shape(stream: BinaryIO) -> tuple[int, int]:
    is_quantised, rows, columns = struct.unpack("<?2q", _take(stream, 17))
    if is_quantised:
        raise ValueError("it is a quantised fastText model (.ftz)")
    return rows, columns


def _take(stream: BinaryIO, size: int) -> bytearray:
    """Read `size` bytes; never make room for more than there are, whatever a file claims."""
    taken = bytearray()
    while len(taken) < size and (block := stream.read(min(BLOCK, size - len(taken)))):
        taken += block
    if len(taken) < size:
        raise EOFError("it breaks off")
    return taken
