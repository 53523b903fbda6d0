"""A small generated data set with a planted answer, in the raw form that steps 1 to 3 start from.

Songs come from scenes, and a scene has its tags, its listeners and its vocabulary. So who listens
to a song tells its tags, as far as the noise allows: a working cultural branch must find that, and
a broken one stays at the level of chance.
"""

from pathlib import Path

import numpy as np

from dataset_files import CATEGORIES, SONGS, TRACK_TAGS, TRIPLETS, staged, write_about, write_tsv

CORPUS = "corpus.txt"

# The tags of each scene; a tag may belong to several.
SCENES = (
    ("jazz", "saxophone", "mellow", "new orleans", "1950s"),
    ("bossa nova", "guitar", "mellow", "brazilian", "1960s"),
    ("samba", "percussion", "happy", "brazilian", "1970s"),
    ("techno", "synthesizer", "energetic", "detroit", "1990s"),
    ("house", "synthesizer", "happy", "chicago", "1990s"),
    ("heavy metal", "guitar", "angry", "british", "1980s"),
    ("punk", "guitar", "energetic", "british", "1970s"),
    ("chanson", "accordion", "sad", "french", "1960s"),
    ("blues", "harmonica", "sad", "chicago", "1950s"),
    ("ambient", "piano", "calm", "german", "1990s"),
)
CATEGORY_OF_POSITION = ("genre", "instrument", "mood/character", "", "decade")
PLACE_CATEGORIES = {
    "new orleans": "location",
    "detroit": "location",
    "chicago": "location",
    "brazilian": "language/origin",
    "british": "language/origin",
    "french": "language/origin",
    "german": "language/origin",
}
N_SONGS, N_ARTISTS, N_USERS, N_SENTENCES = 1200, 240, 600, 6000
SONGS_A_USER = 40
FAITHFULNESS = 0.7  # share of a listener's songs that come from the favourite scene
TAG_KEPT, TAG_STRAY = 0.8, 0.01  # how often a song bears a tag of its scene, and any other tag


def make_demo(directory: Path, seed: int = 0) -> None:
    """Write tags, songs, play counts and a text for word vectors; the same for the same seed.

    Parameters
    ----------
    directory : Path
        The dataset directory to make; it gets `msd500/track_tags.tsv`, `songs.tsv`,
        `tag_categories.tsv`, `triplets.tsv`, `corpus.txt` and `dataset.json`.
    seed : int
        Seed of everything random.
    """
    rng = np.random.default_rng(seed)
    categories = _categories()
    artist_scene = rng.integers(len(SCENES), size=N_ARTISTS)
    song_artist = rng.integers(N_ARTISTS, size=N_SONGS)
    song_scene = artist_scene[song_artist]
    song_ids = [f"DEMO{number:05d}" for number in range(N_SONGS)]
    with staged(directory) as stage:
        (stage / TRACK_TAGS).parent.mkdir()
        write_tsv(stage / TRACK_TAGS, _annotations(rng, song_ids, song_scene, categories))
        write_tsv(stage / CATEGORIES, iter(sorted(categories.items())))
        write_tsv(stage / SONGS, _songs(song_ids, song_artist))
        write_tsv(stage / TRIPLETS, _plays(rng, song_ids, song_scene))
        write_tsv(stage / CORPUS, _sentences(rng))
        write_about(stage, directory, "step0", {"set": "demo", "seed": seed})


def _categories() -> dict[str, str]:
    return {
        tag: category or PLACE_CATEGORIES[tag]
        for scene in SCENES
        for tag, category in zip(scene, CATEGORY_OF_POSITION, strict=True)
    }


def _annotations(rng, song_ids, song_scene, categories):
    """Rows of track_tags.tsv: song id, original tag, cleaned tag, category, score."""
    tags = sorted(categories)
    of_scene = np.array([[tag in scene for tag in tags] for scene in SCENES])
    chance = np.where(of_scene[song_scene], TAG_KEPT, TAG_STRAY)  # (songs, tags)
    for song, column in np.argwhere(rng.random(chance.shape) < chance):
        tag = tags[column]
        yield song_ids[song], tag, tag, categories[tag], 100


def _songs(song_ids, song_artist):
    for number, (song_id, artist) in enumerate(zip(song_ids, song_artist, strict=True)):
        yield song_id, f"Artist {artist:03d}", f"Song {number:05d}", ""


def _plays(rng, song_ids, song_scene):
    """Rows of triplets.tsv: user, song id, play count. Most songs are from the user's scene."""
    for user in range(N_USERS):
        scene = rng.integers(len(SCENES))
        weight = np.where(song_scene == scene, FAITHFULNESS / (song_scene == scene).sum(), 0)
        weight = weight + (1 - FAITHFULNESS) / N_SONGS
        for song in sorted(
            rng.choice(N_SONGS, SONGS_A_USER, replace=False, p=weight / weight.sum())
        ):
            yield f"user{user:04d}", song_ids[song], 1 + rng.poisson(3)


def _sentences(rng):
    """Lines of a text in which the words of a scene stand together, among its players' names."""
    fillers = ("the", "a", "song", "record", "with", "from", "sound", "band", "played", "new")
    for _ in range(N_SENTENCES):
        scene = rng.integers(len(SCENES))
        names = [f"player{scene}{number}" for number in rng.integers(20, size=3)]
        words = [*rng.choice(SCENES[scene], 3, replace=False), *names, *rng.choice(fillers, 4)]
        rng.shuffle(words)
        yield (" ".join(words),)
