"""Names of files as the disk writes them, where those typed differ in their Unicode form alone."""

import functools
import os
from pathlib import Path, PurePosixPath

from dataset.files import normal_form, user_path


def name_on_disk(file: str, folder: Path) -> str:
    """Path of a file as the disk writes it, where that differs in its Unicode form alone."""
    if os.path.exists(folder / file):
        return file
    found = Path()
    for part in PurePosixPath(file).parts:
        there = os.path.exists(folder / found / part)
        found /= part if there else names_in(folder / found).get(normal_form(part), part)
    return found.as_posix()


@functools.cache
def names_in(folder: Path) -> dict[str, str]:
    """Names in a folder by their normal form."""
    is_folder = os.path.isdir(folder)  # pathlib's raises an error for too long a name
    return {normal_form(name): name for name in os.listdir(folder)} if is_folder else {}


def file_as_typed(name: str) -> Path | None:
    """The file that a user names, in whichever Unicode form; None if there is none."""
    names_in.cache_clear()
    try:
        file = Path(name_on_disk(str(user_path(name)), Path()))
    except OSError:  # a folder that one may not list
        return None
    return file if os.path.isfile(file) else None
