"""Ids of the files of a folder: a file is known by its place, and no two songs share an id."""

import unicodedata

import numpy as np
import pytest

from errors import UserError
from retrieval.audio_folder import Hearing, embed_folder, new_ids
from retrieval.song_index import IndexedSong

HEARING = Hearing(str, np.asarray, 1, "retrieval.audio_folder")


def decode(file) -> np.ndarray:
    return np.ones(3, np.float32)


@pytest.fixture
def hearing(monkeypatch) -> Hearing:
    """Any file can be read, in this process."""
    mapped = lambda function, files, *_, **__: map(function, files)  # noqa: E731
    monkeypatch.setattr("retrieval.audio_folder.map_in_order", mapped)
    return HEARING._replace(decode=decode)


def write(folder, *names: str) -> None:
    """Files, each of another content."""
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(file))


def added(hearing, folder, known) -> dict[str, str]:
    """Song id -> file, below the folder that all lie in."""
    songs = embed_folder(hearing, folder, iter(known)).songs
    known += songs
    base = folder.resolve().parent
    return {song.song_id: song.audio.removeprefix(f"{base}/") for song in songs}


def test_songs_of_two_albums_by_one_name(hearing, tmp_path, capsys):
    write(tmp_path / "CD1", "track1.wav", "track2.wav")
    write(tmp_path / "CD2", "track1.wav", "track2.wav", "extra.wav")
    known: list[IndexedSong] = []
    assert added(hearing, tmp_path / "CD1", known).keys() == {"track1.wav", "track2.wav"}
    assert not capsys.readouterr().out
    assert added(hearing, tmp_path / "CD2", known) == {
        "extra.wav": "CD2/extra.wav",
        "CD2/track1.wav": "CD2/track1.wav",
        "CD2/track2.wav": "CD2/track2.wav",
    }
    said = capsys.readouterr().out
    assert "2 files by the names of other songs of the index" in said
    assert "begin with their folder: CD2/track1.wav, CD2/track2.wav\n" in said
    for folder in ("CD1", "CD2", ""):
        with pytest.raises(UserError, match=r"the index has every audio file in .*none to add"):
            embed_folder(hearing, tmp_path / folder, known)
    write(tmp_path / "other" / "CD2", "track1.wav")
    assert list(added(hearing, tmp_path / "other" / "CD2", known)) == ["other/CD2/track1.wav"]


def test_a_folder_above_or_behind_a_link_has_the_same_files(hearing, tmp_path):
    write(tmp_path / "music" / "CD1", "track1.wav")
    known: list[IndexedSong] = []
    added(hearing, tmp_path / "music" / "CD1", known)
    (tmp_path / "link").symlink_to(tmp_path / "music" / "CD1")
    for folder in ("music", "link"):
        with pytest.raises(UserError, match="none to add"):
            embed_folder(hearing, tmp_path / folder, known)


def test_a_folder_that_was_moved_has_no_new_songs(hearing, tmp_path):
    write(tmp_path / "CD1", "track1.wav")
    write(tmp_path / "CD2", "track1.wav")
    known: list[IndexedSong] = []
    added(hearing, tmp_path / "CD1", known)
    added(hearing, tmp_path / "CD2", known)
    (tmp_path / "new").mkdir()
    for name in ("CD1", "CD2"):
        (tmp_path / name).rename(tmp_path / "new" / name)
        with pytest.raises(UserError, match="none to add"):
            embed_folder(hearing, tmp_path / "new" / name, known)


def test_ids_are_compared_in_one_form_and_with_each_other(tmp_path):
    folder = tmp_path / "a"
    names = [unicodedata.normalize("NFD", "é.wav"), "x.wav", "a/x.wav"]
    write(folder, *names)
    known = [IndexedSong(unicodedata.normalize("NFC", "é.wav")), IndexedSong("x.wav")]
    found = new_ids([folder / name for name in names], folder, known)
    above = tmp_path.name
    assert found == {
        folder / names[0]: f"a/{names[0]}",
        folder / "x.wav": f"{above}/a/x.wav",  # a/x.wav is the third
        folder / "a/x.wav": "a/x.wav",
    }


def test_a_file_out_of_reach_is_told_where_it_is_embedded(tmp_path):
    gone = tmp_path / "a" / "gone.wav"
    known = [IndexedSong("gone.wav", digest="d")]
    assert new_ids([gone], gone.parent, known) == {gone: "a/gone.wav"}


def test_a_link_to_a_name_that_no_table_holds(hearing, tmp_path, capsys):
    write(tmp_path / "music", "good.wav")
    write(tmp_path, "two\nlines.wav")
    (tmp_path / "music" / "link.wav").symlink_to(tmp_path / "two\nlines.wav")
    assert list(added(hearing, tmp_path / "music", [])) == ["good.wav"]
    assert "link.wav (name is not UTF-8 on one line)" in capsys.readouterr().out


def test_names_in_the_tags_of_files(hearing, tmp_path, monkeypatch):
    write(tmp_path / "music", "a.wav", "b.wav")
    tags = {"a.wav": ("Ann", "One"), "b.wav": ("", "")}
    monkeypatch.setattr("retrieval.audio_folder.names_in_tags", lambda file: tags[file.name])
    songs = embed_folder(hearing, tmp_path / "music").songs
    assert [(one.song_id, one.artist, one.title) for one in songs] == [
        ("a.wav", "Ann", "One"),
        ("b.wav", "", ""),
    ]
    assert [one.name for one in songs] == ["Ann - One", "b.wav"]


def test_where_nothing_new_can_be_read(hearing, tmp_path):
    write(tmp_path / "music", "a.wav", "b.wav")
    unheard = hearing._replace(decode=lambda file: "no sound")
    with pytest.raises(UserError, match=r"none of the 2 audio files in .* can be read"):
        embed_folder(unheard, tmp_path / "music")
    known = embed_folder(hearing, tmp_path / "music").songs[:1]
    with pytest.raises(
        UserError, match=r"has every audio file in .* that can be read: none to add"
    ):
        embed_folder(unheard, tmp_path / "music", known)
