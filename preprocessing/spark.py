"""Spark: started or joined, and its errors in a sentence; a function called on its executors."""

import contextlib
import functools
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from errors import UserError
from preprocessing.mel.worker_pool import attempt

try:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession
except ImportError:
    raise UserError("--engine spark needs PySpark: pip install 'pyspark==4.*'") from None

ROOT = Path(__file__).resolve().parents[1]
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
    on_ctrl_c, before = signal.getsignal(signal.SIGINT), _children()
    try:
        session = builder.config(map=config).getOrCreate()
        signal.signal(signal.SIGINT, on_ctrl_c)  # Spark sets one that ends in a traceback
    except (PySparkException, Py4JError) as error:
        raise UserError(
            f"Spark does not start at {master} ({_reason(error)}): it needs Java 17 or later "
            "(java on PATH, or JAVA_HOME), and --spark the address of a master, such as local[2]"
        ) from None
    except BaseException:  # stopped by a signal: Java would wait for ever for this program
        for started in _children() - before:
            os.kill(started, signal.SIGKILL)
        raise
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of newest pandas
            yield session
    except (PySparkException, Py4JError) as error:
        raise UserError(
            f"Spark failed ({_reason(error)}): see to that and run the step again"
        ) from None
    finally:
        session.stop()


def _children() -> set[int]:
    """Processes that this one has started and that live; none where the system does not tell."""
    files = Path("/proc/self/task").glob("*/children")
    return {int(number) for file in files for number in file.read_text().split()}


def _reason(error: Exception) -> str:
    """What went wrong, from a page of Java: the innermost cause, in one line, and of which file."""
    said = str(error)
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
