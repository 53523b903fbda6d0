"""A search with no training and no data: musicnn's own tags as the axes of the space.

A tag of musicnn is how likely its last layer finds it, an inner product of the layer before, which
is taken in units of the songs that musicnn was trained on (that layer ends in a batch norm). An
index compares by cosine: so a coordinate is added that brings every song to one length, and the
cosine with a tag ranks as the inner product does (Bachrach et al., "Speeding up the Xbox
recommender system using a Euclidean transformation for inner-product spaces", RecSys 2014).
"""

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dataset.wheels import fetch_wheel
from encoders.musicnn_package import ENCODERS, WHEEL, tags_of
from preprocessing.mel.worker_pool import n_cores
from retrieval.audio_folder import Hearing, embed_folder
from retrieval.embedded_songs import EmbeddedSongs
from retrieval.song_index import SongIndex, TagModel, earlier_songs, unit_length

WIDTH = 416  # of a place: 2 x 200 and one, then zeros to a multiple of 32, as IVF-PQ asks
LONGEST = 30.0  # of both layers side by side; half of Emotify's songs are below 15, all below 26


def index_untrained(
    folder: Path,
    wheel: Path | None,
    earlier: SongIndex | None = None,
    times: Mapping[str, str] | None = None,
) -> tuple[TagModel, EmbeddedSongs]:
    """Embed the audio files below a folder for an index, as `embed_folder` does.

    Songs of an `earlier` index are left out. `wheel` is the package of musicnn; by default it is
    fetched. Errors as of `fetch_wheel` and `embed_folder`, and if that index is of another model.
    """
    package = fetch_wheel(*WHEEL, given=wheel)
    model = untrained_model(package)
    known = earlier_songs(earlier, model)
    return model, embed_folder(untrained_hearing(package), folder, known, times)


def untrained_model(wheel: Path) -> TagModel:
    """Return the tags of both encoders as the tag branch of an index, which has no word vectors.

    Where both have a tag, it is the mean of the two; so each of the 92 stands there once.
    """
    from preprocessing.features.song_layers import network_of

    axes: dict[str, np.ndarray] = {}
    for number, encoder in enumerate(ENCODERS):
        network = network_of(wheel, encoder)
        weights = (network.output.weight * network.norm_dense.weight).detach().numpy()  # (50, 200)
        n_values = weights.shape[1]
        for tag, axis in zip(tags_of(encoder), unit_length(weights), strict=True):
            place = axes.setdefault(tag.lower(), np.zeros(WIDTH, np.float32))
            place[number * n_values : (number + 1) * n_values] = axis
    tags = sorted(axes)
    each = np.eye(len(tags), dtype=np.float32)
    layers = {
        "weight1": each,
        "bias1": np.zeros(len(tags), np.float32),
        "weight2": np.stack([axes[tag] for tag in tags], axis=1),  # (416, 92)
        "bias2": np.zeros(WIDTH, np.float32),
    }
    return TagModel(tags, each, layers, vectors_file="", checkpoint=str(wheel.resolve()))


def untrained_hearing(wheel: Path) -> Hearing:
    """How musicnn places a file among its tags: all in processes of their own."""
    place = functools.partial(_place_of, wheel=wheel)
    return Hearing(place, np.asarray, n_cores(), "preprocessing.features.song_layers")


def _place_of(file: Path, wheel: Path) -> tuple[np.ndarray, str]:
    """Place (416,) of a song, of length 1; and what of its sound was cut or repaired."""
    # Torch takes seconds to import: only where it computes.
    from preprocessing.features.song_layers import file_means, network_of

    networks = [network_of(wheel, encoder) for encoder in ENCODERS]
    means, _, note = file_means(file, networks)
    parts = []
    for network, (vector, _) in zip(networks, means, strict=True):
        norm = network.norm_dense
        parts.append((vector - norm.bias.detach().numpy()) / norm.weight.detach().numpy())
    return at_one_length(np.concatenate(parts)), note


def at_one_length(vector: np.ndarray) -> np.ndarray:
    """Divide a vector by `LONGEST` and add the coordinate that brings its length to 1."""
    place = np.zeros(WIDTH, np.float32)
    place[: len(vector)] = vector / max(LONGEST, np.linalg.norm(vector))
    place[len(vector)] = np.sqrt(max(0.0, 1 - float(place @ place)))
    return place
