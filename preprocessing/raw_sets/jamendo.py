"""Reader of the MTG-Jamendo dataset: full songs with tags of three categories, published splits.

Bogdanov, Won, Tovstogan, Porter, Serra: The MTG-Jamendo Dataset for Automatic Music Tagging
(Machine Learning for Music Discovery Workshop, ICML 2019); files of the folder `data` of
https://github.com/MTG/mtg-jamendo-dataset. `autotagging.tsv` has 195 tags, 183 of which (87 genre,
40 instrument, 56 mood/theme) are in its splits; the other files are excerpts of it.
"""

import gzip
import lzma
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dataset.bounded import bounded_lines
from dataset.files import SPLITS, Song, plain, read_tsv, some
from errors import UserError, one_line
from preprocessing.raw_sets.raw_set import RawSet, folder_of_audio, is_name
from preprocessing.tags.cleaning import TAG_LISTS

HOME = "the MTG-Jamendo dataset, https://github.com/MTG/mtg-jamendo-dataset (folder data)"

HEADER = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
CATEGORIES = {"mood/theme": "mood/character"}  # the paper's name; genre and instrument stay
PARTS = {"train": "train", "validation": "valid", "test": "test"}
WHOLE = "autotagging"  # the set of which the others are excerpts
# autotagging_genre.tsv.xz, autotagging-test.tsv in a folder split-0, split0_autotagging-test.tsv
NAME = re.compile(
    r"(?:split(?P<split>\d+)_)?(?P<set>autotagging(?:_(?:genre|instrument|moodtheme|top50tags))?)"
    r"(?:-(?P<part>train|validation|test))?\.tsv(?:\.xz|\.gz)?"
)


class File(NamedTuple):
    """A file of the set."""

    path: Path
    tag_set: str  # autotagging, autotagging_genre, ...
    split: int | None  # its number, where the name says it
    part: str  # train, valid or test; '' if it is not of a split


@dataclass
class Track:
    """What the files say of a song: `tags` holds (category, tag) pairs."""

    artist: str
    audio: str
    tags: set[tuple[str, str]] = field(default_factory=set)
    part: str = ""


def read_jamendo(raw: Path, split: int, audio_low: bool) -> RawSet:
    """Read whatever of autotagging*.tsv is in `raw` and its subfolders, plain or packed (.xz, .gz).

    A song's tags are those of all files together. Where the split of the whole set is at hand,
    nothing else is read: its files have all the tags that every split has. Tags that no file of the
    split has are noted, for they do not belong to it. With `audio_low`, the audio is the smaller
    edition, whose files are called 82/382.low.mp3 and not 82/382.mp3 as in the files.

    Raises
    ------
    UserError
        There is no such file or split, or a file is damaged or contradicts another one.
    """
    files = _choose(_find(raw), raw, split)
    tracks: dict[str, Track] = {}
    of_split: set[str] = set()
    for file in files:
        _read_file(file, tracks, of_split)
    ending = ".low.mp3" if audio_low else ".mp3"
    songs = [
        Song(name, track.artist, "", track.audio.removesuffix(".mp3") + ending)
        for name, track in sorted(tracks.items())
    ]
    parts = {name: track.part for name, track in tracks.items() if track.part}
    counts = [f"{part} {list(parts.values()).count(part)}" for part in SPLITS]
    told = ", ".join(counts) if parts else "none in RAW"
    print(f"read {len(files)} files: {len(tracks)} songs; split {split}: {told}")
    annotations = _annotations(tracks)
    facts: dict[str, Any] = {"split": split, "audio_low": audio_low}
    if parts:
        in_split = annotations["tag"].isin(of_split)
        facts["split_tags"] = sorted(annotations["cleaned"][in_split].unique())
    return RawSet(
        name="jamendo",
        annotations=annotations,
        songs=songs,
        parts=parts,
        audio=folder_of_audio(raw, songs),
        facts=facts,
    )


def _find(raw: Path) -> list[File]:
    """List the files of the set in the folder `raw` and its subfolders."""
    files = []
    for path in sorted(raw.rglob("*autotagging*")):
        name = NAME.fullmatch(path.name)
        if name and path.is_file():
            folder = re.fullmatch(r"split-(\d+)", path.parent.resolve().name)
            number = name["split"] or (folder[1] if folder else None)
            split = None if number is None else int(number)
            files.append(File(path, name["set"], split, PARTS.get(name["part"], "")))
    return files


def _choose(files: list[File], raw: Path, split: int) -> list[File]:
    """Choose the files to read: those of one split and of none, or the whole split alone."""
    if not files:
        raise UserError(f"{raw} has no autotagging*.tsv: give as RAW a folder with files of {HOME}")
    of_split = [file for file in files if file.part and file.split in (split, None)]
    splits = sorted({file.split for file in files if file.part} - {None})
    if splits and not of_split:
        raise UserError(
            f"{raw} has no files of split {split}, only of {some(splits)}: give one as --split"
        )
    whole = [file for file in of_split if file.tag_set == WHOLE]
    if {file.part for file in whole} == set(PARTS.values()):
        return whole
    return [file for file in files if not file.part] + of_split


def _read_file(file: File, tracks: dict[str, Track], of_split: set[str]) -> None:
    """Add what a file says to `tracks`, and if it is of a split its tags to `of_split`."""
    for line, row in _rows(file.path):
        song_id, artist, _, audio, _, *tags = row
        track = tracks.setdefault(song_id, Track(artist, audio))
        known = (track.artist, track.audio, track.part or file.part)
        if known != (artist, audio, file.part or track.part):
            raise UserError(
                f"{file.path} contradicts the other files of its folder on {song_id} in line "
                f"{line}: take all files from one copy of {HOME}"
            )
        track.part = track.part or file.part
        for tag in tags:
            category, _, name = map(plain, tag.partition("---"))
            if not name:
                raise UserError(
                    f"{file.path} has {tag!r} instead of category---tag in line {line}: get it "
                    f"again from {HOME}"
                )
            track.tags.add((category, name))
            if file.part:
                of_split.add(name)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of each row; the tags are the fields from the sixth on."""
    opened: Any = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix, open)
    try:
        with opened(path, "rt", encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(bounded_lines(lines, path), start=1):
                row = line.rstrip("\r\n").split("\t")
                if number == 1 and row != HEADER:
                    raise UserError(
                        f"{path} must begin with the header {' '.join(HEADER)}: get it from {HOME}"
                    )
                if len(row) < len(HEADER):
                    raise UserError(
                        f"{path} has {len(row)} fields in line {number}, where {len(HEADER)} or "
                        f"more must be: get it again from {HOME}"
                    )
                if not (is_name(row[0]) and is_name(row[3])):
                    raise UserError(
                        f"{path} has {row[0]!r} and {row[3]!r} as TRACK_ID and PATH in line "
                        f"{number}, which must be names on one line: get it again from {HOME}"
                    )
                if number > 1:
                    yield number, row
    except (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read ({one_line(error)}): get it again from {HOME}"
        ) from None


def _annotations(tracks: dict[str, Track]) -> pd.DataFrame:
    """Rows of song, tag, cleaned, category, score, in the order of the song ids."""
    names = dict(read_tsv(TAG_LISTS / "jamendo_names.tsv", 2))
    rows = [
        (song_id, tag, names.get(tag, tag), CATEGORIES.get(category, category), 100.0)
        for song_id, track in sorted(tracks.items())
        for category, tag in sorted(track.tags)
    ]
    if not rows:
        raise UserError(f"the files of RAW hold no track: get them again from {HOME}")
    return pd.DataFrame(rows, columns=["song", "tag", "cleaned", "category", "score"])
