"""OpenMP threads wait asleep where the machine is crowded; nothing else changes."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

import threads
from commands import ROOT, run_command
from errors import UserError

STAT = """cpu  100 0 0 900 0 0 0 0 0 0
cpu0 50 10 20 400 5 1 2 3 7 0
cpu1 50 0 0 500 0 0 0 0 0 0
cpu11 1000 0 0 0 0 0 0 0 0 0
intr 1 2 3
"""
needs_cores = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs Linux and two cores",
)


@pytest.fixture(autouse=True)
def nothing_set_by_the_user(monkeypatch):
    for name in threads.SET_BY_USER:
        monkeypatch.delenv(name, raising=False)


def test_busy_seconds_count_all_but_idle_of_the_cores_that_are_ours():
    """By hand: 50 + 10 + 20 + 1 + 2 + 3 ticks; not idle, not waiting for a disk, no guest twice."""
    tick = 1 / os.sysconf("SC_CLK_TCK")
    assert threads.busy_seconds(STAT, {0}) == pytest.approx(86 * tick)
    assert threads.busy_seconds(STAT, {0, 1}) == pytest.approx(136 * tick)
    assert threads.busy_seconds(STAT, {11}) == pytest.approx(1000 * tick)


@needs_cores
def test_another_busy_program_is_seen_and_we_ourselves_are_not():
    never = threading.Event()
    with subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) as other:
        time.sleep(0.2)
        seen = threads.busy_elsewhere(0.5, never)
        other.kill()
    assert seen > 0.3  # on a busy machine it has part of a core, and the rest is seen as well

    class Busy:  # an event that we wait for by working
        def wait(self, seconds):
            end = time.process_time() + seconds
            while time.process_time() < end:
                pass

    cores = len(os.sched_getaffinity(0))
    assert threads.busy_elsewhere(0.5, Busy()) < cores - 0.3


@needs_cores
def test_crowded_is_more_threads_and_programs_than_cores():
    cores = len(os.sched_getaffinity(0))
    assert not threads.is_crowded(0.1, cores)
    assert threads.is_crowded(0.5, cores)
    assert not threads.is_crowded(1.0, cores - 1)
    assert threads.is_crowded(2.0, cores - 1)


WAITING = """
import sys, threading, time, torch, threads
torch.set_num_threads(2)
def seconds_of_waiting():
    begun = time.process_time()
    for _ in range(50):
        torch.ones(1 << 17)
        time.sleep(0.002)
    return time.process_time() - begun
leave = threading.Event()
seconds_of_waiting()
print(seconds_of_waiting())
threads.send_to_sleep(2, leave)
time.sleep(0.3)
print(seconds_of_waiting())
leave.set()
time.sleep(0.3)
print(seconds_of_waiting())
"""


@needs_cores
def test_threads_that_sleep_use_no_core_and_wake_up_when_the_others_leave(tmp_path):
    """A thread that waits awake for 2 ms, 50 times, uses up to 0.1 s of a core."""
    if "libgomp" not in Path("/proc/self/maps").read_text():
        pytest.skip("torch has another OpenMP here")
    script = tmp_path / "waiting.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{WAITING}")
    done = run_command(script)
    assert done.returncode == 0, done.stderr
    awake, asleep, again = map(float, done.stdout.split())
    assert asleep < awake / 2 and asleep < again / 2, done.stdout


@needs_cores
@pytest.mark.parametrize(("others", "waiting"), [(0.0, "awake"), (5.0, "asleep")])
def test_the_choice_is_said_in_one_line_and_followed(monkeypatch, capsys, others, waiting):
    slept = threading.Event()
    monkeypatch.setattr(threads, "busy_elsewhere", lambda _, done: others + 0 * done.wait(0.01))
    monkeypatch.setattr(threads, "send_to_sleep", lambda n_threads, leave: slept.set())
    before = torch.get_num_threads()
    cores = len(os.sched_getaffinity(0))
    with threads.shared_cores(cores):
        assert torch.get_num_threads() == cores
        assert slept.wait(0.5) == (waiting == "asleep")
    assert torch.get_num_threads() == before
    assert capsys.readouterr().out == (
        f"{cores} threads on the CPU, which wait {waiting}: "
        f"other programs keep {others:.1f} of the cores busy\n"
    )


@needs_cores
def test_load_that_comes_and_goes(monkeypatch):
    """Each time that it comes, the threads are sent to sleep; they are let go when it leaves."""
    loads, leaves, done = iter([9.0, 9.0, 0.0, 9.0]), [], threading.Event()

    def look(seconds, event):
        load = next(loads, None)
        if load is None:
            done.set()
        return load or 0.0

    def send(n_threads, leave):
        assert all(earlier.is_set() for earlier in leaves)
        leaves.append(leave)

    monkeypatch.setattr(threads, "busy_elsewhere", look)
    monkeypatch.setattr(threads, "send_to_sleep", send)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        threads._follow_load(0.0, done)
    finally:
        torch.set_num_threads(before)
    assert len(leaves) == 2 and all(leave.is_set() for leave in leaves)


@pytest.mark.parametrize("name", threads.SET_BY_USER)
def test_what_the_user_has_set_stays(monkeypatch, capsys, name):
    monkeypatch.setenv(name, "1")
    monkeypatch.setattr(threads, "busy_elsewhere", None)  # not looked at
    with threads.shared_cores(2):
        pass
    assert capsys.readouterr().out == f"2 threads on the CPU, which wait as {name} says\n"


def test_more_threads_than_can_be_of_use_are_refused():
    told = pytest.raises(UserError, match="--num_threads 1000000 is too many for")
    with told, threads.shared_cores(1_000_000):
        pass


def test_one_thread_waits_for_nobody(monkeypatch, capsys):
    monkeypatch.setattr(threads, "busy_elsewhere", None)
    with threads.shared_cores(1):
        assert torch.get_num_threads() == 1
    assert capsys.readouterr().out == "1 thread on the CPU\n"
