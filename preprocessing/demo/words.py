"""A text for word vectors in which the demo's tags stand among words that mean similar things."""

from collections.abc import Iterator

import numpy as np

CORPUS = "corpus.txt"
SENTENCES_A_TAG = 100
FILLERS = "the a this with from and song record band played heard new old again always"

# What is said of each kind of tag.
CATEGORY_WORDS = {
    "genre": "style rhythm scene dance",
    "instrument": "player solo tone plays",
    "mood/character": "feeling mood atmosphere evokes",
    "tempo": "beat pace speed tempo",
    "language/origin": "language singers words people",
    "location": "city streets clubs town",
    "decade": "era years vintage days",
}
# Words that only one tag has, so that a search for them finds the tag's songs.
TAG_WORDS = {
    "rock": "riff amplifier stadium backbeat",
    "disco": "glitter dancefloor mirrorball nightclub",
    "reggae": "skank jamaica roots dub",
    "bossa nova": "ipanema samba beach clave",
    "waltz": "ballroom three quarter turning",
    "jazz": "swing walking improvised standards",
    "funk": "groove slap syncopated sixteenth",
    "hip hop": "boom bap sampled breakbeat",
    "ambient": "drone texture spacious beatless",
    "salsa": "congas cowbell montuno latin",
    "mandolin": "plucked fretboard tremolo bluegrass",
    "piano": "hammers keyboard grand pedal",
    "electric piano": "rhodes tines wurlitzer bell",
    "organ": "drawbars pipes church hammond",
    "violin": "bowed strings fiddle vibrato",
    "flute": "breath blown woodwind airy",
    "trumpet": "brass horn fanfare muted",
    "synthesizer": "analog oscillators sawtooth electronic",
    "happy": "joyful cheerful sunny bright",
    "sad": "melancholy tearful sorrow gloomy",
    "calm": "peaceful relaxing quiet gentle",
    "aggressive": "angry furious distorted harsh",
    "dreamy": "floating hazy ethereal reverb",
    "slow": "unhurried dragging lento crawling",
    "fast": "quick rapid presto racing",
    "german": "deutsch teutonic lieder umlaut",
    "french": "francophone chanson gallic parisian",
    "brazilian": "brasil portuguese carioca tropical",
    "japanese": "nippon kanji enka tokyo",
    "swedish": "nordic scandinavian sverige viking",
    "london": "thames camden soho british",
    "berlin": "kreuzberg wall spree brandenburg",
    "chicago": "michigan illinois windy southside",
    "lisbon": "tagus fado alfama portugal",
    "melbourne": "australia yarra fitzroy laneway",
    "1960s": "sixties mono psychedelic mod",
    "1970s": "seventies glam flared vinyl",
    "1980s": "eighties neon cassette gated",
    "1990s": "nineties grunge sampler compact",
    "2000s": "noughties download ringtone blog",
}


def sentences(rng: np.random.Generator, categories: dict[str, str]) -> Iterator[str]:
    """Write lower-case sentences, each about one tag: its words, its category's, and fillers.

    Parameters
    ----------
    rng : numpy.random.Generator
        Chooses and shuffles the words.
    categories : dict of str to str
        Tag -> category, names of `TAG_WORDS` and `CATEGORY_WORDS`.
    """
    about = rng.permutation(np.repeat(list(categories), SENTENCES_A_TAG))
    for tag in about.tolist():
        words = [
            tag,
            *rng.choice(TAG_WORDS[tag].split(), 2, replace=False),
            *rng.choice(CATEGORY_WORDS[categories[tag]].split(), 2, replace=False),
            *rng.choice(FILLERS.split(), 4),
        ]
        yield " ".join(rng.permutation(words))
