"""The demo's composer: the traits of a song turned into the notes of its four parts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from preprocessing.demo.styles import GENRES, MOODS, SCALES, TEMPI, Genre, Mood, Traits

SHORTEST_NOTE = 0.2  # seconds; of a shorter one the instrument could not be told
SHORTEST = 10.0  # seconds; a song has as many whole bars as that takes
BASS_REGISTER, CHORD_REGISTER = 33, 52  # lowest MIDI number of a root, and of a chord's note
STROKES = {"x": 1.0, "o": 0.4}  # level
MELODY_MOVES = (-2, -1, -1, 0, 1, 1, 2)  # steps of the scale from note to note
MELODY_RANGE = range(-4, 8)  # steps of the scale around the tonic


class Note(NamedTuple):
    """One note of a part."""

    part: str  # 'lead', 'chords', 'bass' or 'drums'
    sound: str  # instrument or drum
    start: float  # seconds
    seconds: float  # how long it is held; a drum rings as long as it does
    pitch: int  # MIDI number; 0 for drums
    level: float  # 1 for a normal stroke


@dataclass(frozen=True)
class Score:
    """What the parts of a song share."""

    genre: Genre
    mood: Mood
    beat: float  # seconds
    tonic: int  # pitch class: 0 is C
    roots: tuple[int, ...]  # degree of the root of each bar's chord: 0 is the tonic

    @property
    def bar(self) -> float:
        """Seconds of a bar."""
        return self.genre.beats * self.beat

    def pitch(self, degree: int, lowest: int) -> int:
        """MIDI number of a degree of the scale; the tonic is the first one from `lowest` on."""
        octave, step = divmod(degree, 7)
        return fold(self.tonic, lowest) + 12 * octave + SCALES[self.mood.mode][step]

    def strokes(self, rhythm: str) -> Iterator[tuple[int, float, float, str]]:
        """Strokes of a rhythm, bar after bar: bar, start, seconds to the next one, character."""
        step = self.bar / len(rhythm)
        places = [place for place, stroke in enumerate(rhythm) if stroke != "."]
        steps = np.diff([*places, len(rhythm)])  # a bar's last stroke ends with the bar
        for bar in range(len(self.roots)):
            for place, length in zip(places, steps, strict=True):
                yield bar, bar * self.bar + place * step, float(length * step), rhythm[place]


def compose(traits: Traits, rng: np.random.Generator) -> tuple[list[Note], float]:
    """Write a song; key, exact tempo and melody are chance.

    Returns
    -------
    notes : list of Note
        Of all parts.
    seconds : float
        Length of the song, at least `SHORTEST`.
    """
    genre, mood = GENRES[traits.genre], MOODS[traits.mood]
    beat = 60 / rng.uniform(*TEMPI[traits.tempo])
    n_bars = int(np.ceil(SHORTEST / (genre.beats * beat)))
    progression = genre.major if mood.mode == "major" else genre.minor
    roots = [int(progression[bar % len(progression)]) - 1 for bar in range(n_bars)]
    score = Score(genre, mood, beat, int(rng.integers(12)), (*roots[:-1], 0))  # home at the end
    melody = _melody(score, traits.instrument, rng)
    return [*_drums(score), *_bass(score), *_chords(score), *melody], n_bars * score.bar


def fold(pitch: int, lowest: int) -> int:
    """The pitch in another octave: the first one from `lowest` on."""
    return lowest + (pitch - lowest) % 12


# ---------------------------------------------------------------- the accompaniment


def _drums(score: Score) -> Iterator[Note]:
    for drum, rhythm in score.genre.drums.items():
        for _, start, seconds, stroke in score.strokes(rhythm):
            yield Note("drums", drum, start, seconds, 0, STROKES[stroke])


def _bass(score: Score) -> Iterator[Note]:
    instrument, rhythm = score.genre.bass
    for bar, start, seconds, step in score.strokes(rhythm):
        root = score.pitch(score.roots[bar], BASS_REGISTER)
        above = score.pitch(score.roots[bar] + int(step) - 1, BASS_REGISTER) - root
        yield Note("bass", instrument, start, seconds, fold(root, BASS_REGISTER) + above, 1.0)


def _chords(score: Score) -> Iterator[Note]:
    """Chords in close position: folded into one octave, so that voices move little."""
    instrument, rhythm = score.genre.chords
    for bar, start, seconds, stroke in score.strokes(rhythm):
        held = min(seconds, score.genre.held * score.beat)
        for step in score.genre.chord:
            pitch = fold(score.pitch(score.roots[bar] + step, CHORD_REGISTER), CHORD_REGISTER)
            yield Note("chords", instrument, start, held, pitch, STROKES[stroke])


# ---------------------------------------------------------------- the melody


def _melody(score: Score, instrument: str, rng: np.random.Generator) -> Iterator[Note]:
    """Two motifs in turn, each begun on the chord of its bar; the last bar is one long tonic."""
    motifs = [_motif(score, rng) for _ in range(2)]
    lowest = score.mood.register - 6
    degree = int(rng.choice(score.genre.chord))
    for bar, root in enumerate(score.roots[:-1]):
        beats, moves = motifs[bar % 2]
        lengths = np.diff([*beats, score.genre.beats]) * score.beat
        lengths = np.maximum(lengths * score.mood.legato, np.minimum(lengths, SHORTEST_NOTE))
        degree = _nearest_in_chord(degree, root, score.genre.chord)
        for beat, seconds, move in zip(beats, lengths.tolist(), moves, strict=True):
            degree += move if degree + move in MELODY_RANGE else -move
            start = bar * score.bar + beat * score.beat
            level = 1.0 if beat == int(beat) else 0.85
            yield Note("lead", instrument, start, seconds, score.pitch(degree, lowest), level)
    last = (len(score.roots) - 1) * score.bar
    yield Note("lead", instrument, last, score.bar, score.pitch(0, lowest), 1.0)


def _motif(score: Score, rng: np.random.Generator) -> tuple[list[float], list[int]]:
    """Beats at which the notes of a bar begin, and steps of the scale to each."""
    swings = len(score.genre.chords[1]) // score.genre.beats == 3
    beats = [0.0]
    for beat in range(score.genre.beats):
        if beat and rng.random() < score.mood.on_beat:
            beats.append(float(beat))
        if rng.random() < score.mood.off_beat:
            beats.append(beat + (2 / 3 if swings else 1 / 2))
    moves = rng.choice(MELODY_MOVES, len(beats)).tolist()
    return beats, [0, *moves[1:]]


def _nearest_in_chord(degree: int, root: int, chord: list[int]) -> int:
    """The degree inside the melody's range that is of the chord and nearest; of two the lower."""
    of_chord = {(root + step) % 7 for step in chord}
    return min((d for d in MELODY_RANGE if d % 7 in of_chord), key=lambda d: abs(d - degree))
