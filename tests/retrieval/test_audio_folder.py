"""Ids of the files of a folder: a file is known by its place, and no two songs share an id."""

import functools
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from errors import UserError
from preprocessing.mel.sndfile import AudioError
from preprocessing.mel.worker_pool import attempt
from retrieval.audio_folder import Hearing, embed_folder
from retrieval.known_files import new_ids, state_of
from retrieval.song_index import IndexedSong

NOTHING = "there is nothing to add"
HEARING = Hearing(str, np.asarray, 1, "retrieval.audio_folder")


def decode(file) -> tuple[np.ndarray, str]:
    return np.ones(3, np.float32), "cut short" if "cut" in file.name else ""


def no_sound(file):
    raise AudioError("no sound")


@pytest.fixture
def hearing(monkeypatch) -> Hearing:
    """Any file can be read, in this process."""

    def mapped(function, files, *_, **__):
        return map(functools.partial(attempt, function), files)

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
        assert added(hearing, tmp_path / folder, known) == {}
        said = capsys.readouterr().out
        assert said == f"the index has every audio file in {tmp_path / folder}: {NOTHING}\n"
    write(tmp_path / "other" / "CD2", "track1.wav")
    assert list(added(hearing, tmp_path / "other" / "CD2", known)) == ["other/CD2/track1.wav"]


def test_a_folder_above_or_behind_a_link_has_the_same_files(hearing, tmp_path, capsys):
    write(tmp_path / "music" / "CD1", "track1.wav")
    known: list[IndexedSong] = []
    added(hearing, tmp_path / "music" / "CD1", known)
    (tmp_path / "link").symlink_to(tmp_path / "music" / "CD1")
    for folder in ("music", "link"):
        assert added(hearing, tmp_path / folder, known) == {}
        assert NOTHING in capsys.readouterr().out


def test_a_folder_that_was_moved_has_no_new_songs(hearing, tmp_path):
    write(tmp_path / "CD1", "track1.wav")
    write(tmp_path / "CD2", "track1.wav")
    known: list[IndexedSong] = []
    added(hearing, tmp_path / "CD1", known)
    added(hearing, tmp_path / "CD2", known)
    (tmp_path / "new").mkdir()
    for name in ("CD1", "CD2"):
        (tmp_path / name).rename(tmp_path / "new" / name)
        made = embed_folder(hearing, tmp_path / "new" / name, known)
        [moved] = made.of_folder.moved
        assert moved in [one._replace(audio=moved.audio) for one in known] and not made.songs
        assert moved.audio == str(tmp_path / "new" / name / "track1.wav")
        assert made.of_folder.times == {moved.song_id: state_of(Path(moved.audio))}


def test_files_that_moved_are_known_by_what_they_hold_and_copies_by_their_names(hearing, tmp_path):
    write(tmp_path / "a", "x.wav", "y/z.wav", "stays.wav")
    (tmp_path / "a/copy.wav").write_bytes((tmp_path / "a/x.wav").read_bytes())
    known: list[IndexedSong] = []
    added(hearing, tmp_path / "a", known)
    known.append(IndexedSong("old.wav", audio=str(tmp_path / "gone/old.wav")))  # no digest
    for old, new in {"x": "b/x", "copy": "b/1/copy", "y/z": "b/other", "stays": "a/stays"}.items():
        (tmp_path / new).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"a/{old}.wav").rename(tmp_path / f"{new}.wav")
    write(tmp_path / "b", "old.wav", "new.wav")
    made = embed_folder(hearing, tmp_path / "b", known)
    moved = {song.song_id: song.audio for song in made.of_folder.moved}
    places = {"x.wav": "x", "copy.wav": "1/copy", "y/z.wav": "other", "old.wav": "old"}
    assert moved == {name: str(tmp_path / f"b/{to}.wav") for name, to in places.items()}
    assert [song.song_id for song in made.songs] == ["new.wav"]


def test_songs_whose_file_is_nowhere_are_told(hearing, tmp_path):
    write(tmp_path / "a", "moved.wav", "replaced.wav", "stays.wav")
    known: list[IndexedSong] = []
    added(hearing, tmp_path / "a", known)
    known.append(IndexedSong("of a data set"))
    for name in ("moved", "replaced"):
        (tmp_path / "b").mkdir(exist_ok=True)
        (tmp_path / f"a/{name}.wav").rename(tmp_path / f"b/{name}.wav")
    (tmp_path / "b/replaced.wav").write_text("another")
    for folder in ("b", "a"):
        made = embed_folder(hearing, tmp_path / folder, known)
        known += made.songs
        gone = {"a": ["moved.wav", "replaced.wav"], "b": ["replaced.wav"]}[folder]
        assert [song.song_id for song in made.of_folder.missing] == gone
    assert [song.song_id for song in known[4:]] == ["b/replaced.wav"]


def test_a_file_that_was_replaced_is_embedded_again(hearing, tmp_path, monkeypatch):
    write(tmp_path / "a", "x.wav", "y.wav", "z.wav")
    first = embed_folder(hearing, tmp_path / "a")
    times, known = first.of_folder.times, first.songs
    (tmp_path / "a/x.wav").write_text("another")
    os.utime(tmp_path / "a/y.wav", ns=(1, 1))  # touched alone
    made = embed_folder(hearing, tmp_path / "a", known, times)
    assert [song.song_id for song in made.songs] == ["x.wav"] == list(made.of_folder.again)
    assert made.songs[0].digest != known[0].digest
    assert set(made.of_folder.times) == {"x.wav", "y.wav"}
    monkeypatch.setattr("retrieval.known_files.digest_of", None)  # nothing is read once more
    now = [*made.songs, *known[1:]]
    assert not embed_folder(hearing, tmp_path / "a", now, times | made.of_folder.times).songs


def test_a_file_that_was_replaced_by_no_sound_stays_as_it_was(hearing, tmp_path, capsys):
    write(tmp_path / "a", "x.wav", "y.wav")
    known = embed_folder(hearing, tmp_path / "a").songs
    (tmp_path / "a/x.wav").write_text("another")
    made = embed_folder(hearing._replace(decode=no_sound), tmp_path / "a", known)
    assert not (made.songs or made.of_folder.again)
    assert made.of_folder.left_out == {tmp_path / "a/x.wav": "no sound"}
    assert "x.wav" not in made.of_folder.times


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


def test_a_link_to_a_name_that_no_table_holds(hearing, tmp_path):
    write(tmp_path / "music", "good.wav")
    write(tmp_path, "two\nlines.wav")
    (tmp_path / "music" / "link.wav").symlink_to(tmp_path / "two\nlines.wav")
    made = embed_folder(hearing, tmp_path / "music")
    assert [song.song_id for song in made.songs] == ["good.wav"]
    link = tmp_path / "music/link.wav"
    assert made.of_folder.left_out == {link: "name is not UTF-8 on one line"}


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


def test_where_nothing_new_can_be_read(hearing, tmp_path, capsys):
    write(tmp_path / "music", "a.wav", "b.wav")
    unheard = hearing._replace(decode=no_sound)
    with pytest.raises(UserError, match=r"none of the 2 .* can be read: .*a.wav \(no sound\), "):
        embed_folder(unheard, tmp_path / "music")
    known = embed_folder(hearing, tmp_path / "music").songs[:1]
    assert not embed_folder(unheard, tmp_path / "music", known).songs
    assert f"that can be read: {NOTHING}\n" in capsys.readouterr().out


def test_what_was_cut_is_noted(hearing, tmp_path):
    write(tmp_path, "a.wav", "cut.wav")
    noted = embed_folder(hearing, tmp_path).of_folder.repaired
    assert noted == {tmp_path / "cut.wav": "cut short"}
