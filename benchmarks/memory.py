"""Peak memory of this process; without torch, which alone would take a few hundred MB."""

import resource
import sys


def process_megabytes() -> float:
    """Most resident memory that this process has had, in MB of 1024 x 1024 bytes.

    Linux counts in what the parent had when it started this process: keep the parent small.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)  # macOS counts bytes
