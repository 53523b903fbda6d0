"""The map of an index: where songs and tags lie in two dimensions, computed once and kept there."""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dataset.bounded import memory_bounded_by
from dataset.writing import staged
from errors import UserError
from retrieval.song_index import ABOUT, SongIndex

MAP = "map.npz"
MOST_MAPPED = 2000  # songs: half a minute of t-SNE, and about as many dots as an eye tells apart


class SongMap(NamedTuple):
    """Places of songs and tags."""

    rows: np.ndarray  # int64 (n,): the songs, of the index
    songs: np.ndarray  # float32 (n, 2)
    tags: np.ndarray  # float32 (T, 2)


def flatten(tags: np.ndarray, songs: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bring embeddings to two dimensions, near ones staying near, by t-SNE of cosine distances.

    Parameters
    ----------
    tags, songs : ndarray of float, shapes (T, E) and (N, E)
        Embeddings.
    seed : int
        Of t-SNE.

    Returns
    -------
    tags, songs : ndarray of float, shapes (T, 2) and (N, 2)
    """
    from sklearn.manifold import TSNE

    both = np.concatenate([tags, songs])
    perplexity = min(30.0, (len(both) - 1) / 3)
    places = TSNE(
        metric="cosine", init="random", perplexity=perplexity, random_state=seed
    ).fit_transform(both)
    return places[: len(tags)], places[len(tags) :]


def song_map(index: SongIndex) -> SongMap:
    """Return the map of an index: the one kept with it, or else a new one, which is then kept.

    Of more than `MOST_MAPPED` songs it shows as many, drawn by chance.
    """
    file = index.folder / MAP
    made_of = hashlib.sha256((index.folder / ABOUT).read_bytes()).hexdigest()
    kept = _kept(file, made_of)
    if kept is not None:
        return kept
    removed = [part.removed + start for part, start in zip(index.parts, index.starts, strict=False)]
    rows = np.delete(np.arange(index.starts[-1]), np.concatenate(removed))
    if len(rows) > MOST_MAPPED:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_MAPPED, replace=False))
    print(f"making the map of {len(rows)} songs, once", flush=True)
    tags, songs = flatten(index.model.embed(index.model.tag_vectors), index.vectors(rows), seed=0)
    made = SongMap(rows, songs, tags)
    try:
        with staged(index.folder) as stage:
            np.savez(stage / MAP, made_of=made_of, **made._asdict())
    except (OSError, UserError):  # a folder that one may only read
        print(f"the map cannot be kept in {index.folder}: it is made anew each time")
    return made


def _kept(file: Path, made_of: str) -> SongMap | None:
    """The map in a file; None if there is none, or it is damaged or of the index before."""
    with suppress(Exception), memory_bounded_by(file), np.load(file) as arrays:  # it may be damaged
        if str(arrays["made_of"]) == made_of:
            return SongMap(*(arrays[name] for name in SongMap._fields))
    return None
