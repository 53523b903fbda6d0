"""One run of a step over the songs: what is lacking is made and kept, what was skipped is told.

Many processes compute, this one writes, in the order of the songs: so the same bytes come out
however many processes there are and however often the run was stopped.
"""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from dataset.files import SONGS, read_tsv, some
from dataset.mel_index import StoredSong
from dataset.writing import staged, write_tsv
from errors import UserError
from preprocessing.mel.sources import Source, StoreFiles, check_unchanged, write_times
from preprocessing.mel.worker_pool import TaskFailed
from progress import progress


@dataclass(frozen=True)
class Made:
    """What is made of a file with so many seconds of sound, and what the index notes of it."""

    array: np.ndarray
    seconds: float
    digest: str
    note: str = ""

    @property
    def nbytes(self) -> int:
        """What it takes while it waits for its turn."""
        return self.array.nbytes


@dataclass(frozen=True)
class Kept:
    """That what was made of a file, with so many seconds of sound, is on the disk already."""

    song: StoredSong
    seconds: float


Result = Made | Kept | str | TaskFailed  # or why nothing can be made
Compute = Callable[[list[Source]], Generator[Result, None, None]]


class Writer(Protocol):
    """What keeps the results of a step."""

    files: StoreFiles  # where
    songs: dict[str, StoredSong]  # what is there, by song id

    def append(
        self, song_id: str, array: np.ndarray, source_bytes: int, digest: str, note: str
    ) -> None:
        """Add what was made of a song; of its file say what `StoredSong` has."""

    def describe(self, facts: dict) -> None:
        """Make sure that all is on the disk, and write `facts` about it to `dataset.json`."""


def compute_lacking(
    data_path: Path, sources: list[Source], writer: Writer, compute: Compute, strict: bool
) -> None:
    """Append what `compute` makes of the songs that are lacking; report; say what was done.

    Raises
    ------
    UserError
        None of the files exists or can be read; one is another than in the run before; or, if
        `strict`, a song cannot be read.
    """
    begun, n_before = time.monotonic(), len(writer.songs)
    check_unchanged(data_path, sources, writer.songs, writer.files)
    lacking = [source for source in sources if source.song_id not in writer.songs]
    reasons = {source: reason for source in lacking if (reason := _without_file(source))}
    if reasons:
        _check_missing(reasons, sources, strict)
    todo = [source for source in lacking if source not in reasons]
    hours = _make(todo, writer, compute, reasons, strict)
    if not writer.songs:
        raise UserError(
            f"none of {len(sources)} files can be read: {_examples(reasons)}: convert them, or "
            "give others"
        )
    writer.describe({"skipped": len(reasons)})
    _write_report(data_path, sources, reasons, writer.files)
    _print_summary(writer, n_before, hours, time.monotonic() - begun)
    if reasons:
        report = writer.files.report
        print(f"{len(reasons)} songs skipped: {_examples(reasons)}; {report} lists them")
    _print_notes(writer, n_before)


def _without_file(source: Source) -> str:
    if source.file is None:
        return f"no audio file in {SONGS}"
    return "no such file" if source.n_bytes is None else ""


def _check_missing(reasons: dict[Source, str], sources: list[Source], strict: bool) -> None:
    """Say before the work begins which files are missing; without any file, stop."""
    if all(source.n_bytes is None for source in sources):
        files = [source.file for source in sources if source.file]
        raise UserError(
            f"none of the {len(files)} audio files that {SONGS} names exists ({some(files, 3)}): "
            "give the folder where their paths start as AUDIO_PATH"
        )
    if strict:
        raise _strict_error(reasons)
    print(f"{len(reasons)} of {len(sources)} songs have no file: {_examples(reasons)}")


def _strict_error(reasons: dict[Source, str]) -> UserError:
    return UserError(
        f"{len(reasons)} songs cannot be read: {_examples(reasons)}: put that right, or leave out "
        "--strict to skip such songs"
    )


def _examples(reasons: dict[Source, str]) -> str:
    lines = [f"{source.file or source.song_id} ({why})" for source, why in reasons.items()]
    return some(lines, 3)


def _make(
    todo: list[Source], writer: Writer, compute: Compute, reasons: dict[Source, str], strict: bool
) -> float:
    """Compute and append; add to `reasons` why songs could not be; return the hours of audio."""
    hours = 0.0
    bar = progress(None, writer.files.what, len(todo), unit=" songs", disable=not todo)
    with closing(compute(todo)) as results, bar:
        begun = time.monotonic()
        for source, result in zip(todo, results, strict=True):
            if isinstance(result, Made):
                made_of = source.n_bytes, result.digest, result.note
                writer.append(source.song_id, result.array, *made_of)
                hours += result.seconds / 3600
            elif isinstance(result, Kept):
                writer.songs[source.song_id] = result.song
                hours += result.seconds / 3600
            else:
                reasons[source] = str(result)
                if strict:
                    raise _strict_error(reasons)
            speed = hours / (time.monotonic() - begun)
            bar.set_postfix_str(f"{speed:.3f} hours of audio/s", refresh=False)
            bar.update()
    return hours


def _write_report(
    data_path: Path, sources: list[Source], reasons: dict[Source, str], files: StoreFiles
) -> None:
    """Replace the report; what it says about songs that this run had nothing to do with stays."""
    report = data_path / files.report
    old = read_tsv(report, 3) if report.is_file() else []
    ours = {source.song_id for source in sources}
    rows: list[Sequence] = [row for row in old if row[0] not in ours]
    rows += [
        (source.song_id, source.file or "", reasons[source])
        for source in sources
        if source in reasons
    ]
    no_breaks = str.maketrans("\t\r\n", "   ")  # which a folder's name may have
    with staged(data_path) as stage:
        lines = ([str(field).translate(no_breaks) for field in row] for row in rows)
        write_tsv(stage / files.report, lines)
        write_times(stage, data_path, sources, files)


def _print_summary(writer: Writer, n_before: int, hours: float, seconds: float) -> None:
    n_new = len(writer.songs) - n_before
    if n_new:
        print(
            f"{n_new} songs, {hours:.2f} hours, in {seconds:.1f} s: {n_new / seconds:.1f} "
            f"songs and {hours / seconds:.3f} hours of audio a second"
        )
    if n_before:
        print(f"{n_before} songs were there already")


def _print_notes(writer: Writer, n_before: int) -> None:
    new = list(writer.songs.values())[n_before:]
    notes = {song.song_id: song.note for song in new if song.note}
    if notes:
        print(f"{cut_or_repaired(notes)}; {writer.files.index} lists them all")


def cut_or_repaired(notes: Mapping[str, str]) -> str:
    """What was cut or repaired of the sound of songs, by their names, as one tells a user."""
    noted = [f"{name} ({note})" for name, note in notes.items()]
    return f"{len(noted)} songs cut or repaired: {some(noted, 3)}"
