"""Running the commands of the project as a user does, in a process of their own or in this one."""

import contextlib
import importlib
import io
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import run_or_explain

ROOT = Path(__file__).parents[1]


def run_command(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """Run a script of the project in a process of its own, as a user does."""
    command = [sys.executable, "-u", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def run_here(*arguments: str | Path) -> subprocess.CompletedProcess:
    """Run a script as `run_command` does, in this process: importing torch takes seconds."""
    script, *words = map(str, arguments)
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as changed,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        changed.setattr(sys, "argv", words if script == "-m" else [script, *words])
        try:
            if script == "-m":
                run_or_explain(importlib.import_module(words[0]).main)
            else:
                runpy.run_path(script, run_name="__main__")
        except SystemExit as leave:
            code = leave.code or 0
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def assert_user_error(done: subprocess.CompletedProcess, *parts: str) -> None:
    """Check exit code 2, one sentence on stderr with all `parts`, and no traceback."""
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in lines[0]


def run_main(*arguments: str | Path) -> None:
    """Do what main.py does with these arguments, in this process: importing torch takes seconds."""
    from options import parse_options
    from train_test import test, train

    given = parse_options([str(argument) for argument in arguments])
    {"TRAIN": train, "TEST": test}[given.get("mode", "TRAIN")](given)
