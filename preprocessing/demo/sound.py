"""What the demo's instruments are built from: partials, vibrato, noise and sweeps, in numpy.

Every function is pure, gives float32 at `SAMPLE_RATE`, and none loops over samples.
"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import butter, sosfilt

SAMPLE_RATE = 22_050  # Hz
HIGHEST = 10_000  # Hz; no partial lies above, so that nothing folds back at the Nyquist frequency


def times(seconds: float) -> np.ndarray:
    """Times of the samples in seconds; (n,) float32."""
    return np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32) / np.float32(SAMPLE_RATE)


def fade(seconds: float, rate: float) -> np.ndarray:
    """Level of a sound that dies away, exp(-rate * t); (n,) float32."""
    return np.exp(-rate * times(seconds))


def swell(seconds: float, attack: float) -> np.ndarray:
    """Level of a sound that grows within `attack` seconds and then stays; (n,) float32."""
    return 1 - np.exp(-3 / attack * times(seconds))


def harmonics(frequency: float, most: int) -> np.ndarray:
    """Numbers 1, 2, ... of the first harmonics of a frequency that lie below `HIGHEST`."""
    return np.arange(1.0, min(most, max(int(HIGHEST / frequency), 1)) + 1)


def partials(
    frequency: ArrayLike, amplitude: ArrayLike, decay: ArrayLike, seconds: float
) -> np.ndarray:
    """Sum of damped sine waves: y(t) = sum of amplitude * exp(-decay * t) * sin(2 pi frequency t).

    With t = (start of a block) + (place in the block) each wave is a product of two complex
    powers, so that all waves at all times are one matrix product of the starts with the places,
    and hardly a sine has to be computed.

    Parameters
    ----------
    frequency, amplitude, decay : array_like of float, of shapes that broadcast
        In Hz, in any unit, and in 1 / s. Waves above `HIGHEST` are left out.
    seconds : float
        Length of the signal.
    """
    frequency, amplitude, decay = map(np.ravel, np.broadcast_arrays(frequency, amplitude, decay))
    heard = frequency < HIGHEST
    exponent = (2j * np.pi * frequency - decay)[heard] / SAMPLE_RATE
    n, block = round(seconds * SAMPLE_RATE), 256
    starts = amplitude[heard] * np.exp(np.outer(np.arange(0, n, block), exponent))  # (n / 256, H)
    places = np.exp(np.outer(exponent, np.arange(block)))  # (H, 256)
    left = np.hstack([starts.real, starts.imag]).astype(np.float32)
    right = np.vstack([places.imag, places.real]).astype(np.float32)
    return (left @ right).ravel()[:n]


def modes(
    frequency: float, seconds: float, ratio: ArrayLike, amplitude: ArrayLike, decay: ArrayLike
) -> np.ndarray:
    """Struck bar, plate or block: partials at these ratios to the frequency."""
    return partials(frequency * np.array(ratio), amplitude, decay, seconds)


def string(
    frequency: float, seconds: float, place: float, tilt: float, decay: tuple[float, float]
) -> np.ndarray:
    """Plucked string: it lacks the partials that have a node where it is plucked.

    Plucked at a share `place` of its length, partial h is as strong as sin(pi h place) / h ** tilt,
    and dies away at decay[0] + decay[1] * h ** 2, in 1 / s.
    """
    h = harmonics(frequency, 40)
    amplitude = np.sin(np.pi * h * place) / h**tilt
    return partials(h * frequency, amplitude, decay[0] + decay[1] * h**2, seconds)


def saws(
    frequency: float, seconds: float, spread: float, cutoff: float, closing: float
) -> np.ndarray:
    """Sawtooth waves at (1 - spread, 1, 1 + spread) of a frequency, through a closing filter.

    Partials above `cutoff` Hz die away at more than `closing` / s, lower ones at less.
    """
    h = harmonics(frequency, 36)
    rate = closing * np.minimum((h * frequency / cutoff) ** 2, 3)
    return partials(np.outer([1 - spread, 1, 1 + spread], h * frequency), 1 / h, rate, seconds)


def wavering(
    frequency: float, amplitude: np.ndarray, seconds: float, rate: float, depth: float
) -> np.ndarray:
    """Sum of harmonics with a vibrato that sets in slowly.

    Parameters
    ----------
    frequency : float
        In Hz.
    amplitude : ndarray of float, shape (H,) or (H, n)
        Of each harmonic, constant or over time.
    seconds : float
        Length of the signal.
    rate, depth : float
        Of the vibrato: in Hz, and as a share of the frequency.
    """
    t = times(seconds)
    bend = depth * np.sin(2 * np.pi * rate * t) * np.minimum(t / 0.3, 1)
    cycles = np.cumsum(frequency * (1 + bend), dtype=np.float64) / SAMPLE_RATE
    phase = (2 * np.pi * (cycles % 1)).astype(np.float32)
    waves = np.sin(np.outer(np.arange(1, len(amplitude) + 1, dtype=np.float32), phase))  # (H, n)
    amplitude = amplitude.astype(np.float32)
    return amplitude @ waves if amplitude.ndim == 1 else (amplitude * waves).sum(axis=0)


def sweep(seconds: float, start: float, end: float, decay: float) -> np.ndarray:
    """Sine wave that falls from one frequency to another within some 50 ms and dies away."""
    t = times(seconds)
    cycles = end * t + (start - end) * (1 - np.exp(-40 * t)) / 40
    return np.sin(2 * np.pi * cycles) * np.exp(-decay * t)


def noise(seconds: float, low: float, high: float) -> np.ndarray:
    """Noise between two frequencies in Hz, always the same; (n,) float32, deviation 1."""
    return _noise_band(low, high)[: round(seconds * SAMPLE_RATE)]


@cache
def _noise_band(low: float, high: float) -> np.ndarray:
    white = np.random.default_rng(0).standard_normal(16 * SAMPLE_RATE)
    band = sosfilt(butter(2, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos"), white)
    return (band / band.std()).astype(np.float32)
