"""Which tags, which songs, and the split: artists are never shared between the three parts.

`select` applies the rules of selection to the annotations, `split_groups` cuts the songs
70 / 15 / 15 with enough songs of every tag in each part, `write_data_split` does the whole step.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from dataset_files import (
    CATEGORIES,
    ITEM_INDEX,
    SONGS,
    SPLITS,
    TRACK_TAGS,
    TRIPLETS,
    read_tsv,
    require_file,
    some,
    staged,
    subset_prefix,
    write_about,
    write_split,
    write_tsv,
)
from errors import UserError, one_line
from preprocessing.artist_split import split_groups
from preprocessing.triplets import songs_of_triplets


@dataclass(frozen=True)
class SplitOptions:
    """What step 1 was asked for: see `step1_data_split.py`."""

    top_n_tags: int
    minimum: int
    seed: int
    vectors: tuple[str, ...]
    minimum_score: float
    split_by: str
    is_subset: bool


def write_data_split(directory: Path, options: SplitOptions) -> None:
    """Do step 1: choose tags and songs, split them, and write the files of the split.

    Raises
    ------
    UserError
        Nothing is left after a rule, an artist is unknown, or no split reaches the minimum.
    """
    annotations = select(read_annotations(directory / TRACK_TAGS), directory, options)
    tags, song_ids, song_tags = to_matrix(annotations)
    groups = _groups(directory, song_ids, options.split_by)
    split_of_song = split_groups(song_tags, groups, tags, options.minimum, options.seed)
    splits = {name: np.flatnonzero(split_of_song == part) for part, name in enumerate(SPLITS)}
    _print_splits(song_tags, splits, groups, options.split_by)
    _write(directory, options, annotations, (tags, song_ids, song_tags, splits))


# ---------------------------------------------------------------- the annotations


def read_annotations(path: Path) -> pd.DataFrame:
    """Read `track_tags.tsv`: no header; song_id, original_tag, cleaned_tag, tag_category, score.

    Returns
    -------
    DataFrame
        Columns 'song', 'tag' (the cleaned one), 'category' (all str) and 'score' (float).
    """
    columns = ["song", "original", "tag", "category", "score"]
    try:
        rows = pd.read_csv(
            require_file(path),
            sep="\t",
            header=None,
            names=columns,
            index_col=False,
            dtype=object,
            keep_default_na=False,  # a tag may be called 'null'
            quoting=3,  # quotation marks are letters like any other
        )
    except (ValueError, OSError) as error:
        raise UserError(
            f"{path} is not a file of five columns separated by tabs ({one_line(error)}): make it "
            "again with step 0"
        ) from None
    rows["score"] = pd.to_numeric(rows["score"], errors="coerce")
    broken = rows["score"].isna() | (rows["song"] == "") | (rows["tag"] == "")
    if rows.empty or broken.any():
        where = "is empty" if rows.empty else f"is incomplete in row {int(broken.idxmax()) + 1}"
        raise UserError(
            f"{path} {where}: each row must be song_id, original_tag, cleaned_tag, tag_category "
            "and a score, separated by tabs, without a header"
        )
    return rows[["song", "tag", "category", "score"]]


# ---------------------------------------------------------------- the rules of selection


def select(rows: pd.DataFrame, directory: Path, options: SplitOptions) -> pd.DataFrame:
    """Apply every rule in turn and print what it leaves; the functions below say the rules."""
    score, n_tags = options.minimum_score, options.top_n_tags
    rows = _told(f"annotations with a score >= {score:g}", rows, scored(rows, score))
    rows = _told("each tag of a song once", rows, rows.drop_duplicates(["song", "tag"]))
    for source in options.vectors:
        rows = _told(
            f"tags with a word vector in {source}", rows, with_vector(rows, directory, source)
        )
    for kind, songs in _songs_with_data(directory, rows):
        rows = _told(f"songs with {kind}", rows, of_songs(rows, songs))
    return _told(f"the {n_tags} tags with the most songs", rows, top_tags(rows, n_tags))


def _told(what: str, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Print rows, songs and tags before and after a rule; raise `UserError` if nothing is left."""
    pairs = zip(_counts(before).items(), _counts(after).values(), strict=True)
    print(f"{what}: {', '.join(f'{name} {old} -> {new}' for (name, old), new in pairs)}")
    if after.empty:
        raise UserError(f"no annotation of {TRACK_TAGS} is left after the rule '{what}': relax it")
    return after


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    return {"rows": len(rows), "songs": rows["song"].nunique(), "tags": rows["tag"].nunique()}


def scored(rows: pd.DataFrame, minimum_score: float) -> pd.DataFrame:
    """Keep annotations with at least this tag score (0 to 100)."""
    return rows[rows["score"] >= minimum_score]


def with_vector(rows: pd.DataFrame, directory: Path, source: str) -> pd.DataFrame:
    """Keep tags that have a word vector in a source of vectors, such as 'google'."""
    from preprocessing.tag_lookup import tag_vector  # gensim, if asked for
    from preprocessing.word_vectors import open_vectors

    vectors = open_vectors(directory, source)
    known = {tag for tag in rows["tag"].unique() if tag_vector(vectors, tag) is not None}
    return rows[rows["tag"].isin(known)]


def of_songs(rows: pd.DataFrame, songs: set[str]) -> pd.DataFrame:
    """Keep the annotations of these songs."""
    return rows[rows["song"].isin(songs)]


def top_tags(rows: pd.DataFrame, n_tags: int) -> pd.DataFrame:
    """Keep the tags with the most songs; of equal ones, those that come first by code point."""
    songs_of = rows["tag"].value_counts().to_dict()
    top = sorted(songs_of, key=lambda tag: (-songs_of[tag], tag))[:n_tags]
    return rows[rows["tag"].isin(set(top))]


def _songs_with_data(directory: Path, annotations: pd.DataFrame) -> list[tuple[str, set[str]]]:
    """The songs with listening data, and those with audio, for each kind that is at hand."""
    kinds = []
    if (directory / ITEM_INDEX).is_file():
        ids = {fields[0].strip() for fields in read_tsv(directory / ITEM_INDEX, 1)}
        kinds.append((f"listening data ({ITEM_INDEX})", ids))
    elif (directory / TRIPLETS).is_file():
        kinds.append((f"listening data ({TRIPLETS})", songs_of_triplets(directory / TRIPLETS)))
    with_audio = _songs_with_audio(directory, annotations["song"].unique())
    if with_audio:
        kinds.append(("audio", with_audio))
    if not kinds:
        print(f"no listening data and no audio in {directory}: songs are kept without either")
    return kinds


def _songs_with_audio(directory: Path, song_ids: np.ndarray) -> set[str]:
    """Songs with an audio path in `songs.tsv`, or with a mel spectrogram under `spec/`."""
    rows = read_tsv(directory / SONGS, 4) if (directory / SONGS).is_file() else []
    with_audio = {song_id for song_id, _, _, audio in rows if audio}
    if (directory / "spec").is_dir():
        with_audio.update(song_id for song_id in song_ids if _has_spec(directory, song_id))
    return with_audio


def _has_spec(directory: Path, song_id: str) -> bool:
    folders = song_id[2:5]
    return len(folders) == 3 and (directory / "spec" / Path(*folders) / f"{song_id}.npy").is_file()


def to_matrix(annotations: pd.DataFrame) -> tuple[list[str], list[str], sp.csr_array]:
    """Return the tags, the songs (both sorted by code point), and the songs x tags 0/1 matrix."""
    tags, songs = sorted(set(annotations["tag"])), sorted(set(annotations["song"]))
    rows = pd.Index(songs, dtype=object).get_indexer(annotations["song"])
    columns = pd.Index(tags, dtype=object).get_indexer(annotations["tag"])
    ones = np.ones(len(annotations), dtype=np.int64)
    return tags, songs, sp.csr_array((ones, (rows, columns)), shape=(len(songs), len(tags)))


# ---------------------------------------------------------------- artists


def _groups(directory: Path, song_ids: list[str], split_by: str) -> np.ndarray:
    """Number of the group of each song: its artist's, or its own; (N,) int64."""
    if split_by == "song":
        return np.arange(len(song_ids))
    artist_of = read_artists(directory / SONGS)
    unknown = [song_id for song_id in song_ids if not artist_of.get(song_id)]
    if unknown:
        raise UserError(
            f"{directory / SONGS} has no artist for {len(unknown)} of {len(song_ids)} songs "
            f"({some(unknown)}): add them, or split by song with --split_by=song"
        )
    artists = [artist_of[song_id] for song_id in song_ids]
    number_of = {artist: number for number, artist in enumerate(sorted(set(artists)))}
    return np.array([number_of[artist] for artist in artists])


def read_artists(path: Path) -> dict[str, str]:
    """Read the artist of each song from `songs.tsv`: song id, artist, title, audio path."""
    if not path.is_file():
        raise UserError(
            f"{path} is missing, so the artists are not known: write it (song id, artist, title, "
            "audio path), or split by song with --split_by=song"
        )
    artist_of: dict[str, str] = {}
    for song_id, artist in read_tsv(path, 2):
        artist = artist.strip()
        if artist_of.setdefault(song_id, artist) != artist:
            raise UserError(
                f"{path} gives the song {song_id!r} two artists, {artist_of[song_id]!r} and "
                f"{artist!r}: keep one"
            )
    return artist_of


# ---------------------------------------------------------------- what comes out


def _print_splits(
    song_tags: sp.csr_array, splits: dict[str, np.ndarray], groups: np.ndarray, split_by: str
) -> None:
    """Print the table of the splits: songs, and how many songs the tags have."""
    groups_name = "artists" if split_by == "artist" else "groups"
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
    facts = {
        "top_n_tags": options.top_n_tags,
        "minimum_number_of_tags_in_each_split": options.minimum,
        "seed": options.seed,
        "vectors": list(options.vectors),
        "minimum_score": options.minimum_score,
        "split_by": options.split_by,
        "tags": len(tags),
        "songs": {name: len(songs) for name, songs in splits.items()},
    }
    stale = _stale_after(directory, prefix, tags, song_ids)
    with staged(directory) as stage:
        write_split(stage, tags, song_ids, song_tags.toarray(), splits, prefix)
        _write_categories(stage, directory, tags, annotations)
        write_about(stage, directory, f"{prefix}step1", facts)
    print(f"wrote the split of {len(song_ids)} songs and {len(tags)} tags to {directory}")
    for line in stale:
        print(line)


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
        return [str(name) for name in np.load(file, allow_pickle=False)] != names
    except (OSError, ValueError, EOFError, TypeError):
        return True


def _write_categories(
    stage: Path, directory: Path, tags: list[str], annotations: pd.DataFrame
) -> None:
    """Add to `tag_categories.tsv` the tags that it lacks; what it holds stays as it is."""
    file = directory / CATEGORIES
    rows = read_tsv(file, 2) if file.is_file() else []
    known = {tag for tag, category in rows if category}
    category_of = most_common_categories(annotations)
    added = [(tag, category_of[tag]) for tag in tags if tag in category_of and tag not in known]
    if added:
        added_tags = {tag for tag, _ in added}
        kept = [row for row in rows if row[0] not in added_tags]
        write_tsv(stage / CATEGORIES, iter([*kept, *added]))


def most_common_categories(annotations: pd.DataFrame) -> dict[str, str]:
    """Category that a tag has most often, of equally frequent ones the first by code point."""
    named = annotations[annotations["category"] != ""]
    counts = named.groupby(["tag", "category"]).size().to_dict()
    ordered = sorted(counts, key=lambda pair: (-counts[pair], pair))
    return {tag: category for tag, category in reversed(ordered)}
