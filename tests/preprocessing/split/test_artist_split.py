"""The split by artist: known answers, brute force, and what can and cannot be."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import UserError
from preprocessing.split import artist_split
from preprocessing.split.artist_split import (
    Best,
    Groups,
    random_split,
    split_groups,
    stratified_split,
)


def as_matrix(rows: list[list[int]]) -> sp.csr_array:
    return sp.csr_array(np.array(rows, dtype=np.int64))


def names(matrix: sp.csr_array) -> list[str]:
    return [f"tag{number}" for number in range(matrix.shape[1])]


def per_part(matrix: sp.csr_array, part: np.ndarray) -> np.ndarray:
    """Songs of each tag in each part, the plain way."""
    return np.array([matrix.toarray()[part == number].sum(axis=0) for number in range(3)])


def made_up(n_artists: int, n_tags: int, seed: int) -> tuple[sp.csr_array, np.ndarray]:
    """Songs of artists that bear some of their artist's tags."""
    rng = np.random.default_rng(seed)
    artist_tags = rng.random((n_artists, n_tags)) < 0.2
    artist_tags[np.arange(n_artists), rng.integers(n_tags, size=n_artists)] = True
    artist = np.repeat(np.arange(n_artists), rng.integers(1, 12, size=n_artists))
    rows = artist_tags[artist] & (rng.random((len(artist), n_tags)) < 0.7)
    rows[~rows.any(axis=1)] = artist_tags[artist][~rows.any(axis=1)]
    return sp.csr_array(rows.astype(np.int64)), artist


def test_groups_count_as_a_plain_loop_does():
    matrix, artist = made_up(15, 6, seed=1)
    groups = Groups.of(matrix, artist)
    part_of_group = np.arange(15) % 3
    expected = per_part(matrix, part_of_group[artist])
    np.testing.assert_array_equal(groups.tag_counts(part_of_group), expected)
    expected = np.bincount(part_of_group[artist], minlength=3)
    np.testing.assert_array_equal(groups.song_counts(part_of_group), expected)


def test_random_split_cuts_at_70_and_85_percent():
    part = random_split(np.ones(1000, dtype=np.int64), np.random.PCG64(5))
    np.testing.assert_array_equal(np.bincount(part), [700, 150, 150])


def test_random_split_is_the_same_for_ever():
    # numbers written down once: another numpy or machine must give them again
    part = random_split(np.arange(1, 21), np.random.PCG64(7))
    assert part.tolist() == [0, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 2]


def test_stratified_split_gives_the_rarest_tag_its_shares():
    # 20 artists of one song; tag 1 is borne by three of them only
    rows = [[1, int(number < 3)] for number in range(20)]
    groups = Groups.of(as_matrix(rows), np.arange(20))
    part = stratified_split(groups, np.arange(20), minimum=1)
    assert sorted(part[:3]) == [0, 1, 2]
    np.testing.assert_array_equal(np.bincount(part), [14, 3, 3])


@pytest.mark.parametrize("seed", range(3))
def test_cost_of_moves_is_that_of_making_the_move(seed):
    matrix, artist = made_up(12, 5, seed)
    groups = Groups.of(matrix, artist)
    part = np.random.default_rng(seed).integers(3, size=12)
    minimum = 6

    def full_cost(part: np.ndarray) -> int:
        lack = np.maximum(minimum - groups.tag_counts(part), 0).sum()
        return int(lack + artist_split._excess(groups.song_counts(part), groups.n_songs))

    counts, songs = groups.tag_counts(part), groups.song_counts(part)
    cost = artist_split._cost_of_moves(groups, part, counts, songs, minimum)
    offsets = set()
    for to, group in itertools.product(range(3), range(12)):
        moved = part.copy()
        moved[group] = to
        if to != part[group]:
            offsets.add(full_cost(moved) - int(cost[to, group]))
    assert len(offsets) == 1


def test_search_finds_what_chance_does_not(capsys):
    # 30 rare tags of three artists each: a random split that parts them all is hopeless
    rows = [[1] + [int(tag == number // 3) for tag in range(30)] for number in range(90)]
    rows += [[1] + [0] * 30 for _ in range(400)]
    part = split_groups(as_matrix(rows), np.arange(490), names(as_matrix(rows)), 1, seed=0)
    assert "stratified" in capsys.readouterr().out
    assert per_part(as_matrix(rows), part).min() >= 1
    np.testing.assert_allclose(np.bincount(part) / 490, [0.70, 0.15, 0.15], atol=0.021)


def test_search_is_as_good_as_brute_force():
    matrix, artist = made_up(9, 3, seed=4)
    groups = Groups.of(matrix, artist)
    possible = 0
    for parts in itertools.product(range(3), repeat=9):
        part = np.array(parts)
        if artist_split._excess(groups.song_counts(part), groups.n_songs) == 0:
            possible = max(possible, groups.tag_counts(part).min())
    assert possible > 1
    part = split_groups(matrix, artist, names(matrix), int(possible), seed=0)
    assert per_part(matrix, part).min() == possible
    with pytest.raises(UserError, match=f"best minimum found is {possible}|need tags with"):
        split_groups(matrix, artist, names(matrix), int(possible) + 1, seed=0)


@settings(max_examples=15)
@given(st.integers(3, 25), st.integers(1, 6), st.integers(1, 6), st.integers(0, 1000))
def test_a_split_keeps_its_promise_or_is_a_user_error(n_artists, n_tags, minimum, seed):
    matrix, artist = made_up(n_artists, n_tags, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artist_split, "RANDOM_SPLITS", 20)
        patch.setattr(artist_split, "STARTS", 2)
        try:
            part = split_groups(matrix, artist, names(matrix), minimum, seed)
        except UserError:
            return
    assert set(part.tolist()) == {0, 1, 2}
    assert all(len(set(part[artist == number])) == 1 for number in range(n_artists))
    assert per_part(matrix, part).min() >= minimum


def test_same_seed_same_split_other_seed_other_split():
    matrix, artist = made_up(200, 5, seed=0)
    first, again, other = (split_groups(matrix, artist, names(matrix), 5, s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_impossible_by_songs_names_tags_and_what_is_possible(monkeypatch):
    monkeypatch.setattr(artist_split, "RANDOM_SPLITS", 0)  # it must not even begin
    rows = as_matrix([[1, 0]] * 40 + [[1, 1]] * 8)
    with pytest.raises(UserError, match=r"tag1 \(8\).*lower MINIMUM to 2 or"):
        split_groups(rows, np.arange(48), names(rows), 3, seed=0)


def test_impossible_by_artists_names_tags():
    rows = as_matrix([[1, 0]] * 40 + [[1, 1]] * 20)
    artist = np.concatenate([np.arange(40), np.repeat([40, 41], 10)])
    with pytest.raises(UserError, match=r"three artists.*tag1 \(2\)"):
        split_groups(rows, artist, names(rows), 3, seed=0)


def test_not_found_names_tags_and_the_best_minimum(monkeypatch):
    monkeypatch.setattr(artist_split, "STARTS", 2)
    # tag1: artists with 8, 1, 1 songs, so a minimum of 2 is possible by its 10 songs but not here
    rows = as_matrix([[1, 0]] * 100 + [[1, 1]] * 10)
    artist = np.concatenate([np.arange(100), [100] * 8, [101, 102]])
    with pytest.raises(UserError, match=r"1 of 2 tags fell short \(tag1 \(1 in .*found is 1: low"):
        split_groups(rows, artist, names(rows), 2, seed=0)
    part = split_groups(rows, artist, names(rows), 1, seed=0)  # what the message advises works
    assert per_part(rows, part).min() == 1


def test_best_keeps_the_least_lack_and_the_largest_minimum():
    best = Best(asked=5)
    few_lack = np.array([[5, 5], [5, 5], [5, 0]])
    larger_minimum = np.array([[5, 5], [2, 2], [2, 5]])
    assert not best.offer(np.array([0]), few_lack)
    assert not best.offer(np.array([1]), larger_minimum)
    assert best.minimum == 2
    assert best.part.tolist() == [0]
    assert best.offer(np.array([2]), np.full((3, 2), 5))
