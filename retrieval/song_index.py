"""An index: songs embedded once, with all that is needed to rank them for any words.

It is one file. Searching it for tags needs nothing else, for other words their word vectors.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from dataset.bounded import memory_bounded_by
from dataset.writing import staged
from errors import UserError, one_line
from model import EMBEDDING_SIZE
from modules import projection_head

INDEX_FORMAT = 1
SONG_FIELDS = ("song id", "artist", "title", "audio file")
_HOW_TO_MAKE = "make it with retrieve.py index"


@dataclass(frozen=True)
class SongIndex:
    """Embedded songs, and the tag branch of the model that embedded them.

    Attributes
    ----------
    embeddings : Tensor of float32, shape (n, 256)
        Of the songs, each of length 1.
    songs : list of list of str
        `SONG_FIELDS` of each; '' for what is not known; no tab or line break.
    song_tags : Tensor of bool, shape (n, T), or None
        Whether a song bears a tag, where that is known.
    tags : list of str
        The tags that the model was trained on.
    tag_vectors : Tensor of float32, shape (T, D)
        Their word vectors.
    tag_branch : dict of str to Tensor
        Weights of the tag branch.
    vectors_file : str
        Word vectors of the same set, for other words than the tags; '' where none were found.
    """

    embeddings: Tensor
    songs: list[list[str]]
    song_tags: Tensor | None
    tags: list[str]
    tag_vectors: Tensor
    tag_branch: dict[str, Tensor]
    vectors_file: str

    def similarities(self, word_vectors: Tensor) -> Tensor:
        """Cosine similarity of words, by vectors (Q, D), to the songs: float32 (Q, n)."""
        tag_branch = projection_head(self.tag_vectors.shape[1], EMBEDDING_SIZE).eval()
        tag_branch.load_state_dict(self.tag_branch)
        with torch.inference_mode():
            return F.normalize(tag_branch(word_vectors)) @ self.embeddings.T


def write_index(index: SongIndex, file: Path) -> None:
    """Write an index, whole or not at all."""
    # As text the songs are read eight times as fast as a list is by torch's safe unpickler.
    songs = "\n".join("\t".join(song) for song in index.songs)
    fields = vars(index) | {"songs": songs}
    with staged(file.parent) as stage:
        try:
            torch.save({"song_index_format": INDEX_FORMAT, **fields}, stage / file.name)
        except (OSError, RuntimeError) as error:  # torch's own for a disk that is full
            raise UserError(
                f"{file} cannot be written ({one_line(error)}): see to that and index again"
            ) from None


def read_index(file: Path) -> SongIndex:
    """Read an index; nothing in it is executed.

    Raises
    ------
    UserError
        There is none, or it is damaged or of another version.
    """
    try:
        with zipfile.ZipFile(file) as parts:
            is_packed = any(part.compress_type for part in parts.infolist())  # never by torch
            if is_packed or parts.testzip() is not None:  # torch does not look at the checksums
                raise zipfile.BadZipFile
        with memory_bounded_by(file):
            content = torch.load(file, weights_only=True, mmap=True)
        version = content.pop("song_index_format", None)
        if version == INDEX_FORMAT:
            content["songs"] = [line.split("\t") for line in content["songs"].split("\n")]
            return _checked(SongIndex(**content))
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): {_HOW_TO_MAKE}") from None
    except Exception:  # what is damaged, or something else, raises nearly anything
        raise UserError(f"{file} is no index, or is damaged: {_HOW_TO_MAKE}") from None
    raise UserError(
        f"{file} has index format {version}, this program reads {INDEX_FORMAT}: {_HOW_TO_MAKE}"
    )


def _checked(index: SongIndex) -> SongIndex:
    """Return an index whose parts fit each other; raise any error otherwise."""
    shape = len(index.songs), len(index.tags)
    if (
        (len(index.embeddings), len(index.tag_vectors)) != shape
        or (index.song_tags is not None and index.song_tags.shape != shape)
        or any(len(song) != len(SONG_FIELDS) for song in index.songs)
    ):
        raise ValueError("parts of other lengths")
    index.similarities(index.tag_vectors[:1])
    return index
