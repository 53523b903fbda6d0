"""Reading a TensorFlow checkpoint without TensorFlow: the tensors as they lie, nothing is executed.

A checkpoint ("tensor bundle") is an index and a file of numbers. The index is a table of LevelDB
(github.com/google/leveldb, doc/table_format.md): sorted blocks of keys and values, found from a
footer. A value is a message of protocol buffers, `BundleEntryProto`
(github.com/tensorflow/tensorflow, core/protobuf/tensor_bundle.proto): type, shape, place, size.
"""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48  # bytes
_FLOAT32 = 1  # of TensorFlow's types


def read_bundle(index: bytes, numbers: bytes) -> dict[str, np.ndarray]:
    """Read the float32 tensors of a checkpoint in one part, written on a little-endian machine.

    Parameters
    ----------
    index, numbers : bytes
        The content of the two files, `.index` and `.data-00000-of-00001`.

    Returns
    -------
    dict of str to ndarray
        Name -> tensor, a view of `numbers`.

    Raises
    ------
    ValueError
        The index is no such table, or it is compressed.
    """
    if len(index) < _FOOTER or struct.unpack("<Q", index[-8:])[0] != _MAGIC:
        raise ValueError("no table of LevelDB")
    _, _, start, size = _varints(index[-_FOOTER:], 4)  # past the meta index: the index of blocks
    tensors = {}
    for _, place in _entries(index, start, size):
        for name, message in _entries(index, *_varints(place, 2)):
            entry = dict(_fields(message))
            if name and entry.get(1) == _FLOAT32:
                shape = [dict(_fields(dim)).get(1, 0) for _, dim in _fields(entry.get(2, b""))]
                flat = np.frombuffer(numbers, "<f4", entry[5] // 4, entry.get(4, 0))
                tensors[name.decode()] = flat.reshape(shape)
    return tensors


def _entries(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key names how much of the key before it begins with."""
    if table[start + size]:
        raise ValueError("a compressed table, which is not read here")
    block = table[start : start + size]
    (n_restarts,) = struct.unpack("<I", block[-4:])
    position, key = 0, b""
    while position < len(block) - 4 - 4 * n_restarts:
        (n_shared, n_new, n_value), position = _varints_at(block, position, 3)
        key = key[:n_shared] + block[position : position + n_new]
        position += n_new + n_value
        yield key, block[position - n_value : position]


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of the fields of a message of protocol buffers."""
    position = 0
    while position < len(message):
        (tag,), position = _varints_at(message, position, 1)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            (value,), position = _varints_at(message, position, 1)
            yield number, value
            continue
        if kind == 2:
            (size,), position = _varints_at(message, position, 1)
        else:
            size = 4 if kind == 5 else 8
        yield number, message[position : position + size]
        position += size


def _varints(content: bytes, count: int) -> list[int]:
    return _varints_at(content, 0, count)[0]


def _varints_at(content: bytes, position: int, count: int) -> tuple[list[int], int]:
    """Numbers of seven bits a byte, the lowest first, from a position; and where they end."""
    values = []
    for _ in range(count):
        value = shift = 0
        while True:
            byte = content[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        values.append(value)
    return values, position
