"""Published splits in place of step 1's own."""

import numpy as np
import pandas as pd
import pytest

from commands import ROOT, assert_user_error, run_here
from dataset.directory import open_dataset
from dataset.writing import write_about, write_pickle, write_tsv
from errors import UserError
from preprocessing.split.published_split import in_each_part, print_overlap, read_published_split
from step1_data_split import run

PARTS = ("train", "valid", "test")


@pytest.fixture
def directory(tmp_path):
    """30 songs, ten a part: rock on all, jazz on the even ones, folk in no test song.

    Three songs more have no part; the artists of songs 0 to 19 have two songs each, the first one
    in train and the second one in valid; the others have no artist.
    """
    rows = []
    for song in range(33):
        tags = ["rock"] + ["jazz"] * (song % 2 == 0) + ["folk"] * (song < 20)
        rows += [(f"s{song:02d}", tag, tag, "genre", 100) for tag in tags]
    (tmp_path / "msd500").mkdir()
    write_tsv(tmp_path / "msd500/track_tags.tsv", rows)
    artists = [f"a{song % 10}" if song < 20 else "" for song in range(33)]
    songs = [(f"s{song:02d}", artist, "", "a.mp3") for song, artist in enumerate(artists)]
    write_tsv(tmp_path / "songs.tsv", songs)
    parts = [(f"s{song:02d}", PARTS[song // 10]) for song in range(30)]
    write_tsv(tmp_path / "published_split.tsv", parts)
    return tmp_path


def test_step_1_takes_the_published_split(directory):
    done = run_here(ROOT / "step1_data_split.py", "run", directory, 5, 2, "--split_by=published")
    assert done.returncode == 0, done.stderr
    write_pickle(directory / "google_emb.pkl", {tag: np.ones(4) for tag in ("jazz", "rock")})
    dataset = open_dataset(directory)
    assert dataset.tags == ["jazz", "rock"]
    assert dataset.song_ids == [f"s{song:02d}" for song in range(30)]
    assert [dataset.splits[part].tolist() for part in PARTS] == [
        list(range(start, start + 10)) for start in (0, 10, 20)
    ]
    for told in (
        "songs in published_split.tsv: rows 70 -> 65, songs 33 -> 30, tags 3 -> 3",
        "tags with fewer than 2 songs in a part: folk (0 in test)",
        "tags with at least 2 songs in each part: rows 65 -> 45",
        "the artist of 10 of 30 songs is not known",
        "artists in more than one part: 10 of 20, with 20 of 30 songs",
    ):
        assert told in done.stdout
    facts = dataset.about["steps"]["step1"]
    assert (facts["split_by"], facts["seed"]) == ("published", None)


def test_the_top_tags_are_chosen_among_those_in_each_part(directory):
    run(directory, 1, 6, split_by="published")
    assert np.load(directory / "tags.npy").tolist() == ["rock"]
    run(directory, 2, 5, split_by="published")
    assert np.load(directory / "tags.npy").tolist() == ["jazz", "rock"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"published_split.tsv is missing: step 0 writes it .* --split_by=artist"),
        ("", r"published_split.tsv is empty"),
        (
            "s01\tvalidation\n",
            r"the song 's01' into 'validation': the parts are train, valid, test",
        ),
        ("s01\n", r"the song 's01' into ''"),
        ("s01\ttrain\ns01\ttest\n", r"the song 's01' two parts, 'train' and 'test': keep one"),
    ],
)
def test_a_bad_split_is_explained(directory, content, message):
    (directory / "published_split.tsv").unlink()
    if content is not None:
        (directory / "published_split.tsv").write_text(content)
    before = sorted(directory.rglob("*"))
    with pytest.raises(UserError, match=message):
        run(directory, 5, 2, split_by="published")
    assert sorted(directory.rglob("*")) == before


def test_a_minimum_that_no_tag_reaches(directory):
    done = run_here(ROOT / "step1_data_split.py", "run", directory, 5, 11, "--split_by=published")
    assert_user_error(done, "'tags with at least 11 songs in each part'")
    write_tsv(directory / "published_split.tsv", [("unknown", "train")])
    with pytest.raises(UserError, match=r"'songs in published_split.tsv'"):
        run(directory, 5, 1, split_by="published")


def test_a_song_may_stand_twice_in_one_part(tmp_path):
    write_tsv(tmp_path / "published_split.tsv", [("s", "test"), ("s", "test")])
    assert read_published_split(tmp_path) == {"s": "test"}


def test_tags_in_each_part_against_a_plain_loop():
    rng = np.random.default_rng(0)
    part_of = {f"s{n}": PARTS[part] for n, part in enumerate(rng.integers(3, size=40))}
    pairs = {(f"s{s}", f"t{t}") for s, t in rng.integers((40, 12), size=(150, 2))}
    rows = pd.DataFrame(sorted(pairs), columns=["song", "tag"]).sample(frac=1, random_state=0)
    for minimum in (1, 3, 5):
        kept = {
            tag
            for tag in rows["tag"]
            if all(
                sum(part_of[s] == part for s, t in pairs if t == tag) >= minimum for part in PARTS
            )
        }
        left = in_each_part(rows, part_of, minimum)
        assert set(left["tag"]) == kept
        assert len(left) == sum(tag in kept for _, tag in pairs)


def test_a_part_without_any_song_counts():
    rows = pd.DataFrame([("s1", "rock"), ("s2", "rock")], columns=["song", "tag"])
    assert in_each_part(rows, {"s1": "train", "s2": "valid", "s3": "test"}, 1).empty


def test_tags_that_the_split_leaves_out_go_and_are_told(directory, capsys):
    facts = {"set": "own", "split_tags": ["rock", "unused"]}
    write_about(directory, directory, "step0", facts)
    run(directory, 5, 2, split_by="published")
    assert np.load(directory / "tags.npy").tolist() == ["rock"]
    assert "tags that are in no file of the split: folk, jazz\n" in capsys.readouterr().out


def test_overlap_by_hand(capsys):
    groups = np.array([0, 0, 1, 1, 2])
    print_overlap(
        groups, {"train": np.array([0, 2]), "valid": np.array([1, 4]), "test": np.array([3])}
    )
    assert capsys.readouterr().out == "artists in more than one part: 2 of 3, with 4 of 5 songs\n"
