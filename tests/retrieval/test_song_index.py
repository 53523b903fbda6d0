"""The index file: read as it was written; what is no index is told."""

import pytest
import torch

from errors import UserError
from index_samples import make_index
from retrieval.song_index import read_index, write_index


@pytest.mark.parametrize("song_tags", [None, torch.eye(5, 4).bool()])
def test_read_as_written(tmp_path, song_tags):
    index = make_index(song_tags=song_tags)
    write_index(index, tmp_path / "new" / "songs.index")
    read = read_index(tmp_path / "new" / "songs.index")
    for name in ("embeddings", "tag_vectors"):
        assert torch.equal(getattr(read, name), getattr(index, name))
    assert all(torch.equal(read.tag_branch[name], w) for name, w in index.tag_branch.items())
    assert read.tag_branch.keys() == index.tag_branch.keys()
    assert (read.songs, read.tags, read.vectors_file) == (index.songs, index.tags, "")
    assert (read.song_tags is None) == (song_tags is None)


def test_similarities_are_cosines_of_the_embedded_words():
    index = make_index(n_songs=4)
    similar = index.similarities(index.tag_vectors)
    torch.testing.assert_close(similar.diagonal(), torch.ones(4))
    torch.testing.assert_close(similar, index.embeddings @ index.embeddings.T)
    torch.testing.assert_close(index.similarities(index.tag_vectors[2:3]), similar[2:3])


def assert_refused(file, sentence: str) -> None:
    with pytest.raises(UserError, match=f"{sentence}.*: make it with retrieve.py index$"):
        read_index(file)


def test_what_is_no_index_is_told(tmp_path):
    file = tmp_path / "songs.index"
    assert_refused(file, "cannot be read .No such file")
    assert_refused(tmp_path, "cannot be read .Is a directory")
    file.write_bytes(b"nothing of the kind")
    assert_refused(file, "is no index, or is damaged")
    for content in ({"a": 1}, [1], torch.zeros(3)):
        torch.save(content, file)
        assert_refused(file, "index")
    torch.save({"song_index_format": 99}, file)
    assert_refused(file, "has index format 99")


def test_damage_anywhere_is_noticed(tmp_path):
    file = tmp_path / "songs.index"
    write_index(make_index(), file)
    whole = file.read_bytes()
    for place in range(200, len(whole), len(whole) // 20):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            read = read_index(file)
        except UserError as error:
            assert "is no index, or is damaged" in str(error)
        else:  # between the parts of a zip file there are bytes that mean nothing
            assert torch.equal(read.embeddings, make_index().embeddings)
    file.write_bytes(whole[: len(whole) // 2])
    assert_refused(file, "is no index, or is damaged")


@pytest.mark.parametrize(
    "changed",
    [
        {"songs": "S0\t\t\t"},
        {"songs": "\n".join(f"S{number}" for number in range(5))},
        {"embeddings": torch.zeros(4, 256)},
        {"song_tags": torch.zeros(4, 4, dtype=torch.bool)},
        {"tags": ["jazz"]},
        {"tag_vectors": torch.zeros(4, 5)},
        {"tag_branch": {}},
        {"unknown": 1},
    ],
    ids=str,
)
def test_parts_that_do_not_fit_each_other(tmp_path, changed):
    file = tmp_path / "songs.index"
    write_index(make_index(), file)
    content = torch.load(file, weights_only=True)
    torch.save(content | changed, file)
    assert_refused(file, "is no index, or is damaged")
    torch.save(content, file)
    assert read_index(file).songs == make_index().songs
