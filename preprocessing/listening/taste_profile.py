"""Collaborative-filtering vectors of the songs: published ones, or learnt from listening data."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from command_line import existing_file
from dataset.files import (
    ITEM_FACTORS,
    ITEM_INDEX,
    normal_form,
    read_npy,
    read_song_ids,
    read_tsv,
    some,
    subset_prefix,
)
from dataset.writing import staged, write_about
from errors import UserError
from preprocessing.listening.triplets import Plays, at_least, read_item_index, read_triplets
from preprocessing.next_step import print_next


@dataclass(frozen=True)
class Factors:
    """Vectors of songs by the ids of the listening data: `vectors` (S, C), a row per `song_ids`."""

    song_ids: list[str]
    vectors: np.ndarray


@dataclass(frozen=True)
class AlsOptions:
    """How the listening data is factorised: see `learn_factors`."""

    factors: int
    iterations: int
    regularization: float
    alpha: float
    seed: int


def read_published(directory: Path) -> Factors:
    """Read `item_factors_MSD.npy` (S, C) and `items_index_MSD.tsv`, one id a line.

    Raises
    ------
    UserError
        A file is missing, the two differ in length, an id stands twice, or a value is not finite.
    """
    index_file, factors_file = directory / ITEM_INDEX, directory / ITEM_FACTORS
    song_ids = read_item_index(directory)
    vectors = read_npy(factors_file)
    if vectors.ndim != 2 or vectors.dtype.kind not in "iuf":
        raise UserError(
            f"{factors_file} must hold a matrix of numbers, a row a song, not shape "
            f"{vectors.shape} of {vectors.dtype}: download or make it again"
        )
    if len(vectors) != len(song_ids):
        raise UserError(
            f"{factors_file} has {len(vectors)} rows but {ITEM_INDEX} lists {len(song_ids)} songs: "
            "take both from the same release"
        )
    twice = [song_id for song_id, n in Counter(song_ids).items() if n > 1]
    if twice:
        raise UserError(f"{index_file} lists {twice[0]!r} twice: correct it")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise UserError(
            f"{factors_file} holds NaN or infinite values, first for {song_ids[row]}: make it again"
        )
    return Factors(song_ids, vectors)


def learn_factors(plays: Plays, options: AlsOptions) -> Factors:
    """Learn song vectors from play counts by implicit-feedback matrix factorisation.

    Alternating least squares of Hu, Koren and Volinsky, Collaborative Filtering for Implicit
    Feedback Datasets (ICDM 2008). Play counts are heavy-tailed (1 to 300,000 in lastfm-2k), hence
    the logarithmic confidence of their equation 6 with epsilon = 1: a song played r times weighs
    1 + alpha * log(1 + r) in the loss, a song not played weighs 1.

    Parameters
    ----------
    plays : Plays
        Its matrix is overwritten with the confidences, to need the memory once.
    options : AlsOptions
        Length of the vectors, alternations, weight of the L2 penalty, alpha, and seed.

    Returns
    -------
    Factors
        float32 vectors of Euclidean length 1 (0 for a song with a zero factor). The length of a
        raw factor tells how much a song is played rather than what it is, and with a weak penalty
        it is so small that the batch normalisation of a network drowns it in its epsilon: a linear
        probe from vectors to the tags of lastfm-2k did better without it in every setting tried.
    """
    confidence = plays.user_song
    np.log1p(confidence.data, out=confidence.data)
    confidence.data *= options.alpha
    confidence.data += 1
    with threadpool_limits(1, "blas"):  # implicit has threads of its own, one a song
        model = AlternatingLeastSquares(
            factors=options.factors,
            regularization=options.regularization,
            iterations=options.iterations,
            random_state=options.seed,
            use_gpu=False,
        )
        model.fit(sp.csr_matrix(confidence))
    vectors = model.item_factors
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return Factors(list(plays.song_ids), vectors)


def read_id_map(path: Path) -> dict[str, str]:
    """Read a TSV of listening-data id and its song ids; return song id -> listening-data id.

    The Taste Profile names songs (SO...), the tags name tracks (TR...). As in the published
    `taste_profile_song_to_tracks.txt` a song has none, one or several tracks, which share its
    listening data, in one line or in several; but a track has only one song.
    """
    id_map: dict[str, str] = {}
    for line in read_tsv(path, None):
        listening_id, *song_ids = (normal_form(field.strip()) for field in line)
        for song_id in filter(None, song_ids):
            if not listening_id:
                raise UserError(
                    f"{path} has a row without a listening-data id ({song_id!r}): each must be "
                    "listening-data id, tab, song ids"
                )
            if id_map.setdefault(song_id, listening_id) != listening_id:
                raise UserError(
                    f"{path} gives the song {song_id!r} two listening-data ids, "
                    f"{id_map[song_id]!r} and {listening_id!r}: keep one (columns: listening-data "
                    "id, song ids)"
                )
    if not id_map:
        raise UserError(
            f"{path} maps nothing: each row must be listening-data id, tab, song ids, with tabs "
            "between them"
        )
    return id_map


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
    listening_ids = _listening_ids(song_ids, id_map)
    rows = np.array([row_of.get(listening_id, -1) for listening_id in listening_ids])
    found = np.flatnonzero(rows >= 0)
    vectors = np.zeros((len(song_ids), factors.vectors.shape[1]), dtype=np.float32)
    vectors[found] = factors.vectors[rows[found]]
    without = np.flatnonzero(~vectors.any(axis=1))
    return vectors, [song_ids[row] for row in without]


def _listening_ids(song_ids: list[str], id_map: dict[str, str] | None) -> list[str | None]:
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


def write_learnt(
    directory: Path,
    triplets: Path,
    options: AlsOptions,
    min_song_users: int,
    min_user_songs: int,
    id_map: Path | None,
    is_subset: bool,
) -> None:
    """Step 3 `train`: factors learnt from all songs of `triplets` to `ix_to_cf.npy`."""
    song_ids = read_song_ids(directory, subset_prefix(is_subset))
    plays_file = existing_file(triplets, "give an existing file as TRIPLETS")
    listening_id_of = None
    if id_map is not None:
        listening_id_of = read_id_map(existing_file(id_map, "give an existing file as --id_map"))
    plays = read_triplets(plays_file)
    _print_plays("listening data", plays)
    _check_overlap(plays, song_ids, listening_id_of, triplets)
    plays = at_least(plays, min_song_users, min_user_songs)
    _print_plays(
        f"songs with >= {min_song_users} users, users with >= {min_user_songs} songs", plays
    )
    if plays.user_song.nnz == 0:
        raise UserError(
            f"no song of {triplets} has {min_song_users} users that have {min_user_songs} songs: "
            "lower --min_song_users or --min_user_songs"
        )
    factors = learn_factors(plays, options)
    vectors, without = vectors_of_songs(factors, song_ids, listening_id_of)
    if len(without) == len(song_ids):
        raise UserError(
            f"no song of {directory} has {min_song_users} users in {triplets}: lower "
            "--min_song_users or --min_user_songs"
        )
    facts = {
        "source": triplets.name,
        **asdict(options),
        "min_song_users": min_song_users,
        "min_user_songs": min_user_songs,
        "plays": int(plays.user_song.nnz),
    }
    _write(directory, is_subset, vectors, without, facts)


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


def _print_plays(what: str, plays: Plays) -> None:
    users, songs = plays.user_song.shape
    print(f"{what}: {plays.user_song.nnz} (user, song) pairs, {users} users, {songs} songs")


def _check_overlap(
    plays: Plays, song_ids: list[str], id_map: dict[str, str] | None, triplets: Path
) -> None:
    """Raise `UserError` before the long computation if no song of the dataset is listened to."""
    known = set(plays.song_ids)
    if known.isdisjoint(_listening_ids(song_ids, id_map)):
        raise UserError(
            f"none of the {len(song_ids)} songs of existing_ids.npy is in {triplets} (which has "
            f"{some(sorted(known), 2)}): give the ids of the one for the other with --id_map=FILE"
        )
