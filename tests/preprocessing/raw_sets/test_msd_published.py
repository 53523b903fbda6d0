"""The Million Song Dataset in small, written as the published files are."""

import gzip
import sqlite3
import zipfile

import numpy as np
import pytest

from dataset.files import read_about, read_songs, read_tsv
from preprocessing.listening import triplets
from preprocessing.raw_sets.msd_published import read_tags_of_lastfm
from step0_runs import done_well, from_shell, step0, write_lines

SEP = "<SEP>"
TRACKS = [
    ("TRA", "SOA", "Björk", "Jóga"),
    ("TRB", "SOA", "Björk", "Jóga (live)"),
    ("TRC", "SOC", "Can", "Don\x19t"),
    ("TRD", "SOD", "Dr. <3", "A"),
    ("TRE", "SOE", "Eno", "Nobody plays it"),
]
TAGS = [
    ("TRA", "rock", 100),
    ("TRA", "Pop", 50),
    ("TRA", "weak", 49.5),
    ("TRB", "rock music", 75),
    ("TRC", "pop", 100),
    ("TRD", "rock", 100),
    ("TRE", "rock", 100),
]
PLAYS = ["u1\tSOA\t3", "u2\tSOC\t1", "u2\tSOD\t2", "u3\tSOX\t9"]


def write_tags(path, rows=TAGS):
    """Write the tables of lastfm_tags.db, whose columns are of these names and kinds."""
    tracks, tags = (sorted({row[column] for row in rows}) for column in (0, 1))
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE tids (tid TEXT PRIMARY KEY)")
    base.execute("CREATE TABLE tags (tag TEXT)")
    base.execute("CREATE TABLE tid_tag (tid INT, tag INT, val FLOAT)")
    base.executemany("INSERT INTO tids VALUES (?)", [(track,) for track in tracks])
    base.executemany("INSERT INTO tags VALUES (?)", [(tag,) for tag in tags])
    numbered = [(tracks.index(track) + 1, tags.index(tag) + 1, val) for track, tag, val in rows]
    base.executemany("INSERT INTO tid_tag VALUES (?, ?, ?)", numbered)
    base.commit()
    base.close()


def explained(done, *words):
    """One sentence, after the bar of the reading, and exit code 2."""
    said = done.stderr.splitlines()[-1]
    return (
        done.returncode == 2 and said.startswith("error: ") and all(str(w) in said for w in words)
    )


@pytest.fixture
def raw(tmp_path):
    raw = tmp_path / "raw"
    write_lines(raw / "unique_tracks.txt", [SEP.join(track) for track in TRACKS])
    write_lines(raw / "train_triplets.txt", PLAYS)
    lines = ["SOA\tTRA\tTRB", "SOB", "SOC\tTRC", "SOD\tTRD\tTRC", "SOX\tTRX"]
    write_lines(raw / "taste_profile_song_to_tracks.txt", lines)
    wrong = ["ERROR: <SOD TRC> Dr. <3  -  A  !=  Can  -  Don't", "ERROR: <SOA TRZ> a - b != c - d"]
    write_lines(raw / "sid_mismatches.txt", wrong)
    write_tags(raw / "lastfm_tags.db")
    return raw


def test_everything_is_written(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(triplets, "CHUNK_ROWS", 2)
    data = tmp_path / "data"
    told = done_well(step0("msd", raw, data, "--min_songs", 1))
    assert read_tsv(data / "msd500/track_tags.tsv", 5) == [
        ["TRA", "Pop", "pop", "genre", "50"],
        ["TRA", "rock", "rock", "genre", "100"],
        ["TRB", "rock music", "rock", "genre", "75"],
        ["TRC", "pop", "pop", "genre", "100"],
        ["TRD", "rock", "rock", "genre", "100"],
    ]
    assert [song[:3] for song in read_songs(data)] == [
        ("TRA", "Björk", "Jóga"),
        ("TRB", "Björk", "Jóga (live)"),
        ("TRC", "Can", "Don’t"),
        ("TRD", "Dr. <3", "A"),
    ]
    assert read_tsv(data / "triplets.tsv", 3) == [
        ["u1", "TRA", "3"],
        ["u1", "TRB", "3"],
        ["u2", "TRC", "1"],
        ["u2", "TRD", "2"],
        ["u3", "TRX", "9"],
    ]
    assert "pairs of song and track: 6, without mismatches 5" in told
    facts = read_about(data)["steps"]["step0"]
    assert (facts["min_score"], facts["max_tags"]) == (50, 20)


def test_scores_are_strengths(raw, tmp_path):
    data = tmp_path / "data"
    done_well(step0("msd", raw, data, "--min_songs", 1))
    assert not (data / "tag_strengths.tsv").exists()  # all would be 1
    (raw / "lastfm_tags.db").unlink()
    write_tags(raw / "lastfm_tags.db", [*TAGS, ("TRB", "pop music", 30), ("TRD", "pop", 0)])
    done_well(step0("msd", raw, data, "--min_songs", 1))
    assert read_tsv(data / "tag_strengths.tsv", 3) == [
        ["TRA", "pop", "1"],
        ["TRA", "rock", "1"],
        ["TRB", "pop", "0.3"],
        ["TRB", "rock", "1"],
        ["TRC", "pop", "1"],
        ["TRD", "rock", "1"],
    ]


def test_options_and_packed_plays(raw, tmp_path):
    plays = (raw / "train_triplets.txt").read_bytes()
    (raw / "train_triplets.txt").unlink()
    with zipfile.ZipFile(raw / "train_triplets.txt.zip", "w") as packed:
        packed.writestr("train_triplets.txt", plays)
    options = ("--min_songs", 1, "--min_score", 0, "--max_tags", 2)
    done_well(from_shell("msd", raw, tmp_path / "zip", *options))
    songs = {row[0] for row in read_tsv(tmp_path / "zip/msd500/track_tags.tsv", 5)}
    assert songs == {"TRB", "TRC", "TRD"}  # with its weak tag TRA has three
    (raw / "train_triplets.txt.zip").unlink()
    (raw / "train_triplets.txt.gz").write_bytes(gzip.compress(plays))
    done_well(step0("msd", raw, tmp_path / "gz", *options))
    assert (tmp_path / "gz/triplets.tsv").read_bytes() == (
        tmp_path / "zip/triplets.tsv"
    ).read_bytes()


def test_without_the_mismatches_it_is_told(raw, tmp_path):
    (raw / "sid_mismatches.txt").unlink()
    told = done_well(step0("msd", raw, tmp_path / "data", "--min_songs", 1))
    assert "sid_mismatches.txt is missing, so wrong pairs of song and track are kept" in told
    assert ["u2", "TRC", "2"] in read_tsv(tmp_path / "data/triplets.tsv", 3)


def test_factors_in_place_of_plays(raw, tmp_path):
    (raw / "train_triplets.txt").unlink()
    write_lines(raw / "items_index_MSD.tsv", ["TRB", "TRA"])
    np.save(raw / "item_factors_MSD.npy", np.ones((2, 3), np.float32))
    done_well(step0("msd", raw, tmp_path / "data", "--min_songs", 1))
    assert [song.song_id for song in read_songs(tmp_path / "data")] == ["TRA", "TRB"]
    assert (tmp_path / "data/item_factors_MSD.npy").exists()
    assert not (tmp_path / "data/triplets.tsv").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("lastfm_tags.db", None, ["is missing"]),
        ("unique_tracks.txt", None, ["is missing"]),
        ("train_triplets.txt", None, ["is missing"]),
        ("taste_profile_song_to_tracks.txt", None, ["is missing"]),
        ("lastfm_tags.db", b"no base" * 999, ["not the SQLite file of the Last.fm set"]),
        ("lastfm_tags.db", b"", ["no such table"]),
        ("unique_tracks.txt", b"TRA<SEP>SOA<SEP>x\n", ["3 fields in line 1", "<SEP>"]),
        ("unique_tracks.txt", b"TRZ<SEP>SOZ<SEP>x<SEP>y\n", ["no track that is listened to"]),
        ("unique_tracks.txt", b"\xff", ["not utf-8"]),
        ("taste_profile_song_to_tracks.txt", b"SOA TRA\n", ["no track that is listened to"]),
        ("sid_mismatches.txt", b"SOA TRA\n", ["no line of the form ERROR: <SO... TR...>"]),
    ],
)
def test_a_bad_file_is_explained(raw, tmp_path, name, content, words):
    (raw / name).unlink()
    if content is not None:
        (raw / name).write_bytes(content)
    done = step0("msd", raw, tmp_path / "data", "--min_songs", 1)
    assert explained(done, raw, "millionsongdataset.com", *words)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("count", ["0", "x", ""])
def test_a_bad_count_is_explained(raw, tmp_path, count):
    write_lines(raw / "train_triplets.txt", [*PLAYS, f"u3\tSOA\t{count}"])
    done = step0("msd", raw, tmp_path / "data", "--min_songs", 1)
    assert explained(done, f"the count {count!r} in row 5")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE tid_tag SET val = 101 WHERE tag = 1",
        "UPDATE tid_tag SET val = 'much' WHERE tag = 1",
        "UPDATE tid_tag SET val = NULL WHERE tag = 1",
        "UPDATE tid_tag SET tag = 99 WHERE tag = 1",
        "DELETE FROM tids WHERE tid = 'TRA'",
        "UPDATE tags SET tag = NULL",
        "DROP TABLE tags",
    ],
)
def test_damaged_tables_are_explained(raw, tmp_path, damage):
    base = sqlite3.connect(raw / "lastfm_tags.db")
    base.execute(damage)
    base.commit()
    base.close()
    done = step0("msd", raw, tmp_path / "data", "--min_songs", 1)
    assert explained(done, raw / "lastfm_tags.db", "millionsongdataset.com")


def test_tags_stay_text(tmp_path):
    write_tags(tmp_path / "x.db", [("TRA", "80", 1), ("TRA", "null", 100), ("TRA", "", 0)])
    table = read_tags_of_lastfm(tmp_path / "x.db")
    assert table.values.tolist() == [
        ["TRA", "80", 1.0],
        ["TRA", "null", 100.0],
        ["TRA", "", 0.0],
    ]
