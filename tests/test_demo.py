"""The demo: deterministic, and its listeners tell its tags."""

import filecmp

import numpy as np
import pytest

from dataset_files import TRACK_TAGS, TRIPLETS, read_categories, read_tsv
from preprocessing.demo import N_SONGS, SCENES, make_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo")
    make_demo(directory)
    return directory


def test_one_seed_one_data_set(demo, tmp_path):
    make_demo(tmp_path / "same", seed=0)
    make_demo(tmp_path / "other", seed=1)
    names = [str(f.relative_to(demo)) for f in demo.rglob("*") if f.is_file()]
    assert len(names) == 6
    assert filecmp.cmpfiles(demo, tmp_path / "same", names, shallow=False)[0] == names
    assert TRACK_TAGS in filecmp.cmpfiles(demo, tmp_path / "other", names, shallow=False)[1]


def test_every_tag_of_a_scene_has_a_category_and_songs(demo):
    tags = {tag for scene in SCENES for tag in scene}
    assert set(read_categories(demo)) == tags
    assert {row[2] for row in read_tsv(demo / TRACK_TAGS, 5)} == tags


def test_listeners_tell_tags(demo):
    songs = {f"DEMO{n:05d}": n for n in range(N_SONGS)}
    jazz = np.zeros(N_SONGS)
    for song, _, tag, _, _ in read_tsv(demo / TRACK_TAGS, 5):
        jazz[songs[song]] += tag == "jazz"
    listens: dict[str, list[int]] = {}
    for user, song, _ in read_tsv(demo / TRIPLETS, 3):
        listens.setdefault(user, []).append(songs[song])
    shares = np.array([jazz[heard].mean() for heard in listens.values()])
    fans = shares > 0.4
    assert 0.05 < fans.mean() < 0.2  # one scene of ten is jazz
    assert shares[~fans].mean() < 0.1
