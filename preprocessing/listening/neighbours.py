"""What the songs around a song tell of it: those of its artist, and those of its listeners.

A factor learnt from few plays is mostly chance. The mean of an artist's factors is less so, and
what else the listeners of a song play says more of it than the position of a short vector can.
"""

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from command_line import existing_file
from dataset.checks import read_cf, read_song_tags, read_splits
from dataset.directory import NEIGHBOURS, digest_of_songs
from dataset.files import ITEM_FACTORS, read_tags, require_file, subset_prefix
from dataset.writing import staged, write_about
from errors import UserError
from preprocessing.listening.als import Factors
from preprocessing.listening.taste_profile import listening_ids, read_id_map, read_published
from preprocessing.listening.triplets import Plays, read_triplets
from preprocessing.split.artists import read_artists

LEAST_SHARE = 0.1  # of songs whose artist has others, for the artists to tell anything
BLOCK_TAGS = 100  # at once: of a million users 400 MB


def write_neighbours(
    directory: Path, triplets: str | None, id_map: Path | None, is_subset: bool
) -> None:
    """Step 3 `neighbours`: `neighbours_songs.npy` of what is known of artists and of listeners."""
    prefix = subset_prefix(is_subset)
    tags = read_tags(directory, prefix)
    song_tags = read_song_tags(directory / f"{prefix}binaries.npy", len(tags))
    song_ids, splits = read_splits(directory, prefix, len(song_tags))
    train = splits["train"]
    parts = {}
    of_artists = songs_of_artists(_factors(directory, prefix, song_ids), song_ids, directory)
    if of_artists is not None:
        parts["artist"] = of_artists
    if triplets is not None:
        file = existing_file(triplets, "give an existing file as TRIPLETS")
        names = None if id_map is None else read_id_map(existing_file(id_map, "see --id_map"))
        plays = _plays_of(read_triplets(file), listening_ids(song_ids, names), file)
        labels = np.zeros(song_tags.shape, dtype=np.float32)
        labels[train] = song_tags[train]
        parts |= {"plays": amount_of_plays(plays), "listeners": tags_of_listeners(plays, labels)}
    if not parts:
        raise UserError(
            f"{directory} has few artists of several songs: give play counts as TRIPLETS"
        )
    rows = np.hstack([standardised(part, train) for part in parts.values()])
    numbers = {name: part.shape[1] for name, part in parts.items()}
    facts = {
        "source": None if triplets is None else Path(triplets).name,
        "numbers": numbers,
        "made_from": digest_of_songs([song_ids[song] for song in train], song_tags[train]),
    }
    file_name = f"{prefix}{NEIGHBOURS}_songs.npy"
    with staged(directory) as stage:
        np.save(stage / file_name, rows)
        write_about(stage, directory, f"{prefix}{NEIGHBOURS}", facts)
    what = ", ".join(f"{size} of {name}" for name, size in numbers.items())
    print(f"wrote {directory / file_name}: {len(rows)} songs x {rows.shape[1]} numbers ({what})")
    print(f"train with --input_type cf+{NEIGHBOURS} --fusion concat")


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
    counts = np.stack([listeners, plays.sum(axis=0), most], axis=1).astype(np.float32)
    return np.where(listeners[:, None] > 0, np.log1p(counts), np.nan).astype(np.float32)


def tags_of_listeners(plays: sp.csr_array, labels: np.ndarray) -> np.ndarray:
    """Which tags the other songs bear that a song's listeners play: float32 (N, T).

    A listener's tags are the mean over his training songs, each weighted by log(1 + plays); a
    song's are the mean over its listeners, weighted by log(1 + plays) / sqrt(what he plays in all),
    since who plays little is more his own. The song itself is left out of both, so that the tags of
    a training song do not come back to it.

    Parameters
    ----------
    plays : csr_array of float32, shape (U, N)
        Play counts of users and songs.
    labels : ndarray of float32, shape (N, T)
        Tags of the training songs; zero for the others.

    Returns
    -------
    ndarray
        A row of NaN for a song that nobody plays who plays a training song besides.
    """
    weight = plays.astype(np.float64)
    np.log1p(weight.data, out=weight.data)
    is_known = np.asarray(labels.any(axis=1))
    entry = weight.tocoo()
    own = weight.data * is_known[entry.col]
    others = np.bincount(entry.row, weights=own, minlength=weight.shape[0])[entry.row] - own
    counts = np.asarray(
        others > 1e-6
    )  # of each (user, song): who plays nothing else that is known, is silent
    share = np.where(counts, weight.data / np.sqrt(np.maximum(others, 1)), 0)
    through = np.divide(share, others, out=np.zeros_like(share), where=counts)
    to_user = sp.csr_array((through, weight.indices, weight.indptr), shape=weight.shape)
    back = np.bincount(entry.col, weights=through * own, minlength=weight.shape[1])  # (N,)
    total = np.bincount(entry.col, weights=share, minlength=weight.shape[1])
    told = np.full(labels.shape, np.nan, dtype=np.float32)
    heard = np.asarray(total > 0)
    for first in range(0, labels.shape[1], BLOCK_TAGS):
        block = labels[:, first : first + BLOCK_TAGS].astype(np.float64)
        sums = to_user.T @ (weight @ block) - back[:, None] * block  # (N, T in block)
        told[heard, first : first + BLOCK_TAGS] = sums[heard] / total[heard, None]
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
