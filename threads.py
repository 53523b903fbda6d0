"""OpenMP threads on a shared machine: they wait awake where cores are free, asleep where not.

A training step is hundreds of small pieces of work shared by threads that then wait for the last of
them. Waiting awake is best where each has a core. Beside other busy programs it keeps the core from
the very thread that is waited for, and a step takes several times as long
(`benchmarks.shared_machine`). So the way of waiting follows the load, all the time. The number of
threads does not: sums that are split otherwise are rounded otherwise, and the same seed would no
longer give the same model.
"""

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from errors import UserError

SET_BY_USER = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
MOST_A_CORE = 8  # threads or processes
LOOK_EVERY = 1.0  # seconds
FIRST_LOOK = 0.1  # seconds, before the first step
# Cores that others may use: each moment in which one of our threads has no core, all wait, so that
# waiting awake loses that share of time, while waiting asleep nearly halves the speed.
SPARE = 0.3


@contextmanager
def shared_cores(num_threads: int = 0) -> Iterator[None]:
    """Compute in so many threads, which wait as the load of the machine asks; say so in a line.

    Parameters
    ----------
    num_threads : int
        0 for as many as torch takes: `OMP_NUM_THREADS`, else one a core.

    Notes
    -----
    How the threads wait stays as it is where `OMP_WAIT_POLICY` or `GOMP_SPINCOUNT` is set, and
    where the system is not Linux.
    """
    check_number("--num_threads", num_threads)
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads or before)
    n_threads = torch.get_num_threads()
    said = f"{n_threads} thread{'s' * (n_threads > 1)} on the CPU"
    fixed = [name for name in SET_BY_USER if name in os.environ]
    done, watch = threading.Event(), None
    if n_threads > 1 and fixed:
        said += f", which wait as {fixed[0]} says"
    elif n_threads > 1 and Path("/proc/stat").exists():
        use = busy_elsewhere(FIRST_LOOK, done)
        waiting = "asleep" if is_crowded(use, n_threads) else "awake"
        said += f", which wait {waiting}: other programs keep {max(use, 0):.1f} of the cores busy"
        watch = threading.Thread(target=_follow_load, args=(use, done), daemon=True)
        watch.start()
    print(said)
    try:
        yield
    finally:
        done.set()
        if watch:
            watch.join()
        torch.set_num_threads(before)


def check_number(option: str, asked: int) -> None:
    """Raise `UserError` for so many threads or processes that they would stand in each other's way.

    A thousand threads on two cores do not even come to the point where they can be stopped.
    """
    n_cores = os.cpu_count() or 1
    most = MOST_A_CORE * n_cores
    if asked > most:
        raise UserError(f"{option} {asked} is too many for {n_cores} cores: give {most} at most")


def busy_elsewhere(seconds: float, done: threading.Event) -> float:
    """How many of the cores that we may use others kept busy, until `seconds` are over or `done`.

    `/proc/stat` counts hundredths of a second, so near 0 it may be a little below.
    """
    cores = os.sched_getaffinity(0)
    begun = time.monotonic(), busy_seconds(Path("/proc/stat").read_text(), cores)
    ours = time.process_time()
    done.wait(seconds)
    busy = busy_seconds(Path("/proc/stat").read_text(), cores) - begun[1]
    return (busy - (time.process_time() - ours)) / (time.monotonic() - begun[0])


def busy_seconds(proc_stat: str, cores: set[int]) -> float:
    """Seconds for which `cores` were busy, with any program here, or taken by another machine."""
    busy = 0
    for line in proc_stat.splitlines():
        name, *ticks = line.split()
        if name.removeprefix("cpu").isdigit() and int(name.removeprefix("cpu")) in cores:
            user, nice, system, _idle, _disk, *more = map(int, ticks[:8])  # guests count as users
            busy += user + nice + system + sum(more)
    return busy / os.sysconf("SC_CLK_TCK")


def is_crowded(others: float, n_threads: int) -> bool:
    """Whether so many threads find no core of their own where others keep `others` cores busy."""
    return n_threads + others > len(os.sched_getaffinity(0)) + SPARE


def _follow_load(others: float, done: threading.Event) -> None:
    """Let the threads of this process wait asleep whenever it is crowded, until `done`."""
    leave = threading.Event()
    leave.set()
    n_threads = torch.get_num_threads()
    while not done.is_set():
        crowded = is_crowded(others, n_threads)
        if crowded and leave.is_set():
            leave = threading.Event()
            send_to_sleep(n_threads, leave)
        elif not crowded:
            leave.set()
        others = busy_elsewhere(LOOK_EVERY, done)
    leave.set()


def send_to_sleep(n_threads: int, leave: threading.Event) -> None:
    """Let OpenMP threads wait asleep until `leave` is set.

    While a process has more OpenMP threads than cores, libgomp lets them sleep after 100 turns of
    waiting instead of 300,000 (its manual, under GOMP_SPINCOUNT). So some more are made, which do
    nothing: each thread of Python that computes has a team of its own, as long as it lives.
    """

    def idle_team() -> None:
        torch.ones(n_threads << 16).sum()  # large enough to be shared by all of a team
        leave.wait()

    teams = math.ceil(len(os.sched_getaffinity(0)) / max(1, n_threads - 1)) - 1
    for _ in range(max(1, teams)):
        threading.Thread(target=idle_team, daemon=True).start()
