"""Songs of the same audio: found by what their files hold, kept in one part, told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import ROOT, run_here
from dataset.writing import write_tsv
from preprocessing.split import same_audio
from preprocessing.split.same_audio import PIECE, join_groups, number_audio, print_same_audio


def write_files(directory, **contents):
    for song, content in contents.items():
        if content is not None:
            (directory / f"{song}.wav").write_bytes(content)
    write_tsv(directory / "songs.tsv", [(song, "", "", f"{song}.wav") for song in contents])
    return list(contents)


def test_files_are_compared_by_what_they_hold(tmp_path):
    long = bytes(3 * PIECE)
    songs = write_files(
        tmp_path,
        a=b"one",
        b=b"two",
        c=b"one",
        d=None,
        e=long,
        f=b"\1" + long[1:],  # of the same size, with the same piece in its middle
        g=long,
        h=b"one",
        i=None,
    )
    assert number_audio(tmp_path, songs).tolist() == [0, 1, 0, 2, 3, 4, 3, 0, 5]
    assert number_audio(tmp_path, ["b", "c", "d"]).tolist() == [0, 1, 2]
    assert number_audio(tmp_path / "nowhere", ["b", "c"]).tolist() == [0, 1]


def test_what_step_4_knows_counts_too(tmp_path, monkeypatch):
    songs = write_files(tmp_path, a=b"one", b=b"two", c=b"one", d=None)
    monkeypatch.setattr(same_audio, "same_audio", lambda directory: [["c", "d"], ["x", "b"]])
    assert number_audio(tmp_path, songs).tolist() == [0, 1, 0, 0]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=20).map(
        lambda pairs: np.array(pairs).T
    )
)
def test_joined_groups_against_a_plain_loop(pairs):
    groups, audio = (np.unique(numbers, return_inverse=True)[1] for numbers in pairs)
    joined = join_groups(groups, audio)
    label = list(range(len(groups)))
    for _ in label:  # songs that share a group or audio get the smallest of their labels
        for one in range(len(label)):
            for other in range(len(label)):
                if groups[one] == groups[other] or audio[one] == audio[other]:
                    label[one] = label[other] = min(label[one], label[other])
    np.testing.assert_array_equal(joined[:, None] == joined, np.equal.outer(label, label))
    assert set(joined.tolist()) == set(range(joined.max() + 1))


def test_groups_stay_where_no_audio_is_the_same():
    groups = np.array([2, 0, 1, 1])
    assert len(set(join_groups(groups, np.arange(4)).tolist())) == 3


def test_where_copies_are_is_told(capsys):
    songs, audio = list("abcde"), np.array([0, 0, 1, 1, 2])
    print_same_audio(songs, audio, np.array([0, 2, 1, 1, 0]))
    assert capsys.readouterr().out == (
        "2 of 5 songs are bit for bit the same audio as others (a = b, c = d); of 2 recordings "
        "that songs share, 1 in train and test, 1 in valid\n"
    )
    print_same_audio(songs, np.arange(5), np.array([0, 2, 1, 1, 0]))
    assert capsys.readouterr().out == ""


@pytest.fixture
def directory(tmp_path):
    """30 songs of as many artists, each there twice under another name and artist."""
    songs = [f"{n:02d}{copy}" for n in range(30) for copy in ("", "copy")]
    rows = [(song, f"artist {song}", "", f"{song}.wav") for song in songs]
    for song in songs:
        (tmp_path / f"{song}.wav").write_bytes(song[:2].encode() * 99)
    (tmp_path / "msd500").mkdir()
    tags = [(song, tag, tag, "genre", 100) for song in songs for tag in ("rock", "pop")]
    write_tsv(tmp_path / "msd500/track_tags.tsv", tags)
    write_tsv(tmp_path / "songs.tsv", rows)
    return tmp_path


def step1(directory, *options):
    done = run_here(ROOT / "step1_data_split.py", "run", directory, 2, 2, *options)
    assert done.returncode == 0, done.stderr
    parts = [np.load(directory / f"{part}_ids.npy") for part in ("train", "valid", "test")]
    return done.stdout, [{line.split("//")[1][:2] for line in part} for part in parts]


@pytest.mark.parametrize("options", [[], ["--split_by=song"]])
def test_step_1_keeps_copies_together(directory, options):
    told, (train, valid, test) = step1(directory, *options)
    assert not (train & valid or train & test or valid & test)
    assert "30 of 60 songs are bit for bit the same audio as others (00 = 00copy, 01 = " in told


def test_a_published_split_is_told(directory):
    rows = [(f"{n:02d}{c}", "train" if c else "test") for n in range(28) for c in ("", "copy")]
    rows += [("28", "valid"), ("28copy", "valid"), ("29", "valid"), ("29copy", "train")]
    write_tsv(directory / "published_split.tsv", rows)
    told, _ = step1(directory, "--split_by=published")
    assert "share, 28 in train and test, 1 in train and valid, 1 in valid\n" in told


def test_placeholders_do_not_prevent_a_split(directory):
    for file in directory.glob("*.wav"):
        file.write_bytes(b"silence")
    told, parts = step1(directory)
    assert "no split was found that keeps songs of the same audio in one part" in told
    assert "59 of 60 songs are bit for bit the same audio as others (00 = 00copy)" in told
    assert all(parts)
