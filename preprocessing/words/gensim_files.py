"""Reading gensim's own files of word vectors.

They come from the internet, and are pickles, which may run any code when loaded. So they are not
loaded by gensim: `_ShellUnpickler` turns the classes that such files name into empty shells, from
which the words and their vectors are taken.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from dataset.files import read_npy
from dataset.plain_pickle import PlainUnpickler
from errors import UserError, one_line

MAGIC = b"\x80"  # of a pickle of protocol 2 or above

_WORDS = ("index_to_key", "index2word", "index2entity")

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


def read_gensim(stream: BinaryIO, file: Path) -> tuple[list[str], np.ndarray]:
    """Take words and vectors out of a file that gensim's `save` wrote, of a model or of vectors.

    gensim 3.8 calls the words index2word (index2entity, if not words), gensim 4 index_to_key. Both
    keep big arrays in files of their own beside it, listed in the attribute `__numpys`.
    """
    try:
        saved = _ShellUnpickler(stream, encoding="latin1").load()  # as gensim, for Python 2
    except Exception as error:  # a damaged pickle raises nearly anything
        raise UserError(f"{file} is not a file of gensim word vectors: {one_line(error)}") from None
    attributes = dict(getattr(saved, "__dict__", {}))
    arrays = str(file)
    if "wv" in attributes:  # a whole model; its vectors are one of its parts
        attributes = dict(getattr(attributes["wv"], "__dict__", {}))
        arrays += ".wv"
    words = next((attributes[name] for name in _WORDS if name in attributes), None)
    matrix = attributes.get("vectors")
    if "vectors" in attributes.get("__numpys", ()):
        array = Path(f"{arrays}.vectors.npy")
        if not array.is_file():
            raise UserError(f"{file} needs {array.name} beside it: put both into the same folder")
        matrix = read_npy(array)
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
    return words, matrix
