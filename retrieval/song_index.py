"""An index: songs embedded once, with all that is needed to rank them for words and songs.

It is a folder of plain files. `index.json` names the files that belong to it and is replaced last,
so a writer that is stopped leaves the index as it was. The others are

- `model-1.npz`: the tag branch, so that words are embedded without the checkpoint;
- `part-2/`, `part-3/` ...: the songs, at most a million in each:
    - `embeddings.npy`: float16 (n, E), E = 256 of a trained model, each of length 1, memory-mapped;
    - `songs.tsv`: a line for each song, `IndexedSong`, read where it is shown;
    - `lines.npy`: int64 (n + 1,), where each line begins, and where the last one ends;
    - `tags.npy`: uint8 (n, T / 8 rounded up), a bit for each tag; absent where that is not known;
    - `nearest.faiss`: what finds neighbours faster than a look at all; absent in small parts.

`index_writing.py` writes it, `nearest.py` looks for neighbours.
"""

import json
import mmap
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize

import numpy as np

from dataset.bounded import memory_bounded_by
from dataset.files import normal_form
from errors import UserError

INDEX_FORMAT = 2
ABOUT = "index.json"
EMBEDDINGS, SONGS, LINES = "embeddings.npy", "songs.tsv", "lines.npy"
SONG_TAGS, NEAREST = "tags.npy", "nearest.faiss"
HOW_TO_MAKE = "make it with retrieve.py index"
CHECKED_BYTES = 2**25  # files up to this size are read whole and held against their checksum


class IndexedSong(NamedTuple):
    """A line of `songs.tsv`: no field holds a tab or a line break, '' stands for what is not known.

    `digest` is the same for two files of the same content, see `preprocessing.mel.sources`.
    """

    song_id: str
    artist: str = ""
    title: str = ""
    audio: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """'artist - title', as far as they are known, else the song id."""
        return " - ".join(part for part in (self.artist, self.title) if part) or self.song_id


@dataclass(frozen=True)
class TagModel:
    """The tag branch of a model, and what it was trained on."""

    tags: list[str]  # the T that the model was trained on
    tag_vectors: np.ndarray  # float32 (T, D): their word vectors
    # float32: `weight1` (H, D), `bias1` (H,), `weight2` (E, H), `bias2` (E,): two layers with a
    # ReLU between them; with masked fusion, and twins, `gate_weight` (inputs, D), `gate_bias` and
    # `gate_widths` (inputs,), see `fusion.MaskedFusion.weigh`.
    layers: dict[str, np.ndarray]
    vectors_file: str  # word vectors of the same set, for other words; '' where none were found
    # The file of the model that embedded the songs; without a trained model the wheel of musicnn,
    # whose tags have no word vectors but stand for themselves, see `untrained`.
    checkpoint: str

    def embed(self, word_vectors: np.ndarray) -> np.ndarray:
        """Embed word vectors: float32 (Q, D) -> float32 (Q, E), each of length 1."""
        of = self.layers
        hidden = np.maximum(word_vectors @ of["weight1"].T + of["bias1"], 0)
        embedded = hidden @ of["weight2"].T + of["bias2"]
        if "gate_weight" in of:
            shares = np.exp(unit_length(word_vectors) @ of["gate_weight"].T + of["gate_bias"])
            parts = np.split(embedded, np.cumsum(of["gate_widths"])[:-1], axis=1)
            weighed = [unit_length(part) * shares[:, [i]] for i, part in enumerate(parts)]
            embedded = np.hstack(weighed)
        return unit_length(embedded)

    @property
    def is_untrained(self) -> bool:
        """Whether it is musicnn's own tags."""
        return self.checkpoint.endswith(".whl")

    def is_same(self, other: "TagModel") -> bool:
        """Whether both have the same tags and the same weights."""
        same = [np.array_equal(self.layers.get(name), w) for name, w in other.layers.items()]
        same += [np.array_equal(self.tag_vectors, other.tag_vectors), self.tags == other.tags]
        return all(same)


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Bring vectors (n, E) to length 1; a zero vector stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)


class Part:
    """Some of the songs, opened; rows count from 0 within it.

    Attributes
    ----------
    folder : Path
        Where its files are.
    about : dict
        What `index.json` says of it.
    embeddings : memmap of float16, shape (n, E)
    lines : memmap of int64, shape (n + 1,)
    song_tags : memmap of uint8, shape (n, T / 8 rounded up), or None
    removed : ndarray of int64
        Sorted rows of songs that were taken out.
    """

    def __init__(self, folder: Path, about: dict[str, Any]):
        self.folder, self.about = folder, about
        for name, (size, checksum) in about["files"].items():
            check_file(folder / name, size, checksum)
        self.embeddings = np.load(folder / EMBEDDINGS, mmap_mode="r")
        if about["kind"] != "flat":  # a query reads single rows: what lies around them is no help
            self.embeddings.base.madvise(mmap.MADV_RANDOM)
        self.lines = np.load(folder / LINES, mmap_mode="r")
        has_tags = SONG_TAGS in about["files"]
        self.song_tags = np.load(folder / SONG_TAGS, mmap_mode="r") if has_tags else None
        self.removed = np.array(about["removed"], dtype=np.int64)
        with open(folder / SONGS, "rb") as stream:  # now: merging removes the file meanwhile
            self._text = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self.embeddings)

    def song(self, row: int) -> IndexedSong:
        """Read the line of a song; `UserError` if it is damaged: only small files were checked."""
        try:
            line = self._text[self.lines[row] : self.lines[row + 1]].decode("utf-8")
            return IndexedSong(*line.removesuffix("\n").split("\t"))
        except (IndexError, TypeError, ValueError):
            raise UserError(f"{self.folder / SONGS} is damaged: {HOW_TO_MAKE}") from None

    def songs(self) -> Iterator[IndexedSong]:
        """Read the lines of all songs, but those taken out."""
        for row in np.delete(np.arange(len(self)), self.removed).tolist():
            yield self.song(row)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Embeddings of songs: float16 (k, E)."""
        found = self.embeddings[rows]
        if self.about["kind"] != "flat":  # what stays mapped counts as memory of this program
            self.embeddings.base.madvise(mmap.MADV_DONTNEED)
        return found

    def rows_of_tags(self, columns: Sequence[int]) -> np.ndarray:
        """Rows of the songs that bear all of the tags."""
        if self.song_tags is None:
            return np.empty(0, dtype=np.int64)
        bears = np.ones(len(self), dtype=bool)
        for column in columns:
            bears &= (self.song_tags[:, column // 8] >> (7 - column % 8) & 1).astype(bool)
        return np.flatnonzero(bears)

    def row_of(self, value: str, field: str) -> int | None:
        """Row of the first song, but those taken out, whose field has this value."""
        before = "\n" if field == "song_id" else "\t"
        # A name that is no UTF-8 has surrogates, of which no file of UTF-8 has the bytes.
        wanted = f"{before}{value}\t".encode(errors="surrogatepass")
        place = -1  # the first line has no line break before it
        while True:
            row = int(np.searchsorted(self.lines, place + 1, side="right")) - 1
            if row not in self.removed and getattr(self.song(row), field) == value:
                return row
            place = self._text.find(wanted, place + 1)
            if place < 0:
                return None


class SongIndex:
    """An index, opened: songs in the order of the parts, rows count through all of them.

    Rows of songs that were taken out stay empty until the index is made anew. `about` is what
    `index.json` holds; `starts`, int64 (parts + 1,), has the first row of each part, and the number
    of all rows.
    """

    def __init__(self, folder: Path, about: dict[str, Any], model: TagModel, parts: list[Part]):
        self.folder, self.about, self.model, self.parts = folder, about, model, parts
        self.starts = np.cumsum([0, *map(len, parts)])

    def __len__(self) -> int:
        return int(self.starts[-1]) - sum(len(part.removed) for part in self.parts)

    @property
    def has_tags(self) -> bool:
        """Whether it is known which songs bear which tags."""
        return any(part.song_tags is not None for part in self.parts)

    def place(self, row: int) -> tuple[Part, int]:
        """The part that has a song, and its row there."""
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.parts[number], row - int(self.starts[number])

    def song(self, row: int) -> IndexedSong:
        """Names and file of a song."""
        part, row = self.place(row)
        return part.song(row)

    def vectors(self, rows: Iterable[int]) -> np.ndarray:
        """Embeddings of songs: float32 (k, E)."""
        asked = np.array(list(rows), dtype=np.int64)
        found = np.empty((len(asked), self.parts[0].embeddings.shape[1]), dtype=np.float32)
        numbers = np.searchsorted(self.starts, asked, side="right") - 1
        for number in np.unique(numbers):
            here = numbers == number
            found[here] = self.parts[number].vectors(asked[here] - self.starts[number])
        return found

    def tags_of(self, row: int) -> list[str]:
        """Tags that a song bears; none where that is not known."""
        part, row = self.place(row)
        if part.song_tags is None:
            return []
        bits = np.unpackbits(part.song_tags[row], count=len(self.model.tags))
        return [self.model.tags[column] for column in np.flatnonzero(bits)]

    def row_of(self, value: str, field: str = "song_id") -> int | None:
        """Row of the first song whose field, such as `audio`, has this value; None without one."""
        for part, start in zip(self.parts, self.starts, strict=False):
            row = part.row_of(value, field)
            if row is not None:
                return int(start) + row
        return None

    def row_of_id(self, song_id: str) -> int | None:
        """Row of the song of an id, in whichever Unicode form either is; None without one."""
        wanted = normal_form(song_id)
        found = (self.row_of(one) for one in (song_id, wanted, normalize("NFD", wanted)))
        row = next((one for one in found if one is not None), None)
        if row is not None or song_id.isascii():
            return row
        ids = [song.song_id for song in self.songs() if normal_form(song.song_id) == wanted]
        return self.row_of(ids[0]) if ids else None  # which is partly in one, partly in the other

    def songs(self) -> Iterator[IndexedSong]:
        """Read all songs, but those taken out, in their order."""
        for part in self.parts:
            yield from part.songs()

    def require_model(self, model: TagModel) -> None:
        """Raise `UserError` if another model embedded the songs."""
        if not self.model.is_same(model):
            raise UserError(
                f"{self.folder} was made by another model: add songs with that of "
                f"{self.model.checkpoint}, or make the index anew"
            )


def earlier_songs(index: SongIndex | None, model: TagModel) -> Iterator[IndexedSong]:
    """Songs that need not be embedded again, as an index has them by this model; else `UserError`.

    None where there is no index.
    """
    if index is None:
        return iter(())
    index.require_model(model)
    return index.songs()


# ---------------------------------------------------------------- reading


def read_index(folder: Path) -> SongIndex:
    """Open an index; nothing in it is executed.

    Raises
    ------
    UserError
        There is none, or it is damaged or of another version.
    """
    if folder.is_file():
        raise UserError(
            f"{folder} is no index, which is a folder, unless of an older format: give the folder "
            "that retrieve.py index wrote, or make it anew"
        )
    text = ""
    try:
        text = (folder / ABOUT).read_text(encoding="utf-8")
        about = json.loads(text)
        version = about["song_index_format"]
        if version == INDEX_FORMAT:
            return _open(folder, about)
    except Exception as error:  # what is damaged, or something else, raises nearly anything
        if text and (folder / ABOUT).read_text(encoding="utf-8") != text:
            return read_index(folder)  # another command has replaced its parts meanwhile
        if isinstance(error, OSError) and not folder.is_dir():
            raise UserError(f"{folder} cannot be read ({error.strerror}): {HOW_TO_MAKE}") from None
        raise UserError(f"{folder} is no index, or is damaged: {HOW_TO_MAKE}") from None
    raise UserError(
        f"{folder} has index format {version}, this program reads {INDEX_FORMAT}: {HOW_TO_MAKE}"
    )


def _open(folder: Path, about: dict[str, Any]) -> SongIndex:
    """Open what `index.json` names; raise any error if its parts do not fit each other."""
    if about.get("checksum", checksum_of(about)) != checksum_of(about):
        raise ValueError("index.json was changed")
    texts = [*about["tags"], about["vectors_file"], about["checkpoint"]]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("something else for a text")
    name, size, checksum = about["model"]
    check_file(folder / name, size, checksum)
    with memory_bounded_by(folder / name), np.load(folder / name) as arrays:
        layers = dict(arrays)
    model = TagModel(
        about["tags"], layers.pop("tag_vectors"), layers, about["vectors_file"], about["checkpoint"]
    )
    n_tags, width = len(model.tags), model.embed(model.tag_vectors[:1]).shape[1]
    parts = [Part(folder / one["name"], one) for one in about["parts"]]
    for part in parts:
        rows = None if part.song_tags is None else part.song_tags.shape
        if (
            part.embeddings.shape[1] != width
            or part.embeddings.dtype != np.float16
            or len(part.lines) != len(part) + 1
            or rows not in (None, (len(part), -(-n_tags // 8)))
            or not set(part.removed.tolist()) <= set(range(len(part)))
        ):
            raise ValueError("parts of other lengths")
    if len(model.tag_vectors) != n_tags or not parts:
        raise ValueError("parts of other lengths")
    return SongIndex(folder, about, model, parts)


def checksum_of(about: dict[str, Any]) -> int:
    """CRC-32 of what `index.json` says, without itself; indexes of before have none."""
    rest = {name: value for name, value in about.items() if name != "checksum"}
    return zlib.crc32(json.dumps(rest, sort_keys=True).encode())


def check_file(file: Path, size: int, checksum: int) -> None:
    """Raise an error unless a file has this size and, where it is small, this CRC-32."""
    if file.stat().st_size != size:
        raise ValueError(f"{file} was cut short")
    if size <= CHECKED_BYTES and zlib.crc32(file.read_bytes()) != checksum:
        raise ValueError(f"{file} was changed")
