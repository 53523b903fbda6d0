"""Made-up recordings, sound and damaged, for the tests of step 4."""

import io
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from dataset.files import SONGS
from dataset.mel_store import MEL_SETTINGS
from dataset.writing import write_tsv
from preprocessing.mel.audio_files import AudioError, read_audio
from preprocessing.mel.mel_spectrogram import mel_and_note


def song_mel(file: Path) -> np.ndarray | str:
    """The spectrogram of a file in dB, or the reason why there is none."""
    try:
        return mel_and_note(file, MEL_SETTINGS)[0]
    except AudioError as error:
        return str(error)


def chords(seconds: float, rate: int = 22050, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Fading tones with a little noise, float32 (samples, channels), below full scale."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    tones = [
        np.exp(-(time % 0.5) * 6) * np.sin(2 * np.pi * pitch * time)
        for pitch in rng.uniform(60, 3000, size=5)
    ]
    noise = rng.normal(scale=0.01, size=(len(time), channels))
    return (0.15 * np.sum(tones, axis=0)[:, None] + noise).astype(np.float32)


def encoded(samples: np.ndarray, rate: int, ending: str, **form) -> bytes:
    """A file of samples (n, channels) as libsndfile writes it."""
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, **({"format": ending.upper()} | form))
    return stream.getvalue()


def write_by_ffmpeg(file: Path, codec: str, *songs: np.ndarray, rate: int = 48000) -> Path:
    """Write a file with a stream for each song, (n, 2) at `rate`, by its ending."""
    with av.open(str(file), "w") as output:
        streams = [output.add_stream(codec, rate=rate, layout="stereo") for _ in songs]
        for stream in streams:
            stream.bit_rate = 128_000
            stream.codec_context.open()
        for stream, song in zip(streams, songs, strict=True):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(song.T), "fltp", "stereo")
            frame.sample_rate, frame.pts = rate, 0
            context = stream.codec_context
            kind = {"format": context.format.name, "layout": "stereo", "rate": rate}
            resampler = av.AudioResampler(**kind, frame_size=context.frame_size or 1024)
            for part in (*resampler.resample(frame), *resampler.resample(None)):
                output.mux(stream.encode(part))
            output.mux(stream.encode(None))
    return file


def read_sound(content: bytes | Path, folder: Path, name: str = "a") -> tuple[np.ndarray, str]:
    """The sound of a file at 22,050 Hz, and the word about it."""
    file = content
    if isinstance(content, bytes):
        file = folder / name
        file.write_bytes(content)
    return read_audio(file, 22050, lambda blocks: np.concatenate(list(blocks)))


def by_ffmpeg(file: Path) -> np.ndarray:
    """All that FFmpeg makes of a file, resampled in one piece."""
    to_float = av.AudioResampler(format="fltp")
    with av.open(str(file)) as container:
        frames = [part for frame in container.decode(audio=0) for part in to_float.resample(frame)]
    mono = np.concatenate([frame.to_ndarray() for frame in frames], axis=1).mean(axis=0)
    return soxr.resample(mono, frames[0].sample_rate, 22050)


def write_songs(directory: Path, files: dict[str, str | None]) -> Path:
    """Write `songs.tsv` of song id -> audio path, to a dataset directory that may be new."""
    directory.mkdir(exist_ok=True)
    rows = [(song_id, "artist", "title", file or "") for song_id, file in files.items()]
    write_tsv(directory / SONGS, rows)
    return directory


def write_music(directory: Path, n_songs: int, seconds: float = 0.5) -> Path:
    """Write a dataset directory with songs S000, S001 ... of growing length, in audio/."""
    (directory / "audio").mkdir(parents=True)
    files = {f"S{number:03}": f"audio/{number}.wav" for number in range(n_songs)}
    for number, file in enumerate(files.values()):
        song = chords(seconds + 0.05 * number, seed=number)
        soundfile.write(directory / file, song, 22050, subtype="FLOAT")
    return write_songs(directory, files)


def write_damaged(folder: Path) -> dict[str, str]:
    """Write files that give no spectrogram; return name -> a part of the reason."""
    folder.mkdir(exist_ok=True)
    song = chords(1)
    soundfile.write(folder / "sound.flac", chords(5), 22050)
    flac = (folder / "sound.flac").read_bytes()
    (folder / "sound.flac").unlink()
    noise = np.random.default_rng(0).bytes(len(flac))
    first_frame = flac.index(b"\xff\xf8")
    (folder / "noise.flac").write_bytes(flac[:first_frame] + noise)
    (folder / "text.mp3").write_text("not music at all " * 500)
    (folder / "song.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(5000))
    (folder / "song.raw").write_bytes(bytes(5000))
    (folder / "empty.wav").touch()
    (folder / "folder.wav").mkdir()
    soundfile.write(folder / "header.wav", song[:0], 22050)
    soundfile.write(folder / "silent.wav", 0 * song, 22050)
    soundfile.write(folder / "short.wav", song[:1023], 22050)
    song[-1] = np.nan
    soundfile.write(folder / "nan.wav", song, 22050, subtype="FLOAT")
    song[-1] = 1e30
    soundfile.write(folder / "huge.wav", song, 22050, subtype="FLOAT")
    soundfile.write(folder / "slow.wav", song, 50)
    write_with_rate(folder / "rate.wav", 0)
    return {
        "noise.flac": "damaged",
        "text.mp3": "not readable as mp3",
        "song.m4a": "not readable as m4a",
        "song.raw": "raw is no format that can be read",
        "empty.wav": "empty file",
        "folder.wav": "no such file",
        "header.wav": "no samples",
        "silent.wav": "silent",
        "short.wav": "shorter than one frame",
        "nan.wav": "NaN",
        "huge.wav": "absurdly large",
        "slow.wav": "sample rate of 50 Hz",
        "rate.wav": "sample rate or number of channels of 0",
        "missing.wav": "no such file",
    }


def write_with_rate(file: Path, rate: int) -> None:
    """Write a WAV file whose header claims a sample rate that no writer would write."""
    soundfile.write(file, chords(1), 22050)
    content = bytearray(file.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    file.write_bytes(content)
