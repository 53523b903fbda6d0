"""The demo's scores: in key, in time, in the genre's rhythm, by the mood."""

import numpy as np
import pytest

from preprocessing.demo.instruments import DRUMS, INSTRUMENTS, LEADS
from preprocessing.demo.music import SHORTEST, Score, compose, fold
from preprocessing.demo.styles import GENRES, MOODS, SCALES, TEMPI, Traits


def written(genre="disco", instrument="piano", mood="happy", tempo="slow", seed=0):
    return compose(Traits(genre, instrument, mood, tempo), np.random.default_rng(seed))


@pytest.mark.parametrize("name", GENRES)
def test_tables_hold_together(name):
    genre = GENRES[name]
    rhythms = [*genre.drums.values(), genre.bass[1], genre.chords[1]]
    assert all(len(rhythm) % genre.beats == 0 for rhythm in rhythms)
    assert set("".join([*genre.drums.values(), genre.chords[1]])) <= set(".xo")
    assert set(genre.bass[1]) <= set(".12345678")
    assert genre.bass[1][0] == "1"
    assert set(genre.drums) <= set(DRUMS)
    assert {genre.bass[0], genre.chords[0]} <= set(INSTRUMENTS) - set(LEADS)
    assert all(set(progression) <= set("1234567") for progression in (genre.major, genre.minor))


def test_no_two_genres_accompany_alike():
    parts = [(str(genre.drums), genre.bass, genre.chords) for genre in GENRES.values()]
    assert len(set(parts)) == len(GENRES) == 10


@pytest.mark.parametrize("genre", GENRES)
@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.parametrize("tempo", TEMPI)
def test_every_combination_is_a_song(genre, mood, tempo):
    notes, seconds = written(genre, "flute", mood, tempo)
    assert SHORTEST <= seconds < SHORTEST + 4.1  # at most a slow bar more
    assert {note.part for note in notes} == {"lead", "chords", "bass"} | (
        {"drums"} if GENRES[genre].drums else set()
    )
    for note in notes:
        assert 0 <= note.start < seconds
        assert note.part == "drums" or (note.seconds > 0 and 28 <= note.pitch <= 96)
        assert 0 < note.level <= 1
    assert {note.sound for note in notes if note.part == "lead"} == {"flute"}


@pytest.mark.parametrize("mood", MOODS)
def test_all_notes_are_of_one_scale(mood):
    scale = SCALES[MOODS[mood].mode]
    for seed in range(20):
        notes, _ = written("jazz", mood=mood, seed=seed)
        classes = {note.pitch % 12 for note in notes if note.part != "drums"}
        tonic = next(note.pitch for note in notes[::-1] if note.part == "lead") % 12
        assert classes <= {(tonic + step) % 12 for step in scale}


@pytest.mark.parametrize("tempo", TEMPI)
def test_the_beat_is_in_the_range_of_the_tempo(tempo):
    for seed in range(20):
        notes, _ = written("disco", tempo=tempo, seed=seed)  # the kick is on every beat
        kicks = [note.start for note in notes if note.sound == "kick"]
        beats = 60 / np.diff(kicks)
        assert TEMPI[tempo][0] <= beats.min() + 1e-6
        assert beats.max() - 1e-6 <= TEMPI[tempo][1]
        assert np.ptp(beats) < 1e-6


def test_tempi_lie_clearly_apart():
    slow, middle, fast = (TEMPI[name] for name in ("slow", "", "fast"))
    assert slow[1] * 1.3 < middle[0] < middle[1] * 1.3 < fast[0]


def test_the_melody_follows_the_mood():
    def melody(mood):
        songs = [written("rock", mood=mood, seed=seed) for seed in range(30)]
        notes = [note for notes, _ in songs for note in notes if note.part == "lead"]
        rate = len(notes) / sum(seconds for _, seconds in songs)
        return np.mean([note.pitch for note in notes]), rate

    pitch, rate = zip(*(melody(mood) for mood in MOODS), strict=True)
    registers = [mood.register for mood in MOODS.values()]
    np.testing.assert_allclose(pitch, registers, atol=4)
    rates = dict(zip(MOODS, rate, strict=True))
    assert rates["calm"] < rates["sad"] < rates["happy"] < rates["aggressive"]


def test_key_and_melody_are_chance_and_the_rest_is_not():
    one, other = written(seed=0)[0], written(seed=1)[0]
    assert one == written(seed=0)[0]
    assert [n.pitch for n in one if n.part == "lead"] != [
        n.pitch for n in other if n.part == "lead"
    ]
    sounds = [[(n.sound, n.level) for n in notes if n.part != "lead"] for notes in (one, other)]
    assert sounds[0] == sounds[1]


def test_pitches_of_a_known_scale():
    score = Score(GENRES["rock"], MOODS["happy"], beat=0.5, tonic=2, roots=(0,))  # D major
    scale = [score.pitch(degree, 60) for degree in range(8)]
    assert scale == [62, 64, 66, 67, 69, 71, 73, 74]
    assert score.pitch(-1, 60) == 61
    assert (fold(74, 60), fold(59, 60), fold(60, 60)) == (62, 71, 60)


def test_strokes_of_a_known_rhythm():
    score = Score(GENRES["rock"], MOODS["happy"], beat=0.5, tonic=0, roots=(0, 4))
    assert list(score.strokes("x.o.....")) == [
        (0, 0.0, 0.5, "x"),
        (0, 0.5, 1.5, "o"),
        (1, 2.0, 0.5, "x"),
        (1, 2.5, 1.5, "o"),
    ]
