"""Names of files in one's own table that have blanks at their ends."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from dataset.files import read_tsv
from step0_runs import done_well, plays_of, refused, step0, write_lines, write_own_music


@pytest.fixture
def music(tmp_path) -> Path:
    return write_own_music(tmp_path / "music")


def test_blanks_at_the_ends_are_of_the_name_where_a_file_has_them(music, tmp_path):
    for name in (" led.wav", "trailing.wav ", "both.wav", " both.wav"):  # of no usual ending
        soundfile.write(music / name, np.zeros(9), 8000, format="WAV")
    names = ['" led.wav"', '"trailing.wav "', " rock/a.wav ", "both.wav", '" both.wav"']
    lines = [f"{name},x" for name in names]
    write_lines(music / "t.csv", ["file,tags", *lines])
    write_lines(music / "plays.csv", ['u," led.wav",3', "u, rock/a.wav ,4"])
    run = ("table", music / "t.csv", tmp_path / "d", "--min_songs", 1)
    listeners = ("--listeners", music / "plays.csv")
    done_well(step0(*run, *listeners))
    known = ["trailing.wav ", " led.wav", "rock/a.wav", "both.wav", " both.wav"]
    songs = read_tsv(tmp_path / "d/songs.tsv", 4)
    assert {row[0] for row in songs} == set(known) and all(row[3] == row[0] for row in songs)
    assert plays_of(tmp_path / "d") == [("u", " led.wav", "3"), ("u", "rock/a.wav", "4")]


def test_no_such_file_with_or_without_them(music, tmp_path):
    write_lines(music / "t.csv", ["file,tags", "rock/a.wav,x", '" none.wav ",x'])
    assert refused(step0("table", music / "t.csv", tmp_path / "d"), "do not exist (none.wav)")
