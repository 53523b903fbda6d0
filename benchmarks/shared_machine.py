"""Training alone on the machine, and beside busy programs: how threads wait for each other.

Whole runs of main.py in turn: threads that wait awake, as libgomp has it by itself; that wait
asleep; and as `threads.py` chooses. The last column says how far that is from the better of the
two. The machine must have nothing else to do.

    python -m benchmarks.shared_machine DATA_PATH [--programs 0 2] [--repeats 5] [OPTIONS OF MAIN]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.timing import machine
from checkpoint import read_checkpoint
from threads import SET_BY_USER

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {  # what the user would set
    "awake": {"GOMP_SPINCOUNT": "300000"},  # libgomp's own
    "asleep": {"OMP_WAIT_POLICY": "PASSIVE"},
    "chosen": {},
}


def busy_programs(number: int) -> ExitStack:
    """So many programs that do nothing but keep a core busy, until the stack is closed."""
    stack = ExitStack()
    for _ in range(number):
        program = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
        stack.callback(program.wait)
        stack.callback(program.kill)
    return stack


def train_seconds(data_path: str, options: list[str], setting: dict[str, str]) -> float:
    """Seconds that a training takes, from its first step to its last checkpoint."""
    kept = {name: value for name, value in os.environ.items() if name not in SET_BY_USER}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "main.py"), "--data_path", data_path, *options]
        done = subprocess.run(
            [*command, "--model_save_path", folder],
            env=kept | setting,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(done.stderr)
        return read_checkpoint(Path(folder) / "last.ckpt")["train_seconds"]


def compare(
    data_path: str, options: list[str], programs: int, repeats: int
) -> dict[str, list[float]]:
    """Seconds of each run, by setting, the settings in turn beside so many busy programs."""
    seconds: dict[str, list[float]] = {name: [] for name in SETTINGS}
    with busy_programs(programs):
        for _ in range(repeats):
            for name, setting in SETTINGS.items():
                seconds[name].append(train_seconds(data_path, options, setting))
    return seconds


def row(programs: int, seconds: dict[str, list[float]]) -> str:
    """Row of the table: median, smallest and largest time, and how far the choice is off."""
    median = {name: statistics.median(values) for name, values in seconds.items()}
    cells = [
        f"{median[name]:.2f} s ({min(values):.2f} to {max(values):.2f})"
        for name, values in seconds.items()
    ]
    ratio = median["chosen"] / min(median["awake"], median["asleep"])
    return f"| {programs} | {' | '.join(cells)} | {ratio:.2f} |"


def main(argv: list[str] | None = None) -> None:
    """Print the table, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="benchmarks.shared_machine", allow_abbrev=False)
    parser.add_argument("data_path")
    parser.add_argument("--programs", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--repeats", type=int, default=5)
    sizes, options = parser.parse_known_args(argv)
    print(f"{' '.join(options)}  ({sizes.repeats} runs of each in turn, {machine()})\n")
    print(f"| busy programs | {' | '.join(SETTINGS)} | chosen / better |")
    print("| ---: | --- | --- | --- | ---: |")
    for programs in sizes.programs:
        seconds = compare(sizes.data_path, options, programs, sizes.repeats)
        print(row(programs, seconds), flush=True)


if __name__ == "__main__":
    main()
