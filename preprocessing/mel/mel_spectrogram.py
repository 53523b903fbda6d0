"""Mel spectrograms in dB, equal to librosa's in half its time.

Source: `librosa.feature.melspectrogram` (librosa 0.11) defines the numbers; torchaudio makes the
mel filters and torch the Fourier transforms.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torchaudio.functional import melscale_fbanks

from dataset.mel_store import FLOOR_DB, MEL_SETTINGS
from preprocessing.mel.audio_files import AudioError, read_audio

SAMPLE_RATE: int = MEL_SETTINGS["sample_rate"]
N_FFT: int = MEL_SETTINGS["n_fft"]
HOP: int = MEL_SETTINGS["hop_length"]
FLOOR: float = MEL_SETTINGS["floor"]

BATCH = 2**21  # samples that are waited for, 95 seconds: decoding is faster in long stretches
FRAMES_AT_ONCE = 256  # transformed at once: what fits the cache of a core
BANDS_AT_ONCE = 32  # multiplied at once: fewer bands reach fewer bins, but narrow products are slow

# A float32 transform errs by about 1e-7 of a frame's loudest bin. Frames with a larger range of
# power than this, and loud enough for their quietest band to be above the floor, get float64.
_FLOAT32_RANGE = 1e11


def song_mel(file: Path) -> np.ndarray | str:
    """Mel spectrogram (frames, 128) of an audio file, or the reason why there is none."""
    try:
        return mel_and_note(file)[0]
    except AudioError as error:
        return str(error)


def mel_and_note(file: Path) -> tuple[np.ndarray, str]:
    """Mel spectrogram of an audio file as `mel_of_blocks` makes it, and what was cut or repaired.

    It works in one thread: step 4 runs as many processes as there are cores.

    Raises
    ------
    AudioError
        There is none, as `read_audio` and `mel_of_blocks` say.
    """
    torch.set_num_threads(1)
    return read_audio(file, SAMPLE_RATE, mel_of_blocks)


def mel_of_blocks(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Mel spectrogram of a song that comes in blocks.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (n,)
        Consecutive samples of the song at `SAMPLE_RATE`, full scale 1.

    Returns
    -------
    ndarray of float16, shape (1 + samples // HOP, 128)
        dB, at least `FLOOR_DB`.

    Raises
    ------
    AudioError
        The song is shorter than one frame (`N_FFT` samples), silent, or holds NaN.
    """
    parts = [_decibel(power) for power in _mel_power_of_blocks(blocks)]
    mel = torch.cat(parts) if parts else torch.empty(0, 0)
    if len(mel) < 1 + N_FFT // HOP:
        raise AudioError(f"shorter than one frame ({N_FFT} samples at {SAMPLE_RATE} Hz)")
    if mel.max() <= FLOOR_DB:
        raise AudioError("silent")
    return mel.numpy()


def mel_power(samples: torch.Tensor) -> torch.Tensor:
    """Mel power of consecutive samples, nothing padded.

    Parameters
    ----------
    samples : float32 tensor, shape (n,)
        At least `N_FFT` samples.

    Returns
    -------
    float32 tensor, shape (frames, 128)
        One frame every `HOP` samples, as many as fit.
    """
    frames = samples.unfold(0, N_FFT, HOP)  # (frames, N_FFT)
    mel = torch.cat([_mel_power_of_frames(part) for part in frames.split(FRAMES_AT_ONCE)])
    loudest, quietest = mel.amax(1), mel.amin(1)
    if not loudest.isfinite().all():  # the maximum of anything and NaN is NaN
        raise AudioError("NaN, infinite or absurdly large samples")
    is_deep = (loudest > _FLOAT32_RANGE * quietest) & (loudest > _FLOAT32_RANGE * FLOOR)
    if is_deep.any():
        mel[is_deep] = _mel_power_of_frames(frames[is_deep].double()).float()
    return mel


def _mel_power_of_frames(frames: torch.Tensor) -> torch.Tensor:
    """(frames, N_FFT) -> (frames, 128), in the dtype of the samples."""
    spectrum = torch.fft.rfft(frames * _window().to(frames.dtype))
    squares = torch.view_as_real(spectrum).square_().flatten(1)  # (frames, 2 * bins)
    bands = [squares[:, low:high] @ part.to(squares.dtype) for low, high, part in _filters()]
    return torch.cat(bands, dim=1)


@cache
def _window() -> torch.Tensor:
    return torch.hann_window(N_FFT, dtype=torch.float64)


@cache
def _filters() -> list[tuple[int, int, torch.Tensor]]:
    """The mel filters, some bands at a time: first row, end of the rows, the filters in between.

    A bin has two rows, for the square of its real and of its imaginary part; the rows outside are 0
    for these bands, and need not be multiplied.
    """
    filters = melscale_fbanks(
        n_freqs=N_FFT // 2 + 1,
        f_min=MEL_SETTINGS["f_min"],
        f_max=MEL_SETTINGS["f_max"],
        n_mels=MEL_SETTINGS["n_mels"],
        sample_rate=SAMPLE_RATE,
        norm=MEL_SETTINGS["mel_norm"],
        mel_scale=MEL_SETTINGS["mel_scale"],
    ).repeat_interleave(2, dim=0)
    parts = filters.split(BANDS_AT_ONCE, dim=1)
    reached = [part.any(dim=1).nonzero() for part in parts]
    ends = [(int(rows[0]), int(rows[-1]) + 1) for rows in reached]
    return [(*end, part[slice(*end)]) for end, part in zip(ends, parts, strict=True)]


@torch.inference_mode()
def _mel_power_of_blocks(blocks: Iterable[np.ndarray]) -> Iterator[torch.Tensor]:
    """Mel power of the frames of a song, padded by half a window of zeros at both ends."""
    padding = np.zeros(N_FFT // 2, dtype=np.float32)
    waiting = [padding]
    for block in chain(blocks, [padding]):
        waiting.append(block)
        if block is padding or sum(map(len, waiting)) >= BATCH:
            samples = np.concatenate(waiting)
            n_frames = max(0, (len(samples) - N_FFT) // HOP + 1)
            if n_frames:
                yield mel_power(torch.from_numpy(samples))
            waiting = [samples[n_frames * HOP :]]


def _decibel(power: torch.Tensor) -> torch.Tensor:
    return power.clamp_min(FLOOR).log10_().mul_(10).half()
