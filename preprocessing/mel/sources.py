"""The files that spectrograms and vectors of songs are made from, and whether they are the same.

As rsync does, size and time of a file are looked at; where only its time is another, its content is
compared, so that a copied dataset costs one reading of its files, and none is computed again.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dataset.files import SONGS, read_song_ids, read_step, read_tsv, some
from dataset.mel_index import FRAMES, INDEX, START_AGAIN, StoredSong
from dataset.mel_store import REPORT, published_file
from dataset.writing import write_tsv
from errors import UserError
from progress import progress

TIMES = "mel_times.tsv"  # song id, time of its file in ns; may be removed: contents are compared


@dataclass(frozen=True)
class StoreFiles:
    """Names of the files in which a step keeps what it makes of the songs, and how to start again.

    `data` has what is made, `index` of which song and file, `report` which songs were skipped, and
    `times` is as `TIMES`; `what` is the word for what is made.
    """

    what: str
    data: str
    index: str
    report: str
    times: str
    start_again: str


MEL_FILES = StoreFiles("spectrograms", FRAMES, INDEX, REPORT, TIMES, START_AGAIN)


class Source(NamedTuple):
    """A song, the file that is made use of, its size in bytes and its time in ns.

    None stands for a file that is not named, or is not there.
    """

    song_id: str
    file: Path | None
    n_bytes: int | None
    time: int | None


def _source(song_id: str, file: Path | None) -> Source:
    if set("\t\r\n") & set(song_id):  # it would break the lines of the index
        raise UserError(f"the song id {song_id!r} has a tab or line break in it: rename the song")
    if not file or not file.is_file():
        return Source(song_id, file, None, None)
    status = file.stat()
    return Source(song_id, file, status.st_size, status.st_mtime_ns)


def audio_sources(data_path: Path, audio_path: Path | None) -> list[Source]:
    """List the songs of the split, or of `songs.tsv` where there is no split, and their audio.

    Raises
    ------
    UserError
        `audio_path` is no directory; or `songs.tsv` is missing, lists a song twice or names no
        audio.
    """
    if audio_path and not audio_path.is_dir():
        raise UserError(
            f"{audio_path} is not a directory: give the folder of the audio as AUDIO_PATH"
        )
    table = read_tsv(data_path / SONGS, 4)
    audio_of = {song_id: audio for song_id, _, _, audio in table}
    if len(audio_of) < len(table):
        raise UserError(f"{data_path / SONGS} lists a song twice: make it again with step 0")
    has_split = (data_path / "existing_ids.npy").is_file()
    song_ids = read_song_ids(data_path) if has_split else list(audio_of)
    if not any(audio_of.get(song_id) for song_id in song_ids):
        raise UserError(
            f"{data_path / SONGS} names no audio file, in its fourth column, for any of "
            f"{len(song_ids)} songs: make it with step0_dataset.py table, jamendo, magnatagatune, "
            "emotify or demo"
        )
    base = audio_path or audio_folder(data_path)
    return [
        _source(song_id, base / audio_of[song_id] if audio_of.get(song_id) else None)
        for song_id in song_ids
    ]


def audio_folder(data_path: Path) -> Path:
    """Folder where the relative paths of `songs.tsv` start: as step 0 noted, or `data_path`."""
    noted = read_step(data_path, "step0").get("audio_path", "")
    return data_path / noted


def published_sources(data_path: Path) -> list[Source]:
    """List the spectrograms of the published layout; raise `UserError` where there are none."""
    files = sorted((data_path / "spec").rglob("*.npy"))
    files = [file for file in files if file == published_file(data_path, file.stem)]
    if not files:
        raise UserError(
            f"{data_path} has no spectrogram in the published layout, "
            "spec/<id[2]>/<id[3]>/<id[4]>/<id>.npy: give the directory that holds spec/"
        )
    return [_source(file.stem, file) for file in files]


# ---------------------------------------------------------------- still the same?


def digest_of(file: Path | str) -> str:
    """What stands for the content of a file, 32 hexadecimal digits (of SHA-256)."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def check_unchanged(
    data_path: Path, sources: list[Source], songs: dict[str, StoredSong], files: StoreFiles
) -> None:
    """Refuse to go on when songs in the store were made from other files than those now there."""
    there = [one for one in sources if one.song_id in songs and one.n_bytes is not None]
    times = _read_times(data_path / files.times)
    doubtful = {
        source
        for source in there
        if source.n_bytes == songs[source.song_id].source_bytes
        and songs[source.song_id].digest  # stores from before knew the size alone
        and times.get(source.song_id) != str(source.time)
    }
    changed = [
        source.song_id
        for source in progress(there, "comparing files", unit=" songs", disable=len(doubtful) < 100)
        if source.n_bytes != songs[source.song_id].source_bytes
        or (source in doubtful and digest_of(source.file) != songs[source.song_id].digest)
    ]
    if changed:
        raise UserError(
            f"the files of {len(changed)} songs ({some(changed)}) have another size or content "
            f"than when {data_path / files.data} was made of them: {files.start_again}"
        )


def write_times(stage: Path, data_path: Path, sources: list[Source], files: StoreFiles) -> None:
    """Note the times of files that are known to be what the store was made from."""
    now = {source.song_id: str(source.time) for source in sources if source.time is not None}
    write_tsv(stage / files.times, sorted((_read_times(data_path / files.times) | now).items()))


def _read_times(file: Path) -> dict[str, str]:
    return dict(read_tsv(file, 2)) if file.is_file() else {}
