"""The files of a dataset directory: the name and form of each, and reading single ones.

The names and meanings are those of the splits published with the paper (Won et al., ICASSP 2021,
arXiv 2010.16030, `reproducible_splits.tar.gz`), so that a downloaded split opens without a change.
docs/data.md, section "The dataset directory", has the table for users.

Nothing here is trusted: arrays are read without pickle, pickles by `read_pickle`, which admits
plain data only, and `dataset.directory` checks every shape and cross-reference.
"""

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from dataset.bounded import memory_bounded_by
from dataset.moving import finish_moves
from dataset.plain_pickle import PlainUnpickler
from errors import UserError, one_line

Item = TypeVar("Item")

FORMAT_VERSION = 1
SPLITS = ("train", "valid", "test")

TRACK_TAGS = "msd500/track_tags.tsv"
RAW_TAGS = "raw_tags.tsv"
TAG_STRENGTHS = "tag_strengths.tsv"
SONGS = "songs.tsv"
TRIPLETS = "triplets.tsv"
PUBLISHED_SPLIT = "published_split.tsv"
ITEM_FACTORS = "item_factors_MSD.npy"
ITEM_INDEX = "items_index_MSD.tsv"
CATEGORIES = "tag_categories.tsv"
ABOUT = "dataset.json"

_STEP1 = "python -u step1_data_split.py run DATA_PATH TOP_N_TAGS MINIMUM writes it"
_MADE_BY = {  # end of a file's name -> where it comes from
    **dict.fromkeys(("tags.npy", "_ids.npy", "binaries.npy", "train_tag_to_ix.pkl"), _STEP1),
    "tag_strengths.npy": "--soft_tags learns from it, step 1 writes it where step 0 wrote "
    "tag_strengths.tsv (lastfm2k, msd with scores, emotify), so run both again, or leave "
    "--soft_tags out",
    "track_tags.tsv": "step0_dataset.py writes it, and the paper's msd500.tar.gz holds it",
    "emb.pkl": "python -u step2_word_embedding.py run DATA_PATH writes it",
    "neighbours_songs.npy": "python -u step3_taste_profile.py neighbours DATA_PATH [TRIPLETS] "
    "writes it",
    "ix_to_cf.npy": "python -u step3_taste_profile.py run (or train) DATA_PATH writes it",
    "item_factors_MSD.npy": "the paper's user_item_embs.tar.gz holds it",
    "items_index_MSD.tsv": "the paper's user_item_embs.tar.gz holds it; with play counts use "
    "step3_taste_profile.py train DATA_PATH DATA_PATH/triplets.tsv instead",
    **dict.fromkeys(("triplets.tsv", "songs.tsv"), "step0_dataset.py writes it"),
    RAW_TAGS: "step0_dataset.py writes it, but not of the demo",
}


def song_inputs(input_type: str) -> tuple[str, ...]:
    """Names of the song inputs of an --input_type: 'hybrid' is the paper's name of spec and cf."""
    return ("spec", "cf") if input_type == "hybrid" else tuple(input_type.split("+"))


def subset_prefix(is_subset: bool) -> str:
    """Prefix of the file names of the whole set ('') or of the smaller one ('sub_')."""
    return "sub_" if is_subset else ""


def user_path(path: object) -> Path:
    """Return a path as a user gives it, with `~` for the home folder where that is known."""
    return Path(os.path.expanduser(str(path)))  # pathlib's raises an error for an unknown user


def existing_directory(path: str | Path) -> Path:
    """Return `path` as a Path, or raise `UserError` if it is no directory.

    What a killed command had ready for it is brought into place.
    """
    path = user_path(path)
    if not path.is_dir():
        raise UserError(f"{path} is not a directory: give the dataset directory as DATA_PATH")
    finish_moves(path)
    return path


def some(names: Sequence, most: int = 5) -> str:
    """List the first names of a sequence, for messages: 'a, b, c and 12 more'."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def counted(n: int, what: str) -> str:
    """How many of something, for messages: '1 song', '2 songs'."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def alike(items: Iterable[Item], key: Callable[[Item], Hashable]) -> list[list[Item]]:
    """Group the items that have a key in common with another one, in the order of the first."""
    groups: dict[Hashable, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [group for group in groups.values() if len(group) > 1]


# not U+200C and U+200D, which join letters, nor the control characters that are white space
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff]")


def plain(text: str) -> str:
    """Text on one line, single blanks between words, without characters that nobody sees."""
    return " ".join(_INVISIBLE.sub("", text).split())


def normal_form(text: str) -> str:
    """Text in the one form (NFC) in which names are compared."""
    return unicodedata.normalize("NFC", text)


# ---------------------------------------------------------------- reading single files


def require_file(path: Path) -> Path:
    """Return `path`, or raise `UserError` that names it and the step that makes it."""
    if not path.is_file():
        makers = (maker for name, maker in _MADE_BY.items() if path.name.endswith(name))
        raise UserError(f"{path} is missing: {next(makers, 'give the path of an existing file')}")
    return path


def read_npy(path: Path) -> np.ndarray:
    """Read an .npy file without pickle; raise `UserError` if it is missing or corrupt."""
    with open(require_file(path), "rb") as stream, memory_bounded_by(path):
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
    try:
        return (np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array).tolist()
    except UnicodeDecodeError:
        raise UserError(f"{path} holds bytes that are not UTF-8: write it as numpy str") from None


def read_tags(path: Path, prefix: str = "") -> list[str]:
    """Read the tags of the dataset directory `path`: non-empty and each once."""
    return unique_names(read_strings(path / f"{prefix}tags.npy"), path / f"{prefix}tags.npy", "tag")


def read_song_ids(path: Path, prefix: str = "") -> list[str]:
    """Read `existing_ids.npy`: the song ids in the order of every song axis, each once."""
    file = path / f"{prefix}existing_ids.npy"
    return unique_names(read_strings(file), file, "song")


def unique_names(
    names: list[str], path: Path, kind: str, way_out: str = "make it again with step 1"
) -> list[str]:
    """Return `names`, or raise `UserError` if there are none or one stands there twice."""
    if not names:
        raise UserError(f"{path} is empty: {way_out}")
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise UserError(f"{path} lists the {kind} {twice!r} twice: {way_out}")
    return names


def one_each(pairs: Iterable[tuple[str, str]], path: Path, what: str) -> dict[str, str]:
    """Return what each song has, or raise `UserError` if one has two."""
    value_of: dict[str, str] = {}
    for song_id, value in pairs:
        if value_of.setdefault(song_id, value) != value:
            raise UserError(
                f"{path} gives the song {song_id!r} two {what}, {value_of[song_id]!r} and "
                f"{value!r}: keep one"
            )
    return value_of


def read_tsv(path: Path, columns: int | None) -> list[list[str]]:
    """Read a tab-separated file without header: a list of rows with `columns` fields each.

    Missing trailing fields become empty strings; empty lines and a byte order mark are passed
    over. Without `columns`, each row has as many fields as it has.

    Raises
    ------
    UserError
        The file is missing, is not UTF-8, or has a row of more fields that are not all empty.
    """
    rows = []
    with open(require_file(path), encoding="utf-8-sig", newline="\n") as lines:
        try:
            for number, line in enumerate(lines, start=1):
                fields = line.rstrip("\r\n").split("\t")
                if columns is not None and any(fields[columns:]):
                    raise UserError(
                        f"{path} has {len(fields)} fields in line {number}, where {columns} "
                        "belong: correct the line"
                    )
                if fields != [""]:
                    rows.append((fields + [""] * (columns or 0))[:columns])
        except UnicodeDecodeError:
            raise UserError(f"{path} is not UTF-8 text: convert it to UTF-8") from None
    return rows


def read_categories(path: Path) -> dict[str, str]:
    """Read `tag_categories.tsv` as tag -> category; empty where the file is absent."""
    if not (path / CATEGORIES).is_file():
        return {}
    return {tag: category for tag, category in read_tsv(path / CATEGORIES, 2) if category}


class Song(NamedTuple):
    """A line of `songs.tsv`; `audio` is the path of its file."""

    song_id: str
    artist: str = ""
    title: str = ""
    audio: str = ""


def read_songs(directory: Path) -> list[Song]:
    """Read `songs.tsv`, ids and artists in normal form; no song where the file is missing."""
    file = directory / SONGS
    rows = read_tsv(file, 4) if file.is_file() else []
    return [Song(normal_form(name), normal_form(artist), *rest) for name, artist, *rest in rows]


def read_about(path: Path) -> dict:
    """Read `dataset.json`, which says how the directory was made; {} where it is absent."""
    file = path / ABOUT
    if not file.is_file():
        return {}
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{file} is not valid JSON ({one_line(error)}): repair or remove it"
        ) from None
    version = about.get("format_version") if isinstance(about, dict) else None
    if version != FORMAT_VERSION:
        raise UserError(
            f"{file} has format version {version}, this program reads {FORMAT_VERSION}: "
            "make the directory again with the steps"
        )
    steps = about.setdefault("steps", {})
    if not isinstance(steps, dict) or not all(isinstance(one, dict) for one in steps.values()):
        raise UserError(f"{file} does not say what the steps did: repair or remove it")
    return about


def read_step(path: Path, step: str) -> dict:
    """Read what `dataset.json` says of a step; {} where it says nothing."""
    return read_about(path).get("steps", {}).get(step, {})


def read_pickle(path: Path) -> dict:
    """Read a pickled dict of plain data (lists, str, numbers, numpy arrays); run nothing in it."""
    with open(require_file(path), "rb") as stream, memory_bounded_by(path):
        try:
            content = PlainUnpickler(stream).load()
        except Exception as error:  # a damaged pickle raises nearly anything
            raise UserError(
                f"{path} is not a pickle of plain data ({one_line(error)}): make it again"
            ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold a dict, not a {type(content).__name__}: make it again")
    return content
