"""A text for word vectors in which the demo's tags stand among words that mean similar things."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

CORPUS = "corpus.txt"
SENTENCES_A_TAG = 100
FILLERS = "the a this with from and song record band played heard new old again always"
WORDS = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


def sentences(rng: np.random.Generator, categories: dict[str, str]) -> Iterator[str]:
    """Write lower-case sentences, each about one tag: its words, its category's, and fillers.

    `categories`, tag -> category, has only those of words.toml.
    """
    about = rng.permutation(np.repeat(list(categories), SENTENCES_A_TAG))
    for tag in about.tolist():
        words = [
            tag,
            *rng.choice(WORDS["tags"][tag].split(), 2, replace=False),
            *rng.choice(WORDS["categories"][categories[tag]].split(), 2, replace=False),
            *rng.choice(FILLERS.split(), 4),
        ]
        yield " ".join(rng.permutation(words))
