"""The text that word vectors are learnt from: its sentences, its phrases, and tags of songs."""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
from gensim.models.phrases import ENGLISH_CONNECTOR_WORDS, FrozenPhrases, Phrases

from dataset.files import RAW_TAGS, normal_form, read_strings, read_tsv, require_file
from errors import UserError
from preprocessing.words.packed_files import DAMAGE, open_unpacked
from preprocessing.words.tag_lookup import spellings
from progress import progress

MOST_WORDS = 10_000  # of a sentence: gensim reads no further
MOST_LETTERS = 1_000_000  # that are read at once


class Sentences:
    """The sentences of a text file as lists of words, from the start at each iteration.

    A line of more than `MOST_WORDS` words is several sentences.
    """

    def __init__(self, file: Path, count_bytes: Callable[[int], object] = lambda n_bytes: None):
        self.file = file
        self.count_bytes = count_bytes

    def __iter__(self) -> Iterator[list[str]]:
        try:
            with open_unpacked(self.file, self.count_bytes) as stream:
                for text in self._pieces(io.TextIOWrapper(stream, encoding="utf-8-sig")):
                    words = normal_form(text).split()
                    for start in range(0, len(words), MOST_WORDS):
                        yield words[start : start + MOST_WORDS]
        except UnicodeDecodeError:
            raise UserError(f"{self.file} is not UTF-8 text: convert it to UTF-8") from None
        except DAMAGE as error:
            raise UserError(f"{self.file} is damaged ({error}): get it again") from None

    def _pieces(self, stream: TextIO) -> Iterator[str]:
        """Lines; of one that is longer than memory is given for, stretches that end at a blank."""
        begun = ""
        while text := stream.readline(MOST_LETTERS):
            text, begun = begun + text, ""
            if len(text) >= MOST_LETTERS and not text[-1].isspace():
                *before, begun = text.rsplit(maxsplit=1)
                if not before:
                    raise UserError(
                        f"{self.file} has a word of more than {MOST_LETTERS:,} letters: give a text"
                    )
                text = before[0]
            yield text
        yield begun


def write_phrased(
    corpus: Path, stream: TextIO, min_count: int, phrase_threshold: float
) -> Counter[str]:
    """Write each sentence of `corpus`, and again with its phrases joined by '_', if it has any.

    With its phrases alone, 'metal' would be met mostly as a material: black_metal and heavy_metal
    have taken the others away. A text is read many times and joining phrases takes longer than
    reading, so it is done once.

    Returns
    -------
    Counter
        How often each word, and each phrase, stands in `corpus`.
    """
    counts: Counter[str] = Counter()
    total = 3 * corpus.stat().st_size
    with progress(None, "finding phrases", total, unit="B", unit_scale=True) as bar:
        sentences = Sentences(corpus, bar.update)
        pairs = _find_phrases(sentences, min_count, phrase_threshold)
        # Pairs of pairs and words: phrases of up to four words.
        longer = _find_phrases(_join(sentences, pairs), min_count, phrase_threshold)
        for words in sentences:
            stream.write(" ".join(words) + "\n")
            counts.update(words)
            joined = next(_join([words], pairs, longer))
            if len(joined) < len(words):
                stream.write(" ".join(joined) + "\n")
                counts.update(phrase for phrase in joined if phrase not in words)
    return counts


def _find_phrases(
    sentences: Iterable[list[str]], min_count: int, phrase_threshold: float
) -> FrozenPhrases:
    return Phrases(
        sentences,
        min_count=min_count,
        threshold=phrase_threshold,
        connector_words=ENGLISH_CONNECTOR_WORDS,  # drum_and_bass is a pair; of_the is none
        # `freeze` splits a phrase at each delimiter to count its halves. With '_' it would take
        # new_york_city for new + city; a blank is in no word.
        delimiter=" ",
    ).freeze()


def _join(sentences: Iterable[list[str]], *phrases: FrozenPhrases) -> Iterator[list[str]]:
    for sentence in sentences:
        for pairs in phrases:
            sentence = [word.replace(" ", "_") for word in pairs[sentence]]
        yield sentence


# ---------------------------------------------------------------- tags as text


def read_training_tags(data_path: Path) -> list[list[str]]:
    """Tags of each training song as people typed them, before any clean-up, in lower case.

    Raises
    ------
    UserError
        The directory has no raw tags, or no split yet: the songs of the other parts must stay out.
    """
    rows = read_tsv(require_file(data_path / RAW_TAGS), 2)
    training = {line.partition("//")[2] for line in read_strings(data_path / "train_ids.npy")}
    tags: dict[str, dict[str, None]] = {}
    for song, tag in rows:
        if song in training and (words := normal_form(tag).lower().split()):
            tags.setdefault(song, {})[" ".join(words)] = None
    return [list(of_song) for of_song in tags.values()]


def write_tags(
    songs: list[list[str]],
    stream: TextIO,
    counts: Counter[str],
    *,
    min_count: int,
    times: int,
    seed: int,
) -> None:
    """Write a sentence of the tags of each song, `times` over, each time in another order.

    A tag is written as the text writes it, with '_' between its words where the text has it not;
    tags of fewer than `min_count` songs are left out. What is written is added to `counts`.
    """
    n_songs = Counter(tag for tags in songs for tag in tags)
    words = {
        tag: next((form for form in spellings(tag) if form in counts), "_".join(tag.split()))
        for tag, n in n_songs.items()
        if n >= min_count
    }
    rng = np.random.default_rng(seed)
    for _ in range(times):
        for tags in songs:
            sentence = [words[tag] for tag in tags if tag in words]
            rng.shuffle(sentence)
            if sentence:
                stream.write(" ".join(sentence) + "\n")
                counts.update(sentence)
