"""experiments.robustness: what is altered, and how far a vector moves."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_samples import chords, write_music
from errors import UserError
from experiments.robustness import ALTERATIONS, altered, compare, measure
from musicnn_samples import write_wheel
from preprocessing.features.musicnn_songs import Chosen, write_musicnn
from preprocessing.mel.worker_pool import map_in_order


def test_alterations_are_what_they_are_called(tmp_path):
    song = chords(3, rate=44100)
    soundfile.write(tmp_path / "a.wav", song, 44100, subtype="FLOAT")
    for name, start, end in (("begun 0.5 s later", 22050, None), ("first half", 0, 66150)):
        sound, rate = soundfile.read(altered(tmp_path / "a.wav", name, tmp_path))
        assert rate == 44100
        np.testing.assert_allclose(sound, song[start:end, 0], atol=1e-6)
    file = altered(tmp_path / "a.wav", "mp3 of 64 kbit/s", tmp_path)
    sound, _ = soundfile.read(file)
    assert abs(len(sound) - len(song)) < 3000
    assert file.stat().st_size * 8 / 3 == pytest.approx(64_000, rel=0.05)


def test_a_vector_that_does_not_move_finds_the_same_songs():
    vectors = np.random.default_rng(0).normal(size=(40, 5))
    assert compare(vectors, 3, vectors[3]) == {"cosine": pytest.approx(1), "overlap": 10}


def test_a_vector_that_turns_finds_others():
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert compare(vectors, 0, -vectors[0]) == {"cosine": pytest.approx(-1), "overlap": 0}
    between = vectors[0] + vectors[6]  # at song 3: of 35 to 5 it still finds 38 to 5
    assert compare(vectors, 0, between)["overlap"] == 7


def with_vectors(directory: Path, n_songs: int, seconds: float) -> tuple[Path, Path]:
    """A directory after step 5, and the package of the encoder."""
    wheel = write_wheel(directory / "musicnn.whl")
    data = write_music(directory / "data", n_songs, seconds)
    write_musicnn(data, None, Chosen("msd-musicnn", wheel), partial(map_in_order, n_processes=1))
    return data, wheel


def test_songs_of_a_directory_are_measured(tmp_path, capsys):
    directory, wheel = with_vectors(tmp_path, 12, seconds=2)
    found = measure(directory, 2, wheel)
    assert found.keys() == ALTERATIONS.keys()
    for songs in found.values():
        assert len(songs) == 2
        assert all(-1 <= song["cosine"] <= 1.0001 and 0 <= song["overlap"] <= 10 for song in songs)
    drawn = sorted(np.random.default_rng(0).permutation(12)[:2].tolist())[0]
    write_short(directory / "audio" / f"{drawn}.wav")
    capsys.readouterr()
    fewer = measure(directory, 2, wheel)
    assert (
        f"left out 1 of 2 songs, which cannot be altered: S{drawn:03} (" in capsys.readouterr().out
    )
    assert {name: songs[1:] for name, songs in found.items()} == fewer
    with pytest.raises(UserError, match=r"no song of those drawn .* give more --songs"):
        for file in (directory / "audio").iterdir():
            write_short(file)
        measure(directory, 2, wheel)


def write_short(file: Path) -> None:
    """A second, of which nothing is left where it begins a second later."""
    soundfile.write(file, chords(1, rate=44100), 44100)


def test_too_few_songs_to_have_ten_nearest_are_told(tmp_path):
    directory, wheel = with_vectors(tmp_path, 10, seconds=0.5)
    with pytest.raises(UserError, match=r"has vectors of 10 songs, .* give one with 11 at least"):
        measure(directory, 2, wheel)
