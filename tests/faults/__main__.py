"""Kill the commands at random moments: each next start must end as an undisturbed run does.

    python -m tests.faults [--kills 200] [--seed 0] [--only NAME] [--to docs/results/faults]

The kills are shared out among the commands; half of them come after a random time, half at a random
call that changes the disk, and up to three follow each other before a command is left to end.
Writes kills.json and kills.md; the exit code is 1 if something was lost.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from dataset.writing import staged  # noqa: E402 - where they are is known from here on
from faults.commands_to_kill import COMMANDS  # noqa: E402
from faults.kill import Found, kill_often  # noqa: E402


def table(found: list[Found]) -> str:
    """Markdown: a row for each command."""
    lines = ["| command | kills | of them at a call | ends compared | faults |"]
    lines += ["| --- | ---: | ---: | ---: | ---: |"]
    for one in found:
        cells = one.command, one.kills, one.kills_at_a_call, one.ends_compared, len(one.faults)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    sums = [sum(getattr(one, name) for one in found) for name in ("kills", "kills_at_a_call")]
    sums += [sum(one.ends_compared for one in found), sum(len(one.faults) for one in found)]
    return "\n".join([*lines, f"| all | {' | '.join(map(str, sums))} |"]) + "\n"


def main() -> int:
    """Kill, print and write the table; return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.faults", description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=list(COMMANDS))
    parser.add_argument("--to", type=Path)
    given = parser.parse_args()
    names = [given.only] if given.only else list(COMMANDS)
    begun, found = time.monotonic(), []
    for number, name in enumerate(names):
        share = given.kills // len(names) + (number < given.kills % len(names))
        with tempfile.TemporaryDirectory() as folder:
            found.append(kill_often(name, Path(folder), share, given.seed))
        print(found[-1], flush=True)
    print(table(found))
    if given.to:
        about = {"seed": given.seed, "seconds": round(time.monotonic() - begun)}
        with staged(given.to) as stage:
            (stage / "kills.md").write_text(table(found), encoding="utf-8")
            text = json.dumps(about | {"commands": [vars(one) for one in found]}, indent=2)
            (stage / "kills.json").write_text(text + "\n", encoding="utf-8")
    return 1 if any(one.faults for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
