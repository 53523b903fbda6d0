"""The demo's building blocks of sound against plain formulas."""

import numpy as np
import pytest

from preprocessing.demo.sound import (
    HIGHEST,
    SAMPLE_RATE,
    fade,
    harmonics,
    noise,
    partials,
    saws,
    string,
    sweep,
    swell,
    wavering,
)


def level_at(signal: np.ndarray, hertz: float) -> float:
    """Amplitude of the sine wave of this frequency in a signal."""
    t = np.arange(len(signal)) / SAMPLE_RATE
    window = np.hanning(len(signal))
    return 2 * abs(np.sum(window * signal * np.exp(-2j * np.pi * hertz * t))) / window.sum()


def test_partials_are_the_sum_of_damped_sines():
    frequency = np.array([110.0, 440.5, 3000.0, HIGHEST + 1])
    amplitude, decay = np.array([1.0, 0.5, 0.2, 9.0]), np.array([0.5, 0.0, 30.0, 0.0])
    t = np.arange(round(0.7 * SAMPLE_RATE)) / SAMPLE_RATE
    loop = np.zeros(len(t))
    for f, a, d in zip(frequency[:3], amplitude, decay, strict=False):  # the last is too high
        loop += a * np.exp(-d * t) * np.sin(2 * np.pi * f * t)
    signal = partials(frequency, amplitude, decay, 0.7)
    assert signal.dtype == np.float32
    np.testing.assert_allclose(signal, loop, atol=1e-4)


def test_a_string_lacks_the_partials_with_a_node_where_it_is_plucked():
    signal = string(200, 1.0, place=1 / 4, tilt=0, decay=(0, 0))
    levels = [level_at(signal, 200 * h) for h in range(1, 9)]
    expected = np.abs(np.sin(np.pi * np.arange(1, 9) / 4))
    np.testing.assert_allclose(levels, expected, atol=0.01)


def test_harmonics_stay_below_the_highest_frequency():
    assert harmonics(3000, 40).tolist() == [1, 2, 3]
    assert harmonics(100, 4).tolist() == [1, 2, 3, 4]
    assert harmonics(2 * HIGHEST, 4).tolist() == [1]


def test_vibrato_bends_the_pitch_by_its_depth():
    signal = wavering(1000, np.array([1.0]), 2.0, rate=5, depth=0.01)
    # Instantaneous frequency from the analytic signal, after the vibrato has set in.
    spectrum = np.fft.fft(signal.astype(np.float64))
    spectrum[len(signal) // 2 :] = 0
    hertz = np.diff(np.unwrap(np.angle(np.fft.ifft(spectrum)))) * SAMPLE_RATE / (2 * np.pi)
    hertz = hertz[SAMPLE_RATE // 2 : -SAMPLE_RATE // 10]
    assert hertz.mean() == pytest.approx(1000, abs=2)
    assert (hertz.max() - hertz.min()) / 2 == pytest.approx(10, abs=1)


def test_harmonics_of_a_wavering_tone_have_their_amplitudes_also_over_time():
    steady = wavering(500, np.array([1.0, 0.25]), 1.0, rate=5, depth=0)
    assert level_at(steady, 500) == pytest.approx(1, abs=0.01)
    assert level_at(steady, 1000) == pytest.approx(0.25, abs=0.01)
    over_time = np.outer([1.0, 0.25], np.ones(len(steady)))
    np.testing.assert_allclose(wavering(500, over_time, 1.0, 5, 0), steady, atol=1e-4)


def test_saws_lie_around_their_frequency_and_lose_their_high_partials():
    signal = saws(500, 2.0, spread=0.01, cutoff=1500, closing=3.0)
    for hertz in (495, 500, 505):
        assert level_at(signal, hertz) > 10 * level_at(signal, hertz + 30)
    start, end = signal[: SAMPLE_RATE // 2], signal[-SAMPLE_RATE // 2 :]
    lost = [level_at(end, f) / level_at(start, f) for f in (500, 5000)]
    assert lost[1] < 0.1 * lost[0]


def test_noise_lies_in_its_band_and_is_always_the_same():
    signal = noise(4.0, 1000, 2000)
    power = np.abs(np.fft.rfft(signal)) ** 2
    hertz = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE)
    inside = (hertz > 800) & (hertz < 2500)
    assert power[inside].sum() > 0.9 * power.sum()
    assert signal.std() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(signal, noise(4.0, 1000, 2000))


def test_a_sweep_ends_at_its_lower_frequency():
    signal = sweep(1.0, 400, 100, 0)[-SAMPLE_RATE // 2 :]
    assert level_at(signal, 100) > 0.95


def test_fade_and_swell_at_known_times():
    quarter = SAMPLE_RATE // 4
    assert fade(1, 8)[quarter] == pytest.approx(np.exp(-2), rel=1e-3)
    rising = swell(1, 0.25)
    assert rising[0] == 0
    assert rising[quarter] == pytest.approx(1 - np.exp(-3), rel=1e-3)
