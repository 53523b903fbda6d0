"""Audio files: decoded by libsndfile, mixed to mono and resampled, a block at a time.

Blocks keep the memory small whatever the length of a file, and stay in the processor's cache, which
is faster than to decode a whole song first.
"""

import os
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import numpy as np
import soundfile
import soxr

from errors import one_line

READABLE = ("wav", "flac", "ogg", "opus", "mp3", "aiff")  # libsndfile knows rarer ones as well
READ = 2**19  # numbers decoded at once, 6 seconds of stereo: soundfile seeks after every read
BLOCK = 2**16  # samples of each channel that are mixed and resampled at once
SAMPLE_RATES = (1000, 1_000_000)  # Hz; beyond, a damaged header


class AudioError(Exception):
    """Why a file gives no spectrogram; the text goes into the report of step 4."""


def read_mono(file: Path, sample_rate: int) -> Iterator[np.ndarray]:
    """Decode a file block by block: the mean of its channels, at `sample_rate`.

    A file that was cut short gives what it still holds.

    Parameters
    ----------
    file : Path
        An audio file.
    sample_rate : int
        Hz of what is returned.

    Yields
    ------
    ndarray of float32, shape (n,)
        Consecutive samples, full scale 1; n varies and may be 0.

    Raises
    ------
    AudioError
        The file cannot be read or decoded, is empty, or has no sensible sample rate.
    """
    with _open(file) as sound:
        if not sound.frames:
            raise AudioError("empty: no samples")
        low, high = SAMPLE_RATES
        if not low <= sound.samplerate <= high:
            raise AudioError(f"sample rate of {sound.samplerate} Hz, not {low} to {high}")
        blocks = mono_blocks(sound)
        if sound.samplerate == sample_rate:
            yield from blocks
            return
        resampler = soxr.ResampleStream(sound.samplerate, sample_rate, 1, dtype="float32")
        for block in blocks:
            yield resampler.resample_chunk(block)
        yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def _open(file: Path) -> soundfile.SoundFile:
    try:
        if os.path.getsize(file) == 0:
            raise AudioError("empty file")
        with open(file, "rb"):  # the system's reason is clearer than libsndfile's
            pass
        return soundfile.SoundFile(file)
    except OSError as error:
        raise AudioError(f"cannot be opened ({error.strerror})") from None
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: raw samples, without header
        if "SF_INFO" in str(error):
            raise AudioError("sample rate or number of channels of 0") from None
        ending = file.suffix.lower().removeprefix(".")
        if ending in READABLE:
            raise AudioError(f"not readable as {ending}: damaged, or of another format") from None
        raise AudioError(
            f"{ending or 'this'} is no format that can be read: convert it to one of "
            f"{', '.join(READABLE)}"
        ) from None


def mono_blocks(sound: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Decode block by block and give the mean of the channels, (n,) float32 at the file's rate.

    Raises
    ------
    AudioError
        The file is damaged.
    """
    n_samples = min(READ // sound.channels, sound.frames)
    buffer = np.empty((n_samples, sound.channels), dtype=np.float32)
    while len(decoded := _decode(sound, buffer)):
        for start in range(0, len(decoded), BLOCK):
            channels = decoded[start : start + BLOCK].T
            yield reduce(np.add, channels) / sound.channels  # 20 times as fast as mean(axis=1)


def _decode(sound: soundfile.SoundFile, buffer: np.ndarray) -> np.ndarray:
    """Return the part of `buffer` that could be filled."""
    try:
        return sound.read(out=buffer)
    except soundfile.SoundFileError as error:
        raise AudioError(f"damaged: {one_line(error)}") from None
