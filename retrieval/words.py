"""Words of a query: tags whatever the keyboard, other words by their word vectors, suggestions."""

import difflib
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataset.files import normal_form
from errors import UserError
from retrieval.song_index import TagModel, unit_length

if TYPE_CHECKING:  # gensim is slow to import, and a tag needs none of it
    from gensim.models import KeyedVectors


def plain(word: str) -> str:
    """A word in one Unicode form, with single spaces, also after commas."""
    return ", ".join(" ".join(piece.split()) for piece in normal_form(word).split(",")).strip()


def key(word: str) -> str:
    """What is the same whatever the keyboard: upper and lower case, letters with accents."""
    return plain(word).casefold()


def split_weight(text: str) -> tuple[str, float]:
    """Split 'jazz:2' into 'jazz' and 2.0; the weight is 1 where none is given.

    Raises
    ------
    UserError
        The weight is zero, or no plain number: not finite, or written as Python would, 1_0.
    """
    name, colon, number = text.rpartition(":")
    try:
        weight = float(number)
    except ValueError:
        return text, 1.0
    if not (colon and name.strip()):
        return text, 1.0
    is_plain = re.fullmatch(r"[-+0-9.eE]+", number.strip())
    if weight == 0 or not (is_plain and math.isfinite(weight)):
        raise UserError(
            f"{text!r} has no weight that can be used: give a plain number above or below zero"
        )
    return name.strip(), weight


def kept_away_in(text: str) -> str:
    """A word of a phrase that has a minus before it: 'sad' of 'piano -sad'; '' if there is none."""
    found = re.search(r"(?:^|\s)-(\w.*)", text)
    return found[1] if found else ""


class Words:
    """Looks up words: tags by the model alone, others by the word vectors in a file.

    By default that which the model names; it is read when the first such word is asked for.
    """

    def __init__(self, model: TagModel, vectors_file: Path | None = None):
        self.model = model
        named = Path(model.vectors_file) if model.vectors_file else None
        self.vectors_file = vectors_file or named
        self._vectors: KeyedVectors | None = None
        self._column = {key(tag): column for column, tag in enumerate(model.tags)}
        self._column |= {plain(tag): column for column, tag in enumerate(model.tags)}
        self._spelt = {key(tag): tag for tag in model.tags}
        self._takes_semicolons = not any(";" in tag for tag in model.tags)
        self._most_pieces = 1 + max((tag.count(",") for tag in model.tags), default=0)

    def in_query(self, query: str) -> list[str]:
        """Words and phrases of a query, which has commas or line breaks between them.

        A tag that has commas itself is one of them: at each place the longest that begins there.
        A semicolon is a comma, unless a tag has one.
        """
        found: list[str] = []
        query = query.replace(";", ",") if self._takes_semicolons else query
        for line in query.split("\n"):
            pieces, first = line.split(","), 0
            while first < len(pieces):
                runs = [pieces[first : first + n] for n in range(self._most_pieces, 1, -1)]
                texts = (plain(",".join(run)) for run in runs)
                text = next(filter(self._is_weighed_tag, texts), "")
                found.append(text or self._bare(plain(pieces[first])))
                first += 1 + text.count(",")
        return [text for text in found if text]

    def _bare(self, text: str) -> str:
        """A word without quotes round it and a full stop, unless a tag has them."""
        if self._is_weighed_tag(text):
            return text
        bare = text.removesuffix(".").rstrip()
        for opens, closes in ('""', "''", "“”", "„“", "‘’", "«»"):
            if len(bare) > 2 and bare.startswith(opens) and bare.endswith(closes):
                bare = plain(bare[1:-1])
        # "U.K." and ". . ." are as they were written
        return bare if bare and not ("." in bare and bare + "." == text) else text

    def _is_weighed_tag(self, text: str) -> bool:
        """Whether a text is a tag, or would be without what may be its weight."""
        name, _, weight = text.rpartition(":")
        return self.column(text) is not None or (
            "," not in weight and self.column(name) is not None
        )

    def column(self, word: str) -> int | None:
        """Which tag a word is; None for no tag."""
        return self._column.get(plain(word), self._column.get(key(word)))

    def tag_column(self, word: str) -> int:
        """Which tag a word is; `UserError` for no tag."""
        column = self.column(word)
        if column is None:
            raise UserError(f"{word!r} is no tag: {self._hint(word)}")
        return column

    def vector(self, word: str) -> np.ndarray:
        """Embedding (E,) of a word; `UserError` if it is no tag and has no word vector.

        Without a trained model it is that of the word's `stand_in`.
        """
        column = self.column(self.stand_in(word) or word)
        if column is not None:
            return self.model.embed(self.model.tag_vectors[column : column + 1])[0]
        return self.model.embed(self._word_vector(word)[None])[0]

    def stand_in(self, word: str) -> str | None:
        """Tag whose word vector is nearest, where no model was trained; None for a tag itself.

        Tags that have a vector of their own count alone, not those known by their parts: 'no voice'
        is near all that is dull.
        """
        if not self.model.is_untrained or self.column(word) is not None:
            return None
        self._must_be_plain(word)
        if self.vectors_file is None:
            raise UserError(
                f"{word!r} is none of musicnn's tags: {self._hint(word)}, or give word vectors "
                "with --vectors FILE (step 2 train makes them of a text)"
            )
        wanted = self._word_vector(word)
        from preprocessing.words.tag_lookup import whole_key

        keys = {tag: whole_key(self._vectors, tag) for tag in self.model.tags}
        known = {tag: self._vectors[key] for tag, key in keys.items() if key is not None}
        if not known:
            raise UserError(f"{self.vectors_file} has no vector for a tag: {self._hint(word)}")
        cosines = unit_length(np.stack(list(known.values()))) @ wanted
        return list(known)[int(cosines.argmax())]

    def open_vectors(self) -> None:
        """Read the word vectors, once; `UserError` if they are missing or others."""
        if self._vectors is None:
            self._vectors = _open_vectors(self.model, self.vectors_file)

    def _word_vector(self, word: str) -> np.ndarray:
        from preprocessing.words.tag_lookup import tag_vector

        self._must_be_plain(word)
        self.open_vectors()
        vector = tag_vector(self._vectors, word)
        if vector is None:
            raise UserError(f"{word!r} is no tag, and has no word vector: {self._hint(word)}")
        return vector

    def _must_be_plain(self, word: str) -> None:
        """Refuse 'piano -sad': by its parts it would be piano and sad, near to both."""
        away = kept_away_in(word)
        if away:
            raise UserError(
                f"{word!r} has a minus, which is not looked up: give what to keep away from by "
                f"--not {away!r}"
            )

    def parts(self, word: str) -> list[str]:
        """Words of the vocabulary that a word was looked up by; none for a tag.

        The vectors must be open.
        """
        if self.column(word) is not None:
            return []
        from preprocessing.words.tag_lookup import tag_keys

        return tag_keys(self._vectors, word)

    def proposals(self, text: str, most: int = 3) -> list[str]:
        """Tags in place of a text that is not known: misspelt, in it, like it, or any tags."""
        like_it = difflib.get_close_matches(key(text), self._spelt, cutoff=0.85)
        misspelt = [self._spelt[one] for one in like_it]
        words = [word.strip("\"'“”„.!?():") for word in key(text).split()]
        runs = [" ".join(words[a:b]) for a in range(len(words)) for b in range(a + 1, a + 5)]
        inside = {self.column(run): None for run in runs}
        found = [self.model.tags[column] for column in inside if column is not None]
        some = sorted(self.model.tags, key=lambda tag: not tag.isalpha())  # 00s says little
        return (misspelt or found or self.suggest(text, most) or some)[:most]

    def suggest(self, text: str, most: int = 10) -> list[str]:
        """Tags that begin with a text, then those that hold it, then those written like it."""
        wanted = key(text.strip())
        found = [one for one in self._spelt if wanted in one]
        found.sort(key=lambda one: one.find(wanted))
        found += [one for one in difflib.get_close_matches(wanted, self._spelt) if one not in found]
        return [self._spelt[one] for one in found[:most]]

    def _hint(self, word: str) -> str:
        """The tags that are written most like a word, or some tags."""
        return f"try a tag such as {', '.join(self.proposals(word))}"


def _open_vectors(model: TagModel, file: Path | None) -> "KeyedVectors":
    """Read word vectors and make sure that they are those that the model was trained with."""
    if file is None:
        raise UserError(
            "only tags can be searched for, for the index knows no word vectors: give them with "
            f"--vectors FILE, or one of the tags, such as {', '.join(model.tags[:3])}"
        )
    if not file.is_file():
        raise UserError(f"{file} is missing: give the word vectors with --vectors FILE")
    from preprocessing.words.tag_lookup import tag_vector
    from preprocessing.words.vector_files import load_vectors

    vectors = load_vectors(file)
    if model.is_untrained:
        return vectors
    if vectors.vector_size == model.tag_vectors.shape[1]:
        for tag, vector in zip(model.tags, model.tag_vectors, strict=True):
            found = tag_vector(vectors, tag)
            if found is not None and np.allclose(found, vector, atol=1e-5):
                return vectors
    raise UserError(
        f"{file} holds other word vectors than the model was trained with: give those with "
        "--vectors FILE"
    )
