"""Songs added by two commands at once: none twice, none of another model, and the truth told.

What is written, merged and taken out is tested with the reading, in `test_song_index.py`.
"""

import unicodedata

import pytest

from errors import UserError
from index_samples import TAGS, make_index, make_model, make_songs
from retrieval import index_writing
from retrieval.embedded_songs import OfFolder, no_songs
from retrieval.index_writing import add_songs, merge_parts, remove_songs
from retrieval.song_index import IndexedSong, read_index


def songs(*song_ids: str) -> list[IndexedSong]:
    return [IndexedSong(song_id) for song_id in song_ids]


def ids(folder) -> list[str]:
    return [song.song_id for song in read_index(folder).songs()]


def test_songs_that_another_command_has_added_meanwhile(tmp_path, capsys):
    index = make_index(2, songs("A", unicodedata.normalize("NFC", "Björk")), folder=tmp_path / "i")
    names = songs("C", "A", unicodedata.normalize("NFD", "Björk"), "D")
    chosen = make_songs(index.model, 4, names)
    assert add_songs(index.folder, index.model, chosen) == 2
    said = capsys.readouterr().out
    assert said.startswith("2 songs left out: another command has added songs by their ids")
    now = read_index(index.folder)
    assert ids(index.folder)[2:] == ["C", "D"]
    assert now.tags_of(3) == [TAGS[3]] and now.vectors([3])[0] == pytest.approx(
        chosen.embeddings[3], abs=1e-3
    )
    before = (index.folder / "index.json").read_bytes()
    with pytest.raises(UserError, match=r"by all of these ids .* add again if they are other"):
        add_songs(index.folder, index.model, chosen)
    assert (index.folder / "index.json").read_bytes() == before
    remove_songs(index.folder, ["C"])  # what was taken out can come back
    assert add_songs(index.folder, index.model, chosen) == 1
    assert ids(index.folder)[2:] == ["D", "C"]


def test_songs_without_tags_are_left_out_alike(tmp_path):
    index = make_index(1, songs("A"), has_tags=False, folder=tmp_path / "i")
    more = make_songs(index.model, 2, songs("A", "B"), has_tags=False)
    assert add_songs(index.folder, index.model, more) == 1
    assert ids(index.folder) == ["A", "B"]


def test_an_index_that_is_of_another_model_by_now(tmp_path):
    index = make_index(1, folder=tmp_path / "i")
    other = make_model(tags=TAGS[::-1])
    with pytest.raises(UserError, match="was made by another model: add songs with that of none"):
        add_songs(index.folder, other, make_songs(other, 3))
    assert len(read_index(index.folder)) == 1


def test_names_are_read_but_of_songs_taken_out(tmp_path, monkeypatch):
    monkeypatch.setattr(index_writing, "PART_SONGS", 2)
    names = [IndexedSong("A", "Ann", "Björn", "/a.mp3", "d1"), *songs("B", "C", "D")]
    index = make_index(4, names, folder=tmp_path / "i")
    remove_songs(index.folder, ["B"])
    assert list(read_index(index.folder).songs()) == [names[0], *names[2:]]
    assert merge_parts(index.folder) == 0  # the whole part stays, the other one is written anew
    assert list(read_index(index.folder).songs()) == [*names[2:], names[0]]


@pytest.mark.parametrize("has_tags", [True, False])
def test_songs_that_moved_and_songs_embedded_again(tmp_path, has_tags):
    names = [IndexedSong(name, "Ann", "", f"/{name}.mp3", f"d{name}") for name in "ABCD"]
    index = make_index(4, names, has_tags, folder=tmp_path / "i")
    here = [names[1]._replace(audio="/new/B.mp3"), IndexedSong("gone", audio="/new/gone.mp3")]
    more = make_songs(index.model, 2, [names[0]._replace(digest="other"), IndexedSong("E")], False)
    again = more._replace(embeddings=more.embeddings[::-1])  # each lies where the other was
    again = again._replace(of_folder=OfFolder(here, frozenset("A")))
    assert add_songs(index.folder, index.model, again) == 1
    now = read_index(index.folder)
    assert list(now.songs()) == [*names[2:], *again.songs, here[0]] and len(now) == 5
    a, b, e = (now.row_of(name) for name in "ABE")
    before = index.vectors([0, 1])
    assert now.vectors([a, b])[0] == pytest.approx(before[1], abs=1e-3)  # embedded again
    assert (now.vectors([b])[0] == before[1]).all()
    known = [[TAGS[0]], [TAGS[1]], []] if has_tags else [[], [], []]
    assert [now.tags_of(row) for row in (a, b, e)] == known


def test_a_part_of_which_all_songs_have_moved_goes(tmp_path):
    names = [IndexedSong(name, audio=f"/{name}.mp3") for name in "AB"]
    index = make_index(2, names, folder=tmp_path / "i")
    moved = [song._replace(audio=f"/new{song.audio}") for song in names]
    songs = no_songs()._replace(of_folder=OfFolder(moved))
    assert add_songs(index.folder, index.model, songs) == 0
    now = read_index(index.folder)
    assert list(now.songs()) == moved and (now.vectors([0, 1]) == index.vectors([0, 1])).all()
    assert [part.name for part in index.folder.glob("part-*")] == ["part-3"]
    nobody = no_songs()._replace(of_folder=OfFolder([IndexedSong("C")]))  # taken out meanwhile
    assert add_songs(index.folder, index.model, nobody) == 0
    assert list(read_index(index.folder).songs()) == moved
