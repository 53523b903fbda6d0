"""Step 4: the audio files of a dataset, or spectrograms as published, to its packed mel store."""

import functools
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from dataset.files import SPLITS, read_strings, some
from dataset.mel_store import MEL_SETTINGS, SETTINGS, published_shape, same_audio
from errors import UserError
from preprocessing.mel.part_writing import make_parts, remove_unfinished
from preprocessing.mel.song_run import Made, Result, compute_lacking
from preprocessing.mel.sources import Source, audio_sources, digest_of, published_sources
from preprocessing.mel.store_writer import open_writer
from preprocessing.mel.worker_pool import TaskMap


def write_from_audio(
    data_path: Path,
    audio_path: Path | None,
    map_tasks: TaskMap,
    strict: bool = False,
    form: str = "own",
    in_parts: bool = False,
) -> None:
    """Add the songs that the packed store lacks, from their audio files.

    Parameters
    ----------
    data_path : Path
        The dataset directory.
    audio_path : Path, optional
        Where the relative paths of `songs.tsv` start; by default what step 0 noted in
        `dataset.json`, or `data_path`.
    map_tasks : callable
        Decodes in several processes, or on Spark: `worker_pool.task_map`.
    strict : bool
        Make a song that cannot be read an error.
    form : str
        One of `dataset.mel_store.SETTINGS`.
    in_parts : bool
        Let each task write a part of the store, so that no machine writes all.

    Raises
    ------
    UserError
        No audio is named, none exists or none can be read; the store does not fit; or, if
        `strict`, any song cannot be read.
    """
    sources = audio_sources(data_path, audio_path)
    make = functools.partial(_from_audio, settings=SETTINGS[form])

    def compute(sources: list[Source]) -> Generator[Result, None, None]:
        if in_parts:
            writer.describe_form()
            return make_parts(data_path, sources, make, SETTINGS[form]["n_mels"], map_tasks)
        remove_unfinished(data_path)  # of a run on Spark that was stopped
        files = [source.file for source in sources]
        return map_tasks(make, files, preload=["preprocessing.mel.mel_spectrogram"])

    with open_writer(data_path, "audio", form) as writer:
        compute_lacking(data_path, sources, writer, compute, strict)
    _print_same_audio(data_path)


def write_from_published(data_path: Path) -> None:
    """Pack the spectrograms of the published layout, all that there are.

    Raises
    ------
    UserError
        There are none, none can be read, or the store does not fit.
    """

    def compute(sources: list[Source]) -> Generator[Result, None, None]:
        return (_from_published(source.file) for source in sources)

    sources = published_sources(data_path)
    with open_writer(data_path, "published") as writer:
        compute_lacking(data_path, sources, writer, compute, strict=False)
    _print_same_audio(data_path)


def _from_audio(file: Path, settings: dict[str, Any]) -> Made:
    # Torch takes seconds to import: only where it computes.
    from preprocessing.mel.mel_spectrogram import mel_and_note

    mel, note = mel_and_note(file, settings)
    return Made(mel, _seconds(mel, settings), digest_of(file), note)


def _from_published(file: Path) -> Made | str:
    try:
        published_shape(file)
    except UserError as error:
        return str(error)
    with np.errstate(over="ignore"):
        mel = np.load(file).T.astype(np.float16)
    if not np.isfinite(mel).all():
        return "NaN or infinite values"
    return Made(mel, _seconds(mel, MEL_SETTINGS), digest_of(file))


def _seconds(mel: np.ndarray, settings: dict[str, Any]) -> float:
    return len(mel) * settings["hop_length"] / settings["sample_rate"]


def _print_same_audio(data_path: Path) -> None:
    """Tell which songs are the same audio, and whether the split tears them apart."""
    groups = same_audio(data_path)
    if not groups:
        return
    files = [(part, data_path / f"{part}_ids.npy") for part in SPLITS]
    part_of = {
        line.partition("//")[2]: part
        for part, file in files
        if file.is_file()
        for line in read_strings(file)
    }
    torn = [group for group in groups if len({part_of.get(name, "") for name in group} - {""}) > 1]
    told = [
        " = ".join(f"{name} ({part_of[name]})" if name in part_of else name for name in group)
        for group in torn or groups
    ]
    print(
        f"{sum(map(len, groups)) - len(groups)} songs are bit for bit the same audio as another: "
        f"{some(told, 3)}"
    )
    if torn:
        print(
            f"{len(torn)} such groups lie in several parts of the split, which flatters results: "
            "run step 1 again, it keeps them in one part"
        )
