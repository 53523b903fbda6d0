"""What writers of an index left in its folder, and only that: others may use such names as well."""

import re
import shutil
from pathlib import Path
from typing import Any

from retrieval.folder_report import REPORT, TIMES
from retrieval.song_index import ABOUT, EMBEDDINGS, LINES, NEAREST, SONG_TAGS, SONGS
from retrieval.song_map import MAP

PART_FILES = {EMBEDDINGS, SONGS, LINES, SONG_TAGS, NEAREST}


def written_parts(folder: Path) -> list[Path]:
    """List the parts and models in a folder that an index wrote."""
    return [one for one in _numbered(folder) if _is_part(one) or _is_model(one)]


def holds_only_an_index(folder: Path) -> bool:
    """Whether a folder holds nothing that an index has not; the index may be damaged."""
    own = {folder / name for name in (MAP, TIMES, REPORT)}
    others = set(folder.iterdir()) - own - set(written_parts(folder))
    return not others or (others == {folder / ABOUT} and _is_about(folder / ABOUT))


def remove_unnamed(folder: Path, about: dict[str, Any]) -> None:
    """Remove the parts that `index.json` does not name, as a writer leaves them that was killed."""
    named = {about["model"][0], *(part["name"] for part in about["parts"])}
    for path in written_parts(folder):
        if path.name not in named:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def next_number(folder: Path) -> int:
    """Return a number that neither a part nor a model has, nor what is named so."""
    return 1 + max((int(re.findall(r"\d+", one.name)[0]) for one in _numbered(folder)), default=0)


def _numbered(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if re.fullmatch(r"(model|part)-\d+(\.npz)?", one.name)]


def _is_part(path: Path) -> bool:
    """Whether a folder has no file that a part has not."""
    if not path.name.startswith("part-") or path.is_symlink() or not path.is_dir():
        return False
    return all(one.is_file() and one.name in PART_FILES for one in path.iterdir())


def _is_model(path: Path) -> bool:
    """Whether a file is a zip archive that begins with the vectors of tags, as of `write_index`."""
    if path.is_symlink() or not path.is_file():
        return False
    with open(path, "rb") as stream:
        return stream.read(45)[30:] == b"tag_vectors.npy"  # 30 bytes are before the first name


def _is_about(path: Path) -> bool:
    """Whether a file is `index.json`, perhaps cut, or left empty as the machine went down."""
    if not path.is_file():
        return False
    with open(path, "rb") as stream:
        begin = stream.read(100)
    return b'"song_index_format"' in begin or not begin.strip(b"\0")
