"""Queries to ranked songs: words and songs with weights, filters, variety, and radio.

All that a query asks for is a vector in the one space, so that a query is their weighted mean.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from errors import UserError, shown
from preprocessing.mel.sources import digest_of
from preprocessing.names_on_disk import file_as_typed
from retrieval.nearest import Nearest, is_best, n_candidates
from retrieval.song_index import IndexedSong, SongIndex
from retrieval.words import Words, split_weight

RELEVANCE = 0.7  # with variety: share of the score, beside likeness to what was chosen before
CANDIDATES = 10  # for each answer, to choose from with variety or along a path
BLOCK = 2**16  # songs whose embeddings are in memory at once


class Wanted(NamedTuple):
    """A word or a song that a query asks for."""

    label: str  # how it is shown
    weight: float  # below zero to keep away from it
    vector: np.ndarray  # float32 (E,): its place, of length 1
    seed: IndexedSong | None = None  # the song, which is then not among the answers
    stand_in: str | None = None  # the tag that stands for the word, where no model was trained
    word: str = ""  # without its weight; '' for a song
    parts: tuple[str, ...] = ()  # what a word that is no tag was looked up by: itself, or its words


class Hit(NamedTuple):
    """A song found: its row, its score, and its cosine similarity to each `Wanted` of the query.

    The score is the mean of the similarities by the weights, divided by their absolute sum.
    """

    row: int
    score: float
    by_part: tuple[float, ...]


class Rules(NamedTuple):
    """Which songs may be answers."""

    only_tags: Sequence[str] = ()  # that each of them bears
    artist_limit: int = 0  # songs of one artist; 0 for any number
    diverse: bool = False  # they differ: maximal marginal relevance, Carbonell and Goldstein 1998


class Searcher:
    """Finds songs of an index by words and songs; `vectors_file` as for `Words`."""

    def __init__(self, index: SongIndex, vectors_file: Path | None = None):
        self.index = index
        self.words = Words(index.model, vectors_file)
        self._nearest = [Nearest(part) for part in index.parts]

    # ------------------------------------------------------------ what is asked for

    def wanted(
        self, words: str = "", like: Iterable[str] = (), without: str = "", takes_files: bool = True
    ) -> list[Wanted]:
        """Read a query.

        Parameters
        ----------
        words : str
            Words with commas between them, such as 'jazz:2, piano'.
        like : iterable of str
            Songs by id or audio file, such as 'DEMO00003:0.5'.
        without : str
            Words to keep away from.
        takes_files : bool
            Whether songs may be audio files; if not, no name of a file is looked at.

        Raises
        ------
        UserError
            Nothing is asked for, also where all of it cancels out, or something that is not known.
        """
        found = [self._word(word, 1) for word in self.words.in_query(words)]
        found += [self._like(song, takes_files) for song in like]
        if not found:
            raise UserError("no WORDS and no --like given: search INDEX smooth jazz, sad")
        if all(one.weight < 0 for one in found):
            raise UserError("only what to keep away from is given: add words to be near")
        found += [self._word(word, -1) for word in self.words.in_query(without)]
        if _cancels_out(found):
            raise UserError(
                "nothing is asked for: what to be near and what to keep away from are the same"
            )
        return found

    def _word(self, text: str, sign: int) -> Wanted:
        is_tag = self.words.column(text) is not None
        word, weight = (text, 1.0) if is_tag else split_weight(text)
        weight = -abs(weight) if sign < 0 else weight
        label, stand_in = f"not {text}" if sign < 0 else text, self.words.stand_in(word)
        vector = self.words.vector(stand_in or word)
        parts = tuple(self.words.parts(word))
        return Wanted(label, weight, vector, stand_in=stand_in, word=word, parts=parts)

    def _like(self, text: str, takes_files: bool) -> Wanted:
        whole = self._song(text, takes_files)
        name, weight = (text, 1.0) if whole else split_weight(text)
        found = whole or self._song(name, takes_files)
        if found is None and not takes_files:
            raise UserError(f"{name!r} is no song here: look for songs by words")
        if found is None:
            raise UserError(
                f"{name!r} is no song id of {self.index.folder}, and no file: give --like an id, "
                f"such as {next(self.index.songs()).song_id!r}, or an audio file"
            )
        song, vector = found
        label = f"like {song.name}" + ("" if weight in (1, -1) else f":{abs(weight):g}")
        label = label if weight > 0 else f"not {label}"
        return Wanted(label, weight, vector, song)

    def _song(self, name: str, takes_files: bool) -> tuple[IndexedSong, np.ndarray] | None:
        """A song by its id or its file, and its place; None for what is neither."""
        file = file_as_typed(name) if takes_files else None
        row = self.index.row_of(name)
        if row is None and file:
            row = self.index.row_of(str(file.resolve()), "audio")
        row = self.index.row_of_id(name) if row is None else row
        if row is not None:
            song = self.index.song(row)
            if not (file and self._has_changed(song, file)):
                return song, self.index.vectors([row])[0]
            return self._heard_now(song, file, row)
        if file is None:
            return None
        from retrieval.embedding import embed_file  # torch takes seconds

        song, vector = embed_file(self.index.model, file)
        return song._replace(song_id=""), vector  # a song of the index may have that name

    def _has_changed(self, song: IndexedSong, file: Path) -> bool:
        """Whether a file is that of a song, with other content than the index knows."""
        if not song.digest or str(file.resolve()) != song.audio:
            return False
        try:
            return digest_of(file) != song.digest
        except OSError:  # out of reach
            return False

    def _heard_now(self, song: IndexedSong, file: Path, row: int) -> tuple[IndexedSong, np.ndarray]:
        """An indexed song whose file has changed: with its sound of now, where that can be had."""
        from retrieval.embedding import embed_file

        changed = f"{shown(str(file))} has changed since it was indexed"
        try:
            now, vector = embed_file(self.index.model, file)
        except UserError as error:
            print(f"{changed}, and is taken as it was: {error}")
            return song, self.index.vectors([row])[0]
        print(f"{changed}: its sound of now is searched for (index --add brings the index to it)")
        return song._replace(digest=now.digest), vector  # copies of what it is now are no answers

    # ------------------------------------------------------------ answers

    def search(
        self, wanted: Sequence[Wanted], top: int = 10, rules: Rules | None = None
    ) -> list[Hit]:
        """Rank the songs for all that is wanted together: the best first.

        Ties stand in the order of the index.
        """
        rules, top = rules or Rules(), min(top, len(self.index))
        if rules.diverse:
            return self._varied(self._allowed(wanted, CANDIDATES * top, rules), top)
        return self._allowed(wanted, top, rules)

    def radio(self, wanted: Sequence[Wanted], length: int) -> list[Hit]:
        """Order songs as a path of at most `length`: each near the one before and what is wanted.

        No artist comes twice.
        """
        length = min(length, len(self.index))
        left = self._allowed(wanted, CANDIDATES * length, Rules(artist_limit=1))
        path: list[Hit] = []
        vectors = self.index.vectors([hit.row for hit in left])
        scores = np.array([hit.score for hit in left])
        last = scores  # the first is the one nearest to what is wanted
        free = np.ones(len(left), dtype=bool)
        while free.any() and len(path) < length:
            best = int(np.where(free, scores + last, -np.inf).argmax())
            free[best] = False
            path.append(left[best])
            last = vectors @ vectors[best]
        return path

    def _allowed(self, wanted: Sequence[Wanted], n: int, rules: Rules) -> list[Hit]:
        """The n best songs that are no seed, bear the tags, and keep to the limit of artists."""
        among = self._rows_with(rules.only_tags) if rules.only_tags else None
        asked = n + sum(one.seed is not None for one in wanted)
        while True:
            hits = self._ranked(wanted, asked, among)
            kept = list(islice(self._keep(hits, wanted, rules.artist_limit), n))
            if len(kept) == n or len(hits) < asked:
                return kept
            asked *= 4

    def _keep(self, hits: list[Hit], wanted: Sequence[Wanted], artist_limit: int) -> Iterator[Hit]:
        seeds = [one.seed for one in wanted if one.seed]
        ids, digests = {one.song_id for one in seeds} - {""}, {one.digest for one in seeds} - {""}
        of_artist: Counter[str] = Counter()
        for hit in hits:
            if seeds or artist_limit:
                song = self.index.song(hit.row)
                if song.song_id in ids or song.digest in digests:
                    continue
                of_artist[song.artist] += bool(song.artist)  # artists not known may be any
                if artist_limit and of_artist[song.artist] > artist_limit:
                    continue
            yield hit

    def _ranked(
        self, wanted: Sequence[Wanted], n: int, among: list[np.ndarray] | None
    ) -> list[Hit]:
        """The n best songs, all others left aside: candidates of each part, ranked exactly."""
        vectors = np.stack([one.vector for one in wanted])
        exact = np.array([one.weight for one in wanted], dtype=np.float64)
        exact /= np.abs(exact).max()  # their sum might be beyond all numbers
        weights = (exact / np.abs(exact).sum()).astype(np.float32)
        query = weights @ vectors
        found = [
            one.find(query, n, among[number] if among else None)
            for number, one in enumerate(self._nearest)
        ]
        starts = self.index.starts
        rows = np.concatenate([start + one for start, (one, _) in zip(starts, found, strict=False)])
        near = np.concatenate([scores for _, scores in found])
        rows = rows[is_best(near, n_candidates(n))]  # each is a look into a file
        rows.sort()  # ties in the order of the index
        blocks = np.array_split(rows, 1 + len(rows) // BLOCK)
        by_part = np.concatenate([self.index.vectors(one) @ vectors.T for one in blocks])
        scores = by_part @ weights
        best = np.argsort(-scores.round(6), kind="stable")[:n]  # the same place, the same score
        return [Hit(int(rows[i]), float(scores[i]), tuple(by_part[i].tolist())) for i in best]

    def _rows_with(self, tags: Sequence[str]) -> list[np.ndarray]:
        """Rows, in each part, of the songs that bear all of the tags."""
        columns = [self.words.tag_column(tag) for tag in tags]
        if not self.index.has_tags:
            raise UserError(
                f"{self.index.folder} does not know which songs bear tags, as of a folder of "
                "audio: leave --only_tag out"
            )
        return [part.rows_of_tags(columns) for part in self.index.parts]

    def _varied(self, hits: list[Hit], top: int) -> list[Hit]:
        """Choose hits one by one, each good and unlike those before."""
        vectors = self.index.vectors([hit.row for hit in hits])
        worth = RELEVANCE * np.array([hit.score for hit in hits])
        likest = np.full(len(hits), -1.0)  # similarity to the likest chosen; none yet
        chosen: list[Hit] = []
        free = np.ones(len(hits), dtype=bool)
        while free.any() and len(chosen) < top:
            value = worth - (1 - RELEVANCE) * likest
            best = int(np.where(free, value, -np.inf).argmax())
            free[best] = False
            chosen.append(hits[best])
            likest = np.maximum(likest, vectors @ vectors[best])
        return chosen


def _cancels_out(wanted: Sequence[Wanted]) -> bool:
    """Whether a query is no direction: every song would be as near as any other."""
    weights = np.array([one.weight for one in wanted], dtype=np.float64)
    weights /= np.abs(weights).max()
    place = weights @ np.stack([one.vector for one in wanted])
    return bool(np.linalg.norm(place) < 1e-5 * np.abs(weights).sum())
