"""Processes that work in turn, die, and are left alone by their parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from command_line import run_or_explain
from commands import ROOT
from preprocessing.mel import worker_pool
from preprocessing.mel.worker_pool import TaskFailed, map_in_order


def double(task):
    return 2 * task


def slow_when_even(task):
    time.sleep(0.05 if task % 2 == 0 else 0)
    return task, os.getpid()


def touch_slowly(file):
    file.touch()
    time.sleep(0.5 if file.name == "00" else 0.05)


def troubled(task):
    if task == "raises":
        raise ValueError("of two\nlines")
    if task == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "aborts":
        os.abort()
    if task == "leaves":
        sys.exit(3)
    if task == "cannot be sent":
        return lambda: None
    return task


def killed_once(file):
    """An array that waits for its turn; the first call for a file ends its process instead."""
    if file.suffix == ".die" and not file.exists():
        file.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return np.full(1000, int(file.stem))


def ones(task):
    return np.ones(task)


def stderr_of_the_process(task):
    return os.readlink("/proc/self/fd/2")


@pytest.mark.parametrize("n_processes", [1, 2, 5])
def test_results_come_in_order_from_all_processes(n_processes):
    tasks = list(range(12))
    results = list(map_in_order(slow_when_even, tasks, n_processes))
    assert [task for task, _ in results] == tasks
    assert len({process for _, process in results}) == n_processes


def test_a_process_goes_on_while_the_caller_works(tmp_path):
    files = [tmp_path / name for name in "abc"]
    results = map_in_order(Path.touch, files, 1)
    next(results)
    deadline = time.monotonic() + 30
    while not files[1].exists():  # without asking for it
        assert time.monotonic() < deadline
        time.sleep(0.01)
    results.close()


def test_results_in_hand_keep_no_process_waiting(tmp_path):
    """The first task is slow; while the others are handed out, which takes long, it goes on."""
    files = [tmp_path / f"{number:02}" for number in range(30)]
    results = map_in_order(touch_slowly, files, 2)
    next(results)  # the first; by now many others are finished, but surely not all
    n_begun = []
    for _ in range(5):
        time.sleep(0.2)
        n_begun.append(len(list(tmp_path.iterdir())))
        next(results)
    results.close()
    assert n_begun == sorted(set(n_begun)) and n_begun[0] < len(files)


def test_no_tasks():
    assert list(map_in_order(double, [], 3)) == []


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("raises", "ValueError: of two lines"),
        ("is killed", "exit code -9"),
        ("aborts", "exit code -6"),
        ("leaves", "exit code 3"),
        ("cannot be sent", "exit code 1"),
    ],
)
def test_trouble_with_one_task_costs_only_that_task(trouble, reason):
    tasks = ["a", trouble, "b", trouble, "c", "d"]
    results = list(map_in_order(troubled, tasks, 2))
    assert [result for result in results if isinstance(result, str)] == ["a", "b", "c", "d"]
    for position in (1, 3):
        assert isinstance(results[position], TaskFailed)
        assert reason in str(results[position])


def test_results_that_wait_for_their_turn_are_few(monkeypatch):
    monkeypatch.setattr(worker_pool, "MAX_WAITING_BYTES", 3 * 8000)
    most = 0
    size = worker_pool._size

    def watch(finished):
        nonlocal most
        most = max(most, size(finished))
        return size(finished)

    monkeypatch.setattr(worker_pool, "_size", watch)
    # The first array takes long to make; meanwhile the others must not pile up.
    tasks = [20_000_000] + [1000] * 200
    lengths = [len(array) for array in map_in_order(ones, tasks, 2)]
    assert lengths == tasks
    assert most <= 20_000_000 * 8 + 4 * 8000


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no /proc to look into")
def test_what_decoders_write_to_stderr_is_dropped():
    assert list(map_in_order(stderr_of_the_process, [0], 1)) == ["/dev/null"]


def test_stopping_early_ends_the_processes():
    results = map_in_order(slow_when_even, list(range(100)), 2)
    _, process = next(results)
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_processes_end_when_the_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    folders = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]
    script.write_text(
        f"import sys; sys.path[:0] = {folders}\n"
        "from preprocessing.mel.worker_pool import map_in_order\n"
        "from test_worker_pool import slow_when_even\n"
        "if __name__ == '__main__':\n"
        "    for _, process in map_in_order(slow_when_even, list(range(2)) * 10**6, 2):\n"
        "        print(process, flush=True)\n"
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    processes = {int(parent.stdout.readline()) for _ in range(6)}
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 20
    while processes and time.monotonic() < deadline:
        processes = {process for process in processes if is_running(process)}
        time.sleep(0.05)
    assert not processes


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("n_processes", [1, 3])
def test_what_a_killed_process_was_at_is_done_again(tmp_path, monkeypatch, n_processes):
    monkeypatch.setattr(worker_pool, "MAX_WAITING_BYTES", 1)  # it comes though others wait
    files = [tmp_path / name for name in ("0.die", "1", "2", "3.die", "4", "5.die")]
    results = list(map_in_order(killed_once, files, n_processes))
    assert [result[0] for result in results] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("error", [EOFError, BrokenPipeError])
def test_where_no_process_starts_memory_is_short(monkeypatch, error, capsys):
    def start(self):  # as where the server ends while it loads libraries
        raise error

    monkeypatch.setattr("multiprocessing.context.ForkServerProcess.start", start)
    with pytest.raises(SystemExit) as ended:
        run_or_explain(lambda: list(map_in_order(abs, [1], 1)))
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "error: the memory is not enough: end other programs, or allow this one more\n"
    )
