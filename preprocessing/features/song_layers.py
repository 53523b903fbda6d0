"""What musicnn makes of a song: the mean over its windows of what a layer gives.

As the encoder's authors do (`musicnn/extractor.py`): windows of three seconds side by side, what is
left at the end does not count, and a song shorter than a window is repeated until it fills one.
"""

import functools
from pathlib import Path

import numpy as np
import torch

from dataset.mel_store import SETTINGS
from encoders.musicnn import Musicnn, load_musicnn
from encoders.musicnn_package import WINDOW
from preprocessing.mel.mel_spectrogram import mel_and_note

AT_ONCE = 2  # windows: what comes out of the widest layers then stays in the cache of a core

network_of = functools.cache(load_musicnn)


def musicnn_mel(file: Path) -> tuple[np.ndarray, str]:
    """Spectrogram (frames, 96) float16 of an audio file as musicnn takes it, and what was cut.

    Raises
    ------
    AudioError
        There is none, as for step 4.
    """
    return mel_and_note(file, SETTINGS["musicnn"])


@torch.inference_mode()
def song_means(mel: np.ndarray, network: Musicnn) -> tuple[np.ndarray, np.ndarray]:
    """Run the network over a song.

    Parameters
    ----------
    mel : ndarray, shape (frames, 96)
        Of the song, as `musicnn_mel` makes it.
    network : Musicnn
        In evaluation.

    Returns
    -------
    ndarray of float32, shape (200,), and ndarray of float32, shape (50,)
        Mean over the windows of the layer before the last, and of how likely each tag is, 0 to 1.
    """
    parts = [network(windows) for windows in windows_of(mel).split(AT_ONCE)]
    vectors = torch.cat([layers.penultimate for layers in parts])  # (windows, 200)
    likely = torch.cat([layers.logits.sigmoid() for layers in parts])  # (windows, 50)
    return vectors.mean(0).numpy(), likely.mean(0).numpy()


def windows_of(mel: np.ndarray) -> torch.Tensor:
    """Cut a spectrogram (frames, 96) to float32 (windows, 187, 96)."""
    if len(mel) < WINDOW:
        mel = np.resize(mel, (WINDOW, mel.shape[1]))  # again from its start
    n_windows = len(mel) // WINDOW
    return torch.from_numpy(mel[: n_windows * WINDOW]).float().view(n_windows, WINDOW, -1)
