"""Reading a file of word vectors: of which format it is, and whether it holds what it should.

A file is taken for what it holds, whatever its name: text (word2vec, GloVe, fastText's .vec),
word2vec binary, fastText binary, gensim's own, plain or compressed, or a wheel of spaCy. Any bytes
are some float32, so numbers of a size that no training gives mean that a file was read wrongly.
The readers raise `ValueError` or one of `DAMAGE` where a file is not whole or of another kind.
"""

import codecs
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from gensim.models import KeyedVectors

from dataset.bounded import memory_bounded_by
from dataset.files import normal_form, some
from errors import UserError
from preprocessing.words import fasttext_files, gensim_files, spacy_files
from preprocessing.words.packed_files import DAMAGE, open_unpacked
from preprocessing.words.word2vec_files import count_numbers, read_binary, read_text, sizes_in
from progress import progress

FOLDER_SUFFIX = "_w2v"  # of a folder of vectors in a dataset directory
GENSIM_SUFFIXES = (".kv", ".model")

_HEAD = 1 << 16  # bytes that tell the format
_LARGEST = 1e6
_SMALLEST = 1e-18  # above any float32 whose last byte is a space


def model_files(folder: Path) -> list[Path]:
    """List the gensim files of a folder, without the arrays that gensim stores beside them."""
    files = (file for file in folder.glob("*") if file.suffix in GENSIM_SUFFIXES)
    return sorted(file for file in files if file.is_file())


def load_vectors(file: Path) -> KeyedVectors:
    """Load the vectors of one file.

    Parameters
    ----------
    file : Path
        word2vec, text or binary; GloVe; fastText, .vec or .bin; or gensim's own, from version 3.8
        on. It may be compressed (gzip, bzip2, xz). Or a wheel of spaCy.

    Returns
    -------
    gensim.models.KeyedVectors
        float32 vectors, shape (words, D), by words in `normal_form`; the first of two equal words
        counts.

    Raises
    ------
    UserError
        The file is of no such format, is damaged, or its numbers are no word vectors'.
    """
    if file.is_dir():
        raise UserError(
            f"{file} holds several sets of word vectors "
            f"({some([one.name for one in model_files(file)])}): give one file, or leave one there"
        )
    total = file.stat().st_size
    with progress(None, file.name, total, unit="B", unit_scale=True) as bar:
        try:
            with memory_bounded_by(file), open_unpacked(file, bar.update) as stream:
                read = _reader_for(stream, file)
                words, matrix, *shared = read(stream)
            _check(words, matrix, _SMALLEST if read is read_binary else 0.0)
        except (*DAMAGE, ValueError, MemoryError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(
                f"{file} cannot be read as word vectors ({reason}): get it again, or give another "
                "file of word2vec, GloVe, fastText or gensim"
            ) from None
    vectors = _keyed_vectors([normal_form(word) for word in words], matrix)
    for row_of in shared:  # more words than rows
        vectors.key_to_index = {normal_form(word): row for word, row in row_of.items()}
    return vectors


def _reader_for(stream: BinaryIO, file: Path) -> Callable[[BinaryIO], tuple]:
    """Tell the format by the first bytes, and leave the stream where its reader begins."""
    head = stream.read(_HEAD)
    text = head.removeprefix(codecs.BOM_UTF8)
    stream.seek(len(head) - len(text))
    if head.startswith(gensim_files.MAGIC):
        return lambda stream: gensim_files.read_gensim(stream, file)
    if head.startswith(spacy_files.MAGIC):
        return lambda stream: spacy_files.read_spacy(file)
    if head.startswith(fasttext_files.MAGIC):
        return fasttext_files.read_fasttext
    first, _, rest = text.partition(b"\n")
    if sizes_in(first) is None and count_numbers(first) < 2:
        raise ValueError("it begins like none of their formats")
    is_text = sizes_in(first) is None or count_numbers(rest.partition(b"\n")[0])
    return read_text if is_text else read_binary


def _check(words: list[str], matrix: np.ndarray, smallest: float) -> None:
    """Raise `ValueError` for numbers that no training gives, and where words are no UTF-8."""
    if not matrix.size:
        raise ValueError("it has no words, or no numbers")
    for start in range(0, len(matrix), 256):
        size = np.abs(matrix[start : start + 256])
        odd = ~(size <= _LARGEST) | ((size > 0) & (size < smallest))
        if odd.any():
            word = words[start + odd.any(axis=1).argmax()]
            hint = ", as if a word before held a space" if smallest else ""
            raise ValueError(f"{word!r} has numbers such as {size[odd][0]:.0e}{hint}")
    n_foreign = sum("\N{REPLACEMENT CHARACTER}" in word for word in words)
    if n_foreign * 100 > len(words):  # a few are in real files, cut within a letter
        raise ValueError(f"{n_foreign} of its {len(words)} words are not UTF-8")


def _keyed_vectors(words: list[str], matrix: np.ndarray) -> KeyedVectors:
    vectors = KeyedVectors(matrix.shape[1])
    vectors.vectors = np.ascontiguousarray(matrix, dtype=np.float32)
    vectors.index_to_key = words
    vectors.key_to_index = {word: len(words) - 1 - i for i, word in enumerate(reversed(words))}
    vectors.next_index = len(words)
    return vectors
