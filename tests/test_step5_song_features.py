"""Step 5 typed by a user: what it writes, killed and started again, damaged files, mistakes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import dataset.wheels
from audio_samples import chords, write_damaged, write_music, write_songs
from commands import ROOT, assert_user_error, run_command, run_here
from dataset.files import read_strings, read_tsv
from dataset.writing import write_split
from encoders.musicnn import load_musicnn
from musicnn_samples import write_wheel
from preprocessing.features.song_layers import musicnn_mel, song_means

STEP5 = ROOT / "step5_song_features.py"
# The package of the tests has not the hash of the real one.
TRUSTING = (
    "import dataset.wheels; dataset.wheels.fetch_wheel = lambda *_, given: given; "
    "import step5_song_features as step5; step5.fire_commands({'run': step5.run})"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return write_wheel(tmp_path_factory.mktemp("wheel") / "musicnn.whl")


def step5(wheel: Path, *arguments: str | Path) -> subprocess.CompletedProcess:
    with pytest.MonkeyPatch.context() as trusting:
        trusting.setattr(dataset.wheels, "fetch_wheel", lambda *_, given: given)
        return run_here(STEP5, "run", *arguments, "--wheel", wheel)


def vectors(directory: Path) -> dict[str, np.ndarray]:
    song_ids = read_strings(directory / "musicnn_song_ids.npy")
    return dict(zip(song_ids, np.load(directory / "musicnn_songs.npy"), strict=True))


def test_each_song_has_its_vector_and_others_nan(wheel, tmp_path):
    reasons = write_damaged(tmp_path / "music")
    del reasons["short.wav"]  # long enough for the shorter frames here
    for name, seconds in {"good.mp3": 5, "brief.wav": 0.5}.items():
        soundfile.write(tmp_path / "music" / name, chords(seconds, 44100, 2), 44100)
    names = ["good.mp3", *reasons, "brief.wav"]
    directory = write_songs(tmp_path / "data", {name: name for name in names})
    done = step5(wheel, directory, tmp_path / "music", "--encoder", "mtt-musicnn")
    assert done.returncode == 0, done.stderr
    assert "2 songs, " in done.stdout and "next: python -u step1_data_split.py" in done.stdout
    found = np.load(directory / "musicnn_songs.npy")
    assert found.dtype == np.float32 and found.shape == (len(names), 200)
    network = load_musicnn(wheel, "mtt-musicnn")
    for name, vector in vectors(directory).items():
        if name in reasons:
            assert np.isnan(vector).all()
        else:
            mel, _ = musicnn_mel(tmp_path / "music" / name)
            np.testing.assert_allclose(vector, song_means(mel, network)[0], rtol=1e-5, atol=1e-5)
    skipped = {name: why for name, _, why in read_tsv(directory / "musicnn_skipped.tsv", 3)}
    assert skipped.keys() == reasons.keys()
    assert all(reasons[name] in skipped[name] for name in reasons)
    strict = step5(wheel, directory, tmp_path / "music", "--encoder", "mtt-musicnn", "--strict")
    assert_user_error(strict, "cannot be read", "--strict")


def test_two_encoders_side_by_side(wheel, tmp_path):
    directory = write_music(tmp_path / "data", n_songs=1)
    assert step5(wheel, directory).returncode == 0
    before = np.load(directory / "musicnn_songs.npy")
    other = step5(wheel, directory, "--encoder", "mtt-musicnn", "--name", "mtt")
    assert other.returncode == 0, other.stderr
    assert (np.load(directory / "mtt_songs.npy") != before).any()
    assert "1 songs were there already" in step5(wheel, directory).stdout
    refused = step5(wheel, directory, "--encoder", "mtt-musicnn")
    assert_user_error(refused, "made with encoder msd-musicnn instead of mtt-musicnn")


def test_after_the_split_rows_follow_it(wheel, tmp_path):
    directory = write_music(tmp_path / "data", n_songs=4)
    assert step5(wheel, directory).returncode == 0
    before = vectors(directory)
    splits = {"train": np.array([0]), "valid": np.array([1]), "test": np.array([2])}
    write_split(directory, ["a tag"], ["S003", "S000", "S002"], np.ones((3, 1)), splits)
    again = step5(wheel, directory)
    assert "3 songs were there already" in again.stdout
    after = np.load(directory / "musicnn_songs.npy")
    np.testing.assert_array_equal(after, [before[name] for name in ("S003", "S000", "S002")])


def test_killed_and_started_again_it_goes_on(wheel, tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    soundfile.write(directory / "a.flac", chords(20, rate=16000), 16000)
    write_songs(directory, {f"S{number:02}": "a.flac" for number in range(40)})
    often = "import preprocessing.features.vector_writer as w; w.COMMIT_SECONDS = 0.1; " + TRUSTING
    command = [sys.executable, "-c", often, "run", directory, "--wheel", wheel]
    process = subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (directory / "musicnn_songs.tsv").is_file():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    n_done = len(read_tsv(directory / "musicnn_songs.tsv", 6))
    assert 1 <= n_done < 40
    again = step5(wheel, directory)
    assert f"{n_done} songs were there already" in again.stdout, again.stderr
    found = np.load(directory / "musicnn_songs.npy")
    assert len(found) == 40 and np.isfinite(found).all() and (found == found[0]).all()


def test_other_audio_under_the_same_name(wheel, tmp_path):
    directory = write_music(tmp_path / "data", n_songs=2)
    assert step5(wheel, directory).returncode == 0
    soundfile.write(directory / "audio/1.wav", chords(3, seed=9), 22050)
    assert_user_error(step5(wheel, directory), "S001", "another size", "run step 5 again")


def test_mistakes(wheel, tmp_path):
    directory = write_music(tmp_path / "data", n_songs=1)
    assert_user_error(run_here(STEP5, "run", tmp_path / "no"), "is not a directory")
    assert_user_error(run_here(STEP5, "run", directory, "--encoder", "vgg"), "msd-musicnn or")
    for taken in ("cf", "neighbours", "mel"):
        told = run_here(STEP5, "run", directory, "--name", taken)
        assert_user_error(told, f"--name {taken}")
    assert_user_error(run_here(STEP5, "run", directory, "--num_workers", "0"), "--num_workers")
    assert_user_error(run_here(STEP5, "run", directory, "--wheel", wheel), "musicnn")
    assert_user_error(step5(wheel, directory, tmp_path / "no"), "AUDIO_PATH")
    write_songs(directory, {"A": "a.mp3", "B": "b.mp3"})
    assert_user_error(step5(wheel, directory), "none of the 2 audio files", "a.mp3")
    assert not list(directory.glob("musicnn*"))


def test_help_is_fast():
    done = run_command("-c", "import sys, step5_song_features; print(sorted(sys.modules))")
    assert "soundfile" not in done.stdout and "'torch'" not in done.stdout
    assert run_command(STEP5, "run", "--help").returncode == 0
