"""The formats that only FFmpeg reads; and damage of any kind to files of either decoder."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_samples import by_ffmpeg, chords, encoded, read_sound, song_mel, write_by_ffmpeg
from preprocessing.mel import ffmpeg
from preprocessing.mel.audio_files import AudioError, can_be_read
from preprocessing.mel.ffmpeg import names_in_tags

RATE = 44100
SONG = chords(2, RATE, 2, seed=1)
MORE = chords(3, RATE, 2, seed=2)
OPUS = {"format": "OGG", "subtype": "OPUS"}

CODECS = {"m4a": "aac", "m4b": "alac", "webm": "libopus", "wma": "wmav2", "mka": "flac"} | {
    "wv": "wavpack",
    "tta": "tta",
    "aac": "aac",
    "mov": "pcm_s16le",
}


@pytest.mark.parametrize("ending", CODECS)
def test_formats_that_libsndfile_has_not(tmp_path, ending):
    song = chords(2, 48000, 2)
    file = write_by_ffmpeg(tmp_path / f"a.{ending}", CODECS[ending], song)
    samples, note = read_sound(file, tmp_path)
    assert note == "" and can_be_read(file)
    np.testing.assert_allclose(samples, by_ffmpeg(file), atol=1e-5)
    expected = soxr.resample(song.mean(axis=1), 48000, 22050)
    assert len(samples) == pytest.approx(len(expected), abs=1000)
    if ending not in ("aac", "wma"):  # these do not say how much silence the encoder began with
        n = min(len(samples), len(expected))
        assert np.corrcoef(samples[:n], expected[:n])[0, 1] > 0.98
    assert isinstance(song_mel(file), np.ndarray)


@pytest.mark.parametrize("ending", ["flac", "mp3", "ogg", "m4a", "opus", "wv"])
def test_artist_and_title_of_a_file(tmp_path, ending):
    file, named = tmp_path / f"plain.{ending}", tmp_path / f"named.{ending}"
    codec = {"flac": "flac", "mp3": "libmp3lame", "ogg": "libopus", "m4a": "aac"}
    write_by_ffmpeg(file, codec.get(ending) or CODECS.get(ending) or "libopus", chords(1, 48000, 2))
    assert names_in_tags(file) == ("", "")
    with av.open(str(file)) as given, av.open(str(named), "w") as output:
        output.metadata.update({"artist": "Björk\tG. \x1b", "title": " Jóga\n(live)"})
        stream = output.add_stream_from_template(given.streams.audio[0])
        for packet in given.demux(given.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    assert names_in_tags(named) == ("Björk G.", "Jóga (live)")


def test_files_without_names(tmp_path, monkeypatch):
    (tmp_path / "text.mp3").write_text("no music")
    assert names_in_tags(tmp_path / "text.mp3") == names_in_tags(tmp_path / "none.mp3") == ("", "")
    monkeypatch.setattr(ffmpeg, "av", None)
    assert names_in_tags(tmp_path / "text.mp3") == ("", "")


ROOT = Path(ffmpeg.__file__).parents[2]
READ = """
import pathlib, sys
from preprocessing.mel.audio_files import read_audio
print(read_audio(pathlib.Path(sys.argv[1]), 48000, lambda blocks: sum(map(len, blocks)))[0])
"""
TONE = chords(1, 48000)  # (48000, 1)


def write_channels(file: Path, codec: str, layout: str, **options: str) -> Path:
    """Write a second of 48 kHz of which each channel is louder than the one before."""
    channels = TONE * np.linspace(0.5, 1, av.AudioLayout(layout).nb_channels, dtype=np.float32)
    frame = av.AudioFrame.from_ndarray(channels.reshape(1, -1), "flt", layout)
    frame.sample_rate, frame.pts = 48000, 0
    with av.open(str(file), "w") as output:
        stream = output.add_stream(codec, rate=48000, layout=layout, options=options)
        stream.codec_context.open()
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.codec_context.format, layout, 48000, size)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file


MANY = [
    *(("wv", "wavpack", layout) for layout in ("6.1", "7.1", "22.2", "12 channels")),
    *(("m4a", "aac", "7.1"), ("mka", "libopus", "7.1")),
]


@pytest.mark.parametrize(("ending", "codec", "layout"), MANY)
def test_many_channels(tmp_path, ending, codec, layout):
    file = write_channels(tmp_path / f"a.{ending}", codec, layout)
    reading = [sys.executable, "-c", READ, str(file)]  # apart: it might crash
    done = subprocess.run(reading, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == pytest.approx(48000, abs=1100)
    samples, _ = read_sound(file, tmp_path)
    expected = soxr.resample(0.75 * TONE[:, 0], 48000, 22050)
    n = min(len(samples), len(expected))
    assert np.std(samples[:n]) == pytest.approx(np.std(expected[:n]), rel=0.1)
    assert np.corrcoef(samples[:n], expected[:n])[0, 1] > 0.95


@pytest.mark.parametrize("ending", ["wav", "mka"])
def test_numbers_of_64_bits(tmp_path, ending):
    file = write_channels(tmp_path / f"a.{ending}", "pcm_s64le", "stereo")
    samples, note = read_sound(file, tmp_path)
    expected = soxr.resample(0.75 * TONE[:, 0], 48000, 22050)
    np.testing.assert_allclose(samples, expected, atol=1e-6)
    assert note == ""


def test_what_is_nearly_all_damage_is_no_sound(tmp_path):
    """Here and there a program has bytes that look like the beginning of a frame."""
    rng = np.random.default_rng(0)
    looks = b"".join(b"\xff\xfb\x90\x64" + rng.bytes(413) for _ in range(100))
    (tmp_path / "a.mp3").write_bytes(bytes(500) + looks)
    assert "not readable as mp3: damaged, or of another format" in song_mel(tmp_path / "a.mp3")


def test_half_a_song_is_a_song(tmp_path):
    content = bytearray(write_by_ffmpeg(tmp_path / "a.m4a", "aac", MORE).read_bytes())
    half = slice(len(content) // 3, len(content) // 3 + len(content) // 2)
    content[half] = bytes(len(content) // 2)
    samples, note = read_sound(bytes(content), tmp_path)
    assert "damaged in" in note and 0.9 < len(samples) / 22050 < 2


@pytest.mark.parametrize("ending", ["m4a", "webm", "wv"])
def test_what_is_damaged_or_cut_off_is_told(tmp_path, ending):
    whole = write_by_ffmpeg(tmp_path / f"a.{ending}", CODECS[ending], MORE).read_bytes()
    third = len(whole) // 3
    samples, note = read_sound(whole[:third] + bytes(5000) + whole[third + 5000 :], tmp_path)
    assert note and 0.7 < len(samples) / 22050 < 3
    try:
        _, note = read_sound(whole[: 2 * third], tmp_path, f"b.{ending}")
    except AudioError as error:
        assert ending == "m4a" and "not readable as m4a" in str(error)
    else:
        assert "cut short" in note


def test_joined_films_are_told(tmp_path):
    whole = write_by_ffmpeg(tmp_path / "a.mp4", "aac", SONG).read_bytes()
    assert re.search(r"only \d+ of its \d+ bytes", read_sound(whole + whole, tmp_path)[1])


def test_the_first_of_several_sounds_is_taken(tmp_path):
    file = write_by_ffmpeg(tmp_path / "a.mka", "flac", SONG, MORE)
    samples, _ = read_sound(file, tmp_path)
    np.testing.assert_allclose(samples, by_ffmpeg(file), atol=1e-5)
    assert len(samples) / 22050 == pytest.approx(2 * RATE / 48000, abs=0.01)


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:10,\n{}\n", "ffconcat version 1.0\nfile '{}'"])
def test_lists_of_files_are_no_sound(tmp_path, text):
    soundfile.write(tmp_path / "other.wav", SONG, RATE)
    (tmp_path / "a.mp3").write_text(text.format(tmp_path / "other.wav"))
    assert "not readable as mp3" in song_mel(tmp_path / "a.mp3")
    assert not can_be_read(tmp_path / "a.mp3")


def test_without_ffmpeg_the_way_out_is_told(tmp_path, monkeypatch):
    file = write_by_ffmpeg(tmp_path / "a.m4a", "aac", SONG)
    monkeypatch.setattr(ffmpeg, "av", None)
    assert "pip install av" in song_mel(file)
    (tmp_path / "b.ogg").write_bytes(2 * encoded(SONG, RATE, "ogg"))
    assert "ends after 2.0 s" in song_mel(tmp_path / "b.ogg")


# ---------------------------------------------------------------- anything at all

Damage = Callable[[bytes], bytes]
PLACES = st.one_of(st.integers(0, 200), st.integers(0, 30_000))
BYTES = st.sampled_from([b"\xff" * 4, b"\xff" * 8, bytes(4), bytes(8), b"\x7f" + b"\xff" * 7])
DAMAGES = st.one_of(
    st.builds(lambda n: lambda content: content[: n + 1], PLACES),
    st.builds(
        lambda at, new: lambda content: content[:at] + new + content[at + len(new) :],
        PLACES,
        st.one_of(BYTES, st.binary(min_size=1, max_size=40)),
    ),
    st.builds(
        lambda at, new: lambda content: content[:at] + new + content[at:], PLACES, st.binary()
    ),
    st.builds(lambda at, n: lambda content: content[:at] + content[at + n :], PLACES, PLACES),
    st.just(lambda content: 2 * content),
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("examples")
    song = chords(0.6, 48000, 2)
    endings = ("wav", "rf64", "w64", "aiff", "au", "caf", "flac", "ogg", "mp3")
    written = {ending: encoded(song, 48000, ending) for ending in endings}
    for ending, codec in CODECS.items():
        written[ending] = write_by_ffmpeg(folder / f"a.{ending}", codec, song).read_bytes()
    return written | {"opus": encoded(song, 48000, "opus", **OPUS)}


@settings(max_examples=300, deadline=20_000, derandomize=True)
@given(
    ending=st.sampled_from(
        ["wav", "rf64", "w64", "aiff", "au", "caf", "flac", "ogg", "mp3", "opus"]
    )
    | st.sampled_from(list(CODECS)),
    damages=st.lists(DAMAGES, min_size=1, max_size=3),
)
def test_any_damage_gives_a_reason_or_sound(examples, tmp_path_factory, ending, damages):
    content = examples[ending]
    for damage in damages:
        content = damage(content) or b"x"
    file = tmp_path_factory.getbasetemp() / f"wild.{ending}"
    file.write_bytes(content)
    mel = song_mel(file)
    if isinstance(mel, str):
        assert mel and "\n" not in mel
    else:
        assert np.isfinite(mel).all() and len(mel) < 20_000
