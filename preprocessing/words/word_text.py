"""The text that word vectors are learnt from: its sentences and its phrases."""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from gensim.models.phrases import ENGLISH_CONNECTOR_WORDS, FrozenPhrases, Phrases

from dataset.files import normal_form
from errors import UserError
from preprocessing.words.packed_files import DAMAGE, open_unpacked
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
