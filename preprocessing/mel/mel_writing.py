"""Step 4: the audio files of a dataset to its packed mel store, and the report of what was skipped.

Many processes compute, this one writes, in the order of the songs: so the same bytes come out
however many processes there are and however often the run was stopped.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset.files import SONGS, SPLITS, read_strings, read_tsv, some
from dataset.mel_store import (
    INDEX,
    MEL_SETTINGS,
    REPORT,
    StoredSong,
    published_shape,
    same_audio,
)
from dataset.writing import staged, write_tsv
from errors import UserError
from preprocessing.mel.sources import (
    Source,
    audio_sources,
    check_unchanged,
    digest_of,
    published_sources,
    write_times,
)
from preprocessing.mel.store_writer import StoreWriter, open_writer
from preprocessing.mel.worker_pool import TaskFailed, map_in_order
from progress import progress

HOURS_A_FRAME = MEL_SETTINGS["hop_length"] / MEL_SETTINGS["sample_rate"] / 3600


@dataclass(frozen=True)
class Made:
    """The spectrogram (frames, 128) of a file, and what the index notes of the file."""

    mel: np.ndarray
    digest: str
    note: str = ""

    @property
    def nbytes(self) -> int:
        """What it takes while it waits for its turn."""
        return self.mel.nbytes


Result = Made | str | TaskFailed  # or why there is no spectrogram
Compute = Callable[[list[Path]], Generator[Result, None, None]]


def write_from_audio(
    data_path: Path, audio_path: Path | None, n_processes: int, strict: bool = False
) -> None:
    """Add the songs that the packed store lacks, from their audio files.

    Parameters
    ----------
    data_path : Path
        The dataset directory.
    audio_path : Path, optional
        Where the relative paths of `songs.tsv` start; by default what step 0 noted in
        `dataset.json`, or `data_path`.
    n_processes : int
        How many processes decode.
    strict : bool
        Make a song that cannot be read an error.

    Raises
    ------
    UserError
        No audio is named, none exists or none can be read; the store does not fit; or, if
        `strict`, any song cannot be read.
    """
    sources = audio_sources(data_path, audio_path)

    def compute(files: list[Path]) -> Generator[Result, None, None]:
        return map_in_order(
            _from_audio, files, n_processes, preload=["preprocessing.mel.mel_spectrogram"]
        )

    _write(data_path, "audio", sources, compute, strict)


def write_from_published(data_path: Path) -> None:
    """Pack the spectrograms of the published layout, all that there are.

    Raises
    ------
    UserError
        There are none, none can be read, or the store does not fit.
    """

    def compute(files: list[Path]) -> Generator[Result, None, None]:
        return (_from_published(file) for file in files)

    _write(data_path, "published", published_sources(data_path), compute, strict=False)


def _from_audio(file: Path) -> Made | str:
    # Torch takes seconds to import: only where it computes.
    from preprocessing.mel.mel_spectrogram import AudioError, mel_and_note

    try:
        mel, note = mel_and_note(file)
    except AudioError as error:
        return str(error)
    return Made(mel, digest_of(file), note)


def _from_published(file: Path) -> Made | str:
    try:
        published_shape(file)
    except UserError as error:
        return str(error)
    with np.errstate(over="ignore"):
        mel = np.load(file).T.astype(np.float16)
    return Made(mel, digest_of(file)) if np.isfinite(mel).all() else "NaN or infinite values"


# ---------------------------------------------------------------- one run


def _write(
    data_path: Path,
    made_from: str,
    sources: list[Source],
    compute: Compute,
    strict: bool,
) -> None:
    """Append what `compute` makes of the files that the store lacks; report; say what was done."""
    begun = time.monotonic()
    with open_writer(data_path, made_from) as writer:
        check_unchanged(data_path, sources, writer.songs)
        n_before = len(writer.songs)
        lacking = [source for source in sources if source.song_id not in writer.songs]
        reasons = {source: reason for source in lacking if (reason := _without_file(source))}
        if reasons:
            _check_missing(reasons, sources, strict)
        todo = [source for source in lacking if source not in reasons]
        reasons |= _append(writer, todo, compute, strict)
        if not writer.songs:
            raise UserError(
                f"none of {len(sources)} files can be read: {_examples(reasons)}: convert them, or "
                "give others"
            )
        _describe(writer, n_skipped=len(reasons))
        _write_report(data_path, sources, reasons)
        new = list(writer.songs.values())[n_before:]
    _print_summary(new, n_before, reasons, time.monotonic() - begun)
    _print_same_audio(data_path)


def _append(
    writer: StoreWriter, sources: list[Source], compute: Compute, strict: bool
) -> dict[Source, str]:
    """Append the songs that can be read; return the others with the reason."""
    reasons = {}
    with closing(compute([source.file for source in sources])) as results:
        for source, result in _with_progress(sources, results):
            if isinstance(result, Made):
                made_of = source.n_bytes, result.digest, result.note
                writer.append(source.song_id, result.mel, *made_of)
                continue
            reasons[source] = str(result)
            if strict:
                raise _strict_error(reasons)
    return reasons


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


def _with_progress(
    sources: list[Source], results: Iterable[Result]
) -> Iterator[tuple[Source, Result]]:
    """Pair sources and results, with a bar that shows songs and hours of audio a second."""
    begun, hours = time.monotonic(), 0.0
    with progress(None, "spectrograms", len(sources), unit=" songs", disable=not sources) as bar:
        for source, result in zip(sources, results, strict=True):
            yield source, result
            hours += len(result.mel) * HOURS_A_FRAME if isinstance(result, Made) else 0
            speed = hours / (time.monotonic() - begun)
            bar.set_postfix_str(f"{speed:.3f} hours of audio/s", refresh=False)
            bar.update()


def _write_report(data_path: Path, sources: list[Source], reasons: dict[Source, str]) -> None:
    """Replace the report; what it says about songs that this run had nothing to do with stays."""
    old = read_tsv(data_path / REPORT, 3) if (data_path / REPORT).is_file() else []
    ours = {source.song_id for source in sources}
    rows: list[Sequence] = [row for row in old if row[0] not in ours]
    rows += [
        (source.song_id, source.file or "", reasons[source])
        for source in sources
        if source in reasons
    ]
    with staged(data_path) as stage:
        write_tsv(stage / REPORT, rows)
        write_times(stage, data_path, sources)


def _describe(writer: StoreWriter, n_skipped: int) -> None:
    hours = sum(song.n_frames for song in writer.songs.values()) * HOURS_A_FRAME
    writer.describe({"songs": len(writer.songs), "hours": round(hours, 3), "skipped": n_skipped})


def _print_summary(
    new: list[StoredSong], n_before: int, reasons: dict[Source, str], seconds: float
) -> None:
    hours = sum(song.n_frames for song in new) * HOURS_A_FRAME
    if new:
        print(
            f"{len(new)} songs, {hours:.2f} hours, in {seconds:.1f} s: {len(new) / seconds:.1f} "
            f"songs and {hours / seconds:.3f} hours of audio a second"
        )
    if n_before:
        print(f"{n_before} songs were there already")
    if reasons:
        print(f"{len(reasons)} songs skipped: {_examples(reasons)}; {REPORT} lists them")
    noted = [f"{song.song_id} ({song.note})" for song in new if song.note]
    if noted:
        print(f"{len(noted)} songs cut or repaired: {some(noted, 3)}; {INDEX} lists them all")


def _print_same_audio(data_path: Path) -> None:
    """Tell which songs are the same audio, and whether the split tears them apart."""
    groups = same_audio(data_path)
    if not groups:
        return
    files = [(part, data_path / f"{part}_ids.npy") for part in SPLITS]
    part_of = {
        line.partition("//")[2]: part
        for part, file in files
        if file.is_file()
        for line in read_strings(file)
    }
    torn = [group for group in groups if len({part_of.get(name, "") for name in group} - {""}) > 1]
    told = [
        " = ".join(f"{name} ({part_of[name]})" if name in part_of else name for name in group)
        for group in torn or groups
    ]
    print(
        f"{sum(map(len, groups)) - len(groups)} songs are bit for bit the same audio as another: "
        f"{some(told, 3)}"
    )
    if torn:
        print(
            f"{len(torn)} such groups lie in several parts of the split, which flatters results: "
            "run step 1 again, it keeps them in one part"
        )
