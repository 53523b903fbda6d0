"""Functions on Spark's executors, run for real on this machine: in order, failing, dying."""

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import spark_tasks
from audio_samples import write_damaged, write_music, write_songs
from command_line import run_or_explain
from commands import ROOT, assert_user_error, run_here
from dataset import wheels
from dataset.files import read_about
from dataset.mel_index import PARTS, stored_songs
from dataset.mel_store import REPORT, open_mel_store
from errors import UserError
from musicnn_samples import write_wheel
from preprocessing.mel.worker_pool import TaskFailed

has_java = shutil.which("java") or os.environ.get("JAVA_HOME")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_java, reason="Spark needs Java"),
    pytest.mark.filterwarnings("ignore"),  # of PySpark about the newest pandas
]


@pytest.fixture(autouse=True)
def tests_are_found(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))


def map_on_spark(*arguments):
    from preprocessing.spark import map_on_spark

    return map_on_spark(*arguments)


def test_results_come_in_order_and_what_fails_says_why():
    found = list(map_on_spark(spark_tasks.double, list(range(30)), "local[2]"))
    assert isinstance(found[5], TaskFailed) and str(found[5]) == "ValueError: five is too many"
    assert found[:5] + found[6:] == [2 * number for number in range(30) if number != 5]
    assert list(map_on_spark(spark_tasks.double, [], "nowhere")) == []


def test_what_a_dead_executor_was_at_is_done_again(tmp_path):
    files = [tmp_path / str(number) for number in range(3)]
    done = map_on_spark(spark_tasks.die_once, files, "local[2,4]")  # each task may fail 4 times
    assert list(done) == ["0", "1", "2"]


def test_a_start_that_is_stopped_leaves_no_java_behind(monkeypatch):
    import pyspark.sql

    from preprocessing.spark import open_spark

    started = []

    def stopped(self):
        started.append(subprocess.Popen(["sleep", "60"]))
        raise KeyboardInterrupt

    monkeypatch.setattr(pyspark.sql.SparkSession.Builder, "getOrCreate", stopped)
    with pytest.raises(KeyboardInterrupt), open_spark("local[1]"):
        pass
    assert started[0].wait(timeout=10) == -signal.SIGKILL


def test_ctrl_c_while_spark_starts_is_that_of_the_command(monkeypatch, capsys):
    import pyspark.sql

    from preprocessing.spark import open_spark

    def as_spark_answers(self):
        raise KeyboardInterrupt

    def command():
        with open_spark("local[1]"):
            pass

    monkeypatch.setattr(pyspark.sql.SparkSession.Builder, "getOrCreate", as_spark_answers)
    with pytest.raises(SystemExit) as stopped:
        run_or_explain(command)
    assert stopped.value.code == 130 and capsys.readouterr().err == "interrupted\n"


ENDLESS = """
from command_line import run_or_explain
from preprocessing.spark import open_spark
def work():
    with open_spark("local[1]") as spark:
        print("started", flush=True)
        spark.range(10**14).selectExpr("sum(id % 7)").collect()
run_or_explain(work)
"""


def lives(process):
    """Whether it is there, and not only waited for by nobody."""
    status = Path(f"/proc/{process}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


@pytest.mark.parametrize("of_java", [False, True])
def test_work_that_is_stopped_ends_at_once_and_so_does_java(of_java):
    """Without waiting for the work; or with a sentence where Java itself has died."""
    command = [sys.executable, "-c", ENDLESS]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as run:
        try:
            assert run.stdout.readline() == "started\n"
            time.sleep(2)
            children = Path(f"/proc/{run.pid}/task").glob("*/children")
            (java,) = {int(number) for file in children for number in file.read_text().split()}
            if of_java:
                os.kill(java, signal.SIGKILL)
            else:
                run.terminate()
            _, told = run.communicate(timeout=60)
        finally:
            run.kill()
    assert not lives(java) and "Traceback" not in told
    end = "error: Spark failed (Java has ended, perhaps for want of memory): see to that and run "
    assert run.returncode == (2 if of_java else 143)
    assert told.splitlines()[-1] == (end + "the step again" if of_java else "terminated")


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"JAVA_HOME": "/nowhere"}, "there is no /nowhere/bin/java"),
        ({}, "there is no java on PATH"),
    ],
)
def test_without_java_nothing_but_one_sentence(tmp_path, monkeypatch, environment, reason):
    """Not what the shell says of it, that Spark starts Java by."""
    directory = write_music(tmp_path / "data", n_songs=1)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    for name, value in ({"PATH": "/nowhere"} | environment).items():
        monkeypatch.setenv(name, value)
    step4 = (ROOT / "step4_mel_spectrogram.py", "run", directory)
    done = subprocess.run(
        [sys.executable, *step4, "--engine", "spark", "--spark", "local[1]"],
        capture_output=True,
        text=True,
    )
    assert_user_error(done, f"Spark does not start at local[1] ({reason})")
    assert done.stderr.count("\n") == 1


def test_a_master_that_does_not_answer_is_told(monkeypatch):
    """Spark gives up after a minute, and all that it then says is what it can no longer do."""
    import pyspark.sql
    from py4j.protocol import Py4JError

    from preprocessing.spark import open_spark

    def as_spark_answers(self):
        raise Py4JError(
            "java.lang.IllegalStateException: Cannot call methods on a stopped Spark"
            "Context.\nThis stopped SparkContext was created at:\n"
        )

    monkeypatch.setattr(pyspark.sql.SparkSession.Builder, "getOrCreate", as_spark_answers)
    told = r"spark://here:1 \(its master does not answer\): it"
    with pytest.raises(UserError, match=told), open_spark("spark://here:1"):
        pass


def test_a_start_says_nothing_of_pandas(tmp_path):
    code = (
        "from preprocessing.spark import open_spark\n"
        "with open_spark('local[1]') as spark: spark.createDataFrame([(1,)], 'a int').count()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "pandas" not in done.stderr


def test_a_damaged_file_is_named_in_one_line(tmp_path):
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"ann\tx\t1\n" * 9)[:-9])
    code = (
        "from preprocessing.spark import open_spark\n"
        f"with open_spark('local[1]') as spark: spark.read.text('file://{tmp_path}').count()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert re.search(r"UserError: Spark failed \(file:\S+cut.gz: java.io.EOF.*\)", done.stderr)
    assert "\tat org.apache" not in done.stderr  # no page of Java


def vectors(directory):
    """All files of step 5, but for the times of its source files."""
    files = sorted(directory.glob("musicnn_*"))
    return {file.name: file.read_bytes() for file in files if "times" not in file.name}


def spectrograms(directory):
    """What step 4 made and noted of each song, its report, and what it says of the store."""
    store, index = open_mel_store(directory, []), stored_songs(directory)
    songs = {name: store.song(row).tobytes() for row, name in enumerate(store.song_ids)}
    notes = {name: song[3:] for name, song in index.items()}
    report = (directory / REPORT).read_bytes()
    return songs, notes, report, read_about(directory)["steps"]["step4"]


@pytest.mark.parametrize(
    ("step", "form"),
    [
        ("step4_mel_spectrogram.py", []),
        ("step4_mel_spectrogram.py", ["--mel", "musicnn"]),
        ("step5_song_features.py", []),
    ],
)
def test_the_same_bytes_as_in_processes(tmp_path, monkeypatch, step, form):
    # The package of the tests has not the hash of the real one.
    monkeypatch.setattr(wheels, "fetch_wheel", lambda *_, given: given)
    write_music(tmp_path / "music", n_songs=4)
    names = [*write_damaged(tmp_path / "music/audio"), *(f"{number}.wav" for number in range(4))]
    found = []
    for engine in (["--engine", "spark", "--spark", "local[2]"], ["--num_workers", "1"]):
        directory = write_songs(tmp_path / f"by{engine[0]}", {name: name for name in names})
        if "step5" in step:
            engine = [*engine, "--wheel", write_wheel(tmp_path / "musicnn.whl")]
        done = run_here(ROOT / step, "run", directory, tmp_path / "music/audio", *form, *engine)
        assert done.returncode == 0, done.stderr
        found.append(spectrograms(directory) if "step4" in step else vectors(directory))
        # With Spark whoever computes spectrograms writes them.
        assert (directory / PARTS).is_dir() == ("spark" in engine and "step4" in step)
    assert found[0] == found[1] and len(found[0]) >= 3


def test_mistakes_are_explained(tmp_path):
    directory = write_music(tmp_path / "data", n_songs=1)
    step4 = (ROOT / "step4_mel_spectrogram.py", "run", directory)
    assert_user_error(run_here(*step4, "--engine", "dask"), "--engine", "processes", "spark")
    for master in ("nowhere", "2", "http://here:7077", "local[0]", "local[two]"):
        done = run_here(*step4, "--engine", "spark", "--spark", master)
        assert_user_error(done, f"Spark does not start at {master} (that is no address")
