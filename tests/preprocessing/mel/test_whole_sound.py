"""Files whose header, or first part, ends before their sound does: all of it is read, or told."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from audio_samples import by_ffmpeg, chords, encoded, read_sound
from preprocessing.mel import ffmpeg
from preprocessing.mel.audio_files import AudioError

RATE = 44100
SONG = chords(2, RATE, 2, seed=1)
MORE = chords(3, RATE, 2, seed=2)
OPUS = {"format": "OGG", "subtype": "OPUS"}


def read_whole(content: bytes, folder: Path, name: str = "whole") -> np.ndarray:
    samples, note = read_sound(content, folder, name)
    assert note == ""
    return samples


def with_number(content: bytes, after: bytes, offset: int, value: int, size: int, order: str):
    """A file with another number at so many bytes behind the first `after`."""
    at = content.index(after) + offset
    return content[:at] + value.to_bytes(size, order) + content[at + size :]


# ---------------------------------------------------------------- lengths in headers


def flac_of_length(n_samples: int) -> bytes:
    """A FLAC file whose header says another length: 36 bits, of which the last 32 are set."""
    return with_number(encoded(SONG, RATE, "flac"), b"fLaC", 4 + 4 + 14, n_samples, 4, "big")


@pytest.mark.parametrize("claimed", [0, 9000])
def test_flac_whose_header_says_less_or_nothing(tmp_path, claimed):
    samples, note = read_sound(flac_of_length(claimed), tmp_path)
    np.testing.assert_allclose(samples, read_whole(flac_of_length(len(SONG)), tmp_path), atol=1e-5)
    assert note == ("by its header it ends after 0.2 s: all 2.0 s were read" if claimed else "")


def test_flac_of_unknown_length_that_is_damaged_is_told(tmp_path):
    content = flac_of_length(0)
    middle = len(content) // 2
    _, note = read_sound(content[:middle], tmp_path)
    assert "damaged in 1 places" in note
    samples, note = read_sound(content[:middle] + bytes(900) + content[middle + 900 :], tmp_path)
    assert "damaged" in note and 1.7 < len(samples) / 22050 < 2


SIZES = {  # where the size of the sound stands
    "wav": ({}, b"data", 4, 4, "little"),
    "wavex": ({"subtype": "PCM_24"}, b"data", 4, 4, "little"),
    "rf64": ({"subtype": "FLOAT"}, b"ds64", 16, 8, "little"),
    "w64": ({}, b"data", 16, 8, "little"),
    "aiff": ({"subtype": "PCM_24"}, b"SSND", 4, 4, "big"),
    "au": ({"subtype": "PCM_16"}, b".snd", 8, 4, "big"),
    "caf": ({}, b"data", 4, 8, "big"),
}


@pytest.mark.parametrize("claimed", ["nothing", "all that fits", "a little"])
@pytest.mark.parametrize("ending", SIZES)
def test_size_that_was_never_filled_in(tmp_path, ending, claimed):
    form, after, offset, size, order = SIZES[ending]
    whole = encoded(SONG, RATE, ending, **form)
    value = {"nothing": 0, "all that fits": 256**size - 1, "a little": 8000}[claimed]
    content = with_number(whole, after, offset, value, size, order)
    try:
        samples, note = read_sound(content, tmp_path, f"a.{ending}")
    except AudioError as error:
        assert ending in ("caf", "w64", "rf64") and re.search("bytes early|damaged", str(error))
        return
    np.testing.assert_allclose(samples, read_whole(whole, tmp_path), atol=1e-3)
    assert note == "" or "all 2.0 s were read" in note


@pytest.mark.parametrize(("ending", "form"), [("wav", {}), ("aiff", {}), ("flac", {}), ("mp3", {})])
def test_what_was_cut_off_is_told(tmp_path, ending, form):
    whole = encoded(MORE, RATE, ending, **form)
    samples, note = read_sound(whole[: len(whole) // 2], tmp_path)
    assert 1.2 < len(samples) / 22050 < 1.7
    last = "damaged in 1 places, which were left out; " if ending == "flac" else ""  # half a frame
    assert re.fullmatch(rf"{last}cut short: 1\.[3-6] of 3\.0 s", note)


@pytest.mark.parametrize("share", [0.3, 0.8, 0.99])
def test_what_a_cut_flac_still_holds(tmp_path, share):
    whole = encoded(MORE, RATE, "flac")
    samples, note = read_sound(whole[: int(share * len(whole))], tmp_path)
    expected = read_whole(whole, tmp_path)[: len(samples)]
    assert (share - 0.1) * 3 < len(samples) / 22050 < 3 and "damaged" in note
    np.testing.assert_allclose(samples[:-500], expected[:-500], atol=1e-5)


def test_ogg_without_its_end_is_told(tmp_path):
    whole = encoded(MORE, RATE, "ogg")
    assert "cut short" in read_sound(whole[: len(whole) // 2], tmp_path)[1]


def without_first_frame(mp3: bytes) -> bytes:
    """Without the frame that says how long the file is."""
    return mp3[mp3.index(b"\xff\xfb", mp3.index(b"\xff\xfb") + 40) :]


@pytest.mark.parametrize("loud", [slice(0, RATE), slice(RATE, None), slice(0, None)])
@pytest.mark.parametrize("mode", ["VARIABLE", "AVERAGE", "CONSTANT"])
def test_mp3_without_a_length(tmp_path, mode, loud):
    song = 1e-4 * MORE
    song[loud] *= 1e4
    content = without_first_frame(
        encoded(song, RATE, "mp3", bitrate_mode=mode, compression_level=0.2)
    )
    samples, note = read_sound(content, tmp_path, "a.mp3")
    expected = by_ffmpeg(tmp_path / "a.mp3")
    assert len(samples) / 22050 == pytest.approx(3.04, abs=0.03)
    np.testing.assert_allclose(samples, expected[: len(samples)], atol=1e-3)
    assert note == "" or re.fullmatch(r"by its header it ends .*: all 3\.0 s were read", note)


@pytest.mark.parametrize("claimed", [20, 4000])
def test_mp3_whose_header_lies(tmp_path, claimed):
    whole = encoded(MORE, RATE, "mp3", bitrate_mode="VARIABLE")
    samples, note = read_sound(with_number(whole, b"Xing", 8, claimed, 4, "big"), tmp_path)
    assert len(samples) / 22050 == pytest.approx(3, abs=0.03)
    assert ("all 3.0 s" if claimed == 20 else "cut short: 3.0 of 104") in note


# ---------------------------------------------------------------- files joined end to end


@pytest.mark.parametrize("form", [{"ending": "ogg"}, {"ending": "ogg"} | OPUS, {"ending": "flac"}])
def test_joined_files_give_all_their_sound(tmp_path, form):
    parts = [encoded(song, 48000, **form) for song in (SONG, MORE, SONG)]
    samples, note = read_sound(b"".join(parts), tmp_path)
    alone = [read_whole(part, tmp_path) for part in parts]
    assert note == "" or "all 7.0 s were read" in note or "all 6.4 s were read" in note
    # Resampled in one go the joints differ a little, and each part is rounded to whole samples.
    starts = np.cumsum([0, *(len(song) * 22050 / 48000 for song in (SONG, MORE))]).round()
    for start, part in zip(starts.astype(int), alone, strict=True):
        middle = slice(200, len(part) - 200)
        found = samples[start + 200 : start + len(part) - 200]
        if form == {"ending": "flac"}:
            assert np.abs(found - part[middle]).max() < 0.1
        assert np.corrcoef(found, part[middle])[0, 1] > 0.98


def test_joined_ogg_of_other_rates_channels_and_codecs(tmp_path):
    parts = [
        encoded(chords(1, 22050), 22050, "ogg"),
        encoded(chords(1, 48000, 2), 48000, **OPUS, ending="ogg"),
        encoded(chords(1, 44100, 6), 44100, "ogg"),
    ]
    samples, note = read_sound(b"".join(parts), tmp_path)
    assert len(samples) == pytest.approx(3 * 22050, abs=50) and "all 3.0 s" in note
    for start, part in zip(itertools.count(0, 22050), parts, strict=False):
        alone = read_whole(part, tmp_path)[500:21000]
        assert np.corrcoef(samples[start + 500 : start + 21000], alone)[0, 1] > 0.95


def id3v2(n_bytes: int) -> bytes:
    """A tag with a picture of so many bytes that look like the beginnings of frames."""
    frame = b"APIC" + (n_bytes + 14).to_bytes(4, "big") + b"\0\0\0image/jpeg\0\3\0"
    size = len(frame) + n_bytes
    seven_bits = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + seven_bits + frame + b"\xff\xfb\x90\0" * (n_bytes // 4)


def ape(n_bytes: int) -> bytes:
    item = n_bytes.to_bytes(4, "little") + bytes(4) + b"Text\0" + b"x" * n_bytes
    ends = [
        b"APETAGEX" + b"".join(n.to_bytes(4, "little") for n in (2000, len(item) + 32, 1, flags))
        for flags in (0xA0000000, 0x80000000)
    ]
    return ends[0] + bytes(8) + item + ends[1] + bytes(8)


ID3V1 = b"TAG" + b"name".ljust(125, b"\0")


@pytest.mark.parametrize("between", [b"", id3v2(8000), ID3V1, ape(5000) + ID3V1])
@pytest.mark.parametrize("has_length", [True, False])
def test_joined_mp3_give_all_their_sound(tmp_path, between, has_length):
    parts = [
        encoded(song, RATE, "mp3", bitrate_mode="CONSTANT", compression_level=level)
        for song, level in ((SONG, 0.2), (MORE, 0.7))
    ]
    parts = parts if has_length else [without_first_frame(part) for part in parts]
    samples, _ = read_sound(parts[0] + between + parts[1], tmp_path)
    assert len(samples) / 22050 == pytest.approx(5.05, abs=0.15)


@pytest.mark.parametrize(
    ("before", "after"),
    [(id3v2(400_000), b""), (b"", ID3V1), (b"", ape(90_000)), (b"", ape(90_000) + ID3V1)],
)
def test_tags_around_an_mp3_are_no_sound(tmp_path, before, after, monkeypatch):
    monkeypatch.setattr(ffmpeg, "av", None)  # it is not needed
    mp3 = encoded(SONG, RATE, "mp3")
    samples = read_whole(before + mp3 + after, tmp_path, "tagged.mp3")
    np.testing.assert_array_equal(samples, read_whole(mp3, tmp_path))


@pytest.mark.parametrize(("ending", "order"), [("wav", "little"), ("aiff", "big")])
def test_chunks_behind_the_sound_are_no_sound(tmp_path, ending, order):
    def chunk(name: bytes, content: bytes) -> bytes:
        return name + len(content).to_bytes(4, order) + content + bytes(len(content) % 2)

    song = SONG[:, :1][:-1]  # an odd number of bytes, so that a byte of padding follows
    whole = encoded(song, RATE, ending, subtype="PCM_24")
    text = chunk(b"LIST", b"INFO" + b"a name " * 700) + chunk(b"id3 ", b"x" * 70_001)
    samples = read_whole(whole + text, tmp_path)
    np.testing.assert_array_equal(samples, read_whole(whole, tmp_path))
    if ending == "wav":
        empty = encoded(song[:0], RATE, "wav") + text
        with pytest.raises(AudioError, match="empty: no samples"):
            read_sound(empty, tmp_path)


@pytest.mark.parametrize("ending", ["wav", "aiff", "w64"])
def test_joined_numbers_are_read_or_told(tmp_path, ending):
    parts = encoded(SONG, RATE, ending) + encoded(MORE, RATE, ending)
    try:
        samples, note = read_sound(parts, tmp_path)
    except AudioError as error:
        assert str(error)
    else:
        assert len(samples) / 22050 > (1.9 if note else 4.9)
