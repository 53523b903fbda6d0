"""The dataset directory: every file's name, shape and dtype; reading, checking and writing.

The names and meanings are those of the splits published with the paper (Won et al., ICASSP 2021,
arXiv 2010.16030, `reproducible_splits.tar.gz`), so that a downloaded split opens without a change.
README.md, section "The dataset directory", has the table for users.

Nothing here is trusted: arrays are read without pickle, pickles by `read_pickle`, which admits
plain data only, and `open_dataset` checks every shape and cross-reference.
"""

import contextlib
import hashlib
import json
import os
import pickle
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from errors import UserError, one_line
from plain_pickle import PlainUnpickler

if TYPE_CHECKING:
    from mel_store import MelStore

FORMAT_VERSION = 1
SPLITS = ("train", "valid", "test")

TRACK_TAGS = "msd500/track_tags.tsv"
SONGS = "songs.tsv"
TRIPLETS = "triplets.tsv"
PUBLISHED_SPLIT = "published_split.tsv"
ITEM_FACTORS = "item_factors_MSD.npy"
ITEM_INDEX = "items_index_MSD.tsv"
CATEGORIES = "tag_categories.tsv"
ABOUT = "dataset.json"

_STEP1 = "python -u step1_data_split.py run DATA_PATH TOP_N_TAGS MINIMUM writes it"
_MADE_BY = {  # end of a file's name -> where it comes from
    "tags.npy": _STEP1,
    "_ids.npy": _STEP1,
    "binaries.npy": _STEP1,
    "train_tag_to_ix.pkl": _STEP1,
    "track_tags.tsv": "step0_dataset.py writes it, and the paper's msd500.tar.gz holds it",
    "emb.pkl": "python -u step2_word_embedding.py run DATA_PATH writes it",
    "ix_to_cf.npy": "python -u step3_taste_profile.py run (or train) DATA_PATH writes it",
    "item_factors_MSD.npy": "the paper's user_item_embs.tar.gz holds it",
    "items_index_MSD.tsv": "the paper's user_item_embs.tar.gz holds it; with play counts use "
    "step3_taste_profile.py train DATA_PATH DATA_PATH/triplets.tsv instead",
    "triplets.tsv": "step0_dataset.py writes it",
    "songs.tsv": "step0_dataset.py writes it",
}


@dataclass(frozen=True)
class Dataset:
    """A dataset directory, read and checked.

    Attributes
    ----------
    path : Path
        The directory.
    tags : list of str
        The T tags, in the order of every tag axis.
    song_ids : list of str
        The N song ids, in the order of every song axis; empty strings for songs in no split
        when the directory has no `existing_ids.npy`.
    song_tags : ndarray of bool, shape (N, T)
        Whether a song bears a tag.
    splits : dict of str to ndarray of int64
        'train', 'valid', 'test' -> song indices, in the order of the file.
    tag_vectors : ndarray of float32, shape (T, D)
        Word vector of each tag.
    cf : ndarray of float32, shape (N, C), or None
        Collaborative-filtering vectors, if asked for.
    categories : dict of str to str
        Tag -> tag category, for tags that have one.
    about : dict
        Content of `dataset.json`; empty where there is none.
    mel : MelStore or None
        Mel spectrograms, once `mel_chunks.attach_mels` has opened them.
    """

    path: Path
    tags: list[str]
    song_ids: list[str]
    song_tags: np.ndarray
    splits: dict[str, np.ndarray]
    tag_vectors: np.ndarray
    cf: np.ndarray | None
    categories: dict[str, str]
    about: dict
    mel: "MelStore | None" = None


def open_dataset(
    path: str | Path, w2v_type: str = "google", is_subset: bool = False, with_cf: bool = False
) -> Dataset:
    """Read and check a dataset directory.

    Parameters
    ----------
    path : str or Path
        The dataset directory.
    w2v_type : str
        Which `<w2v_type>_emb.pkl` to use.
    is_subset : bool
        Whether to read the `sub_*` files (the paper's MSD50).
    with_cf : bool
        Whether the CF vectors are needed.

    Raises
    ------
    UserError
        A file is missing, corrupt, or contradicts another one.
    """
    path = existing_directory(path)
    prefix = subset_prefix(is_subset)
    tags = read_tags(path, prefix)
    song_tags = read_song_tags(path / f"{prefix}binaries.npy", len(tags))
    song_ids, splits = read_splits(path, prefix, len(song_tags))
    for name, songs in splits.items():
        if not song_tags[songs].any():
            raise UserError(
                f"no song of {path / f'{prefix}{name}_ids.npy'} bears a tag of {prefix}tags.npy: "
                "make the split again with step 1"
            )
    dataset = Dataset(
        path=path,
        tags=tags,
        song_ids=song_ids,
        song_tags=song_tags,
        splits=splits,
        tag_vectors=_read_tag_vectors(path, w2v_type, prefix, tags),
        cf=_read_cf(path / f"{prefix}ix_to_cf.npy", len(song_tags)) if with_cf else None,
        categories=read_categories(path),
        about=read_about(path),
    )
    _check_train_tag_to_ix(path / f"{prefix}train_tag_to_ix.pkl", dataset)
    return dataset


def fingerprint(dataset: Dataset) -> dict[str, str]:
    """SHA-256 of what a model was trained on: split, tag vectors, CF vectors, spectrograms.

    '' for what there is not. Of the spectrograms, which may be hundreds of GB, the lengths count.
    """
    song_ids = [dataset.song_ids[song] for song in dataset.splits["train"]]
    contents = {"split": "\n".join(song_ids).encode(), "tag vectors": dataset.tag_vectors.tobytes()}
    contents["CF vectors"] = b"" if dataset.cf is None else dataset.cf.tobytes()
    contents["spectrograms"] = b""
    if dataset.mel is not None:
        n_frames = dataset.mel.n_frames[dataset.mel.rows_of(song_ids)]
        contents["spectrograms"] = repr(n_frames.tolist()).encode()
    return {
        name: hashlib.sha256(content).hexdigest() if content else ""
        for name, content in contents.items()
    }


def subset_prefix(is_subset: bool) -> str:
    """Prefix of the file names of the whole set ('') or of the smaller one ('sub_')."""
    return "sub_" if is_subset else ""


def existing_directory(path: str | Path) -> Path:
    """Return `path` as a Path, or raise `UserError` if it is no directory."""
    path = Path(str(path)).expanduser()
    if not path.is_dir():
        raise UserError(f"{path} is not a directory: give the dataset directory as DATA_PATH")
    return path


# ---------------------------------------------------------------- reading single files


def require_file(path: Path) -> Path:
    """Return `path`, or raise `UserError` that names it and the step that makes it."""
    if not path.is_file():
        makers = (maker for name, maker in _MADE_BY.items() if path.name.endswith(name))
        raise UserError(f"{path} is missing: {next(makers, 'give the path of an existing file')}")
    return path


def read_npy(path: Path) -> np.ndarray:
    """Read an .npy file without pickle; raise `UserError` if it is missing or corrupt."""
    with open(require_file(path), "rb") as stream:
        try:
            return np.lib.format.read_array(stream, allow_pickle=False)
        except Exception as error:  # a damaged array raises nearly anything
            raise UserError(
                f"{path} is not a readable .npy array ({one_line(error)}): make it again"
            ) from None


def read_strings(path: Path) -> list[str]:
    """Read a (n,) .npy array of str or bytes as a list of str."""
    array = read_npy(path)
    if array.shape == (0,):  # numpy saves an empty list as floats
        return []
    if array.ndim != 1 or array.dtype.kind not in "US":
        raise UserError(
            f"{path} must hold a one-dimensional array of strings, not shape {array.shape} of "
            f"{array.dtype}: make it again with step 1"
        )
    if array.dtype.kind == "U":
        return array.tolist()
    try:
        return [value.decode("utf-8") for value in array.tolist()]
    except UnicodeDecodeError:
        raise UserError(f"{path} holds bytes that are not UTF-8: write it as numpy str") from None


def read_tags(path: Path, prefix: str = "") -> list[str]:
    """Read the tags of the dataset directory `path`: non-empty and each once."""
    return _unique(read_strings(path / f"{prefix}tags.npy"), path / f"{prefix}tags.npy", "tag")


def read_song_ids(path: Path, prefix: str = "") -> list[str]:
    """Read `existing_ids.npy`: the song ids in the order of every song axis, each once."""
    file = path / f"{prefix}existing_ids.npy"
    return _unique(read_strings(file), file, "song")


def read_tsv(path: Path, columns: int) -> list[list[str]]:
    """Read a tab-separated file without header: a list of rows with `columns` fields each.

    Missing trailing fields become empty strings, further ones are dropped; empty lines and a byte
    order mark are passed over.
    """
    rows = []
    with open(require_file(path), encoding="utf-8-sig", newline="\n") as lines:
        try:
            for line in lines:
                fields = line.rstrip("\r\n").split("\t")
                if fields != [""]:
                    rows.append((fields + [""] * columns)[:columns])
        except UnicodeDecodeError:
            raise UserError(f"{path} is not UTF-8 text: convert it to UTF-8") from None
    return rows


def read_categories(path: Path) -> dict[str, str]:
    """Read `tag_categories.tsv` as tag -> category; empty where the file is absent."""
    if not (path / CATEGORIES).is_file():
        return {}
    return {tag: category for tag, category in read_tsv(path / CATEGORIES, 2) if category}


def read_about(path: Path) -> dict:
    """Read `dataset.json`, which says how the directory was made; {} where it is absent."""
    file = path / ABOUT
    if not file.is_file():
        return {}
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(
            f"{file} is not valid JSON ({one_line(error)}): repair or remove it"
        ) from None
    version = about.get("format_version") if isinstance(about, dict) else None
    if version != FORMAT_VERSION:
        raise UserError(
            f"{file} has format version {version}, this program reads {FORMAT_VERSION}: "
            "make the directory again with the steps"
        )
    return about


def read_pickle(path: Path) -> dict:
    """Read a pickled dict of plain data (lists, str, numbers, numpy arrays); run nothing in it."""
    with open(require_file(path), "rb") as stream:
        try:
            content = PlainUnpickler(stream).load()
        except Exception as error:  # a damaged pickle raises nearly anything
            raise UserError(
                f"{path} is not a pickle of plain data ({one_line(error)}): make it again"
            ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold a dict, not a {type(content).__name__}: make it again")
    return content


# ---------------------------------------------------------------- writing


@contextlib.contextmanager
def staged(directory: Path) -> Iterator[Path]:
    """Give a temporary folder; move its files into `directory` on success, else drop them.

    Steps write all their files there, so that a failure leaves nothing half-written.

    Raises
    ------
    UserError
        If `directory` cannot be made or written to.
    """
    created = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".writing-", dir=directory))
    except OSError as error:
        raise UserError(
            f"{directory} cannot be written to ({error.strerror}): choose another directory"
        ) from None
    try:
        yield stage
        _move_files(stage, directory)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        for folder in created:
            with contextlib.suppress(OSError):  # not empty: all went well
                folder.rmdir()


def _move_files(stage: Path, directory: Path) -> None:
    targets = {file: directory / file.relative_to(stage) for file in sorted(stage.rglob("*"))}
    for file, target in targets.items():
        if target.exists() and target.is_dir() != file.is_dir():
            raise UserError(f"{target} is in the way of what is to be written: move it away")
    for file, target in targets.items():
        if file.is_dir():
            target.mkdir(exist_ok=True)
        else:
            os.replace(file, target)


def write_tsv(path: Path, rows: Iterable[Sequence]) -> None:
    """Write rows as tab-separated UTF-8 text without header."""
    with open(path, "w", encoding="utf-8", newline="\n") as stream:
        for row in rows:
            stream.write("\t".join(str(field) for field in row) + "\n")


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
) -> None:
    """Write the files of a split: tags, ids, binaries, the three splits and `train_tag_to_ix`.

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
    """
    np.save(stage / f"{prefix}tags.npy", np.array(tags, dtype=str))
    np.save(stage / f"{prefix}existing_ids.npy", np.array(song_ids, dtype=str))
    np.save(stage / f"{prefix}binaries.npy", song_tags.astype(np.float32))
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
    about.setdefault("steps", {})[step] = facts
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    (stage / ABOUT).write_text(text, encoding="utf-8")


# ---------------------------------------------------------------- checks behind open_dataset


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _unique(names: list[str], path: Path, kind: str) -> list[str]:
    if not names:
        raise UserError(f"{path} is empty: make it again with step 1")
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))
        raise UserError(f"{path} lists the {kind} {twice!r} twice: make it again with step 1")
    return names


def _read_matrix(path: Path) -> np.ndarray:
    """Read a two-dimensional array of numbers that are finite in float32."""
    array = read_npy(path)
    if array.ndim != 2 or array.dtype.kind not in "biuf" or 0 in array.shape:
        raise UserError(
            f"{path} must hold a matrix of numbers, not shape {array.shape} of {array.dtype}: "
            "make it again"
        )
    if array.dtype.kind == "f" and not _is_finite(array).all():
        row = int(np.flatnonzero(~_is_finite(array))[0])
        raise UserError(f"{path} holds NaN or infinite values, first in row {row}: make it again")
    return array


def _is_finite(matrix: np.ndarray) -> np.ndarray:
    """Whether the rows hold neither NaN nor infinity, and no number beyond float32."""
    return (np.abs(matrix) <= np.finfo(np.float32).max).all(axis=1)  # NaN compares as false


def read_song_tags(path: Path, n_tags: int) -> np.ndarray:
    """Read a `binaries.npy` with `n_tags` columns as bool (N, T): song bears tag."""
    array = _read_matrix(path)
    if array.shape[1] != n_tags:
        raise UserError(
            f"{path} has {array.shape[1]} columns but tags.npy of the same directory has {n_tags} "
            "tags: make both again with step 1"
        )
    song_tags = array == 1
    if not (song_tags | (array == 0)).all():
        raise UserError(f"{path} must hold only 0 and 1: make it again with step 1")
    return song_tags


def read_splits(path: Path, prefix: str, n_songs: int) -> tuple[list[str], dict[str, np.ndarray]]:
    """Read the three splits; return the N song ids and the song indices of each split.

    Where there is no `existing_ids.npy`, songs in no split have the id ''.
    """
    ids_file = path / f"{prefix}existing_ids.npy"
    song_ids = read_song_ids(path, prefix) if ids_file.is_file() else [""] * n_songs
    if len(song_ids) != n_songs:
        raise UserError(
            f"{ids_file} lists {len(song_ids)} songs but {prefix}binaries.npy has {n_songs} rows: "
            "make both again with step 1"
        )
    splits, owner = {}, {}
    for name in SPLITS:
        file = path / f"{prefix}{name}_ids.npy"
        splits[name] = _read_split(file, song_ids)
        for index in splits[name].tolist():
            if index in owner:
                raise UserError(
                    f"{file} lists song {song_ids[index]!r}, which {owner[index]} lists already: "
                    "make the splits again with step 1"
                )
            owner[index] = file.name
    if not ids_file.is_file():  # no one has compared the ids of different indices yet
        _unique([name for name in song_ids if name], path / f"{prefix}*_ids.npy", "song")
    return song_ids, splits


def _read_split(file: Path, song_ids: list[str]) -> np.ndarray:
    """Read one split; names in `song_ids` that are still unknown ('') are filled in."""
    lines = read_strings(file)
    if not lines:
        raise UserError(f"{file} is an empty split: make it again with step 1, with more songs")
    return np.array([_song_index(line, song_ids, file) for line in lines], dtype=np.int64)


def _song_index(line: str, song_ids: list[str], file: Path) -> int:
    parts = re.fullmatch(r"([0-9]{1,18})//(.+)", line, re.DOTALL)
    if not parts:
        raise UserError(
            f"{file} holds {line!r} instead of '<song index>//<song id>': make it again with step 1"
        )
    index, song_id = int(parts[1]), parts[2]
    if index >= len(song_ids):
        raise UserError(
            f"{file} holds {line!r}, but there are only {len(song_ids)} songs (rows of "
            "binaries.npy): take all files from the same split"
        )
    if song_ids[index] not in ("", song_id):
        raise UserError(
            f"{file} holds {line!r}, but song {index} is {song_ids[index]!r} elsewhere: take all "
            "files from the same split"
        )
    song_ids[index] = song_id
    return index


def _check_train_tag_to_ix(path: Path, dataset: Dataset) -> None:
    """Check that the published lookup says what `binaries.npy` and `train_ids.npy` say.

    The program itself derives the lookup from those two; a directory may do without the file.
    """
    if not path.is_file():
        return
    lookup = {_text(tag): lines for tag, lines in read_pickle(path).items()}
    train = dataset.splits["train"]
    for column, tag in enumerate(dataset.tags):
        if not isinstance(lookup.get(tag), list):
            raise UserError(f"{path} has no list for the tag {tag!r}: make it again with step 1")
        songs = train[dataset.song_tags[train, column]].tolist()
        if {_text(line) for line in lookup[tag]} != {f"{n}//{dataset.song_ids[n]}" for n in songs}:
            raise UserError(
                f"{path} lists other songs for {tag!r} than train_ids.npy and binaries.npy do: "
                "make them again with step 1"
            )


def _read_tag_vectors(path: Path, w2v_type: str, prefix: str, tags: list[str]) -> np.ndarray:
    file = path / f"{prefix}{w2v_type}_emb.pkl"
    if prefix and not file.is_file():  # published: one vector file serves both sets
        file = path / f"{w2v_type}_emb.pkl"
    vectors = {_text(tag): vector for tag, vector in read_pickle(file).items()}
    missing = [tag for tag in tags if tag not in vectors]
    if missing:
        raise UserError(
            f"{file} has no vector for {len(missing)} of {len(tags)} tags ({some(missing)}): run "
            "step 2 with --drop_missing, or step 1 with --vectors"
        )
    try:
        matrix = np.array([vectors[tag] for tag in tags])
    except (ValueError, OverflowError):  # lengths differ, or a number is beyond all dtypes
        matrix = np.empty(0)
    if matrix.ndim != 2 or matrix.dtype.kind not in "iuf" or 0 in matrix.shape:
        raise UserError(f"{file} must hold number vectors of one length: make it again with step 2")
    bad = [tags[row] for row in np.flatnonzero(~_is_finite(matrix))]
    if bad:
        raise UserError(f"{file} has NaN or infinite vectors ({some(bad)}): make it again")
    return matrix.astype(np.float32)


def _read_cf(path: Path, n_songs: int) -> np.ndarray:
    cf = _read_matrix(path)
    if len(cf) != n_songs:
        raise UserError(
            f"{path} has {len(cf)} rows but binaries.npy has {n_songs}: make it again with step 3"
        )
    return cf.astype(np.float32)


def some(names: Sequence, most: int = 5) -> str:
    """List the first names of a sequence, for messages: 'a, b, c and 12 more'."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
