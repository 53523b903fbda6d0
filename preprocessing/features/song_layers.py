"""What musicnn makes of a song: the mean over its windows of what a layer gives.

As the encoder's authors do (`musicnn/extractor.py`): windows of three seconds side by side, what is
left at the end does not count, and a song shorter than a window is repeated until it fills one.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from dataset.mel_store import SETTINGS
from encoders.musicnn import Musicnn, load_musicnn
from encoders.musicnn_package import MEL_SETTINGS, WINDOW
from preprocessing.mel.mel_spectrogram import mel_and_note, of_mel

AT_ONCE = 2  # windows: what comes out of the widest layers then stays in the cache of a core

SECONDS_A_FRAME = MEL_SETTINGS["hop_length"] / MEL_SETTINGS["sample_rate"]

network_of = functools.cache(load_musicnn)


def musicnn_mel(file: Path) -> tuple[np.ndarray, str]:
    """Spectrogram (frames, 96) float16 of an audio file as musicnn takes it, and what was cut.

    Raises
    ------
    AudioError
        There is none, as for step 4.
    """
    return mel_and_note(file, SETTINGS["musicnn"])


class Means(NamedTuple):
    """Of a song, over its windows, the means of what a network gives."""

    vector: np.ndarray  # (200,) float32: the layer before the last
    likely: np.ndarray  # (50,) float32: how likely each tag is, 0 to 1


def file_means(file: Path, networks: Sequence[Musicnn]) -> tuple[list[Means], float, str]:
    """Run networks over an audio file while it is read: hours take the memory of minutes.

    Returns
    -------
    list of Means, float and str
        Of each network as `song_means`; how many seconds the song has; and what was cut.

    Raises
    ------
    AudioError
        There are none, as for step 4.
    """

    def make(parts: Iterator[torch.Tensor]) -> tuple[list[Means], int]:
        n_frames = 0

        def counted() -> Iterator[torch.Tensor]:
            nonlocal n_frames
            for part in parts:
                n_frames += len(part)
                yield part

        return _means(counted(), networks), n_frames

    (means, n_frames), note = of_mel(file, SETTINGS["musicnn"], make)
    return means, n_frames * SECONDS_A_FRAME, note


def song_means(mel: np.ndarray, network: Musicnn) -> Means:
    """Run a network, in evaluation, over the spectrogram (frames, 96) of a song."""
    return _means([torch.from_numpy(mel)], [network])[0]


@torch.inference_mode()
def _means(parts: Iterable[torch.Tensor], networks: Sequence[Musicnn]) -> list[Means]:
    found: list[list[tuple[torch.Tensor, torch.Tensor]]] = [[] for _ in networks]
    for windows in windows_of(parts):
        for network, of_network in zip(networks, found, strict=True):
            layers = network(windows)  # of which the others are a thousand times larger
            of_network.append((layers.penultimate, layers.logits.sigmoid()))
    return [
        Means(*(torch.cat(kind).mean(0).numpy() for kind in zip(*one, strict=True)))
        for one in found
    ]


def windows_of(parts: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Cut a spectrogram, given as parts (frames, 96), to float32 (up to `AT_ONCE`, 187, 96)."""
    frames, is_short = torch.empty(0, MEL_SETTINGS["n_mels"]), True
    for part in parts:
        frames = torch.cat([frames, part.float()])
        while len(frames) >= AT_ONCE * WINDOW:
            yield frames[: AT_ONCE * WINDOW].view(AT_ONCE, WINDOW, -1)
            frames, is_short = frames[AT_ONCE * WINDOW :], False
    if is_short and len(frames) < WINDOW:
        frames = frames[torch.arange(WINDOW) % len(frames)]  # again from its start
    if n_windows := len(frames) // WINDOW:
        yield frames[: n_windows * WINDOW].view(n_windows, WINDOW, -1)
