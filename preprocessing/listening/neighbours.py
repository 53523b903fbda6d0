"""What the songs around a song tell of it: those of its artist, and those of its listeners.

A factor learnt from few plays is mostly chance. The mean of an artist's factors is less so, and
what else the listeners of a song play says more of it than the position of a short vector can.
"""

import shlex
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from command_line import existing_file
from dataset.checks import read_cf, read_split, read_tag_strengths
from dataset.directory import NEIGHBOURS, digest_of_neighbours
from dataset.files import ITEM_FACTORS, require_file, some, subset_prefix
from dataset.writing import staged, write_about
from errors import UserError
from preprocessing.listening.als import Factors
from preprocessing.listening.taste_profile import listening_ids, read_id_map, read_published
from preprocessing.listening.triplets import MOST_PLAYS, Plays, read_triplets
from preprocessing.split.artists import read_artists

LEAST_SHARE = 0.1  # of songs whose artist has others, for the artists to tell anything
FEW_LISTENERS, FEW_SONGS = 30, 3  # that tell little, see `tags_beside`
BLOCK_TAGS = 100  # at once: of a million users 800 MB


def write_neighbours(
    directory: Path, triplets: str | None, id_map: str | None, is_subset: bool
) -> None:
    """Step 3 `neighbours`: `neighbours_songs.npy` of what is known of artists and of listeners."""
    prefix = subset_prefix(is_subset)
    _, song_ids, song_tags, splits = read_split(directory, prefix)
    train = splits["train"]
    parts = {}
    of_artists = songs_of_artists(_factors(directory, prefix, song_ids), song_ids, directory)
    if of_artists is not None:
        parts["artist"] = of_artists
    if triplets is not None:
        file = existing_file(triplets, "give an existing file as TRIPLETS")
        names = None if id_map is None else read_id_map(id_map)
        plays = _plays_of(read_triplets(file), listening_ids(song_ids, names), file)
        labels = _labels_of_training(directory, prefix, song_tags, train)
        if not labels[np.unique(plays.indices)].any():
            raise UserError(f"{file} has no training song of {directory}: give plays of its songs")
        parts |= _told_by_listeners(plays, labels)
    if not parts:
        raise UserError(
            f"{directory} has few artists of several songs: give play counts as TRIPLETS"
        )
    numbers = {name: part.shape[1] for name, part in parts.items()}
    facts: dict[str, object] = {
        "source": None if triplets is None else Path(triplets).name,
        "numbers": numbers,
        "made_from": digest_of_neighbours(directory, prefix, song_ids, song_tags, train),
    }
    for name, part in parts.items():
        if without := [song_ids[row] for row in np.flatnonzero(np.isnan(part[:, 0]))]:
            print(f"songs of which nothing is known of {name}: {len(without)} ({some(without)})")
        parts[name] = standardised(part, train)  # in its place: all of them once more are GB
    rows = np.hstack(list(parts.values()))
    file_name = f"{prefix}{NEIGHBOURS}_songs.npy"
    with staged(directory) as stage:
        np.save(stage / file_name, rows)
        write_about(stage, directory, f"{prefix}{NEIGHBOURS}", facts)
    what = ", ".join(f"{size} of {name}" for name, size in numbers.items())
    print(f"wrote {directory / file_name}: {len(rows)} songs x {rows.shape[1]} numbers ({what})")
    subset = " --is_subset True" if is_subset else ""
    options = f"--mode TRAIN --data_path {shlex.quote(str(directory))} --w2v_type NAME{subset}"
    print(f"next: python -u main.py @recipes/listening.args {options}")


def _labels_of_training(
    directory: Path, prefix: str, song_tags: np.ndarray, train: np.ndarray
) -> np.ndarray:
    """Tags of the training songs, by their strengths where there are: float32 (N, T)."""
    file = directory / f"{prefix}tag_strengths.npy"
    told = read_tag_strengths(file, song_tags) if file.is_file() else song_tags
    labels = np.zeros(song_tags.shape, dtype=np.float32)
    labels[train] = told[train]
    return labels


def _told_by_listeners(plays: sp.csr_array, labels: np.ndarray) -> dict[str, np.ndarray]:
    """What listeners tell of songs, by what it is: each float32 (N, C)."""
    return {
        "plays": amount_of_plays(plays),
        "few listeners": tags_of_listeners(plays, labels, by_few=True),
        "listeners": tags_of_listeners(plays, labels, by_few=False),
        "songs beside": tags_beside(plays, labels),
    }


def songs_of_artists(factors: Factors, song_ids: list[str], directory: Path) -> np.ndarray | None:
    """Mean direction of the factors of the songs of a song's artist: float32 (N, C + 2).

    Behind it the logarithms of how many songs these are, and of the length of the song's own
    factor. A row of NaN for a song without factor or artist; None if few have one of several songs.
    """
    artist_of = read_artists(directory)
    lengths = np.linalg.norm(factors.vectors, axis=1)
    songs: dict[str, list[int]] = {}
    for row, song_id in enumerate(factors.song_ids):
        if lengths[row] > 0 and (artist := artist_of.get(song_id, "").casefold()):
            songs.setdefault(artist, []).append(row)
    if sum(len(rows) for rows in songs.values() if len(rows) > 1) < LEAST_SHARE * len(lengths):
        return None  # the songs are artists, but for some of the same name
    directions = factors.vectors / np.maximum(lengths, 1e-30)[:, None]
    means = {artist: directions[rows].mean(axis=0) for artist, rows in songs.items()}
    row_of = {song_id: row for row, song_id in enumerate(factors.song_ids)}
    told = np.full((len(song_ids), factors.vectors.shape[1] + 2), np.nan, dtype=np.float32)
    for song, song_id in enumerate(song_ids):
        artist, row = artist_of.get(song_id, "").casefold(), row_of.get(song_id, -1)
        if artist in means and row >= 0 and lengths[row] > 0:
            told[song] = [*means[artist], np.log(len(songs[artist])), np.log(lengths[row])]
    return told


def amount_of_plays(plays: sp.csr_array) -> np.ndarray:
    """Logarithms of listeners, plays and the most plays by one, of songs: (U, N) -> float32 (N, 3).

    A row of NaN for a song that nobody plays.
    """
    listeners = np.bincount(plays.indices, minlength=plays.shape[1])
    most = plays.max(axis=0).toarray().ravel()
    of_all = np.minimum(plays.sum(axis=0, dtype=np.float64), MOST_PLAYS)
    counts = np.stack([listeners, of_all, most], axis=1).astype(np.float32)
    return np.where(listeners[:, None] > 0, np.log1p(counts), np.nan).astype(np.float32)


def tags_of_listeners(plays: sp.csr_array, labels: np.ndarray, by_few: bool) -> np.ndarray:
    """Which tags the other songs bear that a song's listeners play: float32 (N, T).

    A listener's tags are the mean over his training songs, each weighted by log(1 + plays) and
    by one over the square root of its listeners, for what few play says more. A song's are the mean
    over its listeners, weighted by log(1 + plays). With `by_few` who plays little counts more, by
    one over the square root of all the weights of his; without, one listener of average tags is
    added, for a song of few listeners. The song itself is left out of its listeners' tags, so that
    those of a training song do not come back to it.

    Parameters
    ----------
    plays : csr_array of float32, shape (U, N)
        Play counts of users and songs.
    labels : ndarray of float32, shape (N, T)
        Tags of the training songs; zero for the others.
    by_few : bool
        As above.

    Returns
    -------
    ndarray
        A row of NaN for a song that nobody plays who plays a training song besides.
    """
    entry, is_known = plays.tocoo(), np.asarray(labels.any(axis=1))
    n_users, n_songs = plays.shape
    weight = np.log1p(entry.data.astype(np.float64))
    listeners = np.bincount(entry.col, minlength=n_songs)
    of_song = weight * is_known[entry.col] / np.sqrt(listeners[entry.col])  # in a user's mean
    of_all = np.bincount(entry.row, weights=of_song, minlength=n_users)[entry.row]
    others = of_all - of_song
    # who plays nothing else that is known says nothing; what rounding leaves is none
    speaks = np.asarray(others > 1e-9 * of_all)
    typical = of_song[of_song > 0].mean() if is_known.any() else 1.0
    of_user = weight / np.sqrt(np.maximum(others, typical / 10)) if by_few else weight
    of_user = np.where(speaks, of_user, 0)
    through = np.divide(of_user, others, out=np.zeros_like(weight), where=speaks)
    to_user, to_song = (
        sp.csr_array((one, (entry.row, entry.col)), shape=plays.shape) for one in (of_song, through)
    )
    back = np.bincount(entry.col, weights=through * of_song, minlength=n_songs)
    total = np.bincount(entry.col, weights=of_user, minlength=n_songs)
    average = 0.0 if by_few else weight.mean()  # the weight of the listener of average tags
    told = _told(to_song, to_user, labels, back, total, average)
    told[total == 0] = np.nan
    return told


def tags_beside(plays: sp.csr_array, labels: np.ndarray) -> np.ndarray:
    """Which tags the training songs bear that are played by the same users: float32 (N, T).

    The mean over all other training songs, weighted by the cosine of who plays them, where 30
    listeners are added to each song's own, for a cosine of few is chance; and songs of average tags
    with a weight of 3. Parameters as those of `tags_of_listeners`.
    """
    n_songs, is_known = plays.shape[1], np.asarray(labels.any(axis=1))
    listeners = np.bincount(plays.indices, minlength=n_songs)
    per_song = 1 / np.sqrt(listeners + FEW_LISTENERS)
    played = sp.csr_array((per_song[plays.indices], plays.indices, plays.indptr), plays.shape)
    back = listeners * per_song**2 * is_known
    total = played.T @ (played @ is_known.astype(np.float64)) - back
    return _told(played, played, labels, back, total, FEW_SONGS)


def _told(
    to_song: sp.csr_array,
    to_user: sp.csr_array,
    labels: np.ndarray,
    back: np.ndarray,
    total: np.ndarray,
    average: float,
) -> np.ndarray:
    """Tags (N, T) that go from songs to users (U, N) and from them to songs, `back` (N,) left out.

    The sums are divided by `total` (N,), and the average of the known songs is added with its
    weight: the same for every song, since an average without a song tells what the song is. Tags go
    in blocks, for those of a million users are many.
    """
    told = np.empty(labels.shape, dtype=np.float32)
    n_known = max(int(labels.any(axis=1).sum()), 1)
    weights = np.maximum(total + average, 1e-30)[:, None]
    for first in range(0, labels.shape[1], BLOCK_TAGS):
        columns = slice(first, first + BLOCK_TAGS)
        block = labels[:, columns].astype(np.float64)
        sums = to_song.T @ (to_user @ block) - back[:, None] * block
        sums += average * block.sum(axis=0) / n_known
        told[:, columns] = sums / weights
    return told


def standardised(part: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Bring columns to mean 0 and deviation 1 over training songs; 0 for what is not known."""
    known = part[train][~np.isnan(part[train, 0])]
    if not len(known):
        return np.zeros_like(part)
    deviation = known.std(axis=0)
    scaled = (part - known.mean(axis=0)) / np.where(deviation > 1e-6, deviation, np.inf)
    return np.nan_to_num(scaled).astype(np.float32)


def _factors(directory: Path, prefix: str, song_ids: list[str]) -> Factors:
    """The factors of all songs where they are published, else those of the dataset's songs."""
    if (directory / ITEM_FACTORS).is_file():
        return read_published(directory)
    cf = require_file(directory / f"{prefix}ix_to_cf.npy")
    return Factors(song_ids, read_cf(cf, len(song_ids)))


def _plays_of(plays: Plays, ids: list[str | None], file: Path) -> sp.csr_array:
    """Play counts of the dataset's songs: float32 (U, N)."""
    column_of = {song_id: column for column, song_id in enumerate(plays.song_ids)}
    columns = np.array([column_of.get(name, -1) for name in ids])
    if (columns < 0).all():
        raise UserError(
            f"none of the songs of existing_ids.npy is in {file}: give the ids of the one for the "
            "other with --id_map=FILE"
        )
    found = np.flatnonzero(columns >= 0)
    n_songs, n_columns = len(ids), len(plays.song_ids)
    place = sp.csr_array(
        (np.ones(len(found), np.float32), (columns[found], found)), shape=(n_columns, n_songs)
    )
    return sp.csr_array(plays.user_song @ place)
