"""What the readers of raw sets have in common: the form they return, and writing it."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from dataset.files import (
    CATEGORIES,
    PUBLISHED_SPLIT,
    RAW_TAGS,
    SONGS,
    TAG_STRENGTHS,
    TRACK_TAGS,
    TRIPLETS,
    Song,
    normal_form,
    plain,
    read_step,
    user_path,
)
from dataset.moving import alone, remove_with
from dataset.writing import staged, write_about, write_tsv
from errors import UserError
from preprocessing.next_step import print_next
from preprocessing.tags.categories import most_common_categories
from preprocessing.tags.cleaning import CleanUp, categories_of
from preprocessing.tags.strengths import tag_strengths

CONTROL = re.compile("[\x00-\x1f\x7f]")
# What not every set has: of an earlier one it would count in the steps that follow.
NOT_ALWAYS = (TRIPLETS, PUBLISHED_SPLIT, TAG_STRENGTHS)


@dataclass(frozen=True)
class RawSet:
    """A raw data set, read and checked."""

    name: str  # for `dataset.json`
    # Columns song (str), tag (str), score (float, 0 to 100), and where the set names them category
    # (str, '' where unknown) and cleaned (str), the tag as it is to be called; taggers (int), how
    # many people gave the song the tag, where the set knows it.
    annotations: pd.DataFrame
    songs: list[Song]  # that count; annotations of others do not
    write_listening: Callable[[Path], None] | None = None  # to the folder that it is given
    # Published split: song id -> train, valid or test, for songs that have a part.
    parts: dict[str, str] = field(default_factory=dict)
    audio: Path | None = None  # folder from which the songs' audio paths start, where it is known
    facts: dict = field(default_factory=dict)  # how it was read, for `dataset.json`
    # Columns song, cleaned, strength (above 0, at most 1): how strongly songs bear tags, also too
    # weakly for an annotation, where the set says so itself.
    strengths: pd.DataFrame | None = None


def write_dataset(raw_set: RawSet, data_path: Path, choose_tags: Callable, options: object) -> None:
    """Choose the tags of a raw set and write step 1's input to `data_path`, whole or not at all.

    `choose_tags` is `cleaning.clean_tags` or `given_tags.take_tags`, and `options` what it takes.

    Raises
    ------
    UserError
        No tag is left, or `data_path` holds another set or cannot be written.
    """
    refuse_other_set(data_path, raw_set.name)
    song_ids = {song.song_id for song in raw_set.songs}
    annotations = _in_normal_form(raw_set.annotations)
    table, report = choose_tags(annotations, song_ids, options)
    songs = [Song(s, _one_field(a), _one_field(t), audio) for s, a, t, audio in raw_set.songs]
    categories = _categories(table)
    strengths = _strengths(raw_set.strengths, annotations, table, options)
    earlier = read_step(data_path, "step0")
    facts = {"set": raw_set.name, **raw_set.facts, **vars(options), "rules": report}
    if raw_set.audio:
        # as seen from there, so that both can move together
        audio = os.path.relpath(raw_set.audio.resolve(), data_path.resolve())
        facts["audio_path"] = Path(audio).as_posix()
    try:
        with alone(data_path), staged(data_path) as stage:
            (stage / TRACK_TAGS).parent.mkdir()
            write_tsv(stage / TRACK_TAGS, _track_tags(table, categories))
            typed = annotations[["song"]].assign(tag=annotations["tag"].map(plain))
            write_tsv(stage / RAW_TAGS, typed.itertuples(index=False, name=None))
            write_tsv(stage / SONGS, songs)
            write_tsv(stage / CATEGORIES, categories.items())
            if strengths:
                write_tsv(stage / TAG_STRENGTHS, strengths)
            if raw_set.write_listening:
                raw_set.write_listening(stage)
            if raw_set.parts:
                write_tsv(stage / PUBLISHED_SPLIT, sorted(raw_set.parts.items()))
            facts["files"] = sorted(file.name for file in stage.glob("*.*"))
            write_about(stage, data_path, "step0", facts)
            left_over = set(earlier.get("files", ())) - set(facts["files"])
            removed = [
                name for name in NOT_ALWAYS if name in left_over and remove_with(stage, name)
            ]
    except OSError as error:
        raise UserError(
            f"{data_path} cannot be written ({error.strerror}): give another DATA_PATH"
        ) from None
    for name in removed:
        print(f"removed {data_path / name}, which an earlier step 0 wrote")
    _print_density(table, data_path)
    print_next(data_path, "step0")


def _in_normal_form(annotations: pd.DataFrame) -> pd.DataFrame:
    """Write tags and categories in the one form in which they are compared."""
    texts = [name for name in ("tag", "cleaned", "category") if name in annotations]
    return annotations.assign(**{name: annotations[name].map(_one_field) for name in texts})


def _one_field(text: str) -> str:
    """Text in normal form that fits a field; where it does, it stays as its set has it."""
    return normal_form(plain(text) if CONTROL.search(text) else text)


def is_name(text: str) -> bool:
    """Whether an id or a path can be one: something, all of it visible, within one field."""
    return bool(text.strip()) and not CONTROL.search(text)


def require_names(names: pd.Series, path: Path, way_out: str) -> None:
    """Raise `UserError` for an id or path that `is_name` denies; the index is its line."""
    wrong = names[[not is_name(name) for name in names]]
    if len(wrong):
        raise UserError(
            f"{path} has {wrong.iloc[0]!r} as {names.name} in line {wrong.index[0]}, which must be "
            f"a name without tab, line break or other control characters: {way_out}"
        )


def folders(raw: str, data_path: str, home: str) -> tuple[Path, Path]:
    """Return RAW and DATA_PATH as Paths; raise `UserError` if RAW is no folder, or is DATA_PATH."""
    source, target = user_path(raw), user_path(data_path)
    if not source.is_dir():
        raise UserError(f"{source} is not a directory: give as RAW the folder of {home}")
    if source.resolve() == target.resolve():
        raise UserError(f"RAW and DATA_PATH are both {source}: write to another directory")
    return source, target


def refuse_other_set(data_path: Path, name: str) -> None:
    """Files of two sets in one directory would contradict each other."""
    there = read_step(data_path, "step0").get("set", name)
    if there != name:
        raise UserError(f"{data_path} holds the set {there} already: write to another directory")


def folder_of_audio(folder: Path, songs: list[Song]) -> Path | None:
    """Return `folder` if audio paths of `songs` can start there, because one of them does."""
    there = any(os.path.isfile(os.path.join(folder, song.audio)) for song in songs)
    return folder if there else None


def _categories(table: pd.DataFrame) -> dict[str, str]:
    """Category of each tag: the one that the set names, else that of our list."""
    categories = categories_of(sorted(set(table["cleaned"])))
    if "category" in table:
        named = table[["cleaned", "category"]].rename(columns={"cleaned": "tag"})
        categories |= most_common_categories(named)
    return categories


def _strengths(
    told: pd.DataFrame | None, annotations: pd.DataFrame, table: pd.DataFrame, options: object
) -> list[tuple]:
    """Rows of tag_strengths.tsv: song_id, cleaned_tag, strength; none where all would be 1."""
    if told is not None:
        found = told[told["cleaned"].isin(table["cleaned"])]
    elif isinstance(options, CleanUp):
        found = tag_strengths(annotations, table, options)
    else:  # tags that are taken as given have no scores
        return []
    if (found["strength"] == 1).all():
        return []
    rows = list(found[["song", "cleaned", "strength"]].itertuples(index=False, name=None))
    borne = set(table[["song", "cleaned"]].itertuples(index=False, name=None))
    n_weak = sum((song, tag) not in borne for song, tag, _ in rows)
    print(f"tag strengths: {len(rows)}, {n_weak} of them too weak for the song to bear the tag")
    return [(song, tag, f"{strength:g}") for song, tag, strength in rows]


def _track_tags(table: pd.DataFrame, categories: dict[str, str]) -> Iterator[tuple]:
    """Rows of track_tags.tsv: song_id, original_tag, cleaned_tag, tag_category, score."""
    columns = table[["song", "tag", "cleaned", "score"]]
    for song, tag, cleaned, score in columns.itertuples(index=False):
        yield song, tag, cleaned, categories[cleaned], f"{score:g}"


def _print_density(table: pd.DataFrame, data_path: Path) -> None:
    """Print how many songs the tags have: it bounds what step 1 can ask for."""
    counts = table["cleaned"].value_counts()
    n_songs = table["song"].nunique()
    print(f"{data_path}: {n_songs} songs, {len(counts)} tags, {len(table) / n_songs:.1f} per song")
    for rank in (50, 100, len(counts)):
        if rank <= len(counts):
            print(f"tag number {rank} has {counts.iloc[rank - 1]} songs")
