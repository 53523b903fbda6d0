"""Spark: started or joined, and its errors in a sentence; a function called on its executors."""

import contextlib
import functools
import logging
import os
import re
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

from errors import UserError
from preprocessing.mel.worker_pool import attempt

try:
    from py4j.protocol import Py4JError, Py4JNetworkError
    from pyspark.accumulators import AccumulatorTCPServer
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession
except ImportError:
    raise UserError("--engine spark needs PySpark: pip install 'pyspark==4.*'") from None

PATIENCE = 5.0  # seconds
_MASTER = re.compile(
    r"local(\[([1-9][0-9]*|\*)( *, *[0-9]+)?\])?|local-cluster\[.+\]|(spark|k8s)://.+|yarn"
)
ROOT = Path(__file__).resolve().parents[1]
# Both print tracebacks where Java has ended, of which `open_spark` tells.
logging.getLogger("py4j").addHandler(logging.NullHandler())
setattr(AccumulatorTCPServer, "handle_error", lambda *_: None)  # noqa: B010 - mypy
TASKS_A_CORE = 8  # in a round; Spark takes a quarter of a second from one to the next of its own


@contextlib.contextmanager
def open_spark(master: str) -> Iterator[SparkSession]:
    """Start Spark, or join a cluster, as long as the block lasts; its errors become one sentence.

    What spark-defaults.conf and PYSPARK_SUBMIT_ARGS say counts: memory, places of object storage.

    Raises
    ------
    UserError
        Java is missing, there is no such master, or what Spark was asked for fails.
    """
    if master.startswith("local"):  # a cluster has a Python of its own
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("tag-based-music-retrieval").master(master)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    config: dict[str, Any] = {
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",  # pages of Java, of which `_reason` has the sentence
        "spark.executorEnv.PYTHONPATH": path,  # executors run functions of this program
    }
    if lacking := _lacks(master):
        raise _no_start(master, lacking)
    on_ctrl_c, before = signal.getsignal(signal.SIGINT), _children()
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of newest pandas
            session = builder.config(map=config).getOrCreate()
        signal.signal(signal.SIGINT, on_ctrl_c)  # Spark sets one that ends in a traceback
    except (PySparkException, Py4JError) as error:
        raise _no_start(master, _reason(error)) from None
    except BaseException as stopped:  # by a signal: Java would wait for ever for this program
        for started in _children() - before:
            os.kill(started, signal.SIGKILL)
        if isinstance(stopped, KeyboardInterrupt) and callable(on_ctrl_c):  # Spark's has come first
            on_ctrl_c(signal.SIGINT, None)
        raise
    try:
        with (
            warnings.catch_warnings(action="ignore", category=FutureWarning),  # of newest pandas
            _signals_end(_children() - before) as stop_again,
        ):
            yield session
    except (PySparkException, Py4JError, ConnectionError) as error:
        stop_again()
        raise UserError(
            f"Spark failed ({_reason(error)}): see to that and run the step again"
        ) from None
    finally:
        with contextlib.suppress(Py4JError, ConnectionError):  # Java has ended
            session.stop()


def _no_start(master: str, reason: str) -> UserError:
    return UserError(
        f"Spark does not start at {master} ({reason}): it needs Java 17 or later (java on "
        "PATH, or JAVA_HOME), and --spark the address of a master, such as local[2]"
    )


def _lacks(master: str) -> str | None:
    """What makes a start useless, of which Java or a shell would print pages of their own."""
    if not _MASTER.fullmatch(master):
        return "that is no address of a master"
    if os.environ.keys() & {"SPARK_HOME", "SPARK_CONF_DIR"}:  # whose spark-env.sh may name a Java
        return None
    home = os.environ.get("JAVA_HOME")
    java = os.path.join(home, "bin", "java") if home else "java"
    if shutil.which(java):
        return None
    return f"there is no {java}" + ("" if home else " on PATH")


@contextlib.contextmanager
def _signals_end(java: set[int]) -> Iterator[Callable[[], None]]:
    """Let what stops this program end Java first; give what stops it again, if it was stopped.

    Else PySpark would wait for the answer to what it has asked Java, which comes when its work is
    done, maybe hours later. Without Java it may raise an error of its own in place of ours.
    """
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = {number: found for number in numbers if callable(found := signal.getsignal(number))}

    def end_and_stop(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        _end(java)
        former[signal.Signals(number)](number, frame)

    def stop_again() -> None:
        for number in caught:
            former[signal.Signals(number)](number, None)

    for number in former:
        signal.signal(number, end_and_stop)
    try:
        yield stop_again
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _end(java: set[int]) -> None:
    """End Java: first so that it removes its files, which may take long or for ever."""
    deadline = time.monotonic() + PATIENCE
    for process in java:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):  # somebody was faster
            os.kill(process, signal.SIGTERM)
            while os.waitpid(process, os.WNOHANG) == (0, 0):
                if time.monotonic() > deadline:
                    os.kill(process, signal.SIGKILL)
                time.sleep(0.1)


def _children() -> set[int]:
    """Processes that this one has started and that live; none where the system does not tell."""
    files = Path("/proc/self/task").glob("*/children")
    return {int(number) for file in files for number in file.read_text().split()}


def _reason(error: Exception) -> str:
    """What went wrong, from a page of Java: the innermost cause, in one line, and of which file."""
    if isinstance(error, (Py4JNetworkError, ConnectionError)):
        return "Java has ended, perhaps for want of memory"
    said = str(error)
    if "Cannot call methods on a stopped SparkContext" in said:  # by Spark, which tells why in logs
        return "its master does not answer"
    causes = re.findall(r"^Caused by: (.*)$", said, re.MULTILINE)
    lines = [line for line in (causes[-1:] or said.splitlines()) if line.strip(" :.")]
    if file := re.search(r"(?:reading|footer for) file:? (\S+?)\.?\s", said):
        lines.insert(0, f"{file[1]}:")
    return " ".join(" ".join(lines[: 3 if file else 2]).split())[:300]


def map_on_spark(
    function: Callable[[Any], Any], tasks: Sequence, master: str, preload: Sequence[str] = ()
) -> Generator[Any, None, None]:
    """Yield the result of each task, in their order, as `worker_pool.map_in_order` does.

    Tasks go in rounds, a few for each core of the cluster, and the next round is computed while the
    caller works on the one before. What a lost executor was at, Spark gives to another.

    The executors find this program's folder, and what the tasks name, at the same path. They need
    no `preload`: an executor imports once and lives on.
    """
    if not tasks:
        return
    with open_spark(master) as session, ThreadPoolExecutor(1) as ahead:
        context = session.sparkContext
        call = functools.partial(_call, function)

        def compute(some: Sequence) -> list:
            return context.parallelize(some, context.defaultParallelism).map(call).collect()

        size = TASKS_A_CORE * context.defaultParallelism
        rounds = [tasks[start : start + size] for start in range(0, len(tasks), size)]
        coming = ahead.submit(compute, rounds[0])
        try:
            for following in [*rounds[1:], None]:
                results = coming.result()
                if following is not None:
                    coming = ahead.submit(compute, following)
                yield from results
        finally:
            context.cancelAllJobs()


def _call(function: Callable[[Any], Any], task: Any) -> Any:
    """What an executor does for a task."""
    _quiet()
    return attempt(function, task)


@functools.cache
def _quiet() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders write warnings there, past Python
