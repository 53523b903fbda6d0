"""Small raw data sets as step 0 finds them."""

from pathlib import Path

import numpy as np

from step0_runs import write_lines

ARTISTS = ["id\tname\turl\tpictureURL", "7\tBjörk\tu\tp", '8\t"Weird" Al\tu\t', "9\tNull\tu\tp"]
TAGS = ["tagID\ttagValue", "1\trock", "2\tRock Music", "3\ttropicália", "4\tnan", "5\tseen live"]
PLAYS = ["userID\tartistID\tweight", "1\t7\t10", "1\t8\t3", "2\t7\t5"]
TAGGINGS = [
    "userID\tartistID\ttagID\tday\tmonth\tyear",
    "1\t7\t1\t1\t4\t2009",
    "2\t7\t1\t1\t4\t2009",
    "3\t7\t3\t1\t4\t2009",  # one of two taggers: score 50
    "1\t8\t2\t1\t4\t2009",
    "1\t8\t4\t1\t4\t2009",
    "2\t8\t5\t1\t4\t2009",
    "1\t9\t1\t1\t4\t2009",  # nobody listened to 9
]


def write_lastfm(raw: Path) -> Path:
    """Write a raw lastfm-2k, in the encodings and line ends of the real one."""
    raw.mkdir()
    write_lines(raw / "artists.dat", ARTISTS)
    write_lines(raw / "tags.dat", TAGS, "latin-1", "\r\n")
    write_lines(raw / "user_artists.dat", PLAYS, end="\r\n")
    write_lines(raw / "user_taggedartists.dat", TAGGINGS, end="\r\n")
    return raw


def write_msd(raw: Path) -> Path:
    """Write a raw excerpt of the Million Song Dataset."""
    raw.mkdir()
    write_lines(raw / "items_index_MSD.tsv", ["TRB", "TRA"])
    np.save(raw / "item_factors_MSD.npy", np.arange(6, dtype=np.float32).reshape(2, 3))
    songs = ["TRA\tSOA\tBjörk\tDon\x19t", 'TRB\tSOB\tNA\t"Heroes"', "TRC\tSOC\tX\tY"]
    write_lines(raw / "songs.tsv", ["track_id\tsong_id\tartist\ttitle", *songs])
    tags = ["TRA\thip-hop", "TRA\thip hop", "TRB\thip hop", "TRB\tnull", "TRC\trock"]
    write_lines(raw / "raw_tags.tsv", ["track_id\ttag", *tags])
    return raw
