"""The numbers of the mel spectrogram against librosa, which defines them."""

import librosa
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_samples import chords, song_mel, write_damaged
from dataset.mel_store import FLOOR_DB, MEL_SETTINGS
from preprocessing.mel import mel_spectrogram
from preprocessing.mel.audio_files import AudioError
from preprocessing.mel.mel_spectrogram import mel_parts, mel_power
from real_data import real_data

RATE = 22050
TIME = np.arange(RATE) / RATE
RNG = np.random.default_rng(0)
FLOAT16 = 0.032  # dB: half the distance of neighbouring float16 numbers near -100

# Among them what is hard in float32: a loud tone beside bands that are nearly silent.
SIGNALS = {
    "chords": chords(1)[:, 0],
    "loud tone": np.sin(2 * np.pi * 1000 * TIME),
    "tone on a bin": np.sin(2 * np.pi * RATE / 1024 * 50 * TIME),
    "low tone": np.sin(2 * np.pi * 60 * TIME),
    "rising tone": np.sin(2 * np.pi * (20 + 5000 * TIME) * TIME),
    "fading tone": np.sin(2 * np.pi * 440 * TIME) * 10 ** (-6 * TIME),
    "smooth bumps": np.exp(-(((TIME % 0.2 - 0.1) / 0.01) ** 2)),
    "noise": RNG.uniform(-1, 1, RATE),
    "noise near the floor": RNG.normal(scale=1e-5, size=RATE),
    "constant": np.ones(RATE),
    "one click": np.eye(1, RATE, 3000)[0],
    "silence and a tone": np.where(TIME < 0.5, 0, np.sin(2 * np.pi * 330 * TIME)),
    "louder than full scale": RNG.normal(scale=10, size=RATE),
}


def power_of_librosa(samples: np.ndarray) -> np.ndarray:
    """(frames, 128), computed in float64."""
    return librosa.feature.melspectrogram(
        y=samples.astype(np.float64), sr=RATE, n_fft=1024, hop_length=512, n_mels=128
    ).T


def mel_of_blocks(blocks) -> np.ndarray:
    return torch.cat(list(mel_parts(blocks))).numpy()


def decibel(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, 1e-10))


@pytest.mark.parametrize("name", SIGNALS)
def test_power_and_decibels_are_those_of_librosa(name):
    samples = SIGNALS[name].astype(np.float32)
    expected = power_of_librosa(samples)
    power = mel_power(torch.from_numpy(np.pad(samples, 512))).numpy()
    assert power.dtype == np.float32 and power.shape == expected.shape
    assert np.linalg.norm(power - expected) <= 1e-5 * np.linalg.norm(expected)
    np.testing.assert_allclose(decibel(power), decibel(expected), atol=0.1)
    mel = mel_of_blocks([samples])
    assert mel.dtype == np.float16
    assert abs(mel - decibel(expected)).max() < 0.1 + FLOAT16


@settings(max_examples=50)
@given(
    tones=st.lists(
        st.tuples(st.floats(20, 11000), st.floats(-120, 0), st.floats(0, 6.3)), min_size=1
    )
)
def test_any_tones_beside_near_silence(tones):
    time = TIME[:3000]
    samples = sum(10 ** (db / 20) * np.sin(2 * np.pi * f * time + p) for f, db, p in tones)
    samples = (samples / max(1, np.abs(samples).max())).astype(np.float32)
    power = mel_power(torch.from_numpy(samples)).numpy()
    expected = librosa.feature.melspectrogram(
        y=samples.astype(np.float64), sr=RATE, n_fft=1024, hop_length=512, center=False
    ).T
    np.testing.assert_allclose(decibel(power), decibel(expected), atol=0.15)


def test_the_settings_are_the_arguments_of_librosa():
    arguments = {
        "y": SIGNALS["chords"],
        "sr": MEL_SETTINGS["sample_rate"],
        "n_fft": MEL_SETTINGS["n_fft"],
        "hop_length": MEL_SETTINGS["hop_length"],
        "window": MEL_SETTINGS["window"],
        "center": MEL_SETTINGS["centred"],
        "pad_mode": "constant",
        "power": MEL_SETTINGS["power"],
        "n_mels": MEL_SETTINGS["n_mels"],
        "fmin": MEL_SETTINGS["f_min"],
        "fmax": MEL_SETTINGS["f_max"],
        "htk": MEL_SETTINGS["mel_scale"] != "slaney",
        "norm": MEL_SETTINGS["mel_norm"],
    }
    power = librosa.feature.melspectrogram(**arguments).T
    floor, reference = MEL_SETTINGS["floor"], MEL_SETTINGS["reference"]
    expected = librosa.power_to_db(power, ref=reference, amin=floor, top_db=None)
    assert abs(mel_of_blocks([SIGNALS["chords"]]) - expected).max() < 0.2


@settings(max_examples=30)
@given(lengths=st.lists(st.integers(0, 3000), min_size=1), batch=st.integers(1, 5000))
def test_blocks_and_batches_do_not_matter(lengths, batch):
    samples = RNG.uniform(-1, 1, sum(lengths)).astype(np.float32)
    blocks = np.split(samples, np.cumsum(lengths)[:-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mel_spectrogram, "BATCH", batch)
        if len(samples) < 1024:
            with pytest.raises(AudioError, match="shorter than one frame"):
                mel_of_blocks(blocks)
            return
        mel = mel_of_blocks(blocks)
    assert mel.shape == (1 + len(samples) // 512, 128)
    assert abs(mel - decibel(power_of_librosa(samples))).max() < 0.1


def test_silence_is_the_floor_and_the_ends_are_padded_with_it():
    samples = np.zeros(20 * 512, dtype=np.float32)
    samples[10 * 512] = 0.5
    mel = mel_of_blocks([samples])
    assert (mel[:9] == FLOOR_DB).all() and (mel[12:] == FLOOR_DB).all()
    assert (mel[10] > -70).all()


def test_the_shortest_song():
    assert len(mel_of_blocks([np.ones(1024, dtype=np.float32)])) == 3


@pytest.mark.parametrize("position", [0, 5000, 9999])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_one_bad_sample_is_found(position, value):
    samples = np.ones(10_000, dtype=np.float32)
    samples[position] = value
    with pytest.raises(AudioError, match="NaN"):
        mel_of_blocks([samples])


def test_a_file_of_any_rate_is_what_librosa_makes_of_it(tmp_path):
    soundfile.write(tmp_path / "a.wav", chords(2, rate=44100, channels=2), 44100, subtype="FLOAT")
    samples, _ = librosa.load(tmp_path / "a.wav", sr=RATE)
    assert abs(song_mel(tmp_path / "a.wav") - decibel(power_of_librosa(samples))).max() < 0.2


def test_damaged_files_give_a_reason(tmp_path):
    for name, reason in write_damaged(tmp_path).items():
        if name not in ("folder.wav", "missing.wav"):
            assert reason in song_mel(tmp_path / name)


@pytest.mark.real_data
def test_real_recordings():
    files = sorted((real_data("fsdkaggle2018-instruments") / "audio").rglob("*.ogg"))[::30]
    assert files
    for file in files:
        samples, _ = librosa.load(file, sr=RATE)
        expected = decibel(power_of_librosa(samples))
        assert abs(song_mel(file) - expected).max() < 0.2
