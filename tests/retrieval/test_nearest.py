"""Neighbours by faiss beside a look at all songs."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from errors import UserError
from index_samples import make_model
from retrieval import index_writing, nearest
from retrieval.index_writing import EmbeddedSongs, remove_songs, write_index
from retrieval.search import Rules, Searcher, Wanted
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


@pytest.fixture(scope="module", params=["hnsw", "ivfpq"])
def folder(request, tmp_path_factory):
    """Songs of 30 artists, each in a cluster of its own."""
    folder = tmp_path_factory.mktemp("wide") / "songs.index"
    songs = [IndexedSong(f"S{n}", f"artist {n % 30}") for n in range(3000)]
    write_index(folder, make_model(), EmbeddedSongs(clustered(3000), songs, None), request.param)
    return folder


@pytest.fixture
def index(folder, monkeypatch):
    monkeypatch.setattr(nearest, "PROBES", 5)  # lists, of 75
    return read_index(folder)


@pytest.fixture
def looks(monkeypatch):
    """How many candidates each look by faiss asks for."""
    asked, look = [], nearest.Nearest._look
    monkeypatch.setattr(
        nearest.Nearest,
        "_look",
        lambda self, vector, wanted: (asked.append(wanted), look(self, vector, wanted))[1],
    )
    return asked


def wanted_like(index, row):
    return [Wanted("", 1, unit_length(index.vectors([row]))[0])]


def best_of(index, vector):
    """Rows, best first, of the songs that are there."""
    scores = index.vectors(range(3000)) @ vector
    scores[index.parts[0].removed] = -2
    return np.argsort(-scores)[: len(index)].tolist()


def test_more_answers_than_usual_are_the_best_and_all_that_there_are(index):
    wanted, searcher = wanted_like(index, 5), Searcher(index)
    best = best_of(index, wanted[0].vector)
    for top in (500, 3000, 5000):
        rows = [hit.row for hit in searcher.search(wanted, top)]
        assert len(rows) == min(top, 3000) and set(rows) == set(best[:top])


def test_few_songs_of_an_artist_are_looked_for_among_all(index):
    searcher = Searcher(index)
    assert len(searcher.search(wanted_like(index, 5), 20, Rules((), 1))) == 20
    assert len(searcher.search(wanted_like(index, 5), 50, Rules((), 1))) == 30
    assert len(searcher.radio(wanted_like(index, 5), 25)) == 25


@pytest.mark.parametrize("n_removed", [90, 150, 1000, 2995, 3000])
def test_songs_behind_many_that_were_taken_out(index, n_removed):
    wanted = wanted_like(index, 5)
    index.parts[0].removed = np.sort(best_of(index, wanted[0].vector)[:n_removed])
    hits = Searcher(index).search(wanted, 10)
    assert {hit.row for hit in hits} == set(best_of(index, wanted[0].vector)[:10])


def test_the_usual_query_is_one_look(index, looks):
    index.parts[0].removed = np.arange(0, 3000, 3)  # which asks for as many more
    assert len(Searcher(index).search(wanted_like(index, 5), 10)) == 10
    assert looks == [300]


def test_more_lists_are_read_for_more_answers(index, looks, monkeypatch):
    monkeypatch.setattr(nearest, "MOST_CANDIDATES", 1)
    monkeypatch.setattr(nearest, "USUAL", 10)
    vector = wanted_like(index, 5)[0].vector
    rows, _ = nearest.Nearest(index.parts[0]).find(vector, 100)
    assert len(rows) >= 1000 and looks == [2000]
    assert len(set(best_of(index, vector)[:100]) - set(rows.tolist())) <= 2


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
