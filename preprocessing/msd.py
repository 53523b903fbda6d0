"""Reader of a Million Song Dataset excerpt: Last.fm tags, and factors of the Taste Profile.

The listening data is not counts but the published form of the paper's data: item factors that
were learnt from the Echo Nest Taste Profile, one row for each line of the index. Its Last.fm tags
carry no scores, so every annotation has the score 100.
"""

import shutil
from pathlib import Path

import numpy as np

from dataset_files import ITEM_FACTORS, ITEM_INDEX, read_npy, read_tsv
from errors import UserError
from preprocessing.raw_set import RawSet, raw_file, read_table

HOME = (
    "the Million Song Dataset with its Last.fm tags and Taste Profile, "
    "http://millionsongdataset.com"
)


def read_msd(raw: Path) -> RawSet:
    """Read the raw files in the folder `raw`: raw_tags.tsv, songs.tsv, factors and their index.

    Raises
    ------
    UserError
        A file is missing, damaged, or contradicts another one.
    """
    track_ids = _read_index(raw)
    songs = read_table(raw / "songs.tsv", ["track_id", "song_id", "artist", "title"], HOME)
    known = {
        track: (track, _legible(artist), _legible(title))
        for track, artist, title in zip(
            songs["track_id"], songs["artist"], songs["title"], strict=True
        )
    }
    missing = [track for track in track_ids if track not in known]
    if missing:
        raise UserError(
            f"{raw / 'songs.tsv'} lacks {len(missing)} tracks of {ITEM_INDEX} (such as "
            f"{missing[0]}): take all files from one copy of {HOME}"
        )
    annotations = read_table(raw / "raw_tags.tsv", ["track_id", "tag"], HOME)
    annotations = annotations.rename(columns={"track_id": "song"}).assign(score=100.0)
    return RawSet(
        name="msd",
        annotations=annotations,
        songs=[known[track] for track in track_ids],
        write_listening=lambda stage: _carry_over(raw, stage),
    )


def _read_index(raw: Path) -> list[str]:
    """Read the track ids of the factors and check that the two files fit each other."""
    index_file, factor_file = raw_file(raw / ITEM_INDEX, HOME), raw_file(raw / ITEM_FACTORS, HOME)
    track_ids = [track for (track,) in read_tsv(index_file, 1)]
    factors = read_npy(factor_file)
    if factors.ndim != 2 or factors.dtype.kind != "f" or not np.isfinite(factors).all():
        raise UserError(f"{factor_file} must be a matrix of finite numbers: get it from {HOME}")
    if len(set(track_ids)) != len(track_ids) or len(track_ids) != len(factors):
        raise UserError(
            f"{index_file} lists {len(set(track_ids))} different tracks but {factor_file} has "
            f"{len(factors)} rows: take both from one copy of {HOME}"
        )
    return track_ids


def _legible(text: str) -> str:
    """Mend the apostrophes of the metadata: some have lost the high byte of U+2019."""
    return text.replace("\x19", "’").strip()


def _carry_over(raw: Path, stage: Path) -> None:
    """The factors and their index are in the published form already."""
    for name in (ITEM_FACTORS, ITEM_INDEX):
        shutil.copyfile(raw / name, stage / name)
