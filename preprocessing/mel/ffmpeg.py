"""The second decoder: FFmpeg, in a wheel (PyAV), for what libsndfile cannot read to its end.

It walks through a file packet by packet to the very end, whatever the header says of the length.
"""

import io
import mmap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dataset.files import plain
from preprocessing.mel.sndfile import (
    UNKNOWN,
    Blocks,
    GaveUp,
    check_rate,
    mean_of_channels,
    note_length,
)

try:
    import av

    _DAMAGE = (av.FFmpegError, ValueError, OSError)  # the last from a seek to where no file goes
except ImportError:
    av = None

# Formats of one file that hold sound. Others of FFmpeg's are lists of files and addresses to open.
_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,mp3,"
    "mpc,mpc8,mpeg,mpegts,ogg,rm,tak,tta,w64,wav,wv"
)
_WITHOUT_LENGTH = ("aac", "ac3", "eac3", "mp3", "dts", "amr", "mpeg", "mpegts")  # an estimate
_GAP = 0.05  # seconds between frames that are more than the rounding of their times
_MANY = 8  # channels, from which on PyAV 18.1 crashes over frames that keep each one apart
_MOST_DAMAGE = 2  # places for a frame that is decoded; programs that are called mp3 have more
_LEAST_READ = 0.7  # part of its bytes that packets must make up, else something is left over


def ffmpeg_blocks(file: Path, notes: list[str], heard: float = 0.0) -> Blocks:
    """Decode a file block by block, mixed to mono; add to `notes` what was found wrong.

    What can be decoded of a damaged file is given.

    Parameters
    ----------
    file : Path
        An audio file, or one that has sound among other things: its first or default sound.
    notes : list of str
        Gets what was cut or repaired.
    heard : float
        Seconds that the first decoder has read.

    Raises
    ------
    AudioError
        The sample rate is not sensible.
    GaveUp
        Nothing can be decoded, or less than the first decoder has read; or nearly all is damage.
    """
    if av is None:
        raise GaveUp("PyAV, which may read it, is missing: pip install av")
    av.logging.set_level(av.logging.PANIC)
    seconds = 0.0
    with open(file, "rb") as stream:
        for part in _parts(stream):
            for rate, block in _part_blocks(part, notes):
                seconds += len(block) / rate
                yield rate, block
    if not seconds or seconds < heard - 0.5:
        raise GaveUp(UNKNOWN)
    note_length(notes, heard or seconds, seconds)


def has_sound(file: Path) -> bool:
    """Whether FFmpeg knows the format of a file, and finds sound in it."""
    if av is None:
        return False
    try:
        with open(file, "rb") as stream, _opened(stream) as container:
            return bool(container.streams.audio)
    except (GaveUp, OSError):
        return False


def names_in_tags(file: Path) -> tuple[str, str]:
    """Artist and title that the tags of a file name, each on one line; '' for what they do not."""
    if av is None:
        return "", ""
    try:
        with open(file, "rb") as stream, _opened(stream) as container:
            said: dict[str, str] = {}
            for tags in (*(one.metadata for one in container.streams.audio), container.metadata):
                said |= {name.lower(): text for name, text in tags.items()}  # in Ogg a stream's
    except (GaveUp, *_DAMAGE):
        return "", ""
    return plain(said.get("artist") or said.get("album_artist", "")), plain(said.get("title", ""))


def _opened(stream: BinaryIO) -> "av.container.InputContainer":
    try:
        options = {"format_whitelist": _FORMATS}
        return av.open(stream, metadata_errors="replace", options=options)
    except _DAMAGE:
        raise GaveUp(UNKNOWN) from None


def _parts(stream: BinaryIO) -> Iterator[BinaryIO]:
    """A file; or each of the Ogg files that were joined to one, for their sound may differ."""
    if stream.read(4) == b"OggS":
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            starts = [0, *_joined_at(content)]
            if len(starts) > 1:
                for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
                    yield io.BytesIO(content[start:end])
                return
    stream.seek(0)
    yield stream


def _joined_at(content: mmap.mmap) -> Iterator[int]:
    """Where streams begin in an Ogg file after others have ended (RFC 3533, section 6)."""
    position, was_first = 0, True
    while (position := content.find(b"OggS", position)) >= 0:
        if len(head := content[position : position + 27]) < 27:
            return
        is_first = bool(head[5] & 2)  # of a stream; those of streams side by side come together
        if is_first and not was_first:
            yield position
        was_first = is_first
        position += 27 + head[26] + sum(content[position + 27 : position + 27 + head[26]])


def _part_blocks(stream: BinaryIO, notes: list[str]) -> Blocks:
    with _opened(stream) as container:
        sound = container.streams.best("audio")
        if sound is None or sound.codec_context is None:
            raise GaveUp("holds no sound that can be decoded")
        sound.thread_count = 1  # step 4 runs as many processes as there are cores
        if sound.codec_context.name == "flac":  # else noise in place of damage; others have no sums
            sound.codec_context.options = {"err_detect": "crccheck+explode"}
        read: Counter[str] = Counter()
        seconds, start, end = 0.0, None, 0.0
        for frame in _frames(container, sound, read):
            rate = frame.sample_rate
            check_rate(rate)
            seconds += frame.samples / rate
            read["frames"] += 1
            if frame.time is not None:
                start = frame.time if start is None else start
                end = frame.time + frame.samples / rate
            yield rate, mean_of_channels(_channels(frame))
        if read["damaged"] > _MOST_DAMAGE * read["frames"]:
            raise GaveUp(UNKNOWN)
        if read["damaged"] or end - (start or 0.0) > seconds + _GAP:
            notes.append(f"damaged in {read['damaged'] or 'some'} places, which were left out")
        note_length(notes, max(seconds, _claimed_seconds(container, sound)), seconds)
        if read["bytes"] < _LEAST_READ * container.size:
            notes.append(f"only {read['bytes']} of its {container.size} bytes were read")


def _frames(
    container: "av.container.InputContainer", sound: "av.AudioStream", read: Counter[str]
) -> "Iterator[av.AudioFrame]":
    """Decode to the end of the file, past what is damaged; count that, and the bytes of packets."""
    packets = container.demux()  # of all streams, for the count
    while True:
        try:
            packet = next(packets)
            read["bytes"] += packet.size
            if packet.stream is sound:
                yield from map(_convertible, packet.decode())
        except StopIteration:
            return
        except _DAMAGE:
            read["damaged"] += 1


def _convertible(frame: "av.AudioFrame") -> "av.AudioFrame":
    """A frame that numpy can have: itself, but for many channels and for 64-bit integers."""
    is_apart = frame.format.is_planar and frame.layout.nb_channels >= _MANY
    if not is_apart and frame.format.name not in ("s64", "s64p"):
        return frame
    (converted,) = av.AudioResampler("flt", frame.layout, frame.sample_rate).resample(frame)
    return converted


def _channels(frame: "av.AudioFrame") -> np.ndarray:
    """Samples (channels, n) float32 of a frame, full scale 1."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, len(frame.layout.channels)).T
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype.kind == "i":
        return samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    return samples.astype(np.float32, copy=False)


def _claimed_seconds(container: "av.container.InputContainer", sound: "av.AudioStream") -> float:
    """How long a file says that it is, 0 where it says nothing."""
    if set(container.format.name.split(",")) & set(_WITHOUT_LENGTH):
        return 0.0
    if sound.duration is not None:
        return float(sound.duration * sound.time_base)
    return (container.duration or 0) / av.time_base
