"""Collaborative-filtering vectors of the songs: published ones, or learnt from listening data."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from command_line import existing_file
from dataset.checks import read_matrix
from dataset.files import (
    ITEM_FACTORS,
    ITEM_INDEX,
    normal_form,
    one_each,
    read_song_ids,
    read_tsv,
    some,
    subset_prefix,
    unique_names,
)
from dataset.writing import staged, write_about
from errors import UserError
from preprocessing.listening.als import AlsOptions, Factors, learn_factors
from preprocessing.listening.triplets import Plays, read_item_index, read_triplets
from preprocessing.next_step import print_next

if TYPE_CHECKING:
    from preprocessing.listening.spark_plays import SparkPlays

AnyPlays = TypeVar("AnyPlays", Plays, "SparkPlays")


def read_published(directory: Path) -> Factors:
    """Read `item_factors_MSD.npy` (S, C) and `items_index_MSD.tsv`, one id a line.

    Raises
    ------
    UserError
        A file is missing, the two differ in length, an id stands twice, or a value is not finite.
    """
    factors_file = directory / ITEM_FACTORS
    song_ids = read_item_index(directory)
    vectors = read_matrix(factors_file)
    if len(vectors) != len(song_ids):
        raise UserError(
            f"{factors_file} has {len(vectors)} rows but {ITEM_INDEX} lists {len(song_ids)} songs: "
            "take both from the same release"
        )
    unique_names(song_ids, directory / ITEM_INDEX, "song", "correct it")
    return Factors(song_ids, vectors)


def read_id_map(file: str | Path) -> dict[str, str]:
    """Read a TSV of listening-data id and its song ids; return song id -> listening-data id.

    The Taste Profile names songs (SO...), the tags name tracks (TR...). As in the published
    `taste_profile_song_to_tracks.txt` a song has none, one or several tracks, which share its
    listening data, in one line or in several; but a track has only one song.
    """
    path = existing_file(file, "give an existing file as --id_map")
    pairs = []
    for line in read_tsv(path, None):
        listening_id, *song_ids = (normal_form(field.strip()) for field in line)
        pairs += [(song_id, listening_id) for song_id in song_ids if song_id]
    each = "each row must be listening-data id, song ids, with tabs between them"
    if not pairs:
        raise UserError(f"{path} maps nothing: {each}")
    for song_id, listening_id in pairs:
        if not listening_id:
            raise UserError(f"{path} has {song_id!r} without a listening-data id: {each}")
    return one_each(pairs, path, "listening-data ids")


def vectors_of_songs(
    factors: Factors, song_ids: list[str], id_map: dict[str, str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Bring vectors into the order of a dataset's songs.

    Parameters
    ----------
    factors : Factors
        S vectors of length C.
    song_ids : list of str
        The N songs of the dataset.
    id_map : dict, optional
        Song id -> id in `factors`; without it the ids are the same.

    Returns
    -------
    vectors : ndarray of float32, shape (N, C)
        Zeros for a song without listening data: one that is not in `factors`, or zero there.
    without : list of str
        Those songs.
    """
    row_of = {song_id: row for row, song_id in enumerate(factors.song_ids)}
    names = listening_ids(song_ids, id_map)
    rows = np.array([row_of.get(listening_id, -1) for listening_id in names])
    found = np.flatnonzero(rows >= 0)
    vectors = np.zeros((len(song_ids), factors.vectors.shape[1]), dtype=np.float32)
    vectors[found] = factors.vectors[rows[found]]
    without = np.flatnonzero(~vectors.any(axis=1))
    return vectors, [song_ids[row] for row in without]


def listening_ids(song_ids: list[str], id_map: dict[str, str] | None) -> list[str | None]:
    """Id that each song has in the listening data, as far as there is one."""
    names = map(normal_form, song_ids)
    return [name if id_map is None else id_map.get(name) for name in names]


def write_published(directory: Path, is_subset: bool) -> None:
    """Step 3 `run`: published factors to `ix_to_cf.npy`."""
    song_ids = read_song_ids(directory, subset_prefix(is_subset))
    factors = read_published(directory)
    vectors, without = vectors_of_songs(factors, song_ids)
    if len(without) == len(song_ids):
        raise UserError(
            f"none of the {len(song_ids)} songs of {directory} is in {ITEM_INDEX} with a factor: "
            "its ids must be those of existing_ids.npy"
        )
    facts = {"source": ITEM_FACTORS}
    _write(directory, is_subset, vectors, without, facts)


@dataclass(frozen=True)
class Listening:
    """The listening data that is learnt from: a file, and what of it is left out."""

    triplets: str
    min_song_users: int
    min_user_songs: int


def write_learnt(
    directory: Path,
    listening: Listening,
    options: AlsOptions,
    id_map: str | None,
    is_subset: bool,
    spark: str | None,
) -> None:
    """Step 3 `train`: factors learnt from all songs of the triplets to `ix_to_cf.npy`.

    On Spark where the address of its master is given, else in the memory of this machine.
    """
    song_ids = read_song_ids(directory, subset_prefix(is_subset))
    listening_id_of = None if id_map is None else read_id_map(id_map)
    wanted = {name for name in listening_ids(song_ids, listening_id_of) if name}
    facts = {
        "source": Path(listening.triplets).name,
        **asdict(options),
        "min_song_users": listening.min_song_users,
        "min_user_songs": listening.min_user_songs,
    }
    if spark is None:
        file = existing_file(listening.triplets, "give an existing file as TRIPLETS")
        plays = _enough(read_triplets(file), listening, wanted)
        facts |= {"plays": plays.sizes()[0]}
        factors = learn_factors(plays, options)
    else:
        from preprocessing.listening.spark_plays import read_on_spark
        from preprocessing.spark import open_spark

        with open_spark(spark) as session:
            on_spark = _enough(read_on_spark(session, listening.triplets), listening, wanted)
            facts |= {"plays": on_spark.sizes()[0], "engine": "spark"}
            factors = on_spark.learn_factors(options, wanted)
    vectors, without = vectors_of_songs(factors, song_ids, listening_id_of)
    if len(without) == len(song_ids):
        raise UserError(
            f"no song of {directory} has {listening.min_song_users} users in "
            f"{listening.triplets}: lower --min_song_users or --min_user_songs"
        )
    _write(directory, is_subset, vectors, without, facts)


def _enough(plays: AnyPlays, listening: Listening, wanted: set[str]) -> AnyPlays:
    """Keep the plays that are asked for; tell how many; some must be left, and of the dataset."""
    _print_plays("listening data", plays)
    if not plays.has_any(wanted):
        raise UserError(
            f"none of the songs of existing_ids.npy is in {listening.triplets} (which has "
            f"{some(plays.first_songs(), 2)}): give the ids of the one for the other with "
            "--id_map=FILE"
        )
    least = listening.min_song_users, listening.min_user_songs
    plays = plays.at_least(*least)
    _print_plays("songs with >= {} users, users with >= {} songs".format(*least), plays)
    if plays.sizes()[0] == 0:
        raise UserError(
            f"no song of {listening.triplets} has {least[0]} users that have {least[1]} songs: "
            "lower --min_song_users or --min_user_songs"
        )
    return plays


def _print_plays(what: str, plays: AnyPlays) -> None:
    print("{}: {} (user, song) pairs, {} users, {} songs".format(what, *plays.sizes()))


def _write(
    directory: Path, is_subset: bool, vectors: np.ndarray, without: list[str], facts: dict
) -> None:
    """Write `ix_to_cf.npy` and say what it holds."""
    prefix = subset_prefix(is_subset)
    file = f"{prefix}ix_to_cf.npy"
    facts |= {"songs": len(vectors), "songs_without_listening_data": len(without)}
    with staged(directory) as stage:
        np.save(stage / file, vectors)
        write_about(stage, directory, f"{prefix}step3", facts)
    if without:
        print(
            f"songs without listening data, given a zero vector: {len(without)} ({some(without)})"
        )
    print(
        f"wrote {directory / file}: {vectors.shape[0]} songs x {vectors.shape[1]} factors, "
        f"mean {vectors.mean():.4f}, standard deviation {vectors.std():.4f}"
    )
    print_next(directory, "step3", is_subset)
