"""Artists: who made which song."""

import numpy as np
import pytest

from dataset.files import write_tsv
from errors import UserError
from preprocessing.split.artists import artist_groups, read_artists


def songs(tmp_path, *rows):
    write_tsv(tmp_path / "songs.tsv", rows)
    return tmp_path


def test_songs_of_an_artist_have_one_number(tmp_path):
    directory = songs(tmp_path, ("s1", "bob", "t", ""), ("s2", " ann ", "", ""), ("s3", "bob"))
    assert artist_groups(directory, ["s1", "s2", "s3"]).tolist() == [1, 0, 1]


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
