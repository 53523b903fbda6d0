"""Step 4: the audio files of a dataset to its packed mel store, and the report of what was skipped.

Many processes compute, this one writes, in the order of the songs: so the same bytes come out
however many processes there are and however often the run was stopped.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from dataset.files import (
    SONGS,
    read_about,
    read_song_ids,
    read_tsv,
    some,
    staged,
    write_tsv,
)
from dataset.mel_store import (
    FRAMES,
    MEL_SETTINGS,
    REPORT,
    START_AGAIN,
    Song,
    published_file,
    published_shape,
)
from errors import UserError
from preprocessing.mel.store_writer import StoreWriter, open_writer
from preprocessing.mel.worker_pool import TaskFailed, map_in_order

HOURS_A_FRAME = MEL_SETTINGS["hop_length"] / MEL_SETTINGS["sample_rate"] / 3600

Result = np.ndarray | str | TaskFailed  # a spectrogram, or why there is none
Compute = Callable[[list[Path]], Iterator[Result]]


class Source(NamedTuple):
    """A song, the file that its spectrogram is made from, and the size of the file.

    None stands for a file that is not named, or is not there.
    """

    song_id: str
    file: Path | None
    n_bytes: int | None


def _source(song_id: str, file: Path | None) -> Source:
    if set("\t\r\n") & set(song_id):  # it would break the lines of the index
        raise UserError(f"the song id {song_id!r} has a tab or line break in it: rename the song")
    return Source(song_id, file, file.stat().st_size if file and file.is_file() else None)


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

    def compute(files: list[Path]) -> Iterator[Result]:
        return map_in_order(_mel, files, n_processes, preload=["preprocessing.mel.mel_spectrogram"])

    _write(data_path, "audio", sources, compute, strict)


def write_from_published(data_path: Path) -> None:
    """Pack the spectrograms of the published layout, all that there are.

    Raises
    ------
    UserError
        There are none, none can be read, or the store does not fit.
    """
    files = sorted((data_path / "spec").rglob("*.npy"))
    files = [file for file in files if file == published_file(data_path, file.stem)]
    if not files:
        raise UserError(
            f"{data_path} has no spectrogram in the published layout, "
            "spec/<id[2]>/<id[3]>/<id[4]>/<id>.npy: give the directory that holds spec/"
        )
    sources = [_source(file.stem, file) for file in files]

    def compute(files: list[Path]) -> Iterator[Result]:
        return (_published_mel(file) for file in files)

    _write(data_path, "published", sources, compute, strict=False)


def _mel(file: Path) -> np.ndarray | str:
    # Torch takes seconds to import: only where it computes.
    from preprocessing.mel.mel_spectrogram import song_mel

    return song_mel(file)


def audio_sources(data_path: Path, audio_path: Path | None) -> list[Source]:
    """List the songs of the split, or of `songs.tsv` where there is no split, and their audio.

    Raises
    ------
    UserError
        `songs.tsv` is missing, lists a song twice or names no audio.
    """
    table = read_tsv(data_path / SONGS, 4)
    audio_of = {song_id: audio for song_id, _, _, audio in table}
    if len(audio_of) < len(table):
        raise UserError(f"{data_path / SONGS} lists a song twice: make it again with step 0")
    has_split = (data_path / "existing_ids.npy").is_file()
    song_ids = read_song_ids(data_path) if has_split else list(audio_of)
    if not any(audio_of.get(song_id) for song_id in song_ids):
        raise UserError(
            f"{data_path / SONGS} names no audio file, in its fourth column, for any of "
            f"{len(song_ids)} songs: make it with step0_dataset.py table, jamendo, magnatagatune "
            "or demo"
        )
    base = audio_path or audio_folder(data_path)
    return [
        _source(song_id, base / audio_of[song_id] if audio_of.get(song_id) else None)
        for song_id in song_ids
    ]


def audio_folder(data_path: Path) -> Path:
    """Folder where the relative paths of `songs.tsv` start: as step 0 noted, or `data_path`."""
    noted = read_about(data_path).get("steps", {}).get("step0", {}).get("audio_path", "")
    return data_path / noted


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
        _check_unchanged(data_path, sources, writer)
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


def _append(
    writer: StoreWriter, sources: list[Source], compute: Compute, strict: bool
) -> dict[Source, str]:
    """Append the songs that can be read; return the others with the reason."""
    reasons = {}
    with closing(compute([source.file for source in sources])) as results:
        for source, result in _with_progress(sources, results):
            if isinstance(result, np.ndarray):
                writer.append(source.song_id, result, source.n_bytes)
                continue
            reasons[source] = str(result)
            if strict:
                raise _strict_error(reasons)
    return reasons


def _check_unchanged(data_path: Path, sources: list[Source], writer: StoreWriter) -> None:
    """Refuse to go on when songs in the store were made from other files than those now there."""
    changed = [
        song_id
        for song_id, _, n_bytes in sources
        if song_id in writer.songs and n_bytes not in (None, writer.songs[song_id].source_bytes)
    ]
    if changed:
        raise UserError(
            f"the files of {len(changed)} songs ({some(changed)}) have another size than when "
            f"{data_path / FRAMES} was made of them: {START_AGAIN}"
        )


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
    with tqdm(total=len(sources), unit=" songs", disable=not sources) as bar:
        for source, result in zip(sources, results, strict=True):
            yield source, result
            hours += len(result) * HOURS_A_FRAME if isinstance(result, np.ndarray) else 0
            speed = hours / (time.monotonic() - begun)
            bar.set_postfix_str(f"{speed:.3f} hours of audio/s", refresh=False)
            bar.update()


def _write_report(data_path: Path, sources: list[Source], reasons: dict[Source, str]) -> None:
    """Replace the report; what it says about songs that this run had nothing to do with stays."""
    old = read_tsv(data_path / REPORT, 3) if (data_path / REPORT).is_file() else []
    ours = {source.song_id for source in sources}
    rows = [row for row in old if row[0] not in ours]
    rows += [
        (source.song_id, source.file or "", reasons[source])
        for source in sources
        if source in reasons
    ]
    with staged(data_path) as stage:
        write_tsv(stage / REPORT, rows)


def _describe(writer: StoreWriter, n_skipped: int) -> None:
    hours = sum(song.n_frames for song in writer.songs.values()) * HOURS_A_FRAME
    writer.describe({"songs": len(writer.songs), "hours": round(hours, 3), "skipped": n_skipped})


def _print_summary(
    new: list[Song], n_before: int, reasons: dict[Source, str], seconds: float
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


def _published_mel(file: Path) -> np.ndarray | str:
    """Spectrogram (frames, 128) in float16 of a file of the published layout, or what is wrong."""
    try:
        published_shape(file)
    except UserError as error:
        return str(error)
    with np.errstate(over="ignore"):
        mel = np.load(file).T.astype(np.float16)
    return mel if np.isfinite(mel).all() else "NaN or infinite values"
