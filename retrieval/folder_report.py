"""What an index keeps of a folder of audio beside the songs: times of files, and a report.

Neither is needed to search: `index --add` compares contents where the times are gone.
"""

import shlex
from collections.abc import Collection, Mapping, Sequence
from os.path import abspath, exists
from pathlib import Path

from dataset.files import read_tsv, some
from dataset.moving import remove_with
from dataset.writing import staged, write_tsv
from errors import UserError, shown
from preprocessing.mel.song_run import cut_or_repaired
from retrieval.embedded_songs import OfFolder

TIMES = "file_times.tsv"  # song id, `known_files.state_of` its file
REPORT = "audio_report.tsv"  # file, what became of it, why
MISSING = "missing"  # of a song that the index has; such rows are made anew each time
MOST_NAMED = 3  # files or songs, on one line


def read_times(folder: Path) -> dict[str, str]:
    """Song id -> state of its file when it was last found to be what the index has heard."""
    try:
        return dict(read_tsv(folder / TIMES, 2)) if (folder / TIMES).is_file() else {}
    except UserError:  # damaged: contents are compared
        return {}


def examples(reasons: Mapping[Path, str]) -> str:
    """The first files and what is said of them, on one line."""
    return some([f"{shown(str(file))} ({why})" for file, why in reasons.items()], MOST_NAMED)


def write_report(folder: Path, of_folder: OfFolder, is_anew: bool) -> None:
    """Keep the times and the report in the folder of an index, and say what the report has.

    Of an index that is not made anew stays what both say of other files.
    """
    times = ({} if is_anew else read_times(folder)) | dict(of_folder.times)
    rows = [] if is_anew else _of_others(folder / REPORT, of_folder.heard)
    left_out, repaired = of_folder.left_out, of_folder.repaired
    for became, reasons in (("left out", left_out), ("cut or repaired", repaired)):
        rows += [[_place(file), became, shown(why)] for file, why in reasons.items()]
    for song in of_folder.missing:
        rows.append([_place(Path(song.audio)), MISSING, f"song {shown(song.song_id)}"])
    with staged(folder) as stage:
        for name, lines in ((TIMES, sorted(times.items())), (REPORT, rows)):
            write_tsv(stage / name, lines) if lines else remove_with(stage, name)
    lists = f"{folder / REPORT} lists them all"
    if left_out:
        n_files = f"{len(left_out)} of {len(of_folder.heard)} files"
        print(f"{n_files} left out: {examples(left_out)}; {lists}")
    if repaired:
        print(
            f"{cut_or_repaired({shown(str(one)): why for one, why in repaired.items()})}; {lists}"
        )
    if of_folder.missing:
        _tell_missing(folder, [song.song_id for song in of_folder.missing])


def _tell_missing(folder: Path, song_ids: Sequence[str]) -> None:
    """Say which songs have no file any more, and how to take them out.

    None goes by itself: a disk may only be out of reach.
    """
    whose = "song whose file is" if len(song_ids) == 1 else "songs whose files are"
    few = [f"--song={one}" if one.startswith("-") else one for one in song_ids]
    few = [shlex.quote(shown(one)) for one in few] if len(few) <= MOST_NAMED else ["SONG..."]
    command = " ".join(["python -u retrieve.py remove", shlex.quote(str(folder)), *few])
    print(
        f"{len(song_ids)} {whose} missing: {some(list(map(shown, song_ids)), MOST_NAMED)}; "
        f"{folder / REPORT} lists them all; take out what is gone for good: {command}"
    )


def _of_others(report: Path, heard: Collection[Path]) -> list[list[str]]:
    """Rows of a report on files that were not heard now, as of another folder, and are there."""
    try:
        rows = read_tsv(report, 3) if report.is_file() else []
    except UserError:  # damaged
        return []
    ours = {_place(file) for file in heard}
    others = [row for row in rows if row[0] not in ours and row[1] != MISSING]
    return [row for row in others if "\\" in row[0] or exists(row[0])]


def _place(file: Path) -> str:
    return shown(abspath(file))
