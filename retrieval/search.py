"""Words to ranked songs: word vectors of the words, similarities, and the table of the best."""

import difflib
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from dataset.files import normal_form
from dataset.writing import staged, writable_file, write_tsv
from errors import UserError
from retrieval.song_index import SongIndex

if TYPE_CHECKING:  # gensim is slow to import, and a tag needs none of it
    from gensim.models import KeyedVectors

N_TAGS_SHOWN = 4  # of a song
TABLE, PLAYLISTS = ".tsv", (".m3u", ".m3u8")


class Hit(NamedTuple):
    """A song found.

    Attributes
    ----------
    row : int
        Which song of the index.
    by_word : tuple of float
        Cosine similarity of each word to the song.
    """

    row: int
    by_word: tuple[float, ...]

    @property
    def score(self) -> float:
        """Mean of the similarities, by which songs are ranked."""
        return statistics.fmean(self.by_word)


def _key(word: str) -> str:
    """What is the same whatever the keyboard: upper and lower case, letters with accents."""
    return normal_form(word).casefold()


class Searcher:
    """Finds songs of an index by words.

    Parameters
    ----------
    index : SongIndex
        The songs.
    vectors_file : Path, optional
        Word vectors for words that are not tags; by default those that the index names. They are
        read when the first such word is asked for.
    """

    def __init__(self, index: SongIndex, vectors_file: Path | None = None):
        self.index = index
        named = Path(index.vectors_file) if index.vectors_file else None
        self.vectors_file = vectors_file or named
        self._vectors: KeyedVectors | None = None
        self._row_of_tag = {_key(tag): row for row, tag in enumerate(index.tags)}
        self._row_of_tag |= {normal_form(tag): row for row, tag in enumerate(index.tags)}

    def find(self, words: list[str], top: int) -> list[Hit]:
        """Rank the songs for all words together, best first; ties in the order of the index.

        Raises
        ------
        UserError
            A word is no tag, and has no word vector.
        """
        vectors = np.stack([self._vector(word) for word in words])
        by_word = self.index.similarities(torch.from_numpy(vectors))  # (Q, n)
        best = by_word.mean(dim=0).argsort(descending=True, stable=True)[:top]
        return [Hit(row, tuple(by_word[:, row].tolist())) for row in best.tolist()]

    def _vector(self, word: str) -> np.ndarray:
        row = self._row_of_tag.get(normal_form(word), self._row_of_tag.get(_key(word)))
        if row is not None:
            return self.index.tag_vectors[row].numpy()
        from preprocessing.words.tag_lookup import tag_vector

        if self._vectors is None:
            self._vectors = _open_vectors(self.index, self.vectors_file)
        vector = tag_vector(self._vectors, word)
        if vector is None:
            raise UserError(f"{word!r} is no tag, and has no word vector: {self._hint(word)}")
        return vector

    def _hint(self, word: str) -> str:
        """The tags that are written most like a word, or some tags."""
        spelt = {_key(tag): tag for tag in self.index.tags}
        close = [spelt[tag] for tag in difflib.get_close_matches(_key(word), spelt)]
        return f"try a tag such as {', '.join(close or self.index.tags[:3])}"


def _open_vectors(index: SongIndex, file: Path | None) -> "KeyedVectors":
    """Read word vectors and make sure that they are those that the model was trained with."""
    if file is None:
        raise UserError(
            "only tags can be searched for, for the index knows no word vectors: give them with "
            f"--vectors FILE, or one of the tags, such as {', '.join(index.tags[:3])}"
        )
    if not file.is_file():
        raise UserError(f"{file} is missing: give the word vectors with --vectors FILE")
    from preprocessing.words.tag_lookup import tag_vector
    from preprocessing.words.vector_files import load_vectors

    vectors = load_vectors(file)
    wanted = index.tag_vectors.numpy()
    if vectors.vector_size == wanted.shape[1]:
        for tag, vector in zip(index.tags, wanted, strict=True):
            found = tag_vector(vectors, tag)
            if found is not None and np.allclose(found, vector, atol=1e-5):
                return vectors
    raise UserError(
        f"{file} holds other word vectors than the model was trained with: give those with "
        "--vectors FILE"
    )


# ---------------------------------------------------------------- showing


def words_in(query: str) -> list[str]:
    """Words and phrases of a query, which has commas between them."""
    words = [" ".join(part.split()) for part in query.split(",")]
    return [word for word in words if word]


def hits_table(index: SongIndex, words: list[str], hits: list[Hit]) -> str:
    """Text table of the songs found; a column for each word if there are several."""
    several = words if len(words) > 1 else []
    rows = [["", "score", *several, "song", *(["tags"] if index.song_tags is not None else [])]]
    for rank, hit in enumerate(hits, 1):
        scores = [hit.score, *hit.by_word] if several else [hit.score]
        row = [str(rank), *(f"{score:.3f}" for score in scores), song_name(index, hit.row)]
        rows.append([*row, *_tags_of(index, words, hit.row)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    pads: list[Any] = [str.rjust] * (2 + len(several)) + [str.ljust] * 2  # numbers, then words
    padded = (
        (pad(cell, n) for pad, cell, n in zip(pads, row, widths, strict=False))  # tags may lack
        for row in rows
    )
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def song_name(index: SongIndex, row: int) -> str:
    """'artist - title', as far as they are known, else the song id."""
    song_id, artist, title, _ = index.songs[row]
    return " - ".join(part for part in (artist, title) if part) or song_id


def _tags_of(index: SongIndex, words: list[str], row: int) -> list[str]:
    """The tags that a song bears, in one cell: those asked for first, and the number of others."""
    if index.song_tags is None:
        return []
    asked = {_key(word) for word in words}
    tags = [index.tags[column] for column in index.song_tags[row].nonzero().flatten().tolist()]
    tags.sort(key=lambda tag: _key(tag) not in asked)
    more = len(tags) - N_TAGS_SHOWN
    return [", ".join(tags[:N_TAGS_SHOWN]) + (f" and {more} more" if more > 0 else "")]


def result_file(path: str) -> Path:
    """Return where songs found are to be written; `UserError` if that is not possible."""
    file = writable_file(path)
    if file.suffix.lower() not in (TABLE, *PLAYLISTS):
        raise UserError(
            f"{file} must end in {TABLE}, for a table, or {' or '.join(PLAYLISTS)}, for a playlist"
        )
    return file


def write_hits(index: SongIndex, words: list[str], hits: list[Hit], file: Path) -> None:
    """Write the songs found as a playlist, or as a table: rank, score, id, artist, title, file.

    Parameters
    ----------
    index, words, hits
        What was searched, for what, and what was found.
    file : Path
        Its name says what it is to be, see `result_file`.

    Raises
    ------
    UserError
        A playlist is wanted, and no song found has an audio file.
    """
    with staged(file.parent) as stage:
        if file.suffix.lower() == TABLE:
            rows = [
                (rank, f"{hit.score:.6f}", *index.songs[hit.row])
                for rank, hit in enumerate(hits, 1)
            ]
            write_tsv(stage / file.name, rows)
            return
        files = [(song_name(index, hit.row), index.songs[hit.row][3]) for hit in hits]
        entries = [f"#EXTINF:-1,{name}\n{audio}\n" for name, audio in files if audio]
        if not entries:
            raise UserError("the index names no audio file, as a playlist needs: give a .tsv file")
        title = f"#PLAYLIST:{', '.join(words)}\n"
        text = "#EXTM3U\n" + title + "".join(entries)
        (stage / file.name).write_text(text, encoding="utf-8")
    if file.suffix.lower() == ".m3u" and not text.isascii():
        print(f"{file} is UTF-8: for players that take .m3u for Latin-1 give a .m3u8 file")
