"""The demo's mixing desk: the notes of a song become one signal."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.signal import lfilter, oaconvolve

from preprocessing.demo.instruments import hit, note
from preprocessing.demo.music import Note
from preprocessing.demo.sound import SAMPLE_RATE, fade, swell
from preprocessing.demo.styles import Mood

LONGEST = 12.0  # seconds
FADE_IN, FADE_OUT = 0.005, 0.3  # seconds
PEAK = 0.9  # of full scale
LEVELS = {"lead": 1.0, "chords": 0.25, "bass": 0.4, "drums": 0.5}  # the melody stands in front


def mix(notes: Sequence[Note], seconds: float, mood: Mood) -> np.ndarray:
    """Play the notes of a song.

    Parameters
    ----------
    notes : sequence of Note
        In any order.
    seconds : float
        Length of the song; it is cut at `LONGEST`.
    mood : Mood
        How the melody begins its notes, and the sound of the room.

    Returns
    -------
    ndarray of float32, shape (n,)
        The signal at `SAMPLE_RATE`, peak `PEAK`; it starts and ends in silence.
    """
    n_samples = round(min(seconds, LONGEST) * SAMPLE_RATE)
    parts = {name: _part(notes, name, n_samples, mood.attack) for name in LEVELS}
    front = LEVELS["lead"] * parts["lead"] + LEVELS["chords"] * parts["chords"]
    song = _room(_damped(_driven(front, mood.drive), mood.cutoff), mood.room)
    song += LEVELS["bass"] * parts["bass"] + LEVELS["drums"] * mood.drums * parts["drums"]
    n_in, n_out = round(FADE_IN * SAMPLE_RATE), round(FADE_OUT * SAMPLE_RATE)
    song[:n_in] *= np.linspace(0, 1, n_in, dtype=np.float32)
    song[-n_out:] *= np.linspace(1, 0, n_out, dtype=np.float32)
    return PEAK * song / np.abs(song).max()


def _part(notes: Sequence[Note], name: str, n_samples: int, attack: float) -> np.ndarray:
    """Sum of the notes of a part; (n_samples,) float32."""
    signal = np.zeros(n_samples, dtype=np.float32)
    for played in notes:
        if played.part != name:
            continue
        if name == "drums":
            sound = hit(played.sound)
        else:
            sound = note(played.sound, played.pitch, played.seconds)
        if name == "lead" and attack:
            sound = sound * swell(len(sound) / SAMPLE_RATE, attack)
        start = round(played.start * SAMPLE_RATE)
        room = signal[start : start + len(sound)]
        room += np.float32(played.level) * sound[: len(room)]
    return signal


def _driven(signal: np.ndarray, drive: float) -> np.ndarray:
    """Overdrive: the amplifier has no room above 1, and keeps the level of what goes in."""
    if not drive:
        return signal
    driven = np.tanh(drive * signal)
    return driven * np.float32(np.sqrt((signal**2).mean() / (driven**2).mean()))


def _damped(signal: np.ndarray, cutoff: float) -> np.ndarray:
    """Low-pass of first order: 6 dB an octave above `cutoff` Hz."""
    keep = np.float32(np.exp(-2 * np.pi * cutoff / SAMPLE_RATE))
    return lfilter(np.array([1 - keep]), np.array([1, -keep]), signal).astype(np.float32)


def _room(signal: np.ndarray, level: float) -> np.ndarray:
    """Reverberation: echoes so dense that they are noise which dies away."""
    if not level:
        return signal
    return signal + np.float32(level) * oaconvolve(signal, _echoes())[: len(signal)]


@cache
def _echoes() -> np.ndarray:
    """Response of the room, 1.2 s with an energy of 1."""
    echoes = np.random.default_rng(0).standard_normal(round(1.2 * SAMPLE_RATE)).astype(np.float32)
    echoes *= fade(1.2, 4.0)
    echoes = lfilter([0.3], [1, -0.7], echoes).astype(np.float32)  # walls damp high tones
    return echoes / np.sqrt((echoes**2).sum())
