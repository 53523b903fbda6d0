"""Writing the files of a dataset directory, each command's whole or not at all."""

import contextlib
import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from dataset.files import ABOUT, FORMAT_VERSION, SPLITS, read_about, user_path
from dataset.moving import finish_moves, lock, made, move_files
from errors import UserError

_STAGE = ".writing-"  # beginning of the names of temporary folders


def writable_file(path: str | Path) -> Path:
    """Return `path` as a Path, or raise `UserError` if no file can be written there.

    To be asked before a long computation of what will be in the file.
    """
    file = user_path(path)
    if not file.name or os.path.isdir(file):  # no error for a name that cannot be
        raise UserError(f"{str(path)!r} is a directory, or no name: give the name of a file")
    with staged(file.parent) as stage:
        try:
            (stage / file.name).touch()
            (stage / file.name).unlink()
        except OSError as error:
            raise UserError(
                f"{file} cannot be written ({error.strerror}): give another name"
            ) from None
    return file


@contextlib.contextmanager
def staged(directory: Path) -> Iterator[Path]:
    """Give a temporary folder; move its files into `directory` on success, else drop them.

    Steps write all their files there, so that a failure leaves nothing half-written. What a killed
    run left behind goes with the next one.

    Raises
    ------
    UserError
        If `directory` cannot be made or written to.
    """
    with contextlib.ExitStack() as afterwards:
        try:
            afterwards.enter_context(made(directory))
            finish_moves(directory)
            _remove_left_over(directory)
            stage, in_use = _make_stage(directory)
        except OSError as error:
            raise UserError(
                f"{directory} cannot be written to ({error.strerror}): choose another directory"
            ) from None
        try:
            yield stage
            move_files(stage, directory)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
            os.close(in_use)


def _make_stage(directory: Path) -> tuple[Path, int]:
    """Make a temporary folder, locked as long as this process lives.

    Until it is locked, another process may take it for left over: then there is another one.
    """
    while True:
        stage = Path(tempfile.mkdtemp(prefix=_STAGE, dir=directory))
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(stage, os.O_RDONLY)
            if lock(descriptor) != "taken" and stage.exists():
                return stage, descriptor
            os.close(descriptor)


def _remove_left_over(directory: Path) -> None:
    """Remove temporary folders whose process is gone, so that nobody locks them."""
    for stage in directory.glob(f"{_STAGE}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(stage, os.O_RDONLY)
            if lock(descriptor) == "ours":
                shutil.rmtree(stage, ignore_errors=True)
            os.close(descriptor)


def write_tsv(path: Path, rows: Iterable[Sequence]) -> None:
    """Write rows as tab-separated UTF-8 text without header.

    Raises
    ------
    ValueError
        A field holds a tab or a line break, which whoever reads the file would take for the end of
        it: readers of raw data bring texts to one line.
    """
    with open(path, "w", encoding="utf-8", newline="\n") as stream:
        for row in rows:
            line = "\t".join(str(field) for field in row)
            if line.count("\t") >= max(len(row), 1) or "\n" in line or "\r" in line:
                raise ValueError(f"{path.name}: a tab or line break within a field of {row!r}")
            stream.write(line + "\n")


def write_pickle(path: Path, content: dict) -> None:
    """Write a dict of plain data in a pickle protocol that every Python 3 reads."""
    with open(path, "wb") as stream:
        pickle.dump(content, stream, protocol=4)


def write_split(
    stage: Path,
    tags: list[str],
    song_ids: list[str],
    song_tags: np.ndarray,
    splits: dict[str, np.ndarray],
    prefix: str = "",
    strengths: np.ndarray | None = None,
) -> None:
    """Write the files of a split: tags, ids, binaries, the three splits and `train_tag_to_ix`.

    And `tag_strengths`, where there are some.

    Parameters
    ----------
    stage : Path
        Folder to write to, usually from `staged`.
    tags, song_ids : list of str
        The tag axis (sorted) and the song axis.
    song_tags : ndarray, shape (N, T)
        Whether a song bears a tag.
    splits : dict
        'train', 'valid', 'test' -> song indices.
    prefix : str
        'sub_' for the smaller set.
    strengths : ndarray of float32, shape (N, T), optional
        How strongly people gave a song a tag.
    """
    np.save(stage / f"{prefix}tags.npy", np.array(tags, dtype=str))
    np.save(stage / f"{prefix}existing_ids.npy", np.array(song_ids, dtype=str))
    np.save(stage / f"{prefix}binaries.npy", song_tags.astype(np.float32))
    if strengths is not None:
        np.save(stage / f"{prefix}tag_strengths.npy", strengths.astype(np.float32))
    lines = {name: [f"{ix}//{song_ids[ix]}" for ix in splits[name]] for name in SPLITS}
    for name in SPLITS:
        np.save(stage / f"{prefix}{name}_ids.npy", np.array(lines[name], dtype=str))
    train_tags = song_tags[splits["train"]].astype(bool)
    tag_to_ix = {
        tag: [lines["train"][row] for row in np.flatnonzero(train_tags[:, column])]
        for column, tag in enumerate(tags)
    }
    write_pickle(stage / f"{prefix}train_tag_to_ix.pkl", tag_to_ix)


def write_about(stage: Path, directory: Path, step: str, facts: dict) -> None:
    """Write `dataset.json` to `stage`: that of `directory` with what `step` did added."""
    about = read_about(directory) or {"format_version": FORMAT_VERSION, "steps": {}}
    about["steps"][step] = facts
    (stage / ABOUT).write_text(json_text(about), encoding="utf-8")


def json_text(content: object, **how) -> str:
    """JSON in plain letters; escaped where it names a file whose name is no UTF-8."""
    text = json.dumps(content, indent=2, ensure_ascii=False, **how)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(content, indent=2, **how)
    return text + "\n"
