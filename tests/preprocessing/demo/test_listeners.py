"""The demo's listeners: their home decides, their taste a little, and the sound not at all."""

import numpy as np
import pytest

from preprocessing.demo.listeners import CULTURE, N_LISTENERS, SONGS_A_LISTENER, plays


@pytest.fixture(scope="module")
def heard() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Songs' homes (as numbers), their genres, and how often listeners heard them."""
    rng = np.random.default_rng(0)
    homes = rng.integers(5, size=(300, 3))
    names = [
        tuple(tags[n] for tags, n in zip(CULTURE.values(), home, strict=True)) for home in homes
    ]
    genres = rng.integers(10, size=300)
    listens = np.zeros((N_LISTENERS, 300), dtype=int)
    for listener, song, count in plays(names, [f"genre{g}" for g in genres], rng):
        assert listens[listener, song] == 0 and count >= 1
        listens[listener, song] = count
    return homes, genres, listens


def lift(labels: np.ndarray, listens: np.ndarray) -> float:
    """How much more of their most heard label listeners hear than a shuffle would give."""

    def most(labels):
        shares = listens.astype(bool) @ np.eye(labels.max() + 1)[labels] / SONGS_A_LISTENER
        return shares.max(axis=1).mean()

    return most(labels) / most(np.random.default_rng(1).permutation(labels))


def test_everyone_hears_as_many_songs_and_every_song_is_heard(heard):
    listens = heard[2]
    assert (listens.astype(bool).sum(axis=1) == SONGS_A_LISTENER).all()
    assert (listens.sum(axis=0) > 0).all()


def test_home_dominates_and_taste_is_weak(heard):
    homes, genres, listens = heard
    of_homes = [lift(homes[:, category], listens) for category in range(3)]
    assert min(of_homes) > 1.4
    assert 1.02 < lift(genres, listens) < 1.3


def test_what_does_not_pull_is_not_told(heard):
    listens = heard[2]
    moods = np.random.default_rng(2).integers(5, size=300)
    assert lift(moods, listens) == pytest.approx(1, abs=0.03)


def test_fewer_songs_than_a_listener_would_hear():
    homes = [tuple(tags[0] for tags in CULTURE.values())] * 3
    rows = list(plays(homes, ["rock", "jazz", "rock"], np.random.default_rng(0)))
    assert {song for _, song, _ in rows} == {0, 1, 2}
    assert len(rows) == 3 * N_LISTENERS
