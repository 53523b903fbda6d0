"""Every instrument plays the note that is asked for, and none sounds like another."""

import numpy as np
import pytest

from preprocessing.demo.instruments import DRUMS, INSTRUMENTS, LEADS, RELEASE, hertz, hit, note
from preprocessing.demo.sound import SAMPLE_RATE

BASSES = [name for name in INSTRUMENTS if name.endswith("bass")] + ["bass guitar"]


def period(signal: np.ndarray, around: float) -> int:
    """First high peak of the autocorrelation between 0.4 and 1.6 times a lag; in samples."""
    power = np.abs(np.fft.rfft(signal, 2 * len(signal))) ** 2
    repeats = np.fft.irfft(power)[: round(1.6 * around)]
    lags = range(round(0.4 * around), len(repeats) - 1)
    peaks = [lag for lag in lags if repeats[lag] == repeats[lag - 1 : lag + 2].max()]
    return next(lag for lag in peaks if repeats[lag] > 0.8 * repeats[peaks].max())


@pytest.mark.parametrize("pitch", [48, 57, 64, 76])
@pytest.mark.parametrize("name", sorted(set(INSTRUMENTS) - set(BASSES) - {"power chord", "bells"}))
def test_pitch(name, pitch):
    expected = SAMPLE_RATE / hertz(pitch)
    signal = note(name, pitch, 0.6)[SAMPLE_RATE // 10 :]  # the knock of the attack has no pitch
    assert period(signal, expected) == pytest.approx(expected, rel=0.02, abs=1)


@pytest.mark.parametrize("name", BASSES)
def test_pitch_of_basses(name):
    expected = SAMPLE_RATE / hertz(36)
    assert period(note(name, 36, 0.6), expected) == pytest.approx(expected, rel=0.02)


def test_pitch_of_a_chord_of_a_fifth_is_the_common_one_an_octave_below():
    expected = SAMPLE_RATE / hertz(48 - 12)
    assert period(note("power chord", 48, 0.6), expected) == pytest.approx(expected, rel=0.02)


def test_strike_note_of_a_bell_is_its_lowest_and_strongest_partial():
    signal = note("bells", 60, 0.6)
    strongest = np.argmax(np.abs(np.fft.rfft(signal * np.hanning(len(signal)))))
    assert strongest * SAMPLE_RATE / len(signal) == pytest.approx(hertz(60), rel=0.01)


def test_a_semitone_is_heard():
    expected = SAMPLE_RATE / hertz(60)
    assert period(note("piano", 61, 0.6), expected) < 0.96 * expected


def test_middle_a():
    assert hertz(69) == 440
    assert hertz(57) == 220


@pytest.mark.parametrize("name", INSTRUMENTS)
@pytest.mark.parametrize(("pitch", "seconds"), [(36, 0.1), (60, 0.2), (96, 1.0)])
def test_notes_are_sound_and_end_in_silence(name, pitch, seconds):
    signal = note(name, pitch, seconds)
    assert signal.dtype == np.float32
    assert len(signal) == round((seconds + RELEASE) * SAMPLE_RATE)
    assert np.isfinite(signal).all()
    assert signal[-1] == 0
    assert not signal.flags.writeable


@pytest.mark.parametrize("drum", DRUMS)
def test_drums_are_sound_and_end_in_silence(drum):
    signal = hit(drum)
    assert signal.dtype == np.float32
    assert np.isfinite(signal).all()
    assert signal[-1] == 0
    assert 0.05 < len(signal) / SAMPLE_RATE < 1


def loudness(signal: np.ndarray) -> float:
    """Root mean square of the loudest 50 ms, by a plain loop."""
    n = SAMPLE_RATE // 20
    starts = range(0, len(signal) - n, n // 8)
    return max(np.sqrt(np.mean(signal[start : start + n] ** 2)) for start in starts)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_all_instruments_are_equally_loud(name):
    assert loudness(note(name, 60, 0.5)) == pytest.approx(1, abs=0.05)


def test_leads_differ_in_spectrum_or_decay():
    """Level by third-octave band in the first and the last part of a note, in dB."""
    edges = 2 ** np.arange(7, 13.4, 1 / 3)
    pictures = {}
    for name in LEADS:
        halves = np.array_split(note(name, 67, 0.8), 3)
        powers = [np.abs(np.fft.rfft(half)) ** 2 for half in (halves[0], halves[2])]
        frequencies = np.fft.rfftfreq(len(halves[0]), 1 / SAMPLE_RATE)
        bands = np.digitize(frequencies, edges)
        sums = [np.bincount(bands[: len(p)], p, len(edges) + 1) for p in powers]
        pictures[name] = 10 * np.log10(np.concatenate(sums) + 1)
    names = list(pictures)
    for first, one in enumerate(names):
        for other in names[first + 1 :]:
            difference = np.abs(pictures[one] - pictures[other]).mean()
            assert difference > 3, f"{one} and {other} differ by {difference:.1f} dB"
