"""Audio files: which there are in a folder, and their sound, mono at the rate that is asked for.

Two decoders: libsndfile, and FFmpeg where that has not the format, or stops before the end.
Blocks keep the memory small whatever the length of a file, and stay in the processor's cache, which
is faster than to decode a whole song first.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile
import soxr

from preprocessing.mel.sndfile import UNKNOWN, AudioError, Blocks, GaveUp, muted, sndfile_blocks

READABLE = (  # endings of the usual formats; files of rarer ones are tried where they are named
    *("wav", "flac", "ogg", "oga", "opus", "mp3", "aiff", "aif", "aifc", "au", "snd", "caf"),
    *("w64", "rf64", "mp2", "m4a", "m4b", "mp4", "aac", "webm", "mka", "wma", "wv", "ape", "tta"),
)
MOST_HOURS, LEAST_BYTES = 3, 1000  # what is longer has so many bytes a second: 8 kbit/s
Made = TypeVar("Made")


def read_audio(
    file: Path, sample_rate: int, make: Callable[[Iterator[np.ndarray]], Made]
) -> tuple[Made, str]:
    """Make something of the sound of a file: the mean of its channels, at `sample_rate`.

    A file that was cut short gives what it still holds, and a word about it.

    Parameters
    ----------
    file : Path
        An audio file.
    sample_rate : int
        Hz of what `make` gets.
    make : callable
        Of consecutive samples: arrays (n,) of float32, full scale 1; n varies and may be 0. It is
        called anew where the first decoder's end turns out not to be the end of the file.

    Returns
    -------
    anything, and str
        What `make` returns, and what was cut or repaired, or ''.

    Raises
    ------
    AudioError
        The file cannot be read or decoded, is empty, has no sensible sample rate, or holds hours of
        next to nothing.
    """
    notes: list[str] = []
    try:
        return make(_sound(file, sndfile_blocks(file, notes), sample_rate)), "; ".join(notes)
    except GaveUp as error:
        first = error
    from preprocessing.mel.ffmpeg import ffmpeg_blocks  # only where it is needed

    try:
        blocks = ffmpeg_blocks(file, notes, first.seconds)
        return make(_sound(file, blocks, sample_rate)), "; ".join(notes)
    except GaveUp as second:
        raise AudioError(_reason(file, first, second)) from None


def _reason(file: Path, first: GaveUp, second: GaveUp) -> str:
    ending = file.suffix.lower().removeprefix(".")
    if first.seconds:
        return f"{first}, which cannot be read: {second}"
    if ending in READABLE:
        return f"not readable as {ending}: {second if str(first) == UNKNOWN else first}"
    return f"{ending or 'this'} is no format that can be read: convert it to wav, flac or mp3"


def _sound(file: Path, blocks: Blocks, sample_rate: int) -> Iterator[np.ndarray]:
    """Samples at one rate, for as long as may be true of a file of that size.

    Days of silence take some kilobytes, and what is made of sound takes memory by its length.
    """
    n_samples, most = 0, 3600 * MOST_HOURS * sample_rate
    for samples in _resampled(blocks, sample_rate):
        n_samples += len(samples)
        if n_samples > most and LEAST_BYTES * n_samples > sample_rate * file.stat().st_size:
            raise AudioError(
                f"more than {MOST_HOURS} hours at under {LEAST_BYTES} bytes a second, which is "
                "hardly music: cut it into songs"
            )
        yield samples


def _resampled(blocks: Blocks, sample_rate: int) -> Iterator[np.ndarray]:
    """Bring consecutive samples to one rate; their own may change between blocks."""
    for rate, same_rate in groupby(blocks, key=lambda block: block[0]):
        if rate == sample_rate:
            yield from (samples for _, samples in same_rate)
            continue
        resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")
        for _, samples in same_rate:
            yield resampler.resample_chunk(samples)
        yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def can_be_read(file: Path) -> bool:
    """Whether one of the decoders knows the format of a file; its sound is not looked at."""
    try:
        with muted():
            soundfile.info(file)
    except (soundfile.SoundFileError, TypeError, OSError):  # TypeError: raw samples, no header
        from preprocessing.mel.ffmpeg import has_sound

        return has_sound(file)
    return True


def find_audio(folder: Path) -> tuple[list[Path], Counter[str]]:
    """Find the audio files below a folder, linked folders and files included.

    Each file is found once, under its own name where that is below the folder too.

    Returns
    -------
    list of Path, and Counter of str
        The files, sorted; and of each other ending ('' for none) how many files were passed over.
    """
    files = {os.path.realpath(path): path for path in reversed(list(_files_below(folder)))}
    endings = {path: path.suffix.lower().removeprefix(".") for path in files.values()}
    found = sorted(path for path, ending in endings.items() if ending in READABLE)
    return found, Counter(ending for ending in endings.values() if ending not in READABLE)


def _files_below(folder: Path) -> Iterator[Path]:
    """Files, and links that lead nowhere; what is reached without a link comes first."""
    seen: set[str] = set()
    folders, links = [folder], list[Path]()
    linked_files = []
    while folders or links:
        here = folders.pop() if folders else links.pop(0)
        if (real := os.path.realpath(here)) in seen:
            continue
        seen.add(real)
        for path in sorted(here.iterdir()):
            if path.is_dir():
                (links if path.is_symlink() else folders).append(path)
            elif path.is_symlink():
                linked_files.append(path)
            elif path.is_file():
                yield path
    yield from linked_files
