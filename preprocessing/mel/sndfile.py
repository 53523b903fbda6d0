"""The first decoder: libsndfile, quick, and exact where a file is what its header says.

It stops where the header, or an estimate, puts the end of the sound, so what it leaves of a file is
looked at: sound there is told, and left to the second decoder, `ffmpeg.py`.
"""

import contextlib
import io
import os
import re
import sys
import threading
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from errors import one_line

READ = 2**19  # numbers decoded at once, 6 seconds of stereo: soundfile seeks after every read
BLOCK = 2**16  # samples of each channel that are mixed at once, and resampled
SLACK = 1500  # bytes behind the sound that are no matter: less than two frames of any mp3
ENDLESS = 2**62  # samples; what libsndfile takes for the length where a FLAC file says none
SAMPLE_RATES = (1000, 1_000_000)  # Hz; beyond, a damaged header
NEVER_FILLED_IN = 2**31 - 2**16  # bytes: programs that write to a pipe claim that much or more
UNKNOWN = "damaged, or of another format"

# Formats whose sound is plain numbers behind a header, and the order of the bytes.
_PLAIN = {"WAV": "LITTLE", "WAVEX": "LITTLE", "RF64": "LITTLE", "AIFF": "BIG", "AU": "BIG"}
_NUMBER_BYTES = {"PCM_U8": 1, "PCM_S8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4}
_NUMBER_BYTES |= {"FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1}
_ONE_AT_A_TIME = threading.Lock()  # else one thread might keep for good what another has muted
_WHOLE_FILES = (b"RIFF", b"RF64", b"FORM")  # a file that was joined to the end, and no chunk

Blocks = Iterator[tuple[int, np.ndarray]]  # sample rate in Hz, and samples (n,) float32


class AudioError(Exception):
    """Why a file gives no spectrogram; the text goes into the report of step 4."""


class DecodingError(AudioError):
    """Damage that a decoder has come upon."""


class GaveUp(AudioError):
    """Why a decoder cannot read a file to its end, and how many seconds it has read."""

    def __init__(self, reason: str, seconds: float = 0.0):
        super().__init__(reason)
        self.seconds = seconds


def check_rate(rate: int) -> None:
    """Raise `AudioError` for a sample rate that only a damaged header has."""
    low, high = SAMPLE_RATES
    if not low <= rate <= high:
        raise AudioError(f"sample rate of {rate} Hz, not {low} to {high}")


def sndfile_blocks(file: Path, notes: list[str]) -> Blocks:
    """Decode a file block by block, mixed to mono; add to `notes` what was found wrong.

    Raises
    ------
    AudioError
        The file cannot be opened, is empty or damaged, or has no sensible sample rate.
    GaveUp
        Libsndfile does not know the format; or, after all that it gives, there is more in the file.
    """
    with _opened(file) as descriptor, _sound(descriptor) as sound:
        rate = sound.samplerate
        check_rate(rate)
        if sound.frames > ENDLESS:
            raise GaveUp("damaged, and of unknown length")
        n_read = n_more = 0
        try:
            for block in mono_blocks(sound):
                n_read += len(block)
                yield rate, block
        except DecodingError as error:  # of a FLAC file that was cut the other one gives the rest
            raise GaveUp(str(error), n_read / rate) from None
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        if _has_more(descriptor, position, sound):
            if sound.format not in _PLAIN or sound.subtype not in _NUMBER_BYTES:
                left = os.fstat(descriptor).st_size - position
                raise GaveUp(f"ends after {n_read / rate:.1f} s, {left} bytes early", n_read / rate)
            for block in _rest(descriptor, position, sound):
                n_more += len(block)
                yield rate, block
        if not n_read + n_more:
            raise AudioError("empty: no samples")
        claimed = n_read if n_more else _claimed_samples(sound, descriptor, n_read)
        note_length(notes, claimed / rate, (n_read + n_more) / rate)
        if sound.format == "OGG" and not _has_last_page(descriptor):
            notes.append("cut short: the page that ends it is missing")


def note_length(notes: list[str], claimed: float, seconds: float) -> None:
    """Note that a file has more seconds than it says, or less."""
    if seconds > claimed + 0.1:
        notes.append(f"by its header it ends after {claimed:.1f} s: all {seconds:.1f} s were read")
    if seconds < claimed - 0.5:
        notes.append(f"cut short: {seconds:.1f} of {claimed:.1f} s")


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[int]:
    try:
        stream = open(file, "rb")  # noqa: SIM115 - closed below
    except OSError as error:  # the system's reason is clearer than libsndfile's
        raise AudioError(f"cannot be opened ({error.strerror})") from None
    with stream:
        if os.fstat(stream.fileno()).st_size == 0:
            raise AudioError("empty file")
        yield stream.fileno()


def _sound(descriptor: int) -> soundfile.SoundFile:
    try:
        with muted():
            return soundfile.SoundFile(descriptor, closefd=False)
    except soundfile.SoundFileError as error:
        if "SF_INFO" in str(error):
            raise GaveUp("sample rate or number of channels of 0") from None
        raise GaveUp(UNKNOWN) from None


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Keep from the terminal what libsndfile's mp3 decoder prints of damage, past Python."""
    if sys.__stderr__ is None:  # closed from the beginning: 2 may be the file that is read
        yield
        return
    with _ONE_AT_A_TIME, open(os.devnull, "wb") as nowhere:
        stderr = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def mono_blocks(sound: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Decode block by block and give the mean of the channels, (n,) float32 at the file's rate.

    Raises
    ------
    AudioError
        The file is damaged.
    """
    n_samples = min(READ // sound.channels, sound.frames)
    buffer = np.empty((n_samples, sound.channels), dtype=np.float32)
    while len(decoded := _decode(sound, buffer)):
        for start in range(0, len(decoded), BLOCK):
            yield mean_of_channels(decoded[start : start + BLOCK].T)


def mean_of_channels(channels: np.ndarray) -> np.ndarray:
    """(channels, n) -> (n,), 20 times as fast as mean(axis=0)."""
    return reduce(np.add, channels) / len(channels)


def _decode(sound: soundfile.SoundFile, buffer: np.ndarray) -> np.ndarray:
    """Return the part of `buffer` that could be filled."""
    try:
        with muted():
            return sound.read(out=buffer)
    except soundfile.SoundFileError as error:
        raise DecodingError(f"damaged: {one_line(error)}") from None


# ---------------------------------------------------------------- the header against the file


def _has_more(descriptor: int, position: int, sound: soundfile.SoundFile) -> bool:
    """Whether something else than tags and chunks of text follows the sound that ends there."""
    end = os.fstat(descriptor).st_size
    if end - position <= SLACK:
        return False
    if sound.format in _PLAIN:
        position = _end_of_chunks(
            descriptor, position, "big" if sound.format == "AIFF" else "little"
        )
    return end - _end_of_tags(descriptor, position) > SLACK


def _end_of_tags(descriptor: int, position: int) -> int:
    """Where the tags end that stand at a position: APEv2, then ID3v1, or neither."""
    head = os.pread(descriptor, 32, position)
    if head.startswith(b"APETAGEX"):
        position += 32 + int.from_bytes(head[12:16], "little")
    return position + (128 if os.pread(descriptor, 3, position) == b"TAG" else 0)


def _end_of_chunks(descriptor: int, position: int, order: Literal["little", "big"]) -> int:
    """Where the chunks of a RIFF or AIFF file end, or `position` where they do not fit the file."""
    end = os.fstat(descriptor).st_size
    at = position + (os.pread(descriptor, 1, position) == b"\0")  # chunks begin at even places
    while len(head := os.pread(descriptor, 8, at)) == 8:
        n_bytes = int.from_bytes(head[4:], order)
        at += 8 + n_bytes + n_bytes % 2
        if not re.fullmatch(rb"[ -~]{4}", head[:4]) or head[:4] in _WHOLE_FILES or at > end + 1:
            return position
    return at


def _rest(descriptor: int, position: int, sound: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """The numbers from a position to the end of the file, whatever its header says, as mono."""
    order = _PLAIN[sound.format] if sound.endian == "FILE" else sound.endian
    form = {"samplerate": sound.samplerate, "channels": sound.channels, "subtype": sound.subtype}
    size = _NUMBER_BYTES[sound.subtype] * sound.channels * BLOCK
    while part := os.pread(descriptor, size, position):
        numbers = soundfile.SoundFile(io.BytesIO(part), format="RAW", endian=order, **form)
        yield from mono_blocks(numbers)
        position += size


def _claimed_samples(sound: soundfile.SoundFile, descriptor: int, n_read: int) -> int:
    """How long a file says that it is; `n_read` where it says nothing."""
    if sound.format == "MP3":
        return sound.frames if _has_length(descriptor) else n_read  # or else an estimate
    # Libsndfile counts what is there, and notes what should be.
    told = re.search(r"(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", sound.extra_info)
    if told and 0 < int(told[1]) < NEVER_FILLED_IN and int(told[2]):
        return n_read * int(told[1]) // int(told[2])
    return n_read


def _has_length(descriptor: int) -> bool:
    """Whether an mp3 file has a header that says its length."""
    head = os.pread(descriptor, 10, 0)
    start = 0
    if head.startswith(b"ID3"):
        start = 10 + reduce(lambda size, byte: size << 7 | byte, head[6:])
    first_frame = os.pread(descriptor, 2 * SLACK, start)
    return any(word in first_frame for word in (b"Xing", b"Info", b"VBRI"))


def _has_last_page(descriptor: int) -> bool:
    """Whether the last page of an Ogg file says that it is the last (RFC 3533, section 6)."""
    end = os.pread(descriptor, 2**17, max(0, os.fstat(descriptor).st_size - 2**17))
    page = end[end.rfind(b"OggS") :]
    return len(page) > 5 and bool(page[5] & 4)
