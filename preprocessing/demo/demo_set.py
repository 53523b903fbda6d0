"""The demo: a small generated data set in the raw form that steps 1 to 4 start from.

Its songs are music that can be listened to. Genre, instrument, mood and tempo follow from the sound
(`styles`) and from nothing else; language, location and decade belong to the artist, cannot be
heard, and are told only by who listens (`listeners`). So the second finding of the paper has
to appear: the acoustic branch wins on the audible categories, the cultural branch on the others.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from threadpoolctl import threadpool_limits

from dataset.files import CATEGORIES, SONGS, TRACK_TAGS, TRIPLETS
from dataset.moving import alone
from dataset.writing import staged, write_about, write_tsv
from preprocessing.demo.instruments import LEADS
from preprocessing.demo.listeners import CULTURE, plays
from preprocessing.demo.mix import mix
from preprocessing.demo.music import compose
from preprocessing.demo.sound import SAMPLE_RATE
from preprocessing.demo.styles import GENRES, MOODS, Traits
from preprocessing.demo.words import CORPUS, sentences
from progress import progress

AUDIBLE = ("genre", "instrument", "mood/character", "tempo")  # categories of the traits
N_ARTISTS = 70
SONGS_OF_ARTISTS = (3, 4, 4, 5, 5, 5, 6)  # of the first to the seventh artist of each genre
GUEST_GENRE, OTHER_INSTRUMENT = 0.15, 0.4  # share of songs not in the artist's own


class DemoSong(NamedTuple):
    """A song: its number and its artist's, the artist's home (by `CULTURE`), what can be heard."""

    number: int
    artist: int
    home: tuple[str, ...]
    traits: Traits

    @property
    def song_id(self) -> str:
        """The song's name in every file."""
        return f"DEMO{self.number:05d}"

    def tags(self) -> list[tuple[str, str]]:
        """Tags and their categories."""
        both = zip((*self.traits, *self.home), (*AUDIBLE, *CULTURE), strict=True)
        return [(tag, category) for tag, category in both if tag]


def make_demo(directory: Path, seed: int = 0, n_artists: int = N_ARTISTS) -> None:
    """Write songs, tags, play counts and a text for word vectors; the same for the same seed.

    The directory gets `audio/<song id>.flac`, `msd500/track_tags.tsv`, `tag_categories.tsv`,
    `songs.tsv`, `triplets.tsv`, `corpus.txt` and `dataset.json`.
    """
    for_cast, for_listeners, for_words, for_music = np.random.default_rng(seed).spawn(4)
    songs = cast_songs(for_cast, n_artists)
    categories = dict(sorted(tag for song in songs for tag in song.tags()))
    homes, genres = [song.home for song in songs], [song.traits.genre for song in songs]
    heard = plays(homes, genres, for_listeners)
    with alone(directory), staged(directory) as stage:
        (stage / TRACK_TAGS).parent.mkdir()
        tags = ((song.song_id, tag, tag, kind, 100) for song in songs for tag, kind in song.tags())
        write_tsv(stage / TRACK_TAGS, tags)
        write_tsv(stage / CATEGORIES, categories.items())
        write_tsv(stage / SONGS, map(_description, songs))
        write_tsv(stage / TRIPLETS, ((f"user{u:04d}", songs[s].song_id, n) for u, s, n in heard))
        write_tsv(stage / CORPUS, ((line,) for line in sentences(for_words, categories)))
        _record(stage / "audio", songs, for_music)
        write_about(stage, directory, "step0", {"set": "demo", "seed": seed, "audio_path": "."})


def _description(song: DemoSong) -> tuple[str, ...]:
    """Row of songs.tsv."""
    title = f"Song {song.number:03d}"
    return song.song_id, f"Artist {song.artist:02d}", title, f"audio/{song.song_id}.flac"


def perform(song: DemoSong, rng: np.random.Generator) -> np.ndarray:
    """Compose and play a song; (n,) float32 at `SAMPLE_RATE`."""
    notes, seconds = compose(song.traits, rng)
    return mix(notes, seconds, MOODS[song.traits.mood])


def _record(folder: Path, songs: list[DemoSong], rng: np.random.Generator) -> None:
    """Write the audio files; a generator for each song, so that none depends on the others."""
    folder.mkdir()
    rows = zip(songs, rng.spawn(len(songs)), strict=True)
    # The products are small: more threads of BLAS only wait, and round otherwise.
    with threadpool_limits(limits=1):
        for song, for_song in progress(rows, "songs", len(songs), leave=False):
            signal = perform(song, for_song)
            soundfile.write(folder / f"{song.song_id}.flac", signal, SAMPLE_RATE, subtype="PCM_16")


# ---------------------------------------------------------------- who plays what


def cast_songs(rng: np.random.Generator, n_artists: int = N_ARTISTS) -> list[DemoSong]:
    """Give each song its artist and traits, artist after artist.

    Everything is dealt out like cards, not drawn, so that each tag has about as many songs as the
    others of its category, and each category is independent of the others.
    """
    n_songs = [SONGS_OF_ARTISTS[n // len(GENRES) % len(SONGS_OF_ARTISTS)] for n in range(n_artists)]
    artists = np.repeat(np.arange(n_artists), n_songs).tolist()
    homes = list(zip(*(_deal(rng, tags, n_artists) for tags in CULTURE.values()), strict=True))
    favourites = _deal(rng, list(LEADS), n_artists)
    genres = _some_swapped(rng, [list(GENRES)[a % len(GENRES)] for a in artists], GUEST_GENRE)
    instruments = _some_swapped(rng, [favourites[a] for a in artists], OTHER_INSTRUMENT)
    moods = _deal(rng, list(MOODS), len(artists))
    tempi = _deal(rng, ["slow", "", "fast", ""], len(artists))
    traits = map(Traits, genres, instruments, moods, tempi)
    return list(map(DemoSong, range(len(artists)), artists, (homes[a] for a in artists), traits))


def _deal(rng: np.random.Generator, names: Sequence[str], n: int) -> list[str]:
    """Give each of `n` one of the names, all names equally often, in random order."""
    return [names[number % len(names)] for number in rng.permutation(n)]


def _some_swapped(rng: np.random.Generator, names: list[str], share: float) -> list[str]:
    """Let a share of the places exchange their names."""
    places = rng.choice(len(names), round(share * len(names)), replace=False)
    swapped = np.array(names, dtype=object)
    swapped[places] = swapped[rng.permutation(places)]
    return swapped.tolist()
