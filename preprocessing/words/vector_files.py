"""Reading word vectors from files: word2vec's binary format and gensim's own.

Model files come from the internet, and gensim's are pickles, which may run any code when loaded.
Here they are not loaded by gensim: `_ShellUnpickler` turns the classes that such files name into
empty shells, from which the words and their vectors are taken.
"""

import gzip
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from gensim.models import KeyedVectors
from tqdm import tqdm

from dataset.files import read_npy, some
from dataset.plain_pickle import PlainUnpickler
from errors import UserError, one_line

BINARY_SUFFIXES = (".bin", ".bin.gz")
GENSIM_SUFFIXES = (".kv", ".model")

_WORDS = ("index_to_key", "index2word", "index2entity")
_BLOCK = 1 << 22  # bytes to read at a time

# What gensim files name besides numpy arrays and gensim's own classes; protocol 2 writes the names
# of Python 2.
_SHELLS = {
    ("builtins", "hash"),
    ("__builtin__", "hash"),
    ("builtins", "int"),
    ("__builtin__", "int"),
    ("__builtin__", "long"),
    ("collections", "defaultdict"),
}


def model_files(folder: Path) -> list[Path]:
    """List the gensim files of a folder, without the arrays that gensim stores beside them."""
    files = (file for file in folder.glob("*") if file.suffix in GENSIM_SUFFIXES)
    return sorted(file for file in files if file.is_file())


def load_vectors(file: Path) -> KeyedVectors:
    """Load the vectors of one file.

    Parameters
    ----------
    file : Path
        word2vec binary (`.bin`, `.bin.gz`, `.gz`), or gensim's own format (`.kv`, `.model`).

    Returns
    -------
    gensim.models.KeyedVectors
        float32 vectors, shape (words, D).

    Raises
    ------
    UserError
        The file is damaged, holds no word vectors, or names what no gensim file does.
    """
    if file.is_dir():
        raise UserError(
            f"{file} holds several sets of word vectors "
            f"({some([one.name for one in model_files(file)])}): give one file, or leave one there"
        )
    if file.suffix in GENSIM_SUFFIXES:
        return _load_gensim(file)
    if file.suffix in (".bin", ".gz"):
        return _load_binary(file)
    raise UserError(
        f"{file} is no format that is read here: give a word2vec binary (.bin, .bin.gz) or a "
        "gensim file (.kv, .model)"
    )


def _load_binary(file: Path) -> KeyedVectors:
    """Read the binary format of the original word2vec program.

    It is a line 'words dimensions', then each word, a space, and its numbers as float32.
    """
    with (
        open(file, "rb") as raw,
        tqdm.wrapattr(raw, "read", total=file.stat().st_size, desc=file.name) as counted,
    ):
        try:
            return _read_binary(gzip.open(counted) if file.suffix == ".gz" else counted)
        except (ValueError, EOFError, OSError, MemoryError, zlib.error) as error:
            raise UserError(
                f"{file} is not a whole word2vec binary ({one_line(error)}): get it again"
            ) from None


def _read_binary(stream: BinaryIO) -> KeyedVectors:
    header, _, buffer = stream.read(_BLOCK).partition(b"\n")
    n_words, dimensions = (int(number) for number in header[:100].split())
    if not (n_words > 0 and 0 < dimensions < _BLOCK // 4):
        raise ValueError(f"it begins with {n_words} words of {dimensions} dimensions")
    matrix = np.empty((n_words, dimensions), dtype=np.float32)
    words = []
    start = 0  # of the next word in the buffer
    for row in range(n_words):
        space = buffer.find(b" ", start)
        end = space + 1 + 4 * dimensions
        while space < 0 or end > len(buffer):
            block = stream.read(_BLOCK)
            if not block:
                raise EOFError(f"it ends after {row} of {n_words} words")
            buffer, start = buffer[start:] + block, 0
            space = buffer.find(b" ")
            end = space + 1 + 4 * dimensions
        # Some writers end each vector with a newline, and the original cut words at 50 bytes.
        words.append(buffer[start:space].lstrip(b"\n").decode("utf-8", errors="replace"))
        matrix[row] = np.frombuffer(buffer, dtype="<f4", count=dimensions, offset=space + 1)
        start = end
    return _keyed_vectors(words, matrix)


def _keyed_vectors(words: list[str], matrix: np.ndarray) -> KeyedVectors:
    """Join words and their vectors; the first of two equal words counts."""
    vectors = KeyedVectors(matrix.shape[1])
    vectors.vectors = np.ascontiguousarray(matrix, dtype=np.float32)
    vectors.index_to_key = words
    vectors.key_to_index = {word: len(words) - 1 - i for i, word in enumerate(reversed(words))}
    vectors.next_index = len(words)
    return vectors


class _Shell:
    """Stands for any class or function that a gensim file names; keeps attributes, does nothing."""

    def __init__(self, *_):
        pass

    def __setstate__(self, state):
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __setitem__(self, key, value):
        pass  # a counter of raw words, which nobody needs


class _ShellUnpickler(PlainUnpickler):
    """Unpickler of plain data that puts a `_Shell` for what gensim files hold besides.

    Nothing that the file names is imported or called. The names still have to be those of a
    gensim file (3.8 to 4.4), so that anything else is refused aloud.
    """

    def find_class(self, module: str, name: str):
        if module.startswith(("gensim.", "numpy.random")) or (module, name) in _SHELLS:
            return _Shell
        return super().find_class(module, name)


def _load_gensim(file: Path) -> KeyedVectors:
    """Take words and vectors out of a file that gensim's `save` wrote, of a model or of vectors.

    gensim 3.8 calls the words index2word (index2entity, if not words), gensim 4 index_to_key. Both
    keep big arrays in files of their own beside it, listed in the attribute `__numpys`.
    """
    with open(file, "rb") as stream:
        try:
            saved = _ShellUnpickler(stream, encoding="latin1").load()  # as gensim, for Python 2
        except Exception as error:  # a damaged pickle raises nearly anything
            raise UserError(
                f"{file} is not a file of gensim word vectors: {one_line(error)}"
            ) from None
    attributes = dict(getattr(saved, "__dict__", {}))
    arrays = str(file)
    if "wv" in attributes:  # a whole model; its vectors are one of its parts
        attributes = dict(getattr(attributes["wv"], "__dict__", {}))
        arrays += ".wv"
    words = next((attributes[name] for name in _WORDS if name in attributes), None)
    matrix = attributes.get("vectors")
    if "vectors" in attributes.get("__numpys", ()):
        matrix = _array_beside(file, Path(f"{arrays}.vectors.npy"))
    return _checked(file, words, matrix)


def _array_beside(file: Path, array: Path) -> np.ndarray:
    if not array.is_file():
        raise UserError(f"{file} needs {array.name} beside it: put both into the same folder")
    return read_npy(array)


def _checked(file: Path, words, matrix) -> KeyedVectors:
    if not (
        isinstance(words, list)
        and all(isinstance(word, str) for word in words)
        and isinstance(matrix, np.ndarray)
        and matrix.ndim == 2
        and matrix.dtype.kind == "f"
        and len(matrix) == len(words) > 0
    ):
        raise UserError(
            f"{file} holds no word vectors of gensim's Word2Vec or KeyedVectors: give another file"
        )
    return _keyed_vectors(words, matrix)
