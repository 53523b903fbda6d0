"""Step 5: the audio files of a dataset to their musicnn vectors."""

import functools
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from encoders.musicnn_package import MEL_SETTINGS
from preprocessing.features.vector_writer import open_vector_writer
from preprocessing.mel.song_run import Made, Result, compute_lacking
from preprocessing.mel.sources import Source, audio_sources, digest_of
from preprocessing.mel.worker_pool import TaskMap

LAYER = "penultimate"


class Chosen(NamedTuple):
    """One of `ENCODERS`, the package with its weights, and NAME of the file NAME_songs.npy."""

    encoder: str
    wheel: Path
    name: str = "musicnn"


def write_musicnn(
    data_path: Path,
    audio_path: Path | None,
    chosen: Chosen,
    map_tasks: TaskMap,
    strict: bool = False,
) -> None:
    """Add the vectors of the songs that `NAME_songs.npy` lacks, from their audio files.

    Arguments are as of `mel_writing.write_from_audio`, but for what makes the vectors.

    Raises
    ------
    UserError
        No audio is named, none exists or none can be read; the vectors there were made otherwise;
        or, if `strict`, any song cannot be read.
    """
    sources = audio_sources(data_path, audio_path)
    about = {"encoder": chosen.encoder, "layer": LAYER, "mel_settings": MEL_SETTINGS}
    make = functools.partial(_from_audio, encoder=chosen.encoder, wheel=chosen.wheel)

    def compute(sources: list[Source]) -> Generator[Result, None, None]:
        files = [source.file for source in sources]
        return map_tasks(make, files, preload=["preprocessing.features.song_layers"])

    song_ids = [source.song_id for source in sources]
    with open_vector_writer(data_path, chosen.name, song_ids, about) as writer:
        compute_lacking(data_path, sources, writer, compute, strict)


def _from_audio(file: Path, encoder: str, wheel: Path) -> Made:
    # Torch takes seconds to import: only where it computes.
    from preprocessing.features.song_layers import file_means, network_of

    (means,), seconds, note = file_means(file, [network_of(wheel, encoder)])
    return Made(means.vector, seconds, digest_of(file), note)
