"""Reader of MagnaTagATune: clips of 29 seconds, tagged by the players of a game.

Law, West, Mandel, Bay, Downie: Evaluation of Algorithms Using Games: The Case of Music Tagging
(ISMIR 2009). The audio comes in 16 folders, 0 to f, and its usual split goes by them: 0 to b for
training, c for validation, d to f for testing. So it stands in Dieleman and Schrauwen, End-to-end
Learning for Music Audio (ICASSP 2014), and in the partition of Pons et al., End-to-end Learning
for Music Audio Tagging at Scale (ISMIR 2018, section 5.2; github.com/jordipons/musicnn-training,
aux/mtt/partition_gt.py). It parts folders, not artists.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from dataset.files import Song, plain, unique_names
from errors import UserError
from preprocessing.raw_sets.raw_set import RawSet, folder_of_audio, require_names
from preprocessing.raw_sets.tables import QUOTED, read_table

HOME = "the MagnaTagATune set, https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset"
GET_AGAIN = f"get it from {HOME}"

PART_OF_FOLDER = (
    dict.fromkeys("0123456789ab", "train") | {"c": "valid"} | dict.fromkeys("def", "test")
)


def read_magnatagatune(raw: Path) -> RawSet:
    """Read annotations_final.csv and clip_info_final.csv in the folder `raw`.

    The song id is the clip id. The 188 tags stay as published, with their synonyms.

    Raises
    ------
    UserError
        A file is missing, damaged, or names a clip twice.
    """
    clips = _read(raw / "annotations_final.csv", ("clip_id", "mp3_path"))
    info = _read(raw / "clip_info_final.csv", ("clip_id", "artist", "title"))
    info = info.reindex(clips.index, fill_value="")
    rows = zip(clips.index, info["artist"], info["title"], clips["mp3_path"], strict=True)
    songs = [Song(clip, plain(artist), plain(title), audio) for clip, artist, title, audio in rows]
    return RawSet(
        name="magnatagatune",
        annotations=_annotations(clips.drop(columns="mp3_path"), raw / "annotations_final.csv"),
        songs=songs,
        parts={song.song_id: _part(song, raw / "annotations_final.csv") for song in songs},
        audio=folder_of_audio(raw, songs),
    )


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read one of the two files; its index is the clip id, which must stand once."""
    table = read_table(path, columns, GET_AGAIN, QUOTED)
    for column in {"clip_id", "mp3_path"}.intersection(columns):
        require_names(table[column], path, GET_AGAIN)
    unique_names(table["clip_id"].tolist(), path, "clip", GET_AGAIN)
    return table.set_index("clip_id")


def _annotations(clip_tags: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Rows of song, tag, score from the table clips x tags of '0' and '1'."""
    bears = (clip_tags == "1").to_numpy()
    wrong = np.argwhere(~(bears | (clip_tags == "0").to_numpy()))
    if len(wrong):
        clip, tag = wrong[0]
        raise UserError(
            f"{path} has {clip_tags.iat[clip, tag]!r} instead of 0 or 1 for the tag "
            f"{clip_tags.columns[tag]!r} of the clip {clip_tags.index[clip]}: {GET_AGAIN}"
        )
    plain_tags = clip_tags.columns.map(plain)
    if "" in plain_tags:
        raise UserError(f"{path} has a column without a tag in its header: {GET_AGAIN}")
    clips, tags = np.nonzero(bears)
    songs, names = clip_tags.index[clips], plain_tags[tags]
    return pd.DataFrame({"song": songs, "tag": names, "score": 100.0})


def _part(song: Song, path: Path) -> str:
    folder = song.audio.partition("/")[0]
    if folder not in PART_OF_FOLDER:
        raise UserError(
            f"{path} has the mp3_path {song.audio!r} for the clip {song.song_id}, which is in none "
            f"of the folders 0 to f: {GET_AGAIN}"
        )
    return PART_OF_FOLDER[folder]
