"""A song's spectrogram, windows and means as the package of musicnn's authors makes them."""

import weakref

import librosa
import numpy as np
import pytest
import soundfile
import torch

from audio_samples import chords
from encoders.musicnn import Layers, load_musicnn
from encoders.musicnn_package import ENCODERS
from musicnn_samples import write_wheel
from preprocessing.features.song_layers import file_means, musicnn_mel, song_means, windows_of
from preprocessing.mel import mel_spectrogram
from preprocessing.mel.audio_files import AudioError


@pytest.fixture
def song(tmp_path):
    soundfile.write(tmp_path / "song.wav", chords(7, rate=16000), 16000, subtype="FLOAT")
    return tmp_path / "song.wav"


def joined_windows(mel):
    return torch.cat(list(windows_of([torch.from_numpy(mel)])))


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
    windows = joined_windows(mel)
    assert windows.shape == (2, 187, 96) and windows.dtype == torch.float32
    np.testing.assert_array_equal(windows.reshape(-1, 96), mel[: 2 * 187])


@pytest.mark.parametrize("n_windows", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [1, 187, 500, 3000])
def test_windows_are_the_same_whatever_parts_a_song_comes_in(n_windows, size):
    mel = torch.arange((187 * n_windows + 50) * 96).reshape(-1, 96).remainder(1999).half()
    found = list(windows_of(mel.split(size)))
    assert [len(windows) for windows in found] == [2] * (n_windows // 2) + [1] * (n_windows % 2)
    np.testing.assert_array_equal(torch.cat(found).flatten(0, 1), mel[: 187 * n_windows])


@pytest.mark.parametrize("n_frames", [3, 100, 186])
def test_a_short_song_is_repeated(n_frames):
    mel = np.random.default_rng(0).uniform(size=(n_frames, 96)).astype(np.float16)
    expected = np.concatenate([mel] * 63)[:187]
    np.testing.assert_array_equal(joined_windows(mel)[0], expected)


def test_means_are_over_all_windows(tmp_path):
    network = load_musicnn(write_wheel(tmp_path / "musicnn.whl"))
    mel = np.random.default_rng(0).uniform(0, 4, size=(5 * 187 + 20, 96)).astype(np.float16)
    vector, likely = song_means(mel, network)
    with torch.inference_mode():
        layers = network(joined_windows(mel))
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


def test_a_file_gives_bit_for_bit_what_its_whole_spectrogram_gives(tmp_path, monkeypatch):
    monkeypatch.setattr(mel_spectrogram, "BATCH", 2**16)  # parts of four seconds
    soundfile.write(tmp_path / "song.wav", chords(19, rate=16000), 16000, subtype="FLOAT")
    networks = [load_musicnn(write_wheel(tmp_path / "musicnn.whl"), name) for name in ENCODERS]
    means, seconds, note = file_means(tmp_path / "song.wav", networks)
    mel, _ = musicnn_mel(tmp_path / "song.wav")
    assert note == "" and seconds == len(mel) * 256 / 16000
    for found, network in zip(means, networks, strict=True):
        for ours, whole in zip(found, song_means(mel, network), strict=True):
            np.testing.assert_array_equal(ours, whole)


def test_long_songs_take_no_more_memory_than_short_ones():
    seen, most = [], 0

    def network(windows):
        nonlocal most
        layers = Layers(*(torch.zeros(len(windows), 3) for _ in Layers._fields))
        seen.append(weakref.ref(layers.timbral))
        most = max(most, sum(one() is not None for one in seen))
        return layers

    song_means(np.zeros((187 * 20, 96), np.float16), network)
    assert len(seen) == 10 and most <= 2
