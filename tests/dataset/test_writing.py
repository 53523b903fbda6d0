"""Writing: whole or not at all, and nothing left behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from commands import ROOT
from dataset.files import existing_directory
from dataset.moving import alone, remove_with
from dataset.writing import staged, writable_file, write_tsv
from errors import UserError


def tree(directory: Path) -> dict[str, str]:
    """Every file below `directory`, hidden ones too, with its content."""
    return {
        str(file.relative_to(directory)): file.read_text() if file.is_file() else "folder"
        for file in directory.rglob("*")
    }


def test_a_folder_below_one_that_may_not_be_entered_is_told(tmp_path, monkeypatch):
    def refuse(path, **how):  # as to others than root, in Python 3.11
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)
    with (
        pytest.raises(UserError, match=r"below cannot be written to \(Permission denied\): choose"),
        staged(tmp_path / "below"),
    ):
        pass


def test_staged_files_arrive_together(tmp_path):
    (tmp_path / "old").write_text("old")
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "kept").write_text("kept")
    with staged(tmp_path) as stage:
        (stage / "old").write_text("new")
        (stage / "deep" / "er").mkdir(parents=True)
        (stage / "deep" / "er" / "file").write_text("nested")
        assert (tmp_path / "old").read_text() == "old"
    assert tree(tmp_path) == {
        "old": "new",
        "kept": "kept",
        "deep": "folder",
        "deep/kept": "kept",
        "deep/er": "folder",
        "deep/er/file": "nested",
    }


@pytest.mark.parametrize("error", [UserError, ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_staged_leaves_nothing_when_the_body_raises(tmp_path, error):
    (tmp_path / "old").write_text("old")
    with pytest.raises(error), staged(tmp_path) as stage:
        (stage / "old").write_text("half")
        (stage / "new").write_text("half")
        raise error
    assert tree(tmp_path) == {"old": "old"}


def test_what_a_killed_run_left_behind_goes_with_the_next_one(tmp_path):
    script = (
        "import os, pathlib, sys; from dataset.writing import staged\n"
        "with staged(pathlib.Path(sys.argv[1])) as stage:\n"
        "    (stage / 'half').touch(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)
    (left_over,) = tmp_path.iterdir()
    assert (left_over / "half").exists()
    with staged(tmp_path) as first, staged(tmp_path) as second:  # one in use stays
        assert not left_over.exists()
        assert first.is_dir() and second.is_dir()
    assert list(tmp_path.iterdir()) == []


WRITES = """
import pathlib, sys
from dataset.writing import staged
for number in range(400):
    with staged(pathlib.Path(sys.argv[1])) as stage:
        (stage / f"{sys.argv[2]}-{number}").write_text("new")
"""


def test_several_may_write_to_a_folder_at_once(tmp_path):
    (tmp_path / "kept").touch()
    command = [sys.executable, "-c", WRITES, tmp_path]
    writers = [subprocess.Popen([*command, name], cwd=ROOT) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(tree(tmp_path)) == 3 * 400 + 1


def test_a_file_goes_as_the_others_come(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("old", "gone", "deep/gone"):
        (tmp_path / name).write_text("old")
    with pytest.raises(ZeroDivisionError), staged(tmp_path) as stage:
        assert remove_with(stage, "gone")
        raise ZeroDivisionError
    assert (tmp_path / "gone").exists()
    with staged(tmp_path) as stage:
        (stage / "old").write_text("new")
        assert remove_with(stage, "gone") and remove_with(stage, "deep/gone")
        assert not remove_with(stage, "never there") and not remove_with(stage, "deep")
        assert tree(tmp_path)["gone"] == tree(tmp_path)["deep/gone"] == "old"
    assert tree(tmp_path) == {"old": "new", "deep": "folder"}


KILLED_AT_A_MOVE = """
import os, pathlib, sys
from dataset import moving
from dataset.writing import staged
left = int(sys.argv[2])
def counted(function):
    def move(*names, **how):
        global left
        if left == 0:
            os.kill(os.getpid(), 9)
        left -= 1
        function(*names, **how)
    return move
for name in ("rename", "replace", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
with staged(pathlib.Path(sys.argv[1])) as stage:
    (stage / "b").mkdir()
    for name in ("a", "b/b", "c"):
        (stage / name).write_text("new")
    moving.remove_with(stage, "d")
"""
OLD = {"a": "old", "c": "old", "d": "old"}
NEW = {"a": "new", "b": "folder", "b/b": "new", "c": "new"}


@pytest.mark.parametrize("n_calls", range(5))  # rename, unlink, replace three times
@pytest.mark.parametrize("way", [existing_directory, lambda directory: staged(directory)])
def test_a_run_killed_between_two_files_is_finished_by_the_next(tmp_path, n_calls, way):
    for name, text in OLD.items():
        (tmp_path / name).write_text(text)
    subprocess.run([sys.executable, "-c", KILLED_AT_A_MOVE, tmp_path, str(n_calls)], cwd=ROOT)
    assert (tmp_path / "c").read_text() == "old"
    opened = way(tmp_path)
    if way is not existing_directory:
        with opened:
            pass
    there = {name: text for name, text in tree(tmp_path).items() if not name.startswith(".")}
    assert there == (NEW if n_calls else OLD)


def test_a_second_command_is_told(tmp_path):
    told = pytest.raises(UserError, match="another command is writing to")
    with alone(tmp_path), told, alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_staged_makes_the_directory_or_leaves_no_trace_of_it(tmp_path):
    with pytest.raises(ZeroDivisionError), staged(tmp_path / "a" / "b") as stage:
        (stage / "file").write_text("half")
        raise ZeroDivisionError
    assert tree(tmp_path) == {}
    with staged(tmp_path / "a" / "b") as stage:
        (stage / "file").write_text("whole")
    assert tree(tmp_path) == {"a": "folder", "a/b": "folder", "a/b/file": "whole"}


def test_staged_moves_nothing_when_something_is_in_the_way(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match="b is in the way"), staged(tmp_path) as stage:
        (stage / "a").write_text("whole")
        (stage / "b").write_text("whole")
    assert tree(tmp_path) == {"b": "folder"}


def test_staged_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written to"), staged(tmp_path / "file" / "a"):
        pass


def test_writable_file(tmp_path):
    assert writable_file(str(tmp_path / "new" / "a.tsv")) == tmp_path / "new" / "a.tsv"
    (tmp_path / "a.tsv").write_text("kept")
    assert writable_file(tmp_path / "a.tsv").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
    for path, sentence in (
        ("", "is a directory, or no name"),
        (tmp_path, "is a directory, or no name"),
        (tmp_path / "a.tsv" / "b.tsv", "cannot be written to"),
        (tmp_path / ("a" * 300), "cannot be written .File name too long.: give another name"),
    ):
        with pytest.raises(UserError, match=sentence):
            writable_file(path)


@pytest.mark.parametrize("field", ["a\tb", "a\n", "\ra", "\t"])
def test_a_field_that_would_be_two_is_a_mistake(tmp_path, field):
    write_tsv(tmp_path / "a.tsv", [("a", 1, ""), ("\x85\u2028",), ()])
    assert (tmp_path / "a.tsv").read_bytes() == "a\t1\t\n\x85\u2028\n\n".encode()
    for row in [(field,), ("x", field, 3)]:
        with pytest.raises(ValueError, match=r"a\.tsv: a tab or line break within a field"):
            write_tsv(tmp_path / "a.tsv", [row])
