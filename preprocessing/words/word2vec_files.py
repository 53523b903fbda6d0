"""Reading word2vec's formats, binary and text; GloVe's text and fastText's .vec are of the same.

gensim has readers too, but they take any bytes for numbers and stop where a file says, not where
it ends. Nothing is believed here that a file claims: room is made as numbers come.
"""

import os
import re
from array import array
from typing import BinaryIO

import numpy as np

BLOCK = 1 << 22  # bytes to read at a time

_LONGEST_WORD = 1000  # bytes
_NO_WORD = re.compile(rb"[\0\t\n\r]|\A\Z")
_NUMBER = re.compile(rb"[-+]?(\.?[0-9]+\.?[0-9]*(e[-+]?[0-9]+)?|nan|inf(inity)?)", re.IGNORECASE)
_HEADER = re.compile(rb"\s*([0-9]{1,12})\s+([0-9]{1,5})\s*")


def sizes_in(line: bytes) -> tuple[int, int] | None:
    """Numbers of words and dimensions in the first line of a file, or None if it has none."""
    header = _HEADER.fullmatch(line)
    return (int(header[1]), int(header[2])) if header else None


def read_binary(stream: BinaryIO) -> tuple[list[str], np.ndarray]:
    """Read the binary format of the original word2vec program.

    It is a line 'words dimensions', then each word, a space, and its numbers as float32, with or
    without a newline behind. A word that holds a space cannot be told from its numbers.

    Raises
    ------
    ValueError, EOFError
        The file is of another kind, is not whole, or goes on after its last word.
    """
    n_words, dimensions = sizes_in(stream.readline()) or (0, 0)
    words, numbers = read_records(stream, n_words, b" ", 4 * dimensions)
    if stream.read(1):
        raise ValueError("it goes on after its last word: a word holds a space, or it is damaged")
    return words, np.frombuffer(numbers, dtype="<f4").reshape(n_words, dimensions)


def read_records(
    stream: BinaryIO, n_records: int, end_of_word: bytes, size: int
) -> tuple[list[str], bytearray]:
    """Read words that are each followed by `size` bytes: the words, and all those bytes.

    The stream is left where the records end.
    """
    words: list[str] = []
    contents = bytearray()
    buffer, start = b"", 0  # of the next record in the buffer
    for row in range(n_records):
        while len(buffer) - start < _LONGEST_WORD + size + 2 and (block := stream.read(BLOCK)):
            buffer, start = buffer[start:] + block, 0
        end_of = buffer.find(end_of_word, start, start + _LONGEST_WORD)
        end = end_of + 1 + size
        if end_of < 0 or end > len(buffer):
            raise EOFError(f"it breaks off, or goes wrong, after {row} of {n_records} words")
        words.append(_word(buffer[start:end_of]))
        contents += buffer[end_of + 1 : end]
        start = end + (buffer[end : end + 1] == b"\n")
    stream.seek(start - len(buffer), os.SEEK_CUR)
    return words, contents


def _word(raw: bytes) -> str:
    if _NO_WORD.search(raw):
        raise ValueError(f"{raw[:20]!r} is no word")
    return raw.decode("utf-8", errors="replace")  # the original program cut words at 50 bytes


def read_text(stream: BinaryIO) -> tuple[list[str], np.ndarray]:
    """Read lines of a word and its numbers, with or without a line 'words dimensions' before.

    A line is taken apart from its end, for GloVe has words that hold spaces.

    Raises
    ------
    ValueError, EOFError
        A line is of another kind or does not end, or there are more or fewer than the file says.
    """
    first = stream.readline()
    sizes = sizes_in(first)
    dimensions = sizes[1] if sizes else count_numbers(first)
    if not sizes:
        stream.seek(-len(first), os.SEEK_CUR)
    words: list[str] = []
    numbers = array("f")
    for line in stream:
        if not line.endswith(b"\n"):
            raise EOFError("its last line has no end")
        if line.isspace():
            continue
        word, *fields = line.rsplit(None, dimensions)
        if len(fields) < dimensions or count_numbers(word):
            raise ValueError(f"{line[:40]!r}... is not a word and {dimensions} numbers")
        words.append(_word(word.strip()))
        numbers.extend(map(float, fields))
    if sizes and len(words) != sizes[0]:
        raise ValueError(f"it says that it has {sizes[0]} words, and has {len(words)}")
    return words, np.frombuffer(numbers, dtype=np.float32).reshape(len(words), dimensions)


def count_numbers(line: bytes) -> int:
    """Count the numbers at the end of a line, behind its first word."""
    fields = line.split()[:0:-1]
    return next((n for n, field in enumerate(fields) if not _NUMBER.fullmatch(field)), len(fields))
