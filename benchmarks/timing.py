"""Timing in turns: A B A B ..., so that a drift of the machine's speed hits both alike."""

import os
import platform
import statistics
import time
from collections.abc import Callable

import torch


def compare(
    reference: Callable[[], object], ours: Callable[[], object], repeats: int
) -> tuple[list[float], list[float]]:
    """Run both once to warm up, then `repeats` times in turn; return the seconds of each run."""
    reference()
    ours()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for run, taken in zip((reference, ours), seconds, strict=True):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
    return seconds


def print_comparison(title: str, reference: list[float], ours: list[float]) -> None:
    """Print median, smallest and largest time of both and their ratio, pair by pair."""
    ratios = [slow / fast for slow, fast in zip(reference, ours, strict=True)]
    print(f"{title}  ({len(ratios)} pairs, {machine()})")
    for label, values, unit in (
        ("reference", [1e3 * x for x in reference], "ms"),
        ("ours", [1e3 * x for x in ours], "ms"),
        ("ratio", ratios, "x"),
    ):
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"  {label:<10} median {middle:8.2f} {unit}   ({low:.2f} to {high:.2f})")


def machine() -> str:
    """Processor, threads and versions, for the head of a table."""
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )
