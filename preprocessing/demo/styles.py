"""What tells the demo's songs apart by ear: the tables of genres, moods and tempi.

A genre gives the drums, the bass, the chords and the instruments that play them; a mood gives the
mode, the way of the melody and the sound of the room; the instrument in front is a choice of its
own. So every audible tag can be heard in its own right, whatever the others are.

Rhythms are strings, one character a step of the bar: `.` is a rest; for drums and chords `x` is a
stroke and `o` a soft one; for the bass a digit is a step of the scale above the root of the chord
(1 the root, 8 the octave). A bar of four beats has 16 steps, or 12 where the genre swings. A
progression has one chord a bar, by the degree of the scale.
"""

from dataclasses import dataclass

TEMPI = {"slow": (60, 68), "": (98, 110), "fast": (154, 170)}  # beats a minute; '' is no tag
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}  # semitones
TRIAD, SEVENTH, NINTH = (0, 2, 4), (0, 2, 4, 6), (0, 2, 4, 8)  # steps of the scale above the root


@dataclass(frozen=True)
class Genre:
    """How a genre accompanies; the rhythms are explained at the top of this file.

    Attributes
    ----------
    beats : int
        Of a bar.
    drums : dict of str to str
        Drum -> rhythm.
    bass, chords : tuple of str
        Instrument and rhythm.
    held : float
        Beats that a chord is held at most; it ends where the next one begins.
    major, minor : str
        Progressions.
    chord : tuple of int
        Steps of the scale above the root.
    """

    beats: int
    drums: dict[str, str]
    bass: tuple[str, str]
    chords: tuple[str, str]
    held: float
    major: str
    minor: str
    chord: tuple[int, ...] = TRIAD


GENRES = {
    "rock": Genre(
        beats=4,
        drums={
            "kick": "x.....x.x.x.....",
            "snare": "....x.......x...",
            "open hat": "x...x...x...x...",
        },
        bass=("bass guitar", "1.1.1.1.1.1.1.1."),
        chords=("power chord", "x.....x.x.....x."),
        held=1.5,
        major="1454",
        minor="1761",
        chord=(0,),
    ),
    "disco": Genre(
        beats=4,
        drums={
            "kick": "x...x...x...x...",
            "clap": "....x.......x...",
            "open hat": "..x...x...x...x.",
        },
        bass=("synth bass", "1.8.1.8.1.8.1.8."),
        chords=("pad", "x.......x......."),
        held=2,
        major="1645",
        minor="1674",
    ),
    "reggae": Genre(
        beats=4,
        drums={
            "kick": "........x.......",
            "rim": "........x..x....",
            "hat": "x.o.x.o.x.o.x.o.",
        },
        bass=("sub bass", "1..1..3.5...3..."),
        chords=("accordion", "..x...x...x...x."),
        held=0.3,
        major="1414",
        minor="1417",
    ),
    "bossa nova": Genre(
        beats=4,
        drums={
            "clave": "x..x..x...x..x..",
            "shaker": "xoxoxoxoxoxoxoxo",
            "kick": "o..oo..oo..oo..o",
        },
        bass=("double bass", "1..55..51..55..5"),
        chords=("harp", "x..x..x..x..x..."),
        held=0.7,
        major="1625",
        minor="1425",
        chord=SEVENTH,
    ),
    "waltz": Genre(
        beats=3,
        drums={"kick": "x...........", "brush": "....x...x..."},
        bass=("double bass", "1..........."),
        chords=("accordion", "....x...x..."),
        held=0.6,
        major="1541",
        minor="1451",
    ),
    "jazz": Genre(
        beats=4,
        drums={"ride": "x..x.xx..x.x", "brush": "...x.....x.."},
        bass=("double bass", "1..3..5..6.."),
        chords=("marimba", "x....x......"),
        held=1,
        major="2516",
        minor="2514",
        chord=SEVENTH,
    ),
    "funk": Genre(
        beats=4,
        drums={
            "kick": "x..x..x...x..x..",
            "snare": "....x..o.o..x..o",
            "hat": "xoxoxoxoxoxoxoxo",
        },
        bass=("slap bass", "1..1.8..1.5.8.1."),
        chords=("clavinet", "..x.x..x..x.x.xx"),
        held=0.25,
        major="1414",
        minor="1141",
        chord=SEVENTH,
    ),
    "hip hop": Genre(
        beats=4,
        drums={
            "boom": "x.....xx..x.....",
            "clap": "....x.......x...",
            "hat": "x.x.x.xxx.x.xxx.",
        },
        bass=("sub bass", "1.........1....."),
        chords=("bells", "x.......x......."),
        held=2,
        major="1164",
        minor="1615",
    ),
    "ambient": Genre(
        beats=4,
        drums={},
        bass=("sub bass", "1......."),
        chords=("pad", "x..............."),
        held=4,
        major="1415",
        minor="1636",
        chord=NINTH,
    ),
    "salsa": Genre(
        beats=4,
        drums={
            "cowbell": "x...x.x.x...x.x.",
            "high conga": "..x...xx..x...xx",
            "low conga": "x.....x.x.....x.",
            "clave": "x..x...x....x.x.",
        },
        bass=("bass guitar", "1.....5.....8..."),
        chords=("marimba", "x.xx.xx.x.xx.xx."),
        held=0.5,
        major="1454",
        minor="1454",
    ),
}


@dataclass(frozen=True)
class Mood:
    """How a mood shapes the melody and the sound.

    Attributes
    ----------
    mode : str
        'major' or 'minor'.
    register : int
        MIDI number around which the melody moves.
    on_beat, off_beat : float
        How often the melody has a note on a beat, and between two.
    legato : float
        Share of the time to the next note that a note of the melody is held.
    attack : float
        Seconds in which a note of the melody fades in.
    drums : float
        Level of the drums.
    drive : float
        Overdrive of melody and chords; 0 is none.
    cutoff : float
        Hz above which melody and chords are damped.
    room : float
        Level of the reverberation.
    """

    mode: str
    register: int
    on_beat: float
    off_beat: float
    legato: float
    attack: float
    drums: float
    drive: float
    cutoff: float
    room: float


MOODS = {
    "happy": Mood("major", 79, 1.0, 0.5, 0.45, 0.0, 1.2, 0.0, 9000, 0.0),
    "sad": Mood("minor", 57, 0.7, 0.1, 1.0, 0.08, 0.7, 0.0, 1400, 0.3),
    "calm": Mood("major", 67, 0.35, 0.0, 1.0, 0.03, 0.3, 0.0, 3500, 0.0),
    "aggressive": Mood("minor", 67, 1.0, 0.8, 0.8, 0.0, 1.2, 3.0, 9000, 0.0),
    "dreamy": Mood("major", 76, 0.7, 0.3, 1.0, 0.03, 0.6, 0.0, 6000, 0.8),
}


@dataclass(frozen=True)
class Traits:
    """What can be heard of a song: names in `GENRES`, `MOODS`, `TEMPI`, and of an instrument."""

    genre: str
    instrument: str
    mood: str
    tempo: str
