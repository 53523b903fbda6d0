"""Fetching wheels: from pip once, then from the cache; nothing without the right hash."""

import hashlib
import subprocess

import pytest

from dataset import wheels
from dataset.wheels import cache_folder, fetch_wheel
from errors import UserError

CONTENT = b"a wheel of data"
WHEEL = ("some-data", "1.0", hashlib.sha256(CONTENT).hexdigest())
NAME = "some_data-1.0-py3-none-any.whl"


@pytest.fixture
def pip(monkeypatch, tmp_path):
    """In place of pip: writes what `content` holds, None for no network; its calls."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    calls = []

    def run(command, **_):
        calls.append(command)
        if run.content is None:
            return subprocess.CompletedProcess(command, 1, "", "WARNING: slow\nERROR: no network\n")
        folder = next(word.removeprefix("--dest=") for word in command if "--dest" in word)
        with open(f"{folder}/{NAME}", "wb") as stream:
            stream.write(run.content)
        return subprocess.CompletedProcess(command, 0, "", "")

    run.content, run.calls = CONTENT, calls
    monkeypatch.setattr(wheels.subprocess, "run", run)
    return run


def test_it_is_fetched_once(pip):
    for _ in range(2):
        assert fetch_wheel(*WHEEL) == cache_folder() / NAME
        assert (cache_folder() / NAME).read_bytes() == CONTENT
    assert len(pip.calls) == 1 and pip.calls[0][-1] == "some-data==1.0"
    assert "--no-deps" in pip.calls[0]
    assert [file.name for file in cache_folder().iterdir()] == [NAME]


def test_a_damaged_one_in_the_cache_is_fetched_again(pip):
    fetch_wheel(*WHEEL)
    (cache_folder() / NAME).write_bytes(b"torn")
    assert fetch_wheel(*WHEEL).read_bytes() == CONTENT


@pytest.mark.parametrize(("content", "words"), [(None, "no network"), (b"evil", "another SHA-256")])
def test_no_network_and_another_hash(pip, content, words):
    pip.content = content
    with pytest.raises(UserError, match=rf"{NAME}.*{words}.*--wheel"):
        fetch_wheel(*WHEEL)
    assert not list(cache_folder().iterdir())


def test_one_that_is_given(pip, tmp_path):
    file = tmp_path / "any.whl"
    with pytest.raises(UserError, match=r"any\.whl is missing"):
        fetch_wheel(*WHEEL, given=file)
    file.write_bytes(CONTENT)
    assert fetch_wheel(*WHEEL, given=file) == file
    file.write_bytes(b"other")
    with pytest.raises(UserError, match=r"any\.whl has another SHA-256"):
        fetch_wheel(*WHEEL, given=file)
    assert pip.calls == []
