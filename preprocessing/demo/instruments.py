"""The instruments of the demo: physical models that turn a note into a signal.

Strings, bars and reeds are sums of partials that die away each at its own rate, which is what the
wave equation of a lossy string gives (Fletcher, Rossing: The Physics of Musical Instruments,
chapters 2 and 3). Bowed and blown tones keep their spectrum and have vibrato and noise. The
electric piano is frequency modulation (Chowning 1973). Drums are noise, sweeps and inharmonic
partials.

An instrument takes a frequency in Hz and a length in seconds and gives float32 at `SAMPLE_RATE`.
"""

from collections.abc import Callable
from functools import cache, lru_cache, partial

import numpy as np

from preprocessing.demo.sound import (
    SAMPLE_RATE,
    fade,
    harmonics,
    modes,
    noise,
    partials,
    saws,
    string,
    sweep,
    swell,
    times,
    wavering,
)

RELEASE = 0.06  # seconds in which a note that ends fades out


@lru_cache(maxsize=1024)
def note(instrument: str, pitch: int, seconds: float) -> np.ndarray:
    """Play one note of an instrument.

    Parameters
    ----------
    instrument : str
        A name in `INSTRUMENTS`.
    pitch : int
        MIDI number: 60 is middle C, 69 is A at 440 Hz.
    seconds : float
        How long the note is held; `RELEASE` follows.

    Returns
    -------
    ndarray of float32, shape (n,)
        The signal; all instruments are equally loud. Read-only, for calls share it.
    """
    hertz = 440.0 * 2 ** ((pitch - 69) / 12)
    return _finished(INSTRUMENTS[instrument](hertz, seconds + RELEASE), RELEASE)


@cache
def hit(drum: str) -> np.ndarray:
    """Strike one of `DRUMS` at its level; the signal is that of `note`."""
    level, strike = DRUMS[drum]
    return _finished(strike(), 0.02, level)


def _finished(signal: np.ndarray, release: float, level: float = 1.0) -> np.ndarray:
    """Fade the end out, scale the loudest 50 ms to a root mean square of `level`, and lock."""
    n_fade, window = round(release * SAMPLE_RATE), SAMPLE_RATE // 20
    signal[-n_fade:] *= np.linspace(1, 0, n_fade, dtype=np.float32)
    energy = np.cumsum(np.concatenate([np.zeros(window), signal**2]))
    signal /= np.float32(np.sqrt((energy[window:] - energy[:-window]).max() / window))
    signal *= level
    signal.flags.writeable = False
    return signal


# ---------------------------------------------------------------- strings and reeds


def mandolin(frequency: float, seconds: float) -> np.ndarray:
    """Pair of steel strings picked eleven times a second; each stroke ends the one before."""
    pair = [string(f, 1 / 11, 1 / 5, 0.5, (8, 0.2)) for f in (frequency, frequency * 1.002)]
    return np.resize(pair[0] + pair[1], round(seconds * SAMPLE_RATE))


def piano(frequency: float, seconds: float) -> np.ndarray:
    """Two stiff strings a little out of tune, struck at an eighth, and the knock of the hammer."""
    h = harmonics(frequency, 30)
    stretched = h * frequency * np.sqrt(1 + 4e-4 * h**2)
    amplitude = np.sin(np.pi * h / 8) * np.exp(-h * frequency / 4000) / h
    tone = partials(np.outer([1, 1.0008], stretched), amplitude, 0.7 + 0.5 * h, seconds)
    return tone + 0.3 * np.abs(tone).max() * noise(seconds, 60, 400) * fade(seconds, 40)


def power_chord(frequency: float, seconds: float) -> np.ndarray:
    """Steel string and one a fifth above through an overdriven amplifier."""
    both = sum(string(f, seconds, 1 / 5, 1, (1.5, 0.1)) for f in (frequency, 1.5 * frequency))
    return np.tanh(6 * both / np.abs(both).max())


def double_bass(frequency: float, seconds: float) -> np.ndarray:
    """Gut string plucked by a finger: a round tone and the slap of the string."""
    tone = string(frequency, seconds, 0.3, 1.5, (2, 0.15))
    return tone + 0.1 * np.abs(tone).max() * noise(seconds, 200, 1200) * fade(seconds, 60)


def accordion(frequency: float, seconds: float) -> np.ndarray:
    """Two reeds, of which one is a little sharp so that they beat."""
    h = harmonics(frequency, 20)
    amplitude = np.where(h % 2 == 1, 1.0, 0.5) / h**0.9
    tone = partials(np.outer([1, 1.008], h * frequency), amplitude, 0.0, seconds)
    return tone * swell(seconds, 0.05)


# ---------------------------------------------------------------- electric, bowed and blown tones


def electric_piano(frequency: float, seconds: float) -> np.ndarray:
    """Two pairs of frequency modulation, hollow body and bell-like tine, with tremolo."""
    t = times(seconds)
    w = (2 * np.pi * ((frequency * np.arange(len(t)) / SAMPLE_RATE) % 1)).astype(np.float32)
    body = np.sin(w + 0.4 * np.exp(-2.5 * t) * np.sin(w))
    tine = np.exp(-1.5 * t) * np.sin(w + 1.2 * np.exp(-2 * t) * np.sin(7 * w))
    tremolo = 0.6 + 0.4 * np.cos(2 * np.pi * 5.5 * t)
    return (body + tine) * np.exp(-1.2 * t) * tremolo


def organ(frequency: float, seconds: float) -> np.ndarray:
    """Octaves and fifths up to four octaves above, through a rotating speaker."""
    stops = np.zeros(16)
    stops[np.array([1, 2, 3, 4, 6, 8, 12, 16]) - 1] = (1, 1, 0.8, 0.8, 0.7, 0.7, 0.5, 0.5)
    stops = stops[: len(harmonics(frequency, 16))]
    tone = wavering(frequency, stops, seconds, rate=6.8, depth=0.004)
    rotation = 0.75 + 0.25 * np.cos(2 * np.pi * 6.8 * times(seconds))
    return tone * rotation * swell(seconds, 0.012)


def violin(frequency: float, seconds: float) -> np.ndarray:
    """Sawtooth of the bow under the resonances of the body, with vibrato and bow noise."""
    h = harmonics(frequency, 26)
    bumps = ((290, 0.6), (480, 0.9), (1100, 0.7), (2700, 2.2))  # Hz, gain
    body = sum(gain * np.exp(-((np.log2(h * frequency / f) / 0.35) ** 2)) for f, gain in bumps)
    tone = wavering(frequency, (0.35 + body) / h, seconds, rate=5.8, depth=0.012)
    return (tone + 0.05 * np.abs(tone).max() * noise(seconds, 2000, 6000)) * swell(seconds, 0.12)


def flute(frequency: float, seconds: float) -> np.ndarray:
    """Few harmonics, breath noise, and a tremolo of the breath."""
    amplitude = np.array([1, 0.28, 0.12, 0.03])[: len(harmonics(frequency, 4))]
    tone = wavering(frequency, amplitude, seconds, rate=5.0, depth=0.004)
    breath = 0.14 * noise(seconds, 1500, 7000) + 0.08 * noise(seconds, 400, 1500)
    pulse = 1 + 0.2 * np.sin(2 * np.pi * 5.0 * times(seconds))
    return (tone * pulse + breath) * swell(seconds, 0.09)


def trumpet(frequency: float, seconds: float) -> np.ndarray:
    """Brass: the louder, the brighter, so that the attack opens the sound."""
    h = harmonics(frequency, 24)
    loudness = swell(seconds, 0.07) * (0.8 + 0.2 * fade(seconds, 6))
    reach = 300 + 3000 * loudness**2  # Hz
    formant = 1 + 4 * np.exp(-((np.log2(h * frequency / 1600) / 0.6) ** 2))
    spectrum = formant[:, None] * np.exp(-np.outer(h * frequency, 1 / reach))  # (H, n)
    return wavering(frequency, spectrum, seconds, rate=5.2, depth=0.003) * loudness


# ---------------------------------------------------------------- who is there

Instrument = Callable[[float, float], np.ndarray]
LEADS: dict[str, Instrument] = {
    "mandolin": mandolin,
    "piano": piano,
    "electric piano": electric_piano,
    "organ": organ,
    "violin": violin,
    "flute": flute,
    "trumpet": trumpet,
    # so much out of tune that the high partials are a blur
    "synthesizer": partial(saws, spread=0.015, cutoff=6000, closing=0.5),
}
ACCOMPANIMENT: dict[str, Instrument] = {
    "pad": lambda f, seconds: saws(f, seconds, 0.004, 900, 20.0) * swell(seconds, 0.35),
    "clavinet": partial(string, place=1 / 13, tilt=0.7, decay=(7, 0.02)),  # near its end: hard
    "harp": partial(string, place=0.45, tilt=1.5, decay=(3, 0.6)),  # near the middle: soft
    "power chord": power_chord,
    "accordion": accordion,
    # a wooden bar, and a metal one free at both ends
    "marimba": partial(modes, ratio=(1, 3.93, 9.5), amplitude=(1, 0.35, 0.15), decay=(7, 18, 45)),
    "bells": partial(modes, ratio=(1, 2.76, 5.4), amplitude=(1, 0.4, 0.2), decay=(1.5, 3, 6)),
    "double bass": double_bass,
    "bass guitar": partial(string, place=1 / 9, tilt=1.2, decay=(1.5, 0.02)),  # near the bridge
    "slap bass": partial(string, place=1 / 15, tilt=0.9, decay=(4, 0.02)),  # by the thumb
    "synth bass": partial(saws, spread=0.003, cutoff=500, closing=12.0),  # snaps shut
    "sub bass": partial(modes, ratio=(1, 2, 3), amplitude=(1, 0.2, 0.08), decay=0.8),
}
INSTRUMENTS = LEADS | ACCOMPANIMENT


def _hiss(seconds: float, low: float, high: float, decay: float) -> np.ndarray:
    return noise(seconds, low, high) * fade(seconds, decay)


def _clap() -> np.ndarray:
    """Three hands, 11 ms apart."""
    late = round(0.011 * SAMPLE_RATE)
    hands = [_hiss(0.3, 900, 3500, decay) for decay in (45, 33, 21)]
    padded = [np.pad(hand, (n * late, (2 - n) * late)) for n, hand in enumerate(hands)]
    return np.sum(padded, axis=0)


def _ride() -> np.ndarray:
    metal = modes(2900, 0.5, (1, 1.34, 1.87, 2.21, 2.66, 3.11), 1, 7.0)
    return metal + 1.2 * _hiss(0.5, 4000, 10000, 9)


# Level and sound; of equal energy, the high ones would be the loudest.
DRUMS: dict[str, tuple[float, Callable[[], np.ndarray]]] = {
    "kick": (1.0, lambda: sweep(0.35, 220, 52, 12) + 0.08 * _hiss(0.35, 1000, 5000, 200)),
    "boom": (1.0, lambda: np.tanh(2 * sweep(0.7, 150, 45, 4))),
    "snare": (0.8, lambda: 0.6 * sweep(0.28, 260, 185, 22) + 0.35 * _hiss(0.28, 800, 8000, 17)),
    "brush": (0.5, lambda: _hiss(0.25, 1500, 6000, 14) * swell(0.25, 0.03)),
    "clap": (0.7, _clap),
    "hat": (0.3, lambda: _hiss(0.08, 6000, 10000, 60)),
    "open hat": (0.3, lambda: _hiss(0.3, 5000, 10000, 12)),
    "ride": (0.35, _ride),
    "rim": (0.6, lambda: modes(1700, 0.15, (1, 1.5), (1, 0.4), 70)),
    "clave": (0.4, lambda: modes(2500, 0.15, (1, 1.5), (1, 0.4), 40)),
    "cowbell": (0.3, lambda: partials([562.0, 845, 1124, 1690], [1, 1, 0.5, 0.5], 16.0, 0.3)),
    "shaker": (0.3, lambda: _hiss(0.12, 4500, 10000, 35) * swell(0.12, 0.04)),
    "high conga": (1.0, lambda: sweep(0.25, 420, 330, 16)),
    "low conga": (1.0, lambda: sweep(0.3, 270, 210, 13)),
}
