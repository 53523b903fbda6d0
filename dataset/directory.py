"""A whole dataset directory: opened, its files checked against each other, and fingerprinted."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dataset.checks import (
    check_train_tag_to_ix,
    read_cf,
    read_song_vectors,
    read_split,
    read_tag_strengths,
    read_tag_vectors,
)
from dataset.files import (
    SPLITS,
    existing_directory,
    read_about,
    read_categories,
    require_file,
    some,
    song_inputs,
    subset_prefix,
)
from dataset.mel_store import MelStore, open_mel_store, unfinished_songs
from dataset.writing import write_split
from errors import UserError

NEIGHBOURS = "neighbours"  # the song input that step 3 makes of the tags of training songs


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
    vectors : dict of str to ndarray of float32, shape (N, C)
        The song vectors asked for, by the name of the song input: 'cf', collaborative filtering,
        or any other, where a row of NaN says that the song has none.
    categories : dict of str to str
        Tag -> tag category, for tags that have one.
    about : dict
        Content of `dataset.json`; empty where there is none.
    mel : MelStore or None
        Mel spectrograms, if asked for.
    left_out : dict of str to int
        Split -> how many of its songs are left out, for they lack an input; empty if none is.
    tag_strengths : ndarray of float32, shape (N, T), or None
        How strongly people gave a song a tag, if asked for: above 0 where it bears the tag, and
        where it was tagged too weakly to bear it.
    """

    path: Path
    tags: list[str]
    song_ids: list[str]
    song_tags: np.ndarray
    splits: dict[str, np.ndarray]
    tag_vectors: np.ndarray
    vectors: dict[str, np.ndarray]
    categories: dict[str, str]
    about: dict
    mel: MelStore | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    tag_strengths: np.ndarray | None = None


def open_dataset(
    path: str | Path,
    w2v_type: str = "google",
    is_subset: bool = False,
    input_type: str | None = None,
    any_input: bool = False,
    with_strengths: bool = False,
) -> Dataset:
    """Read and check a dataset directory, with the song data that the input type needs.

    Songs that lack what is needed, such as those whose audio step 4 could not read, leave the
    splits.

    Parameters
    ----------
    path : str or Path
        The dataset directory.
    w2v_type, is_subset
        Which `<w2v_type>_emb.pkl` to use, and whether to read `sub_*` files (the paper's MSD50).
    input_type : str, optional
        The song inputs that are needed, see `dataset.files.song_inputs`; by default none.
    any_input : bool
        Whether one of the inputs is enough for a song to stay; a CF vector of zeros is then none.
    with_strengths : bool
        Whether to read `tag_strengths.npy`.

    Raises
    ------
    UserError
        A file is missing, corrupt, or contradicts another one; step 4 has not come to its end; or
        a split is left without songs.
    """
    path = existing_directory(path)
    prefix = subset_prefix(is_subset)
    tags, song_ids, song_tags, splits = read_split(path, prefix)
    for name, songs in splits.items():
        if not song_tags[songs].any():
            raise UserError(
                f"no song of {path / f'{prefix}{name}_ids.npy'} bears a tag of {prefix}tags.npy: "
                "make the split again with step 1"
            )
    inputs = song_inputs(input_type) if input_type else ()
    if NEIGHBOURS in inputs:
        _check_neighbours(path, prefix, song_ids, song_tags, splits["train"])
    strengths = path / f"{prefix}tag_strengths.npy"
    dataset = Dataset(
        path=path,
        tags=tags,
        song_ids=song_ids,
        song_tags=song_tags,
        splits=splits,
        tag_vectors=read_tag_vectors(path, w2v_type, prefix, tags),
        vectors={
            name: _read_vectors(path, name, prefix, song_ids, any_input)
            for name in inputs
            if name != "spec"
        },
        categories=read_categories(path),
        about=read_about(path),
        tag_strengths=read_tag_strengths(strengths, song_tags) if with_strengths else None,
    )
    check_train_tag_to_ix(path / f"{prefix}train_tag_to_ix.pkl", dataset)
    if "spec" in inputs:
        dataset = _with_mels(dataset, any_input)
    return _with_known_songs(dataset, any_input) if inputs else dataset


def _read_vectors(
    path: Path, name: str, prefix: str, song_ids: list[str], any_input: bool
) -> np.ndarray:
    """Read the vectors of a song input: float32 (N, C), a row of NaN for a song without."""
    if name != "cf":
        return read_song_vectors(path, name, prefix, song_ids)
    cf = read_cf(path / f"{prefix}ix_to_cf.npy", len(song_ids))
    if any_input:  # else the zeros of step 3 stay: a model of CF vectors alone learns from them
        cf[~cf.any(axis=1)] = np.nan
    return cf


def _check_neighbours(
    path: Path, prefix: str, song_ids: list[str], song_tags: np.ndarray, train: np.ndarray
) -> None:
    """Refuse neighbours of another split: they tell tags of songs that are held out now."""
    file = require_file(path / f"{prefix}{NEIGHBOURS}_songs.npy")
    if not neighbours_fit(path, prefix, song_ids, song_tags, train):
        raise UserError(
            f"{file} was made from other training songs, tags, strengths or factors than there "
            "are now: run step 3 neighbours again"
        )


def neighbours_fit(
    path: Path, prefix: str, song_ids: list[str], song_tags: np.ndarray, train: np.ndarray
) -> bool:
    """Whether `neighbours_songs.npy` was made from these training songs and their tags."""
    made_from = read_about(path).get("steps", {}).get(f"{prefix}{NEIGHBOURS}", {}).get("made_from")
    return made_from == digest_of_neighbours(path, prefix, song_ids, song_tags, train)


def digest_of_neighbours(
    path: Path, prefix: str, song_ids: list[str], song_tags: np.ndarray, train: np.ndarray
) -> str:
    """SHA-256 of what step 3 makes neighbours of, but for plays: training songs, factors."""
    content = digest_of_songs([song_ids[song] for song in train], song_tags[train]).encode()
    strengths, factors = (
        path / f"{prefix}{name}" for name in ("tag_strengths.npy", "ix_to_cf.npy")
    )
    told = read_tag_strengths(strengths, song_tags)[train] if strengths.is_file() else b""
    content += hashlib.sha256(told).digest()
    if factors.is_file():
        with open(factors, "rb") as stream:
            content += hashlib.file_digest(stream, "sha256").digest()
    return _digest(content)


def _with_mels(dataset: Dataset, any_input: bool) -> Dataset:
    """Open the spectrograms; unless any input will do, step 4 must have come to its end."""
    store = open_mel_store(dataset.path, dataset.song_ids)
    wanted = [dataset.song_ids[song] for part in SPLITS for song in dataset.splits[part]]
    missing = unfinished_songs(store, wanted, dataset.path)
    if missing and not any_input:
        raise UserError(
            f"{dataset.path} has no spectrogram of {len(missing)} of {len(wanted)} songs "
            f"({some(missing)}): run step 4 again, it goes on where it was"
        )
    return replace(dataset, mel=store)


def _with_known_songs(dataset: Dataset, any_input: bool) -> Dataset:
    """Take out of the splits the songs that have not all inputs, or not any of them."""
    known = {name: ~np.isnan(rows[:, 0]) for name, rows in dataset.vectors.items()}  # (N,)
    if dataset.mel is not None:
        known["spec"] = np.isin(dataset.song_ids, dataset.mel.song_ids)
    if any_input:
        return _only(dataset, np.logical_or.reduce(list(known.values())), "any of the song inputs")
    for name, has in known.items():
        is_mel = name == "spec"
        what = "a spectrogram: mel_skipped.tsv says why" if is_mel else f"a vector of {name}"
        dataset = _only(dataset, has, what)
    return dataset


def _only(dataset: Dataset, stays: np.ndarray, what: str) -> Dataset:
    """Keep the songs (N,) that have what is needed in the splits, and say how many have not."""
    splits = {part: songs[stays[songs]] for part, songs in dataset.splits.items()}
    n_before, n_left = (sum(map(len, one.values())) for one in (dataset.splits, splits))
    if n_left < n_before:
        short = what.partition(":")[0]
        print(f"left out {n_before - n_left} of {n_before} songs, which have not {short}")
    for part, songs in splits.items():
        if not dataset.song_tags[songs].any():
            raise UserError(f"no song of the {part} split in {dataset.path} has {what}")
    left_out = {
        part: dataset.left_out.get(part, 0) + len(songs) - len(splits[part])
        for part, songs in dataset.splits.items()
    }
    return replace(dataset, splits=splits, left_out=left_out)


def write_split_without(
    stage: Path, path: Path, dropped: Collection[str], prefix: str = "", keep_untagged: bool = False
) -> dict[str, int]:
    """Write the split of the dataset directory `path` to `stage`, without the tags `dropped`.

    The song axis stays as it is, for other files share it. With `keep_untagged` songs that are left
    without a tag stay in their splits. Returns how many songs each split has left.
    """
    tags, song_ids, song_tags, splits = read_split(path, prefix)
    file = path / f"{prefix}tag_strengths.npy"
    strengths = read_tag_strengths(file, song_tags) if file.is_file() else None
    stays = [tag not in dropped for tag in tags]
    song_tags = song_tags[:, stays]  # (N, T) -> (N, T kept)
    if strengths is not None:
        strengths = strengths[:, stays]
    if not keep_untagged:
        tagged = np.asarray(song_tags.any(axis=1))  # (N,)
        splits = {name: songs[tagged[songs]] for name, songs in splits.items()}
    remaining = [tag for tag in tags if tag not in dropped]
    write_split(stage, remaining, song_ids, song_tags, splits, prefix, strengths)
    if "" in song_ids:  # as published: without the file, songs in no split have no known id
        (stage / f"{prefix}existing_ids.npy").unlink()
    return {name: len(songs) for name, songs in splits.items()}


VALIDATION = "validation split"
LABELS = {"set of tags of training songs": "train", "set of tags of validation songs": "valid"}
STRENGTHS = "set of tag strengths of training songs"


def fingerprint(dataset: Dataset) -> dict[str, str]:
    """SHA-256 of what a model was trained on and chosen by: splits, tags, vectors, spectrograms.

    '' for what there is not. Of the spectrograms, which may be hundreds of GB, the lengths count.
    `STRENGTHS` are told only where they are read, by a training that learns from them.
    """
    song_ids = _ids(dataset, "train")
    contents = {"split": _lines(song_ids), "tag vectors": dataset.tag_vectors.tobytes()}
    contents["CF vectors"] = b""
    for name, rows in dataset.vectors.items():
        contents["CF vectors" if name == "cf" else f"{name} vectors"] = rows.tobytes()
    contents["spectrograms"] = b""
    if dataset.mel is not None:
        heard = set(dataset.mel.song_ids)
        rows = dataset.mel.rows_of(song_id for song_id in song_ids if song_id in heard)
        n_frames = dataset.mel.n_frames[rows]
        contents["spectrograms"] = repr(n_frames.tolist()).encode()
    contents[VALIDATION] = _lines(_ids(dataset, "valid"))
    for label, part in LABELS.items():
        contents[label] = _packed(dataset.song_tags[dataset.splits[part]])
    if dataset.tag_strengths is not None:
        contents[STRENGTHS] = dataset.tag_strengths[dataset.splits["train"]].tobytes()
    return {name: _digest(content) for name, content in contents.items()}


def digest_of_test(dataset: Dataset) -> str:
    """SHA-256 of the test songs and their tags."""
    return digest_of_songs(_ids(dataset, "test"), dataset.song_tags[dataset.splits["test"]])


def digest_of_songs(song_ids: list[str], song_tags: np.ndarray) -> str:
    """SHA-256 of songs and which tags they bear, bool (n, T)."""
    return _digest(_lines(song_ids) + b"\n" + _packed(song_tags))


def differing(now: Mapping[str, object], before: Mapping[str, object]) -> list[str]:
    """Names of what differs between a fingerprint of now and one that was kept.

    Models from before `VALIDATION` and `LABELS` were kept are not asked for them.
    """
    unknown = {VALIDATION, *LABELS} - before.keys()
    return [name for name in now if name not in unknown and now[name] != before.get(name, "")]


def _ids(dataset: Dataset, part: str) -> list[str]:
    return [dataset.song_ids[song] for song in dataset.splits[part]]


def _lines(song_ids: list[str]) -> bytes:
    return "\n".join(song_ids).encode()


def _packed(song_tags: np.ndarray) -> bytes:
    return np.packbits(song_tags, axis=1).tobytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if content else ""
