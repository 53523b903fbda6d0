"""musicnn's own tags, of both encoders: how likely each is of a song, with no training at all."""

from pathlib import Path

import numpy as np

from encoders.musicnn_package import ENCODERS, tags_of
from preprocessing.features.song_layers import musicnn_mel, network_of, song_means


def musicnn_tags() -> list[str]:
    """Tags of both encoders in lower case, each once, sorted: the axis of `musicnn_tag_scores`."""
    return sorted({tag.lower() for encoder in ENCODERS for tag in tags_of(encoder)})


def musicnn_tag_scores(file: Path, wheel: Path) -> tuple[np.ndarray, str]:
    """How likely each of `musicnn_tags` is of an audio file.

    Where both encoders have a tag, it is the mean of the two.

    Parameters
    ----------
    file : Path
        The audio.
    wheel : Path
        The package with the weights.

    Returns
    -------
    ndarray of float32, shape (T,), and str
        0 to 1; and what of the sound was cut or repaired, or ''.

    Raises
    ------
    AudioError
        The file cannot be read, is silent or shorter than a frame.
    """
    mel, note = musicnn_mel(file)
    tags = musicnn_tags()
    scores, counts = np.zeros(len(tags), np.float32), np.zeros(len(tags), np.float32)
    for encoder in ENCODERS:
        _, likely = song_means(mel, network_of(wheel, encoder))
        places = [tags.index(tag.lower()) for tag in tags_of(encoder)]
        scores[places] += likely
        counts[places] += 1
    return scores / counts, note
