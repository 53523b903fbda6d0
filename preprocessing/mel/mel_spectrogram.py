"""Mel spectrograms, equal to librosa's in half its time: in dB for step 4, and in other forms.

Source: `librosa.feature.melspectrogram` (librosa 0.11) defines the numbers; torchaudio makes the
mel filters and torch the Fourier transforms.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torchaudio.functional import melscale_fbanks

from dataset.mel_store import MEL_SETTINGS
from preprocessing.mel.audio_files import AudioError, Made, read_audio

FLOOR: float = MEL_SETTINGS["floor"]

BATCH = 2**21  # samples that are waited for, 95 seconds: decoding is faster in long stretches
FRAMES_AT_ONCE = 256  # transformed at once: what fits the cache of a core
BANDS_AT_ONCE = 32  # multiplied at once: fewer bands reach fewer bins, but narrow products are slow

# A float32 transform errs by about 1e-7 of a frame's loudest bin. Frames with a larger range of
# power than this, and loud enough for their quietest band to be above the floor, get float64.
_FLOAT32_RANGE = 1e11


class MelForm(NamedTuple):
    """What decides the power of mel bands: named as in `dataset.mel_store.MEL_SETTINGS`."""

    sample_rate: int
    n_fft: int
    hop_length: int
    n_mels: int
    f_min: float
    f_max: float
    mel_scale: str
    mel_norm: str


def mel_form(settings: dict[str, Any]) -> MelForm:
    """Take the form out of settings that say more."""
    return MelForm(**{name: settings[name] for name in MelForm._fields})


OWN = mel_form(MEL_SETTINGS)


def decibel(power: torch.Tensor) -> torch.Tensor:
    """Step 4's scale, float16: at least `FLOOR_DB`."""
    return power.clamp_min(FLOOR).log10_().mul_(10).half()


def compressed(power: torch.Tensor) -> torch.Tensor:
    """musicnn's scale, float16; silence is 0."""
    return (1e4 * power + 1).log10_().half()


def mel_and_note(file: Path, settings: dict[str, Any]) -> tuple[np.ndarray, str]:
    """Mel spectrogram of an audio file as `mel_parts` makes it, and what was cut or repaired.

    It works in one thread: the steps run as many processes as there are cores.

    Parameters
    ----------
    file : Path
        The audio.
    settings : dict
        One of `dataset.mel_store.SETTINGS`.

    Raises
    ------
    AudioError
        There is none, as `read_audio` and `mel_parts` say.
    """
    return of_mel(file, settings, lambda parts: torch.cat(list(parts)).numpy())


def of_mel(
    file: Path, settings: dict[str, Any], make: Callable[[Iterator[torch.Tensor]], Made]
) -> tuple[Made, str]:
    """Make something of the spectrogram of a file while it is read: of what `mel_parts` gives.

    Hours of sound then take no more memory than minutes. It works in one thread: the steps run as
    many processes as there are cores. The settings are one of `dataset.mel_store.SETTINGS`;
    `AudioError` is as of `read_audio` and `mel_parts`.
    """
    torch.set_num_threads(1)
    form, scale = mel_form(settings), compressed if "scale" in settings else decibel
    return read_audio(file, form.sample_rate, lambda blocks: make(mel_parts(blocks, form, scale)))


def mel_parts(
    blocks: Iterable[np.ndarray],
    form: MelForm = OWN,
    scale: Callable[[torch.Tensor], torch.Tensor] = decibel,
) -> Iterator[torch.Tensor]:
    """Mel spectrogram of a song that comes in blocks, some frames at a time.

    There are 1 + samples // hop_length frames in all.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (n,)
        Consecutive samples of the song at the form's rate, full scale 1.
    form : MelForm
        Frames and bands.
    scale : callable
        Makes of power, float32, what is returned; higher power gives no lower value.

    Yields
    ------
    tensor, shape (frames, n_mels)
        Consecutive frames, in the dtype of `scale`.

    Raises
    ------
    AudioError
        The song is shorter than one frame (`n_fft` samples) or silent, which its end shows, or
        holds NaN.
    """
    n_frames, silence, is_silent = 0, scale(torch.tensor(FLOOR)), True
    for power in _mel_power_of_blocks(blocks, form):
        part = scale(power)
        n_frames += len(part)
        is_silent = is_silent and bool(part.max() <= silence)
        yield part
    if n_frames < 1 + form.n_fft // form.hop_length:
        raise AudioError(f"shorter than one frame ({form.n_fft} samples at {form.sample_rate} Hz)")
    if is_silent:
        raise AudioError("silent")


def mel_power(samples: torch.Tensor, form: MelForm = OWN) -> torch.Tensor:
    """Mel power of consecutive samples, nothing padded.

    Parameters
    ----------
    samples : float32 tensor, shape (n,)
        At least `n_fft` samples.
    form : MelForm
        Frames and bands.

    Returns
    -------
    float32 tensor, shape (frames, n_mels)
        One frame every `hop_length` samples, as many as fit.
    """
    frames = samples.unfold(0, form.n_fft, form.hop_length)  # (frames, n_fft)
    mel = torch.cat([_mel_power_of_frames(part, form) for part in frames.split(FRAMES_AT_ONCE)])
    loudest, quietest = mel.amax(1), mel.amin(1)
    if not loudest.isfinite().all():  # the maximum of anything and NaN is NaN
        raise AudioError("NaN, infinite or absurdly large samples")
    is_deep = (loudest > _FLOAT32_RANGE * quietest) & (loudest > _FLOAT32_RANGE * FLOOR)
    if is_deep.any():
        mel[is_deep] = _mel_power_of_frames(frames[is_deep].double(), form).float()
    return mel


def _mel_power_of_frames(frames: torch.Tensor, form: MelForm) -> torch.Tensor:
    """(frames, n_fft) -> (frames, n_mels), in the dtype of the samples."""
    spectrum = torch.fft.rfft(frames * _window(form.n_fft).to(frames.dtype))
    squares = torch.view_as_real(spectrum).square_().flatten(1)  # (frames, 2 * bins)
    bands = [squares[:, low:high] @ part.to(squares.dtype) for low, high, part in _filters(form)]
    return torch.cat(bands, dim=1)


@cache
def _window(n_fft: int) -> torch.Tensor:
    return torch.hann_window(n_fft, dtype=torch.float64)


@cache
def _filters(form: MelForm) -> list[tuple[int, int, torch.Tensor]]:
    """The mel filters, some bands at a time: first row, end of the rows, the filters in between.

    A bin has two rows, for the square of its real and of its imaginary part; the rows outside are 0
    for these bands, and need not be multiplied.
    """
    filters = melscale_fbanks(
        n_freqs=form.n_fft // 2 + 1,
        f_min=form.f_min,
        f_max=form.f_max,
        n_mels=form.n_mels,
        sample_rate=form.sample_rate,
        norm=form.mel_norm,
        mel_scale=form.mel_scale,
    ).repeat_interleave(2, dim=0)
    parts = filters.split(BANDS_AT_ONCE, dim=1)
    reached = [part.any(dim=1).nonzero() for part in parts]
    ends = [(int(rows[0]), int(rows[-1]) + 1) for rows in reached]
    return [(*end, part[slice(*end)]) for end, part in zip(ends, parts, strict=True)]


@torch.inference_mode()
def _mel_power_of_blocks(blocks: Iterable[np.ndarray], form: MelForm) -> Iterator[torch.Tensor]:
    """Mel power of the frames of a song, padded by half a window of zeros at both ends."""
    padding = np.zeros(form.n_fft // 2, dtype=np.float32)
    waiting = [padding]
    for block in chain(blocks, [padding]):
        waiting.append(block)
        if block is padding or sum(map(len, waiting)) >= BATCH:
            samples = np.concatenate(waiting)
            n_frames = max(0, (len(samples) - form.n_fft) // form.hop_length + 1)
            if n_frames:
                yield mel_power(torch.from_numpy(samples), form)
            waiting = [samples[n_frames * form.hop_length :]]
