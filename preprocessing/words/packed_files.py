"""Opening large files to read: plain or compressed, by their first bytes, and counted."""

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

DAMAGE = (OSError, EOFError, lzma.LZMAError, zlib.error)  # what reading a damaged file raises

_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


class _CountedFile(io.FileIO):
    """A file that tells how many bytes were read each time, for a progress bar."""

    def __init__(self, file: Path, count_bytes: Callable[[int], object]):
        super().__init__(file)
        self.count_bytes = count_bytes

    def readinto(self, buffer) -> int:
        n_bytes = super().readinto(buffer)
        self.count_bytes(n_bytes)
        return n_bytes


@contextlib.contextmanager
def open_unpacked(file: Path, count_bytes: Callable[[int], object]) -> Iterator[BinaryIO]:
    """Open a file that may be gzip, bzip2 or xz; `count_bytes` is told what is read of the file."""
    with io.BufferedReader(_CountedFile(file, count_bytes), buffer_size=1 << 20) as packed:
        first = packed.peek(6)
        opener = next((_OPENERS[magic] for magic in _OPENERS if first.startswith(magic)), None)
        yield packed if opener is None else opener(packed)
