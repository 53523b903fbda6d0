"""Kill a real command at random moments, start it again until it ends, and compare the end."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from commands import ROOT
from errors import UserError
from faults.commands_to_kill import COMMANDS, write_start

AT_A_CALL = Path(__file__).parent / "at_a_call"
AT_A_CALL_SHARE = 0.5  # of the kills; the others come after a random time
PATIENCE = 3600  # seconds
MOST_KILLS = 3  # one after the other, before a command is left to end


@dataclass
class Found:
    """What came of killing one command."""

    command: str
    kills: int = 0
    kills_at_a_call: int = 0
    ends_compared: int = 0
    faults: list[str] = field(default_factory=list)


@contextmanager
def started(command: list[str], **environment: str) -> Iterator[subprocess.Popen]:
    """Start a command of the project; nothing of it lives on afterwards."""
    path = os.pathsep.join(filter(None, (str(AT_A_CALL), os.environ.get("PYTHONPATH", ""))))
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run_to_the_end(command: list[str], **environment: str) -> None:
    """Run a command; it must succeed."""
    with started(command, **environment) as process:
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, f"{' '.join(command)}: {said}"


class Killing:
    """A command to kill: its folder before, an undisturbed run of it, and how long that takes."""

    def __init__(self, name: str, folder: Path):
        self.name, self.to_kill = name, COMMANDS[name]
        self.before, self.after, self.work = (folder / part for part in ("before", "after", "work"))
        write_start(self.work)
        for needed in self.to_kill.before:
            run_to_the_end(COMMANDS[needed].command(self.work))
        shutil.copytree(self.work, self.before)
        counted = folder / "n_calls"
        begun = time.monotonic()
        run_to_the_end(self.command(), FAULT_COUNT=str(counted))
        self.seconds, self.n_calls = time.monotonic() - begun, int(counted.read_text())
        shutil.copytree(self.work, self.after)

    def command(self) -> list[str]:
        """How it is started now."""
        return self.to_kill.command(self.work)

    def looks_right(self) -> bool:
        """Whether what opens in its folder is right."""
        return self.to_kill.looks_right(self.work, self.before, self.after)

    def start_over(self) -> None:
        """Bring its folder back to what it was before."""
        shutil.rmtree(self.work)
        shutil.copytree(self.before, self.work)

    def kill_and_compare(self, rng: np.random.Generator, found: Found, n_kills: int) -> None:
        """Kill it so often, each time in the state that the kill before left; then compare."""
        self.start_over()
        for _ in range(n_kills):
            how = self._kill(rng, is_at_a_call=bool(rng.random() < AT_A_CALL_SHARE))
            if not how:
                continue  # it had ended before
            found.kills += 1
            found.kills_at_a_call += "call" in how
            try:
                is_right = self.looks_right()
            except (UserError, ValueError) as error:
                is_right, how = False, f"{how}: {error}"
            if not is_right:
                found.faults.append(f"killed {how}: what is there is wrong")
        try:
            run_to_the_end(self.command())
            if self.to_kill.outcome(self.work) != self.to_kill.outcome(self.after):
                found.faults.append("another end than an undisturbed run")
        except (AssertionError, OSError, UserError) as error:
            found.faults.append(str(error))
        found.ends_compared += 1

    def kill_at(self, number: int) -> bool:
        """Start it, to be killed at a call that changes the disk; whether it came that far."""
        with started(self.command(), FAULT_AT=str(number)) as process:
            process.communicate(timeout=PATIENCE)
        return process.returncode == -signal.SIGKILL

    def _kill(self, rng: np.random.Generator, is_at_a_call: bool) -> str:
        """Start and kill it; return when, '' if it ended before."""
        if is_at_a_call:
            number = int(rng.integers(1, self.n_calls + 1))
            return f"at call {number}" if self.kill_at(number) else ""
        seconds = float(rng.uniform(0, self.seconds))
        with started(self.command()) as process:
            try:
                process.wait(seconds)
                return ""
            except subprocess.TimeoutExpired:
                process.kill()
        return f"after {seconds:.2f} s"


def kill_often(name: str, folder: Path, n_kills: int, seed: int) -> Found:
    """Kill a command `n_kills` times in all."""
    killing = Killing(name, folder)
    rng = np.random.default_rng([seed, *name.encode()])
    found = Found(name)
    while found.kills < n_kills:
        at_once = min(int(rng.integers(1, MOST_KILLS + 1)), n_kills - found.kills)
        killing.kill_and_compare(rng, found, at_once)
    return found
