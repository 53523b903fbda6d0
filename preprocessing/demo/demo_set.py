"""The demo: a small generated data set in the raw form that steps 1 to 4 start from.

Its songs are music that can be listened to. Genre, instrument, mood and tempo follow from the sound
(`demo_styles`) and from nothing else; language, location and decade belong to the artist, cannot be
heard, and are told only by who listens (`demo_listeners`). So the second finding of the paper has
to appear: the acoustic branch wins on the audible categories, the cultural branch on the others.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from dataset.files import CATEGORIES, SONGS, TRACK_TAGS, TRIPLETS, staged, write_about, write_tsv
from preprocessing.demo.instruments import LEADS
from preprocessing.demo.listeners import CULTURE, plays
from preprocessing.demo.mix import mix
from preprocessing.demo.music import compose
from preprocessing.demo.sound import SAMPLE_RATE
from preprocessing.demo.styles import GENRES, MOODS, Traits
from preprocessing.demo.words import CORPUS, sentences

N_ARTISTS = 70
SONGS_OF_ARTISTS = (3, 4, 4, 5, 5, 5, 6)  # of the first to the seventh artist of each genre
GUEST_GENRE, OTHER_INSTRUMENT = 0.15, 0.4  # share of songs not in the artist's own


@dataclass(frozen=True)
class Song:
    """A song: its artist's number, the artist's home (by `CULTURE`), and what can be heard."""

    artist: int
    home: tuple[str, ...]
    traits: Traits

    def tags(self) -> list[tuple[str, str]]:
        """Tags and their categories."""
        audible = [
            (self.traits.genre, "genre"),
            (self.traits.instrument, "instrument"),
            (self.traits.mood, "mood/character"),
            (self.traits.tempo, "tempo"),
        ]
        tags = [*audible, *zip(self.home, CULTURE, strict=True)]
        return [(tag, category) for tag, category in tags if tag]


def make_demo(directory: Path, seed: int = 0, n_artists: int = N_ARTISTS) -> None:
    """Write songs, tags, play counts and a text for word vectors; the same for the same seed.

    Parameters
    ----------
    directory : Path
        The dataset directory to make; it gets `audio/<song id>.flac`, `msd500/track_tags.tsv`,
        `tag_categories.tsv`, `songs.tsv`, `triplets.tsv`, `corpus.txt` and `dataset.json`.
    seed : int
        Seed of everything random.
    n_artists : int
        Fewer make a smaller set.
    """
    for_cast, for_listeners, for_words, for_music = np.random.default_rng(seed).spawn(4)
    songs = cast_songs(for_cast, n_artists)
    song_ids = [f"DEMO{number:05d}" for number in range(len(songs))]
    categories = dict(sorted(tag for song in songs for tag in song.tags()))
    homes, genres = [song.home for song in songs], [song.traits.genre for song in songs]
    heard = plays(homes, genres, for_listeners)
    with staged(directory) as stage:
        (stage / TRACK_TAGS).parent.mkdir()
        write_tsv(stage / TRACK_TAGS, _annotations(song_ids, songs))
        write_tsv(stage / CATEGORIES, categories.items())
        write_tsv(stage / SONGS, _songs(song_ids, songs))
        write_tsv(stage / TRIPLETS, ((f"user{u:04d}", song_ids[s], n) for u, s, n in heard))
        write_tsv(stage / CORPUS, ((line,) for line in sentences(for_words, categories)))
        _record(stage / "audio", song_ids, songs, for_music)
        facts = {"set": "demo", "seed": seed, "audio_path": "."}
        write_about(stage, directory, "step0", facts)


# ---------------------------------------------------------------- who plays what


def cast_songs(rng: np.random.Generator, n_artists: int = N_ARTISTS) -> list[Song]:
    """Give each song its artist and traits, artist after artist.

    Everything is dealt out like cards, not drawn, so that each tag has about as many songs as the
    others of its category, and each category is independent of the others.
    """
    artist_genre = list(itertools.islice(itertools.cycle(GENRES), n_artists))
    n_songs = [SONGS_OF_ARTISTS[n // len(GENRES) % len(SONGS_OF_ARTISTS)] for n in range(n_artists)]
    artist = np.repeat(np.arange(n_artists), n_songs)
    homes = list(zip(*(_deal(rng, tags, n_artists) for tags in CULTURE.values()), strict=True))
    favourite = _deal(rng, list(LEADS), n_artists)
    genres = _some_swapped(rng, [artist_genre[a] for a in artist], GUEST_GENRE)
    instruments = _some_swapped(rng, [favourite[a] for a in artist], OTHER_INSTRUMENT)
    moods = _deal(rng, list(MOODS), len(artist))
    tempi = _deal(rng, ["slow", "", "fast", ""], len(artist))
    traits = map(Traits, genres, instruments, moods, tempi)
    return [Song(int(a), homes[a], t) for a, t in zip(artist, traits, strict=True)]


def _deal(rng: np.random.Generator, names: list[str], n: int) -> list[str]:
    """Give each of `n` one of the names, all names equally often, in random order."""
    return [names[number % len(names)] for number in rng.permutation(n)]


def _some_swapped(rng: np.random.Generator, names: list[str], share: float) -> list[str]:
    """Let a share of the places exchange their names."""
    places = rng.choice(len(names), round(share * len(names)), replace=False)
    swapped = np.array(names, dtype=object)
    swapped[places] = swapped[rng.permutation(places)]
    return swapped.tolist()


# ---------------------------------------------------------------- what is written


def _annotations(song_ids: list[str], songs: list[Song]) -> Iterator[tuple]:
    """Rows of track_tags.tsv: song id, original tag, cleaned tag, category, score."""
    for song_id, song in zip(song_ids, songs, strict=True):
        for tag, category in song.tags():
            yield song_id, tag, tag, category, 100


def _songs(song_ids: list[str], songs: list[Song]) -> Iterator[tuple]:
    for number, (song_id, song) in enumerate(zip(song_ids, songs, strict=True)):
        yield song_id, f"Artist {song.artist:02d}", f"Song {number:03d}", f"audio/{song_id}.flac"


def perform(song: Song, rng: np.random.Generator) -> np.ndarray:
    """Compose and play a song; (n,) float32 at `SAMPLE_RATE`."""
    notes, seconds = compose(song.traits, rng)
    return mix(notes, seconds, MOODS[song.traits.mood])


def _record(folder: Path, song_ids: list[str], songs: list[Song], rng: np.random.Generator) -> None:
    """Write the audio files; a generator for each song, so that none depends on the others."""
    folder.mkdir()
    rows = zip(song_ids, songs, rng.spawn(len(songs)), strict=True)
    # The products are small: more threads of BLAS only wait, and round otherwise.
    with threadpool_limits(limits=1):
        for song_id, song, for_song in tqdm(rows, total=len(songs), desc="songs", leave=False):
            signal = perform(song, for_song)
            soundfile.write(folder / f"{song_id}.flac", signal, SAMPLE_RATE, subtype="PCM_16")
