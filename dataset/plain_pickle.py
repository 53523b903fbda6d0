"""Unpickling plain data, and nothing else: a pickle from the internet must not run code.

numpy's own reconstruction is not safe either: the state of a dtype, or of an array of objects, can
declare bytes of the file to be addresses. So stand-ins take the place of all that a pickle names.
"""

import pickle

import numpy as np


class _PlainDtype:
    """Stands for `numpy.dtype` in a pickle: numbers and strings, and no state but byte order."""

    def __init__(self, code: str, *_flags: bool):
        self.dtype = np.dtype(code)
        if self.dtype.kind not in "biufSU":
            raise pickle.UnpicklingError(f"it holds an array of {self.dtype}, not of plain data")

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _PlainArray(np.ndarray):
    """Stands for `numpy.ndarray` in a pickle."""

    def __setstate__(self, state: tuple) -> None:
        version, shape, plain, is_fortran, content = state
        super().__setstate__((version, shape, plain.dtype, is_fortran, content))


def _empty_array(*_arguments) -> _PlainArray:
    """Begin an array; its state follows in the pickle."""
    return np.empty(0).view(_PlainArray)


def _array_from_buffer(buffer: bytes, plain: _PlainDtype, *layout) -> np.ndarray:
    return np._core.numeric._frombuffer(buffer, plain.dtype, *layout)  # type: ignore[attr-defined]


def _scalar(plain: _PlainDtype, content: bytes) -> np.generic:
    return np._core.multiarray.scalar(plain.dtype, content)  # type: ignore[attr-defined]


def _encode_latin1(text: str, encoding: str) -> bytes:
    """The one call of `_codecs.encode` that pickles of bytes contain."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"unexpected encoding {encoding}")
    return text.encode("latin1")


_STANDS_FOR = {  # what a pickle of plain data may name
    "numpy.ndarray": None,  # the argument of _reconstruct, never called
    "numpy.dtype": _PlainDtype,
    "numpy.core.multiarray._reconstruct": _empty_array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _array_from_buffer,
    "_codecs.encode": _encode_latin1,
}


class PlainUnpickler(pickle.Unpickler):
    """Unpickler of dicts, lists, tuples, str, bytes, numbers and numpy arrays; of nothing else."""

    def find_class(self, module: str, name: str):
        key = f"{module}.{name}".replace("numpy._core.", "numpy.core.")  # numpy 2, numpy 1
        if key not in _STANDS_FOR:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not plain data")
        return _STANDS_FOR[key]
