"""Parts of the store: written whole, shared out, done again where a machine was lost."""

import numpy as np
import pytest

from dataset.mel_index import FRAMES, INDEX, PARTS, read_index, store_parts
from errors import UserError
from mel_samples import MELS
from preprocessing.mel.part_writing import make_parts, write_part
from preprocessing.mel.song_run import Kept, Made
from preprocessing.mel.sources import Source
from preprocessing.mel.worker_pool import TaskFailed


def make(file):
    """What stands for decoding: the file's name says which of the samples it is."""
    if file.name == "broken":
        return "damaged"
    if file.name == "odd":
        raise ValueError("five\nis too many")
    return Made(MELS[file.name], 2.0, f"digest of {file.name}", "cut" if "B" in file.name else "")


def sources(tmp_path, *names):
    return [Source(f"id {name}", tmp_path / name, 9, 1) for name in names]


def one_by_one(write, tasks):
    return (write(task) for task in tasks)


def test_a_part_is_a_store_of_its_songs(tmp_path):
    folder = tmp_path / PARTS / "part-0"
    found = write_part((folder, sources(tmp_path, "SONGB", "broken", "SONGD", "odd")), make, 128)
    index = read_index(folder)
    assert index == [found[0].song, found[2].song]
    assert index[0] == ("id SONGB", 0, 300, 9, "digest of SONGB", "cut")
    assert index[1][:3] == ("id SONGD", 300, 40)
    expected = np.concatenate([MELS["SONGB"], MELS["SONGD"]])
    np.testing.assert_array_equal(np.load(folder / FRAMES), expected)
    assert found[1] == "damaged"
    assert isinstance(found[3], TaskFailed) and str(found[3]) == "ValueError: five is too many"
    assert [path.name for path in folder.parent.iterdir()] == ["part-0"]


def test_without_a_song_there_is_no_part(tmp_path):
    write_part((tmp_path / PARTS / "part-0", sources(tmp_path, "broken")), make, 128)
    assert list((tmp_path / PARTS).iterdir()) == []


def test_a_part_that_another_machine_has_written_stays(tmp_path):
    task = tmp_path / PARTS / "part-0", sources(tmp_path, "SONGA")
    first = write_part(task, make, 128)
    before = (task[0] / INDEX).stat().st_mtime_ns
    assert write_part(task, make, 128) == first
    assert (task[0] / INDEX).stat().st_mtime_ns == before


def test_what_a_killed_machine_was_at_is_no_part(tmp_path):
    def die(file):
        raise KeyboardInterrupt  # as a kill: nothing is done about it

    with pytest.raises(KeyboardInterrupt):
        write_part((tmp_path / PARTS / "part-0", sources(tmp_path, "SONGA")), die, 128)
    left = tmp_path / PARTS / ".left" / "part-0"
    left.mkdir(parents=True)
    assert store_parts(tmp_path) == [tmp_path]
    made = make_parts(tmp_path, sources(tmp_path, "SONGA"), make, 128, one_by_one)
    assert [type(one) for one in made] == [Kept]
    assert not left.exists() and len(store_parts(tmp_path)) == 2


@pytest.mark.parametrize(("n_songs", "n_parts"), [(1, 1), (20, 3), (512, 64), (5000, 79)])
def test_songs_are_shared_out_in_order(tmp_path, n_songs, n_parts):
    def count(write, tasks):
        assert len(tasks) == n_parts
        assert [folder for folder, _ in tasks] == sorted(folder for folder, _ in tasks)
        return ([source.song_id for source in songs] for _, songs in tasks)

    songs = [Source(str(number), None, None, None) for number in range(n_songs)]
    found = list(make_parts(tmp_path, songs, make, 128, count))
    assert found == [source.song_id for source in songs]


def test_a_part_that_cannot_be_written_is_told(tmp_path):
    def full(write, tasks):
        return (TaskFailed("OSError: No space left on device") for _ in tasks)

    with pytest.raises(UserError, match=r"part-.* cannot be written .*No space.*run step 4 again"):
        list(make_parts(tmp_path, sources(tmp_path, "SONGA"), make, 128, full))
