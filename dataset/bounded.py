"""Reading files that may claim to be far larger than they are."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import resource
except ImportError:  # a system without limits of this kind
    resource = None  # type: ignore[assignment]

HEADROOM = 2**29  # bytes
PER_BYTE = 64  # of memory for a byte of a file: a short string in a pickle takes as much


def allowed_memory() -> float:
    """Bytes that this process may map in all (`ulimit -v`); infinity where nothing is said."""
    soft = resource.getrlimit(resource.RLIMIT_AS)[0] if resource else -1
    return float("inf") if soft < 0 else soft


@contextlib.contextmanager
def memory_bounded_by(file: Path) -> Iterator[None]:
    """Let this process grow by no more than a file of its size can need; then `MemoryError`.

    A header of a few bytes may claim a matrix of terabytes, a pickle a place 2**31 in its list, an
    archive anything. Where the system has no such limit, or does not tell how large the process
    is, nothing is bounded.
    """
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            n_now = int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = n_now + HEADROOM + PER_BYTE * file.stat().st_size
        is_tighter = soft == resource.RLIM_INFINITY or limit < soft
        resource.setrlimit(resource.RLIMIT_AS, (limit if is_tighter else soft, hard))
    except (OSError, ValueError, AttributeError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
