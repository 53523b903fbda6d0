"""What tells the demo's songs apart by ear: genres, moods and tempi.

A genre gives the drums, the bass, the chords and the instruments that play them; a mood gives the
mode, the way of the melody and the sound of the room; the instrument in front is a choice of its
own. So every audible tag can be heard in its own right, whatever the others are.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

TEMPI = {"slow": (60, 68), "": (98, 110), "fast": (154, 170)}  # beats a minute; '' is no tag
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}  # semitones


@dataclass(frozen=True)
class Genre:
    """How a genre accompanies; genres.toml explains it."""

    beats: int  # of a bar
    major: str
    minor: str
    chord: list[int]
    held: float
    bass: list[str]  # instrument and rhythm
    chords: list[str]  # instrument and rhythm
    drums: dict[str, str]  # drum -> rhythm


@dataclass(frozen=True)
class Mood:
    """How a mood shapes the melody and the sound."""

    mode: str  # a name in `SCALES`
    register: int  # MIDI number around which the melody moves
    on_beat: float  # how often the melody has a note on a beat
    off_beat: float  # and between two
    legato: float  # share of the time to the next note that a note of the melody is held
    attack: float  # seconds in which a note of the melody fades in
    drums: float  # their level
    drive: float  # overdrive of melody and chords; 0 is none
    cutoff: float  # Hz above which melody and chords are damped
    room: float  # level of the reverberation


class Traits(NamedTuple):
    """What can be heard of a song: names in `GENRES`, `LEADS`, `MOODS` and `TEMPI`."""

    genre: str
    instrument: str
    mood: str
    tempo: str


_GENRES = tomllib.loads(Path(__file__).with_name("genres.toml").read_text(encoding="utf-8"))
GENRES = {name: Genre(**about) for name, about in _GENRES.items()}
MOODS = {
    "happy": Mood("major", 79, 1.0, 0.5, 0.45, 0.0, 1.2, 0.0, 9000, 0.0),
    "sad": Mood("minor", 57, 0.7, 0.1, 1.0, 0.08, 0.7, 0.0, 1400, 0.3),
    "calm": Mood("major", 67, 0.35, 0.0, 1.0, 0.03, 0.3, 0.0, 3500, 0.0),
    "aggressive": Mood("minor", 67, 1.0, 0.8, 0.8, 0.0, 1.2, 3.0, 9000, 0.0),
    "dreamy": Mood("major", 76, 0.7, 0.3, 1.0, 0.03, 0.6, 0.0, 6000, 0.8),
}
