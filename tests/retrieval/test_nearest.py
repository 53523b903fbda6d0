"""Neighbours by faiss beside a look at all songs."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from errors import UserError
from index_samples import make_model
from retrieval import index_writing, nearest
from retrieval.index_writing import EmbeddedSongs, remove_songs, write_index
from retrieval.search import Searcher, Wanted
from retrieval.song_index import NEAREST, IndexedSong, read_index, unit_length

pytest.importorskip("faiss")


def clustered(n):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(30, 256))
    return unit_length(centres[np.arange(n) % 30] + rng.normal(0, 0.5, (n, 256)))


@pytest.mark.parametrize("kind", ["hnsw", "ivfpq"])
def test_found_as_exactly(tmp_path, kind):
    places, folder = clustered(3000), tmp_path / "songs.index"
    songs = EmbeddedSongs(places, [IndexedSong(f"S{n}") for n in range(3000)], None)
    write_index(folder, make_model(), songs, kind)
    remove_songs(folder, ["S7"])
    index = read_index(folder)
    assert index.parts[0].about["kind"] == kind
    searcher = Searcher(index)
    n_same = 0
    for row in range(7, 3000, 300):
        exact = places @ places[row]
        exact[7] = -1
        hits = searcher.search([Wanted("", 1, places[row])], 10)
        rows = [hit.row for hit in hits]
        assert 7 not in rows
        n_same += len({*rows} & set(np.argsort(-exact)[:10].tolist()))
        assert [hit.score for hit in hits] == pytest.approx(exact[rows].tolist(), abs=1e-3)
    assert n_same >= 95  # of 100


def test_parts_of_one_size_share_what_was_learnt(tmp_path, monkeypatch):
    """Codes of another part find as well, and what several parts find is ranked together."""
    import faiss

    monkeypatch.setattr(index_writing, "PART_SONGS", 1000)
    places, folder = clustered(3500), tmp_path / "songs.index"
    songs = EmbeddedSongs(places, [IndexedSong(f"S{n}") for n in range(3500)], None)
    write_index(folder, make_model(), songs, "ivfpq")
    index = read_index(folder)
    parts = [faiss.read_index(str(part.folder / NEAREST)) for part in index.parts]
    codes = [faiss.vector_to_array(one.pq.centroids) for one in parts]
    assert [len(part) for part in index.parts] == [1000, 1000, 1000, 500]
    assert np.array_equal(codes[0], codes[2]) and not np.array_equal(codes[0], codes[3])
    searcher, n_same = Searcher(index), 0
    for row in range(0, 3500, 350):
        exact = np.argsort(-places @ places[row])[:10]
        hits = searcher.search([Wanted("", 1, places[row])], 10)
        n_same += len({hit.row for hit in hits} & set(exact.tolist()))
    assert n_same >= 95  # of 100


def test_the_best_and_all_that_tie():
    scores = np.array([3, 1, 2, 2, 0])
    assert nearest.is_best(scores, 2).tolist() == [True, False, True, True, False]
    assert nearest.is_best(scores, 9).all() and nearest.is_best(scores, 5).all()


def test_chosen_by_size(tmp_path, monkeypatch):
    places = clustered(300).astype(np.float16)
    assert nearest.build_nearest(places, tmp_path / "flat") == "flat"
    assert not (tmp_path / "flat").exists()
    monkeypatch.setattr(nearest, "MOST_FLAT", 299)
    assert nearest.build_nearest(places, tmp_path / "lists") == "ivfpq"
    with pytest.raises(UserError, match="needs 256 songs"):
        nearest.build_nearest(places[:9], tmp_path / "few", "ivfpq")


def test_products_that_threads_ask_for_at_once():
    rng = np.random.default_rng(0)
    matrix, vectors = rng.normal(size=(500, 16)), rng.normal(size=(200, 16))
    product = nearest.Product(matrix)
    together = threading.Barrier(20)

    def ask(vector):
        together.wait()
        return product(vector)

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(ask, vectors))
    assert np.allclose(found, vectors @ matrix.T)


def test_memory_that_is_short_is_told_to_all_and_later_ones_are_answered(monkeypatch):
    product = nearest.Product(np.eye(3))

    def refuse(vectors):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(nearest.np, "stack", refuse)
        with pytest.raises(MemoryError):
            product(np.ones(3))
    assert product(np.ones(3)).tolist() == [1, 1, 1]
