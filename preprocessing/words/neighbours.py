"""Nearest neighbours of words and tags in sets of word vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors

from preprocessing.words.tag_lookup import tag_keys, tag_vector, whole_key
from preprocessing.words.vector_files import load_vectors
from preprocessing.words.word_vectors import choose_sources, from_each


@dataclass(frozen=True)
class Neighbours:
    """What is near a word."""

    parts: list[str]  # whose mean stands for the word; empty if it is in the vocabulary whole
    nearest: list[tuple[str, float]]  # words and their cosine similarity, the nearest first


def find_neighbours(vectors: KeyedVectors, word: str, top: int) -> Neighbours | None:
    """Nearest words of the vocabulary to a word or tag, looked up as by `tag_vector`.

    Returns
    -------
    Neighbours or None
        Without the word itself (or the parts that its vector is the mean of); None if `word` has
        no vector.
    """
    query = tag_vector(vectors, word)
    if query is None:
        return None
    keys = tag_keys(vectors, word)
    parts = keys if whole_key(vectors, word) is None else []
    with np.errstate(all="ignore"):  # vectors of zeros or NaN are nobody's neighbours
        vectors.fill_norms()
        similarity = vectors.vectors @ query / (vectors.norms * np.linalg.norm(query))
    similarity[[vectors.key_to_index[itself] for itself in keys]] = -np.inf
    order = np.argsort(-similarity, kind="stable")[:top]  # NaN comes last
    nearest = [
        (vectors.index_to_key[row], float(similarity[row]))
        for row in order
        if np.isfinite(similarity[row])
    ]
    return Neighbours(parts, nearest)


def neighbours_in(file: Path, words: Sequence[str], top: int) -> dict[str, Neighbours | None]:
    """Nearest neighbours of each of `words` in the vectors of `file`.

    The vectors are held no longer than this takes: Google News needs 4 GB.

    Raises
    ------
    UserError
        The file cannot be read, or holds more than vectors.
    """
    vectors = load_vectors(file)
    return {word: find_neighbours(vectors, word, top) for word in words}


def print_neighbours(data_path: Path, words: list[str], top: int) -> None:
    """Print the nearest words to each of `words`, a column for each source in `data_path`."""
    files = choose_sources(data_path, given={})
    found = from_each(data_path, files, lambda file: neighbours_in(file, words, top))
    for word in words:
        columns = [[name, *_lines(near[word])] for name, near in found.items()]
        print(f"\n{word}\n{_side_by_side(columns)}")


def _lines(found: Neighbours | None) -> list[str]:
    if found is None:
        return ["has no such word"]
    parts = [f"= {' + '.join(found.parts)}"] if found.parts else []
    return parts + [f"{similarity:.2f} {neighbour}" for neighbour, similarity in found.nearest]


def _side_by_side(columns: Sequence[list[str]]) -> str:
    widths = [max(map(len, column)) + 2 for column in columns]
    lines = []
    for row in zip_longest(*columns, fillvalue=""):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(f"  {''.join(cells)}".rstrip())
    return "\n".join(lines)
