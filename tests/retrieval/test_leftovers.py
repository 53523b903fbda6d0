"""Folders of an index hold parts that a killed writer left, and what others have named so."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from errors import UserError
from index_samples import make_index, make_songs
from retrieval import leftovers
from retrieval.index_writing import index_folder, write_index
from retrieval.song_index import read_index


def write_foreign(folder) -> None:
    """Files of somebody who numbers, too."""
    for name in ("part-1/song.wav", "part-20/disc/song.wav", "part-3/embeddings.npy/a", "model-4"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("precious")
    np.savez(folder / "model-5.npz", weights=np.ones(3))
    (folder / "part-6").write_text("precious")
    (folder / "elsewhere").mkdir()
    (folder / "part-7").symlink_to(folder / "elsewhere")


def names(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", ["part-1/song.wav", "model-1/weights.npz", "part-2.npz/a"])
def test_a_folder_of_other_numbered_things_is_refused(tmp_path, name):
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text("precious")
    with pytest.raises(UserError, match="holds something else: give INDEX a new name"):
        index_folder(tmp_path)
    assert (tmp_path / name).read_text() == "precious"


def test_what_others_put_into_an_index_stays(tmp_path):
    index = make_index(folder=tmp_path / "songs.index")
    own = names(index.folder)
    write_foreign(index.folder)
    foreign = names(index.folder) - own
    assert leftovers.next_number(index.folder) == 21
    write_index(index.folder, index.model, make_songs(index.model, 2))
    now = names(index.folder)
    assert foreign <= now and len(foreign) == 13
    assert {one.split("/")[0] for one in now - foreign} == {"index.json", "model-21.npz", "part-22"}
    assert len(read_index(index.folder)) == 2


def test_parts_of_a_killed_writer_are_known_and_go(tmp_path):
    folder = make_index(folder=tmp_path / "songs.index").folder
    (folder / "index.json").unlink()  # the first writer was killed before it wrote that
    (folder / "part-2" / "lines.npy").unlink()  # or the next one, as it cleared up
    assert index_folder(folder) == folder
    assert sorted(one.name for one in leftovers.written_parts(folder)) == ["model-1.npz", "part-2"]
    shutil.copytree(folder / "part-2", folder / "part-9")
    leftovers.remove_unnamed(folder, {"model": ["model-1.npz"], "parts": [{"name": "part-9"}]})
    assert sorted(one.name for one in folder.iterdir()) == ["model-1.npz", "part-9"]


def cut(file) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("damage", [cut, Path.unlink, lambda file: file.write_bytes(b"")])
@pytest.mark.parametrize(
    "name", ["index.json", "part-2/embeddings.npy", "part-2/songs.tsv", "part-2/tags.npy"]
)
def test_a_damaged_index_is_made_anew_in_its_place(tmp_path, name, damage):
    index = make_index(folder=tmp_path / "songs.index")
    model = index.model
    for kept in ("map.npz", "file_times.tsv", "audio_report.tsv"):
        (index.folder / kept).write_bytes(b"of the page, and of a folder of audio")
    damage(index.folder / name)
    with pytest.raises(UserError, match="damaged"):
        read_index(index.folder)
    assert index_folder(index.folder) == index.folder
    write_index(index.folder, model, make_songs(model, 2))
    assert len(read_index(index.folder)) == 2
    assert names(index.folder) & {"model-1.npz", "part-2"} == set()


def test_a_folder_whose_index_json_is_of_others_is_refused(tmp_path):
    for content in ("{}", "[1]", '{"index": "of a web site"}'):
        (tmp_path / "index.json").write_text(content)
        with pytest.raises(UserError, match="holds something else: give INDEX a new name"):
            index_folder(tmp_path)


def test_a_damaged_index_beside_things_of_others_stays(tmp_path):
    folder = make_index(folder=tmp_path / "songs.index").folder
    (folder / "notes.txt").write_text("precious")
    assert index_folder(folder) == folder
    cut(folder / "part-2/songs.tsv")
    with pytest.raises(UserError, match="holds something else: give INDEX a new name"):
        index_folder(folder)
