"""Faults of the machine: kills, a full disk, files out of reach, little memory, a clock that jumps.

Each command, hit by one, says so in a sentence and leaves what was there; started again on a sound
machine it ends as if nothing had been.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from faults import kill
from faults.commands_to_kill import COMMANDS, ToKill, digests
from faults.kill import Killing, kill_often, run_to_the_end, started

pytestmark = pytest.mark.slow
KILOBYTE, GIGABYTE = 1024, 1024**3
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
all_commands = pytest.mark.parametrize(
    "name",
    [
        name if name in ("step 1 again", "step 4") else pytest.param(name, marks=pytest.mark.faults)
        for name in COMMANDS
    ],
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Name of a command -> its `Killing`, made once."""
    made: dict[str, Killing] = {}

    def prepare(name: str) -> Killing:
        if name not in made:
            made[name] = Killing(name, tmp_path_factory.mktemp(name.replace(" ", "")))
        made[name].start_over()
        return made[name]

    return prepare


def ends_as_undisturbed(killing: Killing) -> None:
    run_to_the_end(killing.command())
    assert killing.to_kill.outcome(killing.work) == killing.to_kill.outcome(killing.after)


def is_told(said: str, code: int, *parts: str) -> None:
    """Code 2 and one sentence with all parts, or the end of the command."""
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in said, said
    assert (code, len(errors)) in ((2, 1), (0, 0)), (code, said)
    for part in parts:
        assert part in errors[0], said


# ---------------------------------------------------------------- kills


@pytest.mark.parametrize("name", ["step 1 again", "step 4"])
def test_killed_and_started_again(name, tmp_path):
    found = kill_often(name, tmp_path, n_kills=2, seed=1)
    assert found.kills == 2 and found.ends_compared and found.faults == []


@pytest.mark.parametrize(
    "name",
    [
        name if name == "step 0 again" else pytest.param(name, marks=pytest.mark.faults)
        for name in ("step 0", "step 0 again", "step 1", "step 1 again", "step 2", "step 3")
    ],
)
def test_killed_at_each_call_that_changes_the_disk(name, prepared):
    killing = prepared(name)
    for number in range(1, killing.n_calls + 1):
        killing.start_over()
        assert killing.kill_at(number)
        assert killing.looks_right(), number
        ends_as_undisturbed(killing)


def test_a_command_that_loses_something_is_found(tmp_path, monkeypatch):
    script = tmp_path / "broken.py"
    script.write_text(
        "import os, pathlib, sys, time\n"
        "work = pathlib.Path(sys.argv[1])\n"
        "if not (work / 'a').exists(): (work / 'b').write_text('once')\n"
        "(work / 'a').write_text('first'); os.fsync(os.open(work / 'a', os.O_RDONLY))\n"
        "(work / 'c').write_text('second')\n"
    )
    monkeypatch.setitem(COMMANDS, "broken", ToKill(f"{script} {{work}}"))
    monkeypatch.setattr(kill, "AT_A_CALL_SHARE", 1.0)
    (tmp_path / "folder").mkdir()
    found = kill_often("broken", tmp_path / "folder", n_kills=2, seed=0)
    assert any("what is there is wrong" in fault for fault in found.faults)


# ---------------------------------------------------------------- the disk


@is_root
@all_commands
def test_a_full_disk(name, prepared):
    killing = prepared(name)
    used = sum(f.stat().st_size // 4096 + 1 for f in killing.before.rglob("*")) * 4 * KILOBYTE
    grown = sum(f.stat().st_size // 4096 + 1 for f in killing.after.rglob("*")) * 4 * KILOBYTE
    rng = np.random.default_rng(0)
    for share in (0, *rng.uniform(0.05, 0.9, size=2)):
        size = used + int(share * max(grown - used, 60 * KILOBYTE)) + 8 * KILOBYTE
        shutil.rmtree(killing.work)
        killing.work.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(killing.work)]
        subprocess.run(mount, check=True)
        try:
            shutil.copytree(killing.before, killing.work, dirs_exist_ok=True)
            with started(killing.command()) as process:
                said, _ = process.communicate(timeout=300)
            is_told(said, process.returncode)
            assert killing.looks_right()
            subprocess.run(["mount", "-o", "remount,size=1g", str(killing.work)], check=True)
            ends_as_undisturbed(killing)
        finally:
            subprocess.run(["umount", "-l", str(killing.work)], check=True)


IN_THE_WAY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]  # root reads all else
IN_THE_WAY = IN_THE_WAY if os.geteuid() == 0 else []


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("step 0", "music/songs.csv"),
        ("step 0", "music/plays.tsv"),
        ("step 1 again", "data/msd500/track_tags.tsv"),
        ("step 1 again", "data/songs.tsv"),
        ("step 2", "music/text.txt"),
        ("step 3", "data/triplets.tsv"),
        ("step 3", "data/existing_ids.npy"),
        ("step 4", "data/songs.tsv"),
        ("TRAIN", "planted/ix_to_cf.npy"),
        ("TRAIN", "planted/google_emb.pkl"),
        ("index", "run/best.ckpt"),
        ("index", "planted/dataset.json"),
    ],
)
def test_a_file_that_may_not_be_read(name, file, prepared):
    killing = prepared(name)
    before = digests(killing.work)
    (killing.work / file).chmod(0)
    with started([*IN_THE_WAY, *killing.command()]) as process:
        said, _ = process.communicate(timeout=300)
    (killing.work / file).chmod(0o644)
    is_told(said, process.returncode, Path(file).name)
    assert process.returncode == 2 and digests(killing.work) == before


# ---------------------------------------------------------------- memory, other commands, the clock


@all_commands
def test_little_memory(name, prepared):
    killing = prepared(name)
    for gigabytes in (0.2, 1, 3):
        limit = ["prlimit", f"--as={int(gigabytes * GIGABYTE)}"]  # as `ulimit -v`
        with started([*limit, *killing.command()]) as process:
            said, _ = process.communicate(timeout=300)
        # before its libraries are loaded a command can say nothing of its own
        of_python = "emory", "map segment", "SystemError: error return without exception set"
        assert process.returncode in (0, 2) or any(one in said for one in of_python), said
        assert killing.looks_right()
    ends_as_undisturbed(killing)


@pytest.mark.parametrize("name", ["step 4", "TRAIN"])
def test_the_second_of_two_commands_is_told(name, prepared):
    killing = prepared(name)
    with started(killing.command()) as first:
        sign = killing.work / ("data/mel.npy" if name == "step 4" else "run/logs")
        while not sign.exists():
            time.sleep(0.05)
        first.send_signal(signal.SIGSTOP)  # or it might have come to its end before the second
        with started(killing.command()) as second:
            said, _ = second.communicate(timeout=300)
        first.send_signal(signal.SIGCONT)
        is_told(said, second.returncode, "another command is writing to")
        said, _ = first.communicate(timeout=300)
    assert first.returncode == 0, said
    assert killing.to_kill.outcome(killing.work) == killing.to_kill.outcome(killing.after)


@all_commands
def test_a_clock_that_jumps(name, prepared):
    killing = prepared(name)
    run_to_the_end(killing.command(), FAULT_CLOCK="1")
    assert killing.to_kill.outcome(killing.work) == killing.to_kill.outcome(killing.after)
