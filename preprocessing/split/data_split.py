"""Which tags, which songs, and the split: artists are never shared between the three parts.

`select` applies the rules of selection to the annotations, `split_groups` cuts the songs
70 / 15 / 15 with enough songs of every tag in each part, `write_data_split` does the whole step.
A split that was published with the data can take the place of our own.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from dataset.directory import NEIGHBOURS, neighbours_fit
from dataset.files import (
    ITEM_INDEX,
    PUBLISHED_SPLIT,
    SPLITS,
    TAG_STRENGTHS,
    TRACK_TAGS,
    TRIPLETS,
    normal_form,
    read_songs,
    read_strings,
    some,
    subset_prefix,
)
from dataset.mel_index import stored_songs
from dataset.mel_store import published_file, skipped_songs
from dataset.moving import remove_with
from dataset.writing import staged, write_about, write_split
from errors import UserError
from preprocessing.listening.triplets import read_item_index, songs_of_triplets
from preprocessing.next_step import print_next
from preprocessing.rules import Report, leaves, of_songs, scored
from preprocessing.split.artist_split import split_groups
from preprocessing.split.artists import artist_groups
from preprocessing.split.published_split import (
    in_each_part,
    of_the_split,
    print_overlap,
    read_published_split,
)
from preprocessing.split.same_audio import join_groups, number_audio, print_same_audio
from preprocessing.split.step0_tables import read_annotations, strengths_of_split
from preprocessing.tags.categories import add_categories


@dataclass(frozen=True)
class SplitOptions:
    """What step 1 was asked for: see `step1_data_split.py`."""

    top_n_tags: int
    minimum_number_of_tags_in_each_split: int
    seed: int
    vectors: tuple[str, ...]
    minimum_score: float
    split_by: str
    require: tuple[str, ...]
    is_subset: bool


def write_data_split(directory: Path, options: SplitOptions) -> None:
    """Do step 1: choose tags and songs, split them, and write the files of the split.

    Raises
    ------
    UserError
        Nothing is left after a rule, an artist is unknown, or no split reaches the minimum.
    """
    published = options.split_by == "published"
    part_of = read_published_split(directory) if published else None
    annotations = select(read_annotations(directory / TRACK_TAGS), directory, options, part_of)
    tags, song_ids, song_tags = to_matrix(annotations)
    if options.split_by == "song":
        artists = np.arange(len(song_ids))
    else:
        artists = artist_groups(directory, song_ids, all_known=not published)
    audio = number_audio(directory, song_ids)
    if part_of is None:
        split_of_song = _own_split(song_tags, artists, audio, tags, options)
    else:
        split_of_song = np.array([SPLITS.index(part_of[song_id]) for song_id in song_ids])
    splits = {name: np.flatnonzero(split_of_song == part) for part, name in enumerate(SPLITS)}
    _print_splits(song_tags, splits, artists, options.split_by)
    if published:
        print_overlap(artists, splits)
    print_same_audio(song_ids, audio, split_of_song)
    _write(directory, options, annotations, (tags, song_ids, song_tags, splits))


def _own_split(
    song_tags: sp.csr_array,
    artists: np.ndarray,
    audio: np.ndarray,
    tags: list[str],
    options: SplitOptions,
) -> np.ndarray:
    """Split by artist (N,), songs of the same audio (N,) in one part where that can be."""
    minimum, seed = options.minimum_number_of_tags_in_each_split, options.seed
    if len(np.unique(audio)) < len(audio):
        try:
            return split_groups(song_tags, join_groups(artists, audio), tags, minimum, seed)
        except UserError:
            print("no split was found that keeps songs of the same audio in one part")
    return split_groups(song_tags, artists, tags, minimum, seed)


# ---------------------------------------------------------------- the rules of selection


def select(
    rows: pd.DataFrame, directory: Path, options: SplitOptions, part_of: dict[str, str] | None
) -> pd.DataFrame:
    """Apply every rule in turn and print what it leaves; the functions below say the rules.

    `part_of` is the part of each song in a published split that is to be used.
    """
    score, n_tags = options.minimum_score, options.top_n_tags
    minimum = options.minimum_number_of_tags_in_each_split
    report: Report = []

    def keep(rule: str, left: pd.DataFrame) -> pd.DataFrame:
        if leaves(report, rule, left).empty:
            raise UserError(
                f"no annotation of {TRACK_TAGS} is left after the rule '{rule}': relax it"
            )
        return left

    keep("all annotations", rows)
    rows = keep(f"annotations with a score >= {score:g}", scored(rows, score))
    rows = keep("each tag of a song once", rows.drop_duplicates(["song", "tag"]))
    for source in options.vectors:
        rows = keep(f"tags with a word vector in {source}", with_vector(rows, directory, source))
    for kind, songs in _songs_required(directory, rows, options.require):
        rows = keep(f"songs with {kind}", of_songs(rows, songs))
    if part_of is not None:
        rows = keep(f"songs in {PUBLISHED_SPLIT}", of_songs(rows, part_of))
        rows = keep("tags of the published split", of_the_split(rows, directory))
        kept = in_each_part(rows, part_of, minimum)
        rows = keep(f"tags with at least {minimum} songs in each part", kept)
    return keep(f"the {n_tags} tags with the most songs", top_tags(rows, n_tags))


def with_vector(rows: pd.DataFrame, directory: Path, source: str) -> pd.DataFrame:
    """Keep tags that have a word vector in a source of vectors, such as 'google'."""
    from preprocessing.words.tag_lookup import tag_vector  # gensim, if asked for
    from preprocessing.words.word_vectors import open_vectors

    vectors = open_vectors(directory, source)
    without = {tag for tag in rows["tag"].unique() if tag_vector(vectors, tag) is None}
    if without:
        print(f"tags without a word vector in {source}: {some(sorted(without), 10)}")
    return rows[~rows["tag"].isin(without)]


def top_tags(rows: pd.DataFrame, n_tags: int) -> pd.DataFrame:
    """Keep the tags with the most songs; of equal ones, those that come first by code point."""
    songs_of = rows["tag"].value_counts().to_dict()
    top = sorted(songs_of, key=lambda tag: (-songs_of[tag], tag))[:n_tags]
    return rows[rows["tag"].isin(set(top))]


def _songs_required(
    directory: Path, annotations: pd.DataFrame, require: tuple[str, ...]
) -> list[tuple[str, set[str]]]:
    """The songs with listening data, and those with audio, for each kind required and at hand."""
    kinds = {}
    if (directory / ITEM_INDEX).is_file():
        kinds["cf"] = f"listening data ({ITEM_INDEX})", set(read_item_index(directory))
    elif (directory / TRIPLETS).is_file():
        kinds["cf"] = f"listening data ({TRIPLETS})", songs_of_triplets(directory / TRIPLETS)
    with_audio = _songs_with_audio(directory, annotations["song"].unique())
    if with_audio:
        skipped = set(map(normal_form, skipped_songs(directory)))
        kinds["spec"] = "audio that can be read", with_audio - skipped
    if not kinds:
        print(f"no listening data and no audio in {directory}: songs are kept without either")
    if kinds and require == ("any",):
        either = " or ".join(kind for kind, _ in kinds.values())
        return [(either, set().union(*(songs for _, songs in kinds.values())))]
    return [kinds[name] for name in ("cf", "spec") if name in require and name in kinds]


def _songs_with_audio(directory: Path, song_ids: np.ndarray) -> set[str]:
    """Songs with a mel spectrogram, or with an audio path in `songs.tsv`."""
    with_audio = {song.song_id for song in read_songs(directory) if song.audio}
    with_audio.update(normal_form(song_id) for song_id in stored_songs(directory))
    if (directory / "spec").is_dir():
        with_audio.update(name for name in song_ids if published_file(directory, name).is_file())
    return with_audio


def to_matrix(annotations: pd.DataFrame) -> tuple[list[str], list[str], sp.csr_array]:
    """Return the tags, the songs (both sorted by code point), and the songs x tags 0/1 matrix."""
    tags, songs = sorted(set(annotations["tag"])), sorted(set(annotations["song"]))
    rows = pd.Index(songs, dtype=object).get_indexer(annotations["song"])
    columns = pd.Index(tags, dtype=object).get_indexer(annotations["tag"])
    ones = np.ones(len(annotations), dtype=np.int64)
    return tags, songs, sp.csr_array((ones, (rows, columns)), shape=(len(songs), len(tags)))


# ---------------------------------------------------------------- what comes out


def _print_splits(
    song_tags: sp.csr_array, splits: dict[str, np.ndarray], groups: np.ndarray, split_by: str
) -> None:
    """Print the table of the splits: songs, and how many songs the tags have."""
    groups_name = "groups" if split_by == "song" else "artists"
    print(
        f"{'split':6}{'songs':>8}{'':>7}{groups_name:>9}   songs a tag: smallest, median, largest"
    )
    for name, songs in splits.items():
        per_tag = song_tags[songs].sum(axis=0)
        share = 100 * len(songs) / len(groups)
        print(
            f"{name:6}{len(songs):8}{share:6.1f}%{len(np.unique(groups[songs])):9}"
            f"{per_tag.min():25}, {np.median(per_tag):g}, {per_tag.max()}"
        )


def _write(directory: Path, options: SplitOptions, annotations: pd.DataFrame, split: tuple) -> None:
    tags, song_ids, song_tags, splits = split
    prefix = subset_prefix(options.is_subset)
    facts = vars(options) | {
        "tags": len(tags),
        "songs": {name: len(songs) for name, songs in splits.items()},
    }
    del facts["is_subset"]  # the name of the step says it
    if options.split_by == "published":
        facts["seed"] = None
    from preprocessing.words.song_tags import remove_leaking  # gensim

    stale = _stale_after(directory, prefix, tags, song_ids)
    bears = song_tags.toarray()
    strengths = strengths_of_split(directory, tags, song_ids, bears)
    with staged(directory) as stage:
        write_split(stage, tags, song_ids, bears, splits, prefix, strengths)
        add_categories(stage, directory, tags, annotations)
        write_about(stage, directory, f"{prefix}step1", facts)
        of_before = f"{prefix}tag_strengths.npy"
        if strengths is None and remove_with(stage, of_before):
            stale.append(
                f"removed {directory / of_before}, for there is no {TAG_STRENGTHS} of step 0"
            )
        held_out = {song_ids[song] for part in ("valid", "test") for song in splits[part]}
        stale += remove_leaking(stage, directory, options.is_subset, held_out)
    if strengths is not None:
        n_weak = np.count_nonzero(strengths) - bears.sum()
        print(f"tag strengths: {bears.sum()} of tags that songs bear, {n_weak} of weaker ones")
    print(f"wrote the split of {len(song_ids)} songs and {len(tags)} tags to {directory}")
    neighbours = directory / f"{prefix}{NEIGHBOURS}_songs.npy"
    if neighbours.is_file() and not neighbours_fit(
        directory, prefix, song_ids, bears == 1, splits["train"]
    ):
        stale.append(f"the split has changed: run step 3 neighbours again for {neighbours.name}")
    for line in stale:
        print(line)
    print_next(directory, "step1", options.is_subset)


def _stale_after(directory: Path, prefix: str, tags: list[str], song_ids: list[str]) -> list[str]:
    """Say which vectors of an earlier split the new one leaves behind."""
    lines = []
    names = [file.name for file in sorted(directory.glob("*_emb.pkl"))]
    vectors = [name for name in names if name.startswith("sub_") == bool(prefix)]
    if vectors and _differs(directory / f"{prefix}tags.npy", tags):
        lines.append(f"the tags have changed: run step 2 again for {', '.join(vectors)}")
    cf = directory / f"{prefix}ix_to_cf.npy"
    if cf.is_file() and _differs(directory / f"{prefix}existing_ids.npy", song_ids):
        lines.append(f"the songs have changed: run step 3 again for {cf.name}")
    return lines


def _differs(file: Path, names: list[str]) -> bool:
    """Whether the names in `file` are others than `names`; a file that cannot be read differs."""
    try:
        return read_strings(file) != names
    except UserError:
        return True
