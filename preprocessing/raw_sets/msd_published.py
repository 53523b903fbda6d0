"""Reader of the Million Song Dataset as it is published: Last.fm tags with scores, play counts.

Bertin-Mahieux, Ellis, Whitman, Lamere: The Million Song Dataset (ISMIR 2011);
http://millionsongdataset.com, pages lastfm and tasteprofile. Tags are given to tracks (TR...),
plays to songs (SO...), of which a track is a recording: a song's plays count for all its tracks,
but for the pairs that the list of mismatches calls wrong.
"""

import csv
import functools
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd

from command_line import existing_file
from dataset.files import ITEM_INDEX, TRIPLETS, Song, read_tsv
from errors import UserError, one_line
from preprocessing.listening.taste_profile import read_published
from preprocessing.listening.triplets import counts_of, songs_of_triplets, triplet_chunks
from preprocessing.raw_sets.msd import GET_AGAIN, HOME, carry_over, legible
from preprocessing.raw_sets.raw_set import RawSet, is_name
from preprocessing.raw_sets.tables import read_text

TAGS = "lastfm_tags.db"
TRACKS = "unique_tracks.txt"
PLAYS = [f"train_triplets.txt{packed}" for packed in ("", ".zip", ".gz", ".bz2", ".xz")]
SONG_TO_TRACKS = "taste_profile_song_to_tracks.txt"
MISMATCHES = "sid_mismatches.txt"
MISMATCH = re.compile(r"<(SO\w+) (TR\w+)>")


def is_as_published(raw: Path) -> bool:
    """Whether the folder holds files as the Million Song Dataset publishes them."""
    return any((raw / name).is_file() for name in (TAGS, TRACKS, SONG_TO_TRACKS, *PLAYS))


def read_msd_as_published(raw: Path) -> RawSet:
    """Read lastfm_tags.db, unique_tracks.txt and the files of the Taste Profile in `raw`.

    In place of the play counts, the factors of the paper's data are taken.

    Raises
    ------
    UserError
        A file is missing or damaged, or no track of one is in the others.
    """
    annotations = read_tags_of_lastfm(raw / TAGS)
    tracks = _read_tracks(raw / TRACKS)
    plays = next((raw / name for name in PLAYS if (raw / name).is_file()), None)
    if plays is None and (raw / ITEM_INDEX).is_file():
        listened = set(read_published(raw).song_ids)
        write_listening = functools.partial(carry_over, raw)
    else:
        plays = existing_file(plays or raw / PLAYS[0], GET_AGAIN)
        tracks_of = _tracks_of_songs(raw / SONG_TO_TRACKS, raw / MISMATCHES)
        listened = {track for song in songs_of_triplets(plays) for track in tracks_of.get(song, ())}
        write_listening = functools.partial(_write_plays, plays, tracks_of)
    songs = [tracks[track] for track in sorted(listened & tracks.keys())]
    if not songs:
        raise UserError(
            f"{raw / TRACKS} has no track that is listened to: take all files from one copy of "
            f"{HOME}"
        )
    print(f"tracks that are listened to: {len(songs)}")
    return RawSet("msd", annotations, songs, write_listening)


def read_tags_of_lastfm(path: Path) -> pd.DataFrame:
    """Read the SQLite file of the Last.fm set: rows of song (the track), tag and score.

    Its tables: tids (tid), tags (tag), and tid_tag (tid, tag, val), whose first two are row
    numbers of the others and whose val is 0 to 100.
    """
    uri = f"{existing_file(path, GET_AGAIN).resolve().as_uri()}?mode=ro&immutable=1"
    kinds = np.dtype([("tid", np.int64), ("tag", np.int64), ("score", np.float64)])
    try:
        with closing(sqlite3.connect(uri, uri=True)) as base:
            tracks = dict(base.execute("SELECT rowid, CAST(tid AS TEXT) FROM tids"))
            tags = dict(base.execute("SELECT rowid, CAST(tag AS TEXT) FROM tags"))
            rows = np.fromiter(base.execute("SELECT tid, tag, val FROM tid_tag"), dtype=kinds)
    except (sqlite3.Error, TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"{path} is not the SQLite file of the Last.fm set ({one_line(error)}): {GET_AGAIN}"
        ) from None
    _require_tracks(tracks.values(), path)
    table = pd.DataFrame(
        {
            "song": pd.Series(rows["tid"]).map(tracks),
            "tag": pd.Series(rows["tag"]).map(tags),
            "score": rows["score"],
        }
    )
    if table.isna().to_numpy().any() or not table["score"].between(0, 100).all():
        raise UserError(
            f"{path} has a tag without a track, a name or a score from 0 to 100: {GET_AGAIN}"
        )
    return table.astype({"song": object, "tag": object})


def _require_tracks(tracks: Iterable[str | None], path: Path) -> None:
    """Raise `UserError` for a track that cannot be a field of our files."""
    wrong = next((track for track in tracks if track is not None and not is_name(track)), None)
    if wrong is not None:
        raise UserError(
            f"{path} has the track {wrong!r}, which must be a name without tab, line break or "
            f"other control characters: {GET_AGAIN}"
        )


# ---------------------------------------------------------------- which song is which track


def _read_tracks(path: Path) -> dict[str, Song]:
    """Read lines of track<SEP>song<SEP>artist<SEP>title."""
    tracks = {}
    for number, line in enumerate(read_text(path, GET_AGAIN).split("\n"), start=1):
        fields = line.rstrip("\r").split("<SEP>")
        if fields == [""]:
            continue
        if len(fields) != 4:
            raise UserError(
                f"{path} has {len(fields)} fields in line {number} instead of track, song, artist "
                f"and title with <SEP> between them: {GET_AGAIN}"
            )
        track, _, artist, title = fields
        if not is_name(track):
            raise UserError(
                f"{path} has {track!r} as a track in line {number}, which must be a name without "
                f"tab or other control characters: {GET_AGAIN}"
            )
        tracks[track] = Song(track, legible(artist), legible(title))
    return tracks


def _tracks_of_songs(path: Path, mismatches: Path) -> dict[str, list[str]]:
    """Read the tracks of each song: a line is a song, then none, one or several tracks."""
    lines = read_tsv(existing_file(path, GET_AGAIN), None)
    pairs = [(song, track) for song, *tracks in lines for track in tracks if track]
    _require_tracks((track for _, track in pairs), path)
    wrong = _wrong_pairs(mismatches)
    trusted = [pair for pair in pairs if pair not in wrong]
    print(f"pairs of song and track: {len(pairs)}, without mismatches {len(trusted)}")
    tracks_of = defaultdict(list)
    for song, track in dict.fromkeys(trusted):
        tracks_of[song].append(track)
    return tracks_of


def _wrong_pairs(path: Path) -> set[tuple[str, str]]:
    """Read the list of mismatches: lines such as ERROR: <SO... TR...> what the two are."""
    if not path.is_file():
        print(f"{path} is missing, so wrong pairs of song and track are kept: {GET_AGAIN}")
        return set()
    wrong = set(MISMATCH.findall(read_text(path, GET_AGAIN)))
    if not wrong:
        raise UserError(f"{path} has no line of the form ERROR: <SO... TR...>: {GET_AGAIN}")
    return wrong


# ---------------------------------------------------------------- the plays


def _write_plays(plays: Path, tracks_of: dict[str, list[str]], stage: Path) -> None:
    """Write the plays of songs as those of their tracks, 48 million rows, a chunk at a time."""
    with open(stage / TRIPLETS, "w", encoding="utf-8", newline="\n") as stream:
        for chunk in triplet_chunks(plays):
            counts_of(chunk["count"], plays)  # all are numbers above 0
            by_track = chunk.assign(song=chunk["song"].map(tracks_of)).explode("song")
            by_track = by_track[by_track["song"].notna()]
            by_track.to_csv(stream, sep="\t", header=False, index=False, quoting=csv.QUOTE_NONE)
