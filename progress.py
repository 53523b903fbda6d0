"""Progress on standard error: a bar on a terminal; in a log file a plain line now and then."""

import sys
import threading
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

LINE_EVERY = 30.0  # seconds
LINE = "{desc}: {n_fmt} of {total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"


def on_terminal() -> bool:
    """Whether somebody watches standard error, so that a line may be drawn over and over."""
    return sys.stderr.isatty()


def progress(
    iterable: Iterable | None, description: str, total: float | None = None, **more: Any
) -> tqdm:
    """Show how far a loop is; what is over in `LINE_EVERY` seconds says nothing in a log file.

    Parameters
    ----------
    iterable : iterable or None
        What is gone through; where it is None, call `update(n)` of what is returned.
    description : str
        Stands before the numbers.
    total : float, optional
        By default the length of the iterable.
    **more
        As `tqdm` takes it: `unit`, `unit_scale`, `leave`, ...

    Returns
    -------
    tqdm
        The items, or a bar that is closed as a context manager.
    """
    if not on_terminal():
        more |= {
            "file": _Lines(),
            "delay": LINE_EVERY,
            "mininterval": LINE_EVERY,
            "maxinterval": LINE_EVERY,
            "bar_format": LINE,
        }
    return tqdm(iterable, description, total, **more)


def lock_by_threads() -> None:
    """Let the bars of this process, which may be killed, share a lock of its threads alone.

    tqdm's own is also a semaphore of the system, of which Python warns when its process is gone.
    """
    tqdm.set_lock(threading.RLock())


class _Lines:
    """A file for tqdm, which draws over its line, that writes each drawing as a line."""

    def write(self, drawn: str) -> None:
        if drawn.strip():
            sys.stderr.write(drawn.strip() + "\n")

    def flush(self) -> None:
        sys.stderr.flush()
