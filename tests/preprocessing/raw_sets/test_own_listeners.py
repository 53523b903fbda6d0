"""Listening data of one's own beside the table: what it may look like."""

from pathlib import Path

import pytest

from step0_runs import done_well, plays_of, refused, step0, write_lines, write_own_music


@pytest.fixture
def music(tmp_path) -> Path:
    return write_own_music(tmp_path / "music")


@pytest.mark.parametrize(
    "lines",
    [
        ["u\trock/a.wav\t3", "v v\t./c d.flac\t2.50"],
        ["user,file,count", "u,rock/a.wav,3", " v  v ,c d.flac,2.5"],
        ["count;day;file;User", "3;1;rock\\a.wav;u", '2.5;2;"c d.flac";v v'],
        ["sep=;", "user;file;count;;", "u;rock/a.wav;3", "v v;c d.flac;2,5;"],
    ],
)
def test_listeners_become_triplets(music, tmp_path, lines):
    write_lines(music / "plays.txt", lines)
    options = ("--min_songs", 1, "--listeners", music / "plays.txt")
    told = done_well(step0("table", music / "table.csv", tmp_path / "d", *options))
    assert plays_of(tmp_path / "d") == [("u", "rock/a.wav", "3"), ("v v", "c d.flac", "2.5")]
    assert "listening data: 2 rows, 2 of 3 songs" in told
    done_well(step0("table", music / "table.csv", tmp_path / "d", "--min_songs", 1))
    assert not (tmp_path / "d/triplets.tsv").exists()  # no listeners, no longer


def test_listeners_of_other_songs_are_told(music, tmp_path):
    write_lines(music / "plays.csv", ["u,rock/a.wav,3", "u,other.mp3,1"])
    options = ("--min_songs", 1, "--listeners", music / "plays.csv")
    told = done_well(step0("table", music / "table.csv", tmp_path / "d", *options))
    assert "that the table lacks, left out: other.mp3" in told
    assert plays_of(tmp_path / "d") == [("u", "rock/a.wav", "3")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["missing", "--listeners"]),
        ("", ["header that names user file count"]),
        ("user,file,count\n", ["no rows"]),
        ("u,rock/a.wav\n", ["header that names user file count"]),
        ("user,song,count\nu,rock/a.wav,3\n", ["'count'", "line 1", "a header"]),
        ("u,rock/a.wav,3\nu,rock/b.mp3,0\n", ["'0'", "no number above 0", "line 2"]),
        ("u,rock/a.wav,nan\n", ["'nan'"]),
        ("u,rock/a.wav,inf\n", ["'inf'"]),
        (f"u,rock/a.wav,{'9' * 60}\n", [f"'{'9' * 50}'", "below 1e+38", "line 1"]),
        ("u;rock/a.wav;1,234\n", ["'1,234'", "line 1"]),
        ("u;rock/a.wav;1,2,3\n", ["'1,2,3'"]),
        (",rock/a.wav,1\n", ["no user", "line 1"]),
        ("u,a.wav,1\n", ["no file of the table", "a.wav", "rock/a.wav"]),
    ],
)
def test_bad_listeners_are_explained(music, tmp_path, content, words):
    if content is not None:
        (music / "plays.csv").write_text(content)
    options = ("--min_songs", 1, "--listeners", music / "plays.csv")
    done = step0("table", music / "table.csv", tmp_path / "data", *options)
    assert refused(done, music / "plays.csv", *words)
    assert not (tmp_path / "data").exists()
