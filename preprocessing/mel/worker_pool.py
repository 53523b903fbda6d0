"""Call a function on many tasks in several processes, results in order, whatever happens to them.

The pools of the standard library lose all their work when one process dies, as a decoder may on a
damaged file, and leave processes behind when the program itself is killed. Here each process has a
pipe of its own, whose end tells either side that the other one is gone.
"""

import contextlib
import functools
import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, cast

from command_line import one_of, whole_number
from errors import one_line
from preprocessing.mel.sndfile import AudioError

# Calls a function on each task and yields the results in order: `map_in_order`, or on Spark.
TaskMap = Callable[..., Generator[Any, None, None]]

MAX_WAITING_BYTES = 2**28  # of finished arrays whose turn has not come


class TaskFailed(Exception):
    """What a task gave instead of a result; the text says why."""


class _Worker(NamedTuple):
    process: BaseProcess
    pipe: Connection


def n_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def task_map(engine: str, spark: str, num_workers: int | None) -> TaskMap:
    """What --engine, --spark and --num_workers of steps 4 and 5 ask for."""
    if one_of("--engine", engine, ("processes", "spark")) == "spark":
        from preprocessing.spark import map_on_spark

        return functools.partial(map_on_spark, master=spark)
    n_processes = n_cores() if num_workers is None else num_workers
    n_processes = whole_number("--num_workers", n_processes, 1)
    return functools.partial(map_in_order, n_processes=n_processes)


def map_in_order(
    function: Callable[[Any], Any],
    tasks: Sequence,
    n_processes: int,
    preload: Sequence[str] = (),
) -> Generator[Any, None, None]:
    """Yield the result of each task, in their order; where there is none, a `TaskFailed`.

    A task whose process is killed, as where memory is short, is tried once more.

    The function is one of a module, so that other processes can import it. The modules named by
    `preload` are imported once for all processes.
    """
    idle = [_start(function, preload) for _ in range(min(n_processes, len(tasks)))]
    busy: dict[Connection, tuple[_Worker, int]] = {}  # pipe -> whose, and the position of its task
    finished: dict[int, Any] = {}
    again: list[int] = []  # positions of tasks whose process was killed
    tried_again: set[int] = set()
    n_sent = n_yielded = 0
    try:
        while n_yielded < len(tasks):
            # what comes again has its turn before all that waits
            while idle and (again or (n_sent < len(tasks) and _size(finished) < MAX_WAITING_BYTES)):
                if not again:
                    again.append(n_sent)
                    n_sent += 1
                worker, position = idle.pop(), again.pop()
                busy[worker.pipe] = worker, position
                with contextlib.suppress(OSError):  # it is dead, which `_result` finds out
                    worker.pipe.send(tasks[position])
            if n_yielded in finished:  # after sending: nobody waits while the caller works
                yield finished.pop(n_yielded)
                n_yielded += 1
            patience = 0 if n_yielded in finished else None
            for pipe in wait(list(busy), patience) if busy else []:
                worker, position = busy.pop(cast(Connection, pipe))
                result, is_alive = _result(worker)
                idle.append(worker if is_alive else _start(function, preload))
                was_killed = not is_alive and worker.process.exitcode == -signal.SIGKILL
                if was_killed and position not in tried_again:
                    tried_again.add(position)
                    again.append(position)
                else:
                    finished[position] = result
    finally:
        for worker in idle + [worker for worker, _ in busy.values()]:
            worker.process.terminate()
            worker.process.join()


def _start(function: Callable[[Any], Any], preload: Sequence[str]) -> _Worker:
    # Not a fork of this process, which would share its open files and the pipes of the others.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(function, theirs), daemon=True)
    # The server that it is forked from takes over what is blocked: Ctrl-C, which reaches all
    # processes, would end in its traceback while it loads libraries.
    resource_tracker.ensure_running()  # which `start` does else, and lets the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    except (EOFError, ConnectionError):  # the server has died, of the libraries that it loads
        raise MemoryError from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return _Worker(process, ours)


def _result(worker: _Worker) -> tuple[Any, bool]:
    """The result of the task that the worker has finished, and whether the worker lives on."""
    try:
        return worker.pipe.recv(), True
    except (EOFError, OSError):
        worker.process.join()
        return TaskFailed(f"its process ended with exit code {worker.process.exitcode}"), False


def _size(finished: dict[int, Any]) -> int:
    return sum(getattr(result, "nbytes", 0) for result in finished.values())


def _serve(function: Callable[[Any], Any], pipe: Connection) -> None:
    """What a worker does until its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent acts
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders write warnings there, past Python
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(attempt(function, pipe.recv()))


def attempt(function: Callable[[Any], Any], task: Any) -> Any:
    """What a function makes of a task; else why audio cannot be read, or a `TaskFailed`."""
    try:
        return function(task)
    except AudioError as error:
        return str(error)
    except Exception as error:  # a damaged file raises nearly anything
        return TaskFailed(one_line(error))
