"""The index: read as it was written, songs added and taken out; what is no index is told."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from errors import UserError
from index_samples import make_index, make_model, make_songs
from model import RetrievalModel
from modules import projection_head
from retrieval import index_writing, song_index
from retrieval.embedding import plain_layers, tag_layers
from retrieval.index_writing import (
    add_songs,
    index_folder,
    merge_parts,
    remove_songs,
    write_index,
)
from retrieval.song_index import ABOUT, IndexedSong, read_index

NAMES = [
    IndexedSong("A", "Ann", "Björn", "/a.mp3", "d1"),
    IndexedSong("B", "", "A", "", ""),
    IndexedSong("C", "", "", "/c.mp3", "d1"),
]


def ids(index):
    return [song.song_id for song in index.songs()]


@pytest.mark.parametrize("has_tags", [True, False])
def test_read_as_written(tmp_path, has_tags):
    index = make_index(3, NAMES, has_tags, tmp_path / "new" / "songs.index")
    songs = make_songs(index.model, 3)
    assert [index.song(row) for row in range(3)] == NAMES
    np.testing.assert_allclose(index.vectors([2, 0]), songs.embeddings[[2, 0]], atol=1e-3)
    assert index.tags_of(2) == (["smooth jazz"] if has_tags else [])
    assert index.model.is_same(make_model())
    assert [index.row_of(song.song_id) for song in NAMES] == [0, 1, 2]
    assert index.row_of("/c.mp3", "audio") == 2
    assert index.row_of("Ann") is None and index.row_of("") is None
    assert index.row_of("\udcff") is None and index.row_of("\ud800", "audio") is None
    assert [song.name for song in NAMES] == ["Ann - Björn", "A", "C"]


def test_words_are_embedded_as_by_the_branch():
    branch = projection_head(6)
    branch(torch.randn(64, 6) * 3 + 1)  # moves the norm
    vectors = torch.randn(4, 6)
    with torch.inference_mode():
        expected = F.normalize(branch.eval()(vectors)).numpy()
    model = make_model()
    model.layers.update(plain_layers(branch))
    np.testing.assert_allclose(model.embed(vectors.numpy()), expected, atol=1e-6)


def test_words_are_embedded_as_by_twins():
    torch.manual_seed(0)
    model, vectors = RetrievalModel(6, {"cf": 4}, are_twins=True).eval(), torch.randn(5, 6)
    with torch.inference_mode():
        expected = F.normalize(model.embed_tags(vectors)).numpy()
    of_index = make_model()
    of_index.layers.clear()
    of_index.layers.update(tag_layers(model))
    np.testing.assert_allclose(of_index.embed(vectors.numpy()), expected, atol=1e-6)


def test_songs_added_and_taken_out(tmp_path, monkeypatch):
    monkeypatch.setattr(index_writing, "PART_SONGS", 2)
    folder = tmp_path / "songs.index"
    index = make_index(3, NAMES, folder=folder)
    assert [len(part) for part in index.parts] == [2, 1]
    add_songs(folder, index.model, make_songs(index.model, 2, [IndexedSong("D"), IndexedSong("E")]))
    index = read_index(folder)
    assert ids(index) == ["A", "B", "C", "D", "E"] and index.song(4).song_id == "E"
    remove_songs(folder, ["A", "E"])
    index = read_index(folder)
    assert (ids(index), len(index), index.row_of("A")) == (["B", "C", "D"], 3, None)
    with pytest.raises(UserError, match="has no song 'A'"):
        remove_songs(folder, ["C", "A"])
    with pytest.raises(UserError, match="left without a song"):
        remove_songs(folder, ["C", "D", "B"])
    assert len(read_index(folder)) == 3
    write_index(folder, index.model, make_songs(index.model, 1))
    assert ids(read_index(folder)) == ["S0"]
    assert len(list(folder.iterdir())) == 3  # nothing old is left


def test_small_parts_become_one(tmp_path, monkeypatch):
    monkeypatch.setattr(index_writing, "PART_SONGS", 4)
    folder = tmp_path / "songs.index"
    index = make_index(5, folder=folder)  # S0 to S3, and S4 in a part of its own
    assert merge_parts(folder) == 0
    for name in "ABCD":
        more = make_songs(index.model, 1, [IndexedSong(name)], has_tags=name != "B")
        add_songs(folder, index.model, more)
    remove_songs(folder, ["A"])
    before = read_index(folder)  # whose names are read after its files have gone
    asked = {name: before.row_of(name) for name in ("S4", "B", "C", "D", "S1")}
    assert merge_parts(folder) == 4
    index = read_index(folder)
    assert [len(part) for part in index.parts] == [4, 4]
    assert ids(index) == ["S0", "S1", "S2", "S3", "S4", "B", "C", "D"]
    for name, row in asked.items():
        now = index.row_of(name)
        assert np.array_equal(index.vectors([now]), before.vectors([row]))
        assert (index.song(now), index.tags_of(now)) == (before.song(row), before.tags_of(row))
    assert len(list(folder.iterdir())) == 4  # index.json, the model, two parts
    assert merge_parts(folder) == 0
    remove_songs(folder, ["S0", "D"])
    assert merge_parts(folder) == 0 and not any(len(p.removed) for p in read_index(folder).parts)
    assert ids(read_index(folder)) == ["S1", "S2", "S3", "S4", "B", "C"]


@pytest.mark.parametrize("step", ["_write_part", "_replace_about", "build_nearest"])
def test_a_writer_that_is_stopped_changes_nothing(tmp_path, monkeypatch, step):
    folder = tmp_path / "songs.index"
    index = make_index(1, NAMES[:1], folder=folder)
    add_songs(folder, index.model, make_songs(index.model, 2, NAMES[1:]))

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(index_writing, step, stop)
        for write in (
            lambda: add_songs(folder, index.model, make_songs(index.model, 1)),
            lambda: merge_parts(folder),
            lambda: write_index(folder, index.model, make_songs(index.model, 1)),
        ):
            with pytest.raises(KeyboardInterrupt):
                write()
            assert ids(read_index(folder)) == ["A", "B", "C"]
    add_songs(folder, index.model, make_songs(index.model, 1))
    assert ids(read_index(folder)) == ["A", "B", "C", "S0"]
    assert len(list(folder.iterdir())) == 5  # nothing half-written is left


def test_where_an_index_can_be_written(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "song.mp3").touch()
    (tmp_path / "old.index").touch()
    assert index_folder(tmp_path / "new") == tmp_path / "new"
    with pytest.raises(UserError, match="holds something else"):
        index_folder(tmp_path / "full")
    with pytest.raises(UserError, match="perhaps an index of an older format"):
        index_folder(tmp_path / "old.index")
    index = make_index(folder=tmp_path / "new")
    assert index_folder(tmp_path / "new") == index.folder


def assert_refused(folder, sentence: str) -> None:
    with pytest.raises(UserError, match=f"{sentence}.*make it with retrieve.py index$"):
        read_index(folder)


def test_an_index_that_is_merged_as_it_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(index_writing, "PART_SONGS", 4)
    folder = tmp_path / "songs.index"
    index = make_index(2, folder=folder)
    add_songs(folder, index.model, make_songs(index.model, 1, [IndexedSong("A")]))
    opens, merges = song_index._open, iter([merge_parts])

    def open_late(*arguments):
        for merge in merges:
            merge(folder)
        return opens(*arguments)

    monkeypatch.setattr(song_index, "_open", open_late)
    assert ids(read_index(folder)) == ["S0", "S1", "A"]


def test_what_is_no_index_is_told(tmp_path):
    folder = tmp_path / "songs.index"
    assert_refused(folder, "cannot be read .No such file")
    assert_refused(tmp_path, "is no index, or is damaged")
    folder.write_bytes(b"PK of an older format")
    with pytest.raises(UserError, match="is no index, which is a folder, unless of an older"):
        read_index(folder)
    for content in ("nothing of the kind", "[1]", "{}", "null"):
        (tmp_path / ABOUT).write_text(content)
        assert_refused(tmp_path, "is no index, or is damaged")
    (tmp_path / ABOUT).write_text('{"song_index_format": 99}')
    assert_refused(tmp_path, "has index format 99")


def test_damage_anywhere_is_noticed(tmp_path):
    index = make_index(folder=tmp_path / "songs.index")
    files = [file for file in index.folder.rglob("*") if file.is_file() and file.name != ABOUT]
    assert len(files) == 5
    before = ids(index)
    for file in files:
        whole = file.read_bytes()
        for place in range(0, len(whole), len(whole) // 7 + 1):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
            assert_refused(index.folder, "is no index, or is damaged")
        file.write_bytes(whole[: len(whole) // 2])
        assert_refused(index.folder, "is no index, or is damaged")
        file.unlink()
        assert_refused(index.folder, "is no index, or is damaged")
        file.write_bytes(whole)
    assert ids(read_index(index.folder)) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tags", ["jazz"]),
        ("parts", []),
        ("model", ["no.npz", 1, 1]),
        ("tags", 5),
        ("tags", [5]),
        ("checkpoint", 5),
    ],
)
def test_a_list_that_does_not_fit(tmp_path, name, value):
    index = make_index(folder=tmp_path / "songs.index")
    about = json.loads((index.folder / ABOUT).read_text())
    del about["checksum"]  # as of an index of before
    (index.folder / ABOUT).write_text(json.dumps(about))
    assert ids(read_index(index.folder)) == ids(index)
    (index.folder / ABOUT).write_text(json.dumps(about | {name: value}))
    assert_refused(index.folder, "")


def test_one_letter_changed_in_the_list_is_noticed(tmp_path):
    file = make_index(folder=tmp_path / "songs.index").folder / ABOUT
    text = file.read_text()
    for word in ("smooth jazz", "none.ckpt", "flat"):
        assert word in text
        file.write_text(text.replace(word, word[::-1]))
        assert_refused(file.parent, "is no index, or is damaged")


@pytest.mark.parametrize("name", ["songs.tsv", "lines.npy"])
def test_damage_in_a_large_file_is_told_where_it_is_read(tmp_path, monkeypatch, name):
    monkeypatch.setattr(song_index, "CHECKED_BYTES", 100)  # larger ones are held against their size
    index = make_index(20, folder=tmp_path / "songs.index")
    file = index.folder / "part-2" / name
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[: size - 60] + b"\xff" * 60)
    opened = read_index(index.folder)
    assert opened.song(0).song_id == "S0"
    with pytest.raises(UserError, match=r"songs.tsv is damaged: make it with"):
        list(opened.songs())


def test_a_song_without_an_id_does_not_stop_a_look():
    index = make_index(2, [IndexedSong("", audio="/x"), IndexedSong("b", audio="/x")])
    assert index.row_of("/y", "audio") is None and index.row_of("b") == 1
    assert index.parts[0].row_of("/x", "audio") == 0


def test_merging_changes_how_neighbours_are_looked_for(tmp_path):
    pytest.importorskip("faiss")
    folder = make_index(300, folder=tmp_path / "songs.index").folder
    for kind in ("hnsw", "flat"):
        assert merge_parts(folder, kind) == 0
        assert [part.about["kind"] for part in read_index(folder).parts] == [kind]
        assert merge_parts(folder) == 0  # nothing asked for, nothing changed
        assert [part.about["kind"] for part in read_index(folder).parts] == [kind]
