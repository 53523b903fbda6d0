"""Step 4 typed by a user: killed, interrupted, with damaged files, and with mistakes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_samples import chords, song_mel, write_damaged, write_music, write_songs
from commands import ROOT, assert_user_error, run_command, run_here
from dataset.mel_index import FRAMES, INDEX
from dataset.mel_store import REPORT, open_mel_store, skipped_songs
from mel_samples import all_frames

STEP4 = ROOT / "step4_mel_spectrogram.py"


def content(directory: Path) -> dict[str, bytes]:
    """The files of a store; in the report the paths are those of another directory."""
    files = [directory / name for name in (FRAMES, INDEX, REPORT, "dataset.json")]
    return {file.name: file.read_bytes().replace(bytes(directory), b"") for file in files}


def write_long_songs(directory: Path) -> Path:
    """Songs that take some seconds in all: the same audio 28 times, damaged ones between."""
    directory.mkdir()
    soundfile.write(directory / "a.flac", chords(60, rate=44100, channels=2), 44100)
    (directory / "bad.mp3").write_text("no music")
    files: dict[str, str | None] = {f"S{number:02}": "a.flac" for number in range(30)}
    return write_songs(directory, files | {"S03": "bad.mp3", "S07": "missing.mp3"})


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    directory = write_long_songs(tmp_path_factory.mktemp("step4") / "data")
    done = run_command(STEP4, "run", directory)
    assert done.returncode == 0, done.stderr
    return directory


def started_and_stopped(directory: Path, with_signal: int, n_songs: int) -> subprocess.Popen:
    """Start step 4, and send a signal to it when so many songs are in the index."""
    command = [sys.executable, "-u", str(STEP4), "run", str(directory), "--num_workers", "2"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests started in the background of a shell inherit that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not (directory / INDEX).is_file() or (directory / INDEX).read_bytes().count(b"\n") < (
        n_songs
    ):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    if with_signal == signal.SIGINT:  # a terminal sends it to all processes
        os.killpg(process.pid, with_signal)
    else:
        os.kill(process.pid, with_signal)
    return process


def test_killed_and_started_again_it_ends_with_the_same_bytes(uninterrupted, tmp_path):
    directory = write_long_songs(tmp_path / "data")
    for n_songs in (1, 9):
        process = started_and_stopped(directory, signal.SIGKILL, n_songs)
        process.communicate()
        done = (directory / INDEX).read_bytes().count(b"\n")
        assert n_songs <= done < 28 and not (directory / REPORT).exists()
        assert len(open_mel_store(directory, []).song_ids) == done  # readable, though unfinished
    # One process instead of two says the same, too.
    again = run_command(STEP4, "run", directory, "--num_workers", "1")
    assert again.returncode == 0, again.stderr
    assert f"{done} songs were there already" in again.stdout
    assert content(directory) == content(uninterrupted)


def test_interrupted_it_says_so_and_keeps_what_it_has(uninterrupted, tmp_path):
    directory = write_long_songs(tmp_path / "data")
    process = started_and_stopped(directory, signal.SIGINT, n_songs=2)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted" and "Traceback" not in said
    store, whole = open_mel_store(directory, []), open_mel_store(uninterrupted, [])
    assert 2 <= len(store.song_ids) < 28
    kept = all_frames(store)
    np.testing.assert_array_equal(np.load(directory / FRAMES), all_frames(whole)[: len(kept)])


def test_the_store_of_a_run(uninterrupted):
    store = open_mel_store(uninterrupted, [])
    assert len(store.song_ids) == 28
    mel = song_mel(uninterrupted / "a.flac")
    for row in range(len(store.song_ids)):
        np.testing.assert_array_equal(store.song(row), mel)
    assert skipped_songs(uninterrupted).keys() == {"S03", "S07"}


def test_a_damaged_file_does_not_stop_the_run_but_strict_does(tmp_path):
    reasons = write_damaged(tmp_path / "music")
    soundfile.write(tmp_path / "music" / "good.mp3", chords(1, 44100, 2), 44100)
    directory = write_songs(tmp_path / "data", {name: name for name in [*reasons, "good.mp3"]})
    done = run_command(STEP4, "run", directory, tmp_path / "music")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "mpg123" not in done.stderr
    assert open_mel_store(directory, []).song_ids == ["good.mp3"]
    for name, reason in skipped_songs(directory).items():
        assert reasons[name] in reason
    strict = run_here(STEP4, "run", directory, tmp_path / "music", "--strict")
    assert_user_error(strict, "cannot be read", "--strict")


def test_mistakes(tmp_path):
    directory = write_music(tmp_path / "data", n_songs=1)
    assert_user_error(run_here(STEP4, "run", tmp_path / "no"), "is not a directory")
    assert_user_error(run_here(STEP4, "run", directory, tmp_path / "no"), "AUDIO_PATH")
    assert_user_error(run_here(STEP4, "run", directory, "--num_workers", "0"), "--num_workers")
    assert_user_error(run_here(STEP4, "run", directory, "--strict", "maybe"), "--strict")
    assert_user_error(run_here(STEP4, "pack", directory), "published layout")
    write_songs(directory, {"A": "a.mp3", "B": "b.mp3"})
    assert_user_error(run_here(STEP4, "run", directory), "none of the 2 audio files", "a.mp3")
    assert not (directory / FRAMES).exists() and not (directory / INDEX).exists()


def test_pack(tmp_path):
    folder = tmp_path / "spec" / "A" / "A" / "A"
    folder.mkdir(parents=True)
    mel = np.linspace(-80, 20, 128 * 30, dtype=np.float32).reshape(128, 30)
    np.save(folder / "TRAAA1.npy", mel)
    done = run_here(STEP4, "pack", tmp_path)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(tmp_path / "spec")
    np.testing.assert_allclose(open_mel_store(tmp_path, []).song(0), mel.T, atol=0.04)


def test_help_is_fast():
    script = "import sys, step4_mel_spectrogram; print(sorted(sys.modules))"
    done = run_command("-c", script)
    assert "soundfile" not in done.stdout and "'torch'" not in done.stdout
    assert run_command(STEP4, "run", "--help").returncode == 0
