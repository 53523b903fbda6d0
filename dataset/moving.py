"""Bringing a command's files into place all together, even if it is killed between two of them."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from errors import UserError

_READY = ".ready-"  # beginning of the names of folders whose files are whole and on their way
_GOING = ".going"  # folder in such a one: empty files by the names of those that go meanwhile


def remove_with(stage: Path, name: str) -> bool:
    """Let a file of the directory around `stage` go when the files of `stage` come into place.

    Returns
    -------
    bool
        Whether there is such a file.
    """
    if not (stage.parent / name).is_file():
        return False
    mark = stage / _GOING / name
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return True


def move_files(stage: Path, directory: Path) -> None:
    """Move all files of a folder inside `directory` to `directory`, replacing what is there.

    Those that `remove_with` has named go.

    The folder is renamed first. From then on its files count: whoever opens the directory after a
    kill moves the rest (`finish_moves`), so that nobody sees new files beside old ones.
    """
    for file in _coming(stage):
        target = directory / file.relative_to(stage)
        if target.exists() and target.is_dir() != file.is_dir():
            raise UserError(f"{target} is in the way of what is to be written: move it away")
    ready = stage.with_name(_READY + stage.name.removeprefix("."))
    os.rename(stage, ready)
    _move(ready, directory)


def finish_moves(directory: Path) -> None:
    """Move what a killed command had ready; wait for one that is at it."""
    for ready in sorted(directory.glob(f"{_READY}*")):
        with contextlib.suppress(FileNotFoundError):  # it has come to its end meanwhile
            descriptor = os.open(ready, os.O_RDONLY)
            try:
                with contextlib.suppress(OSError):  # a file system without locks
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                _move(ready, directory)
            finally:
                os.close(descriptor)


def _coming(folder: Path) -> list[Path]:
    """What is below a folder, in order, without what tells of files that go."""
    going = folder / _GOING
    return [file for file in sorted(folder.rglob("*")) if going not in (file, *file.parents)]


def _move(ready: Path, directory: Path) -> None:
    going = ready / _GOING
    for mark in sorted(going.rglob("*")):
        if mark.is_file():
            (directory / mark.relative_to(going)).unlink(missing_ok=True)
    for file in _coming(ready):
        target = directory / file.relative_to(ready)
        if file.is_dir():
            target.mkdir(exist_ok=True)
        else:
            os.replace(file, target)
    shutil.rmtree(ready)


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Keep other commands from writing to a directory meanwhile; the lock ends with the process.

    The directory is made if it is not there, and goes again if nothing is written; what a killed
    command had ready comes into place.

    Raises
    ------
    UserError
        Another command is at it.
    """
    with made(directory):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            if lock(descriptor) == "taken":
                raise UserError(
                    f"another command is writing to {directory}: wait for its end, or give another "
                    "one"
                )
            finish_moves(directory)
            yield
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def made(directory: Path) -> Iterator[None]:
    """Make a directory and those above it; remove again what is left empty."""
    created = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for folder in created:
            with contextlib.suppress(OSError):  # not empty: all went well
                folder.rmdir()


def lock(descriptor: int) -> str:
    """Lock a folder as long as this process lives: 'ours', 'taken', or there are 'no locks'."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return "taken"
    except OSError:
        return "no locks"
    return "ours"
