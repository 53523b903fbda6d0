"""Who listens to the demo's songs: what can be told of a song only from its listeners.

A listener has a home (a language, a place, a decade) and a taste (a genre). The home decides most
of what is heard, the taste a little, chance the rest. So listening tells the cultural tags well, a
genre hardly, and nothing of the instrument, the mood or the tempo.
"""

from collections.abc import Iterator, Sequence

import numpy as np

CULTURE = {  # tag category -> its tags
    "language/origin": ("german", "french", "brazilian", "japanese", "swedish"),
    "location": ("london", "berlin", "chicago", "lisbon", "melbourne"),
    "decade": ("1960s", "1970s", "1980s", "1990s", "2000s"),
}
N_LISTENERS, SONGS_A_LISTENER = 600, 40
# By how much each thing in common multiplies the chance that a listener hears a song.
HOME_PULL, TASTE_PULL = 5.0, 2.5


def plays(
    homes: Sequence[tuple[str, ...]], genres: Sequence[str], rng: np.random.Generator
) -> Iterator[tuple[int, int, int]]:
    """Let listeners choose songs.

    Parameters
    ----------
    homes : sequence of tuple of str, N of them
        Of each song's artist: one tag of each category, in the order of `CULTURE`.
    genres : sequence of str, N of them
        Of each song.
    rng : numpy.random.Generator
        Chooses the listeners' homes and tastes, and what each of them hears.

    Yields
    ------
    listener, song, count : int
        Numbers of both, and how often the listener played the song.
    """
    listener_homes = np.stack([rng.choice(tags, N_LISTENERS) for tags in CULTURE.values()], axis=1)
    tastes = rng.choice(sorted(set(genres)), N_LISTENERS)
    in_common = (listener_homes[:, None] == np.array(homes)).sum(axis=2)  # (listeners, songs)
    same_genre = tastes[:, None] == np.array(genres)
    popularity = rng.normal(0, 0.5, len(homes))
    appeal = in_common * np.log(HOME_PULL) + same_genre * np.log(TASTE_PULL) + popularity
    # The largest of appeal + Gumbel noise are a draw without replacement by exp(appeal).
    order = np.argsort(-(appeal + rng.gumbel(size=appeal.shape)), axis=1)
    for listener, heard in enumerate(np.sort(order[:, :SONGS_A_LISTENER], axis=1)):
        for song in heard.tolist():
            yield listener, song, int(1 + rng.poisson(3))
