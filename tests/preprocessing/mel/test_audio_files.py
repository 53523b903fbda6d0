"""Decoding, mixing and resampling: every format, any length of block, and damaged files."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_samples import chords, encoded, write_damaged
from preprocessing.mel import sndfile
from preprocessing.mel.audio_files import AudioError, can_be_read, find_audio, read_audio

LOSSLESS = {"a.wav": {"subtype": "FLOAT"}, "a.flac": {"subtype": "PCM_24"}, "a.aiff": {}}
LOSSY = {"a.ogg": {}, "a.opus": {"format": "OGG", "subtype": "OPUS"}, "a.mp3": {}}


def read(file, rate=22050) -> np.ndarray:
    return read_audio(file, rate, lambda blocks: np.concatenate(list(blocks)))[0]


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_give_the_mean_of_the_channels(tmp_path, name):
    song = chords(1, channels=2)
    soundfile.write(tmp_path / name, song, 22050, **LOSSLESS[name])
    samples = read(tmp_path / name)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, song.mean(axis=1), atol=1e-4)


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_formats_give_nearly_the_same(tmp_path, name):
    song = chords(2, rate=48000, channels=2)
    soundfile.write(tmp_path / name, song, 48000, **LOSSY[name])
    samples = read(tmp_path / name)
    expected = soxr.resample(song.mean(axis=1), 48000, 22050)
    np.testing.assert_allclose(len(samples), len(expected), atol=50)
    correlation = np.corrcoef(samples[: len(expected)], expected[: len(samples)])[0, 1]
    assert correlation > 0.99


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_blocks_say_what_one_piece_says(tmp_path, monkeypatch, rate, channels):
    song = chords(1.3, rate=rate, channels=channels)
    soundfile.write(tmp_path / "a.wav", song, rate, subtype="FLOAT")
    monkeypatch.setattr(sndfile, "READ", 7001 * channels)
    monkeypatch.setattr(sndfile, "BLOCK", 1999)
    mono = song.mean(axis=1)
    expected = mono if rate == 22050 else soxr.resample(mono, rate, 22050)
    samples = read(tmp_path / "a.wav")
    assert samples.shape == expected.shape
    np.testing.assert_allclose(samples, expected, atol=1e-6)


def test_mp3_in_blocks_is_mp3_in_one_piece(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.mp3", chords(3, rate=44100, channels=2), 44100)
    whole = read(tmp_path / "a.mp3", 44100)
    monkeypatch.setattr(sndfile, "READ", 10_000)
    np.testing.assert_array_equal(read(tmp_path / "a.mp3", 44100), whole)


def test_a_file_cut_short_gives_what_it_holds(tmp_path):
    song = chords(2)
    soundfile.write(tmp_path / "a.wav", song, 22050, subtype="FLOAT")
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[: len(content) // 2])
    samples = read(tmp_path / "a.wav")
    assert 0.9 < len(samples) / 22050 < 1.1
    np.testing.assert_array_equal(samples, song[: len(samples), 0])


def write_quiet(file: Path, hours: float) -> Path:
    """Write a second of sound and hours of silence: 12 KB an hour."""
    quiet = np.zeros(round(hours * 3600) * 1000, dtype=np.float32)
    quiet[:1000] = chords(1, 1000)[:, 0]
    soundfile.write(file, quiet, 1000)
    return file


def test_hours_of_next_to_nothing_are_refused(tmp_path):
    """What is made of them would take far more memory than the file has bytes."""
    file = write_quiet(tmp_path / "a.flac", 3.1)
    with pytest.raises(AudioError, match="more than 3 hours at under 1000 bytes a second"):
        read_audio(file, 1000, lambda blocks: sum(map(len, blocks)))


@pytest.mark.parametrize(("name", "hours"), [("a.flac", 2.9), ("a.wav", 3.1)])
def test_hours_that_are_short_or_have_the_bytes_are_read(tmp_path, name, hours):
    file = write_quiet(tmp_path / name, hours)
    n_samples, note = read_audio(file, 1000, lambda blocks: sum(map(len, blocks)))
    assert n_samples == hours * 3600 * 1000 and note == ""


def test_decoders_do_not_write_to_the_terminal(tmp_path, capfd):
    content = bytearray(encoded(chords(3, 44100, 2), 44100, "mp3"))
    for place in np.random.default_rng(0).integers(0, len(content), size=200):
        content[place] ^= 255
    (tmp_path / "a.mp3").write_bytes(content)
    can_be_read(tmp_path / "a.mp3")
    try:
        read(tmp_path / "a.mp3")
    except AudioError as error:
        assert str(error)
    assert capfd.readouterr().err == ""
    os.write(2, b"back")
    assert capfd.readouterr().err == "back"


def test_damaged_files_are_told_apart(tmp_path):
    reasons = write_damaged(tmp_path)
    of_the_signal = ("silent.wav", "short.wav", "nan.wav", "huge.wav")
    not_here = ("folder.wav", "missing.wav")  # the run sees them before it decodes
    for name in reasons.keys() - set(of_the_signal) - set(not_here):
        with pytest.raises(AudioError, match=reasons[name]):
            read(tmp_path / name)
    with pytest.raises(AudioError, match="cannot be opened"):
        read(tmp_path / "missing.wav")


def test_which_files_can_be_read(tmp_path):
    reasons = write_damaged(tmp_path)
    soundfile.write(tmp_path / "rare.voc", chords(1), 22050)
    assert can_be_read(tmp_path / "rare.voc") and can_be_read(tmp_path / "silent.wav")
    unknown = {name for name in reasons if not can_be_read(tmp_path / name)}
    assert unknown == {"text.mp3", "song.m4a", "song.raw", "empty.wav", "rate.wav"} | {
        "missing.wav",
        "folder.wav",
    }


def test_audio_below_a_folder(tmp_path):
    folder, elsewhere = tmp_path / "music", tmp_path / "elsewhere"
    for name in ("b/1.AIF", "b/c/2.m4a", "3.oga", "4.wav", "b/cover.jpg", "list.cue", "b/note"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    elsewhere.mkdir()
    for name in ("5.caf", "6.au", "7.JPG"):
        (elsewhere / name).touch()
    (folder / "a").symlink_to(folder / "b")  # the same songs again
    (folder / "z").symlink_to(elsewhere)
    (elsewhere / "loop").symlink_to(folder)
    (folder / "again.wav").symlink_to(folder / "4.wav")
    (folder / "gone.mp3").symlink_to(tmp_path / "gone.mp3")
    files, others = find_audio(folder)
    names = [str(file.relative_to(folder)) for file in files]
    assert names == ["3.oga", "4.wav", "b/1.AIF", "b/c/2.m4a", "gone.mp3", "z/5.caf", "z/6.au"]
    assert others == {"jpg": 2, "cue": 1, "": 1}


@settings(max_examples=60, derandomize=True)
@given(ending=st.sampled_from(["wav", "flac", "mp3", "ogg"]), data=st.data())
def test_any_damage_is_an_audio_error_or_sound(tmp_path_factory, ending, data):
    file = tmp_path_factory.mktemp("wild") / f"a.{ending}"
    soundfile.write(file, chords(0.3), 22050)
    content = bytearray(file.read_bytes())
    start = data.draw(st.integers(0, len(content)))
    content[start : start + data.draw(st.integers(0, 200))] = data.draw(st.binary(max_size=200))
    file.write_bytes(content)
    try:
        samples = read(file)
    except AudioError as error:
        assert str(error)
    else:
        assert samples.ndim == 1
