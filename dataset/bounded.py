"""Reading files that may claim to be far larger than they are."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from errors import UserError

HEADROOM = 2**29  # bytes
PER_BYTE = 64  # of memory for a byte of a file: a short string in a pickle takes as much
LONGEST_LINE = 2**24  # bytes of a table: a packed one of 1 MB may hold a line of gigabytes


def allowed_memory() -> float:
    """Bytes that this process may map in all (`ulimit -v`); infinity where nothing is said."""
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return float("inf") if soft < 0 else soft


@contextlib.contextmanager
def memory_bounded_by(file: Path) -> Iterator[None]:
    """Let this process grow by no more than a file of its size can need; then `MemoryError`.

    A header of a few bytes may claim a matrix of terabytes, a pickle a place 2**31 in its list, an
    archive anything. Where the system does not tell how large the process is, nothing is bounded.
    """
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            n_now = int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = n_now + HEADROOM + PER_BYTE * file.stat().st_size
        is_tighter = soft == resource.RLIM_INFINITY or limit < soft
        resource.setrlimit(resource.RLIMIT_AS, (limit if is_tighter else soft, hard))
    except (OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def bounded_lines(stream: TextIO, path: Path) -> Iterator[str]:
    """Yield the lines of a text; raise `UserError` for one that no table has."""
    number = 1
    while line := stream.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            raise _too_long(path, number)
        yield line
        number += 1


class BoundedLines:
    """A stream for who reads it in blocks, as pandas does; refuses what `bounded_lines` does."""

    def __init__(self, stream: BinaryIO, path: Path):
        self._stream, self._path = stream, path
        self._ends = {b"\n": 0, b"\r": 0}  # how many so far: a Mac of old ends lines by \r alone
        self._n_begun = 0  # bytes of the line that follows

    def __iter__(self) -> Iterator[bytes]:  # without it pandas takes this for no stream
        return iter(self._stream)

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes."""
        block = self._stream.read(size)
        for sign in self._ends:
            self._ends[sign] += block.count(sign)
        end = max(map(block.rfind, self._ends))
        self._n_begun = len(block) - 1 - end + (self._n_begun if end < 0 else 0)
        if self._n_begun >= LONGEST_LINE:
            raise _too_long(self._path, 1 + (self._ends[b"\n"] or self._ends[b"\r"]))
        return block


def _too_long(path: Path, number: int) -> UserError:
    return UserError(
        f"{path} has more than {LONGEST_LINE // 2**20} MB in line {number}: correct or replace it"
    )
