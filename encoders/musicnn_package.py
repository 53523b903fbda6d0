"""The package that musicnn's weights come in, and what there is to know before they are loaded."""

from pathlib import Path
from typing import Any

# Name, version and SHA-256 of the wheel on PyPI. Its dependencies are of 2019 and not wanted.
WHEEL = ("musicnn", "0.1.0", "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa")

# What decides the input's numbers, as `dataset.mel_store.MEL_SETTINGS` does for our own.
MEL_SETTINGS: dict[str, Any] = {
    "sample_rate": 16000,
    "n_fft": 512,
    "hop_length": 256,
    "n_mels": 96,
    "f_min": 0.0,
    "f_max": 8000.0,
    "mel_scale": "slaney",
    "mel_norm": "slaney",
}
WINDOW = 187  # frames, 3 seconds: the length that it was trained on

# Encoder -> its folder in the package: trained on the Million Song Dataset, on MagnaTagATune.
ENCODERS = {"msd-musicnn": "MSD_musicnn", "mtt-musicnn": "MTT_musicnn"}


def tags_of(encoder: str) -> list[str]:
    """Tags of an encoder in the order of its outputs, spelt as its authors do."""
    return (Path(__file__).parent / f"{encoder}.txt").read_text(encoding="utf-8").splitlines()
