"""A song's spectrogram, windows and means as the package of musicnn's authors makes them."""

import librosa
import numpy as np
import pytest
import soundfile
import torch

from audio_samples import chords
from encoders.musicnn import load_musicnn
from musicnn_samples import write_wheel
from preprocessing.features.song_layers import musicnn_mel, song_means, windows_of
from preprocessing.mel.audio_files import AudioError


@pytest.fixture
def song(tmp_path):
    soundfile.write(tmp_path / "song.wav", chords(7, rate=16000), 16000, subtype="FLOAT")
    return tmp_path / "song.wav"


def test_the_spectrogram_is_that_of_the_package(song):
    mel, note = musicnn_mel(song)
    samples, _ = soundfile.read(song)
    power = librosa.feature.melspectrogram(
        y=samples, sr=16000, hop_length=256, n_fft=512, n_mels=96
    ).T
    assert note == "" and mel.dtype == np.float16 and mel.shape == power.shape
    np.testing.assert_allclose(mel, np.log10(10000 * power + 1), atol=3e-3)


def test_windows_lie_side_by_side():
    mel = np.arange(400 * 96).reshape(400, 96).astype(np.float16)
    windows = windows_of(mel)
    assert windows.shape == (2, 187, 96) and windows.dtype == torch.float32
    np.testing.assert_array_equal(windows.reshape(-1, 96), mel[: 2 * 187])


@pytest.mark.parametrize("n_frames", [3, 100, 186])
def test_a_short_song_is_repeated(n_frames):
    mel = np.random.default_rng(0).uniform(size=(n_frames, 96)).astype(np.float16)
    expected = np.concatenate([mel] * 63)[:187]
    np.testing.assert_array_equal(windows_of(mel)[0], expected)


def test_means_are_over_all_windows(tmp_path):
    network = load_musicnn(write_wheel(tmp_path / "musicnn.whl"))
    mel = np.random.default_rng(0).uniform(0, 4, size=(5 * 187 + 20, 96)).astype(np.float16)
    vector, likely = song_means(mel, network)
    with torch.inference_mode():
        layers = network(windows_of(mel))
    assert vector.dtype == np.float32 and vector.shape == (200,) and likely.shape == (50,)
    np.testing.assert_allclose(
        vector, layers.penultimate.numpy().mean(axis=0), rtol=1e-4, atol=1e-4
    )
    taggram = 1 / (1 + np.exp(-layers.logits.numpy().astype(float)))
    np.testing.assert_allclose(likely, taggram.mean(axis=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [(chords(1, 16000)[:511], "shorter than one frame"), (np.zeros(9000), "silent")],
)
def test_what_gives_no_spectrogram(tmp_path, samples, reason):
    soundfile.write(tmp_path / "song.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=reason):
        musicnn_mel(tmp_path / "song.wav")
