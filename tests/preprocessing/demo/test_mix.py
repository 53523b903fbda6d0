"""The demo's mixing desk: levels, ends, and that every part and every effect is heard."""

from dataclasses import replace

import numpy as np
import pytest

from preprocessing.demo.mix import LEVELS, LONGEST, PEAK, mix
from preprocessing.demo.music import Note, compose
from preprocessing.demo.sound import SAMPLE_RATE
from preprocessing.demo.styles import GENRES, MOODS, Traits

PLAIN = replace(MOODS["happy"], attack=0.0, drums=1.0, drive=0.0, cutoff=10_000, room=0.0)
NOTES = [
    Note("lead", "flute", 0.5, 0.5, 72, 1.0),
    Note("chords", "accordion", 0.5, 0.5, 60, 1.0),
    Note("bass", "sub bass", 0.5, 0.5, 36, 1.0),
    Note("drums", "clave", 0.5, 0.0, 0, 1.0),
]


@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.parametrize("genre", list(GENRES)[:2])
def test_level_and_ends(genre, mood):
    notes, seconds = compose(Traits(genre, "mandolin", mood, "slow"), np.random.default_rng(0))
    song = mix(notes, seconds, MOODS[mood])
    assert song.dtype == np.float32
    assert len(song) == round(min(seconds, LONGEST) * SAMPLE_RATE)
    assert np.isfinite(song).all()
    assert np.abs(song).max() == pytest.approx(PEAK)
    assert song[0] == song[-1] == 0
    assert np.abs(song[:10]).max() < 0.1 and np.abs(song[-10:]).max() < 0.01
    assert abs(song.mean()) < 0.01


def test_a_long_song_is_cut():
    assert len(mix(NOTES, 60.0, PLAIN)) == LONGEST * SAMPLE_RATE


def test_notes_sound_when_they_should():
    song = np.abs(mix(NOTES, 3.0, PLAIN))
    assert song[: SAMPLE_RATE // 2].max() == 0
    assert song[SAMPLE_RATE // 2 : SAMPLE_RATE].max() == song.max()
    assert song[round(1.2 * SAMPLE_RATE) :].max() < 0.001


@pytest.mark.parametrize("part", LEVELS)
def test_every_part_is_heard(part):
    without = [note for note in NOTES if note.part != part]
    assert not np.allclose(mix(NOTES, 3.0, PLAIN), mix(without, 3.0, PLAIN), atol=0.01)


@pytest.mark.parametrize(
    "change",
    [{"attack": 0.1}, {"drums": 0.2}, {"drive": 3.0}, {"cutoff": 1000}, {"room": 0.5}],
    ids=lambda change: next(iter(change)),
)
def test_every_effect_is_heard(change):
    changed = mix(NOTES, 3.0, replace(PLAIN, **change))
    assert not np.allclose(mix(NOTES, 3.0, PLAIN), changed, atol=0.01)


def test_a_room_rings_on():
    song = mix(NOTES, 3.0, replace(PLAIN, room=0.5))
    after = round(1.2 * SAMPLE_RATE)
    assert np.abs(song[after : after + SAMPLE_RATE // 5]).max() > 0.01


def test_level_of_a_note():
    loud, soft = (Note("lead", "flute", 0.1, 0.5, 72, level) for level in (1.0, 0.5))
    later = Note("lead", "flute", 2.0, 0.5, 72, 1.0)  # sets the peak
    start = slice(0, SAMPLE_RATE)
    loud_song, soft_song = (mix([note, later], 3.0, PLAIN)[start] for note in (loud, soft))
    np.testing.assert_allclose(soft_song, loud_song / 2, atol=1e-5)
