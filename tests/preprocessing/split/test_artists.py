"""Artists: who made which song."""

import numpy as np
import pytest

from dataset.writing import write_tsv
from errors import UserError
from preprocessing.split.artists import artist_groups, read_artists


def songs(tmp_path, *rows):
    write_tsv(tmp_path / "songs.tsv", rows)
    return tmp_path


def test_songs_of_an_artist_have_one_number(tmp_path):
    directory = songs(tmp_path, ("s1", "bob", "t", ""), ("s2", " ann ", "", ""), ("s3", "bob"))
    assert artist_groups(directory, ["s1", "s2", "s3"]).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("names", "n_artists"),
    [
        (["Caf\u00e9", "Cafe\u0301"], 1),
        (["Björk", "Bjo\u0308rk", "björk"], 2),
        (["AC/DC", "AC/DC\u200b", "AC/DC\u00a0"], 1),
        (["Eldad  Lidor", "Eldad Lidor", "Eldad\u2003Lidor"], 1),
        (["СЛОТ", "Слот"], 2),
        (["Red", "ＲＥＤ"], 2),
        (["Cafe", "Café"], 2),
        (["Prince", "Princ e"], 2),
    ],
)
def test_artists_written_in_several_ways(tmp_path, names, n_artists):
    directory = songs(tmp_path, *[(f"s{n}", name) for n, name in enumerate(names)])
    groups = artist_groups(directory, [f"s{n}" for n in range(len(names))])
    assert len(np.unique(groups)) == n_artists


def test_artists_taken_for_one_are_told_and_others_keep_their_order(tmp_path, capsys):
    rows = [("s1", "bob"), ("s2", "ann"), ("s3", "b\u200bob"), ("s4", "Cid")]
    directory = songs(tmp_path, *rows)
    assert artist_groups(directory, ["s1", "s2", "s3", "s4"]).tolist() == [2, 1, 2, 0]
    assert "in several ways, each taken for one: bob = b\u200bob\n" in capsys.readouterr().out


def test_a_song_of_two_artists_is_an_error(tmp_path):
    directory = songs(tmp_path, ("s", "ann"), ("s", "bob"))
    with pytest.raises(UserError, match="two artists, 'ann' and 'bob'"):
        read_artists(directory)


def test_unknown_artists(tmp_path, capsys):
    with pytest.raises(UserError, match=r"artists are not known.*--split_by=song"):
        artist_groups(tmp_path, ["s1"])
    directory = songs(tmp_path, ("s1", "ann"), ("s2", ""), ("s3", "ann"))
    asked = ["s1", "s2", "s3", "s4"]
    with pytest.raises(UserError, match=r"no artist for 2 of 4 songs \(s2, s4\)"):
        artist_groups(directory, asked)
    groups = artist_groups(directory, asked, all_known=False)
    assert groups[0] == groups[2] and len(np.unique(groups)) == 3
    assert "the artist of 2 of 4 songs is not known" in capsys.readouterr().out
    (directory / "songs.tsv").unlink()
    assert sorted(artist_groups(directory, asked, all_known=False)) == [0, 1, 2, 3]


def test_an_unknown_artist_is_not_the_artist_called_like_the_song(tmp_path):
    directory = songs(tmp_path, ("s1", "s2"), ("s2", ""))
    groups = artist_groups(directory, ["s1", "s2"], all_known=False)
    assert groups[0] != groups[1]
