"""Ctrl-C before a command has loaded what it needs; and where no command is started."""

import os
import signal
import subprocess
import sys

import pytest

import interrupts
from commands import ROOT

COMMANDS = [[path.name] for path in sorted(ROOT.glob("step*.py"))] + [["main.py"], ["retrieve.py"]]
COMMANDS += [["-m", "experiments.compare"], ["-m", "benchmarks.search"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_ctrl_c_while_a_command_loads_is_one_line(tmp_path, command):
    stopping = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    (tmp_path / "numpy.py").write_text(stopping)  # among the first that all commands import
    done = subprocess.run(
        [sys.executable, *command, "--help"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_who_imports_the_commands_keeps_what_ctrl_c_did():
    assert interrupts and signal.getsignal(signal.SIGINT) is not interrupts._end
