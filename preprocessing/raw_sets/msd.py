"""Reader of a Million Song Dataset excerpt: Last.fm tags, and factors of the Taste Profile.

The listening data is not counts but the published form of the paper's data: item factors that
were learnt from the Echo Nest Taste Profile, one row for each line of the index. Its Last.fm tags
carry no scores, so every annotation has the score 100.
"""

import functools
import shutil
from pathlib import Path

from dataset.files import ITEM_FACTORS, ITEM_INDEX, Song
from errors import UserError
from preprocessing.listening.taste_profile import read_published
from preprocessing.raw_sets.raw_set import RawSet, require_names
from preprocessing.raw_sets.tables import read_table

HOME = (
    "the Million Song Dataset with its Last.fm tags and Taste Profile, "
    "http://millionsongdataset.com"
)
GET_AGAIN = f"get it from {HOME}"
FILES = ("raw_tags.tsv", "songs.tsv", ITEM_FACTORS, ITEM_INDEX)


def read_msd(raw: Path) -> RawSet:
    """Read the raw files in the folder `raw`: raw_tags.tsv, songs.tsv, factors and their index.

    Raises
    ------
    UserError
        A file is missing, damaged, or contradicts another one.
    """
    if not any((raw / name).is_file() for name in FILES):
        raise UserError(
            f"{raw} has none of the files that `step0_dataset.py msd --help` names: give as RAW "
            f"a folder with those of {HOME}"
        )
    track_ids = read_published(raw).song_ids
    songs = read_table(raw / "songs.tsv", ["track_id", "song_id", "artist", "title"], GET_AGAIN)
    require_names(songs["track_id"], raw / "songs.tsv", GET_AGAIN)
    rows = songs[["track_id", "artist", "title"]].itertuples(index=False, name=None)
    known = {track: Song(track, legible(artist), legible(title)) for track, artist, title in rows}
    missing = [track for track in track_ids if track not in known]
    if missing:
        raise UserError(
            f"{raw / 'songs.tsv'} lacks {len(missing)} tracks of {ITEM_INDEX} (such as "
            f"{missing[0]}): take all files from one copy of {HOME}"
        )
    annotations = read_table(raw / "raw_tags.tsv", ["track_id", "tag"], GET_AGAIN)
    require_names(annotations["track_id"], raw / "raw_tags.tsv", GET_AGAIN)
    annotations = annotations.rename(columns={"track_id": "song"}).assign(score=100.0)
    return RawSet(
        name="msd",
        annotations=annotations,
        songs=[known[track] for track in track_ids],
        write_listening=functools.partial(carry_over, raw),
    )


def legible(text: str) -> str:
    """Mend the apostrophes of the metadata: some have lost the high byte of U+2019."""
    return text.replace("\x19", "’").strip()


def carry_over(raw: Path, stage: Path) -> None:
    """The factors and their index are in the published form already."""
    for name in (ITEM_FACTORS, ITEM_INDEX):
        shutil.copyfile(raw / name, stage / name)
