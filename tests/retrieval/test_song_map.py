"""The map of an index: near what is near, made once, made anew when the index changes."""

import numpy as np
import pytest

import retrieval.song_map as maps
from index_samples import make_index
from retrieval.index_writing import remove_songs
from retrieval.song_index import read_index
from retrieval.song_map import MAP, flatten, song_map


def test_map_keeps_clusters_together():
    rng = np.random.default_rng(0)
    centres = np.eye(3, 16) * 10
    cluster = np.repeat(np.arange(3), 20)
    songs = centres[cluster] + rng.normal(size=(60, 16))
    tag_places, song_places = flatten(centres.astype(np.float32), songs.astype(np.float32), seed=0)
    distance = np.linalg.norm(song_places[:, None] - tag_places, axis=2)  # (60, 3)
    assert (distance.argmin(axis=1) == cluster).mean() > 0.9


@pytest.fixture
def counted(monkeypatch):
    """How often a map is computed."""
    calls = []

    def counting(*given, **named):
        calls.append(given)
        return flatten(*given, **named)

    monkeypatch.setattr(maps, "flatten", counting)
    return calls


def test_made_once_and_anew_when_the_index_changes(counted):
    index = make_index(9)
    first = song_map(index)
    assert first.rows.tolist() == list(range(9))
    assert first.songs.shape == (9, 2) and first.tags.shape == (4, 2)
    again = song_map(read_index(index.folder))
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert len(counted) == 1
    remove_songs(index.folder, ["S3"])
    assert song_map(read_index(index.folder)).rows.tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    assert len(counted) == 2


@pytest.mark.parametrize("damage", [b"", b"PK", b"no archive"])
def test_a_damaged_map_is_made_anew(counted, damage):
    index = make_index(3)
    (index.folder / MAP).write_bytes(damage)
    assert song_map(index).rows.tolist() == [0, 1, 2]
    assert song_map(index).rows.tolist() == [0, 1, 2] and len(counted) == 1


def test_of_many_songs_some_are_drawn(monkeypatch):
    monkeypatch.setattr(maps, "MOST_MAPPED", 5)
    index = make_index(40)
    rows = song_map(index).rows
    assert len(set(rows.tolist())) == 5 and (np.diff(rows) > 0).all() and rows.max() > 5


def test_an_index_of_one_song():
    assert song_map(make_index(1)).songs.shape == (1, 2)


def test_a_folder_that_one_may_only_read(monkeypatch, capsys):
    def refuse(folder):
        raise PermissionError

    monkeypatch.setattr(maps, "staged", refuse)
    index = make_index(2)
    assert len(song_map(index).rows) == 2
    assert "cannot be kept" in capsys.readouterr().out and not (index.folder / MAP).exists()
