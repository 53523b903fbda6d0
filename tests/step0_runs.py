"""Step 0 run as a user runs it, and what its tests check of every set."""

import subprocess
from pathlib import Path

from commands import ROOT, run_command, run_here
from dataset.files import read_tsv

OWN_TABLE = [
    "file,tags,artist,title,category",
    'rock/a.wav,Rock|loud,"Ann, Bob","A ""B"" song",genre|mood',
    "rock/b.mp3,Rock,Ann,,genre",
    "./c d.flac, 80s | Rock ,Bob,C,",
]


def step0(*arguments) -> subprocess.CompletedProcess:
    """Run step 0 in this process: exit code, stdout, stderr."""
    return run_here(ROOT / "step0_dataset.py", *arguments)


def from_shell(*arguments) -> subprocess.CompletedProcess:
    """Run step 0 as a user does; slower, for the cases that need a process of their own."""
    return run_command(ROOT / "step0_dataset.py", *arguments)


def done_well(done: subprocess.CompletedProcess) -> str:
    """Check that a step succeeded; return what it printed."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(done: subprocess.CompletedProcess, *words) -> bool:
    """One sentence on stderr that holds all words, exit code 2, no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("error: ")
    for word in words:
        assert str(word) in done.stderr
    return True


def files_of(folder: Path) -> list[str]:
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


def write_lines(path: Path, lines: list[str], encoding: str = "utf-8", end: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in lines).encode(encoding))


def write_own_music(folder: Path) -> Path:
    """Write three files and a table of them; step 0 looks at no sample."""
    for name in ("rock/a.wav", "rock/b.mp3", "c d.flac"):
        write_lines(folder / name, [])
    write_lines(folder / "table.csv", OWN_TABLE)
    return folder


def plays_of(data: Path) -> list[tuple[str, ...]]:
    return [tuple(row) for row in read_tsv(data / "triplets.tsv", 3)]
