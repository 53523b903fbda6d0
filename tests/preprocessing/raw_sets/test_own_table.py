"""One's own music: what a user's table may look like, and what is said of one that cannot be."""

import csv
import gzip
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from commands import ROOT, assert_user_error, run_command, run_here
from dataset.directory import open_dataset
from dataset.files import read_about, read_categories, read_songs, read_tsv
from dataset.writing import write_pickle
from real_data import real_data
from step0_runs import (
    done_well,
    files_of,
    from_shell,
    plays_of,
    refused,
    step0,
    write_lines,
    write_own_music,
)


@pytest.fixture
def music(tmp_path) -> Path:
    return write_own_music(tmp_path / "music")


def rows(*lines) -> bytes:
    return "".join(f"{line}\n" for line in ("file,tags", *lines)).encode()


def track_tags(data):
    return [tuple(row[:4]) for row in read_tsv(data / "msd500/track_tags.tsv", 5)]


def test_a_table_becomes_step_1_input(music, tmp_path):
    data = tmp_path / "data"
    told = done_well(from_shell("table", music / "table.csv", data, "--min_songs", 1))
    assert track_tags(data) == [
        ("rock/a.wav", "Rock", "Rock", "genre"),
        ("rock/a.wav", "loud", "loud", "mood"),
        ("rock/b.mp3", "Rock", "Rock", "genre"),
        ("c d.flac", "80s", "80s", "decade"),
        ("c d.flac", "Rock", "Rock", "genre"),
    ]
    assert read_tsv(data / "songs.tsv", 4) == [
        ["rock/a.wav", "Ann, Bob", 'A "B" song', "rock/a.wav"],
        ["rock/b.mp3", "Ann", "", "rock/b.mp3"],
        ["c d.flac", "Bob", "C", "c d.flac"],
    ]
    assert read_categories(data) == {"80s": "decade", "Rock": "genre", "loud": "mood"}
    facts = read_about(data)["steps"]["step0"]
    assert (facts["set"], facts["audio_path"], facts["min_songs"]) == ("table", "../music", 1)
    assert files_of(data) == [
        "dataset.json",
        "msd500/track_tags.tsv",
        "raw_tags.tsv",
        "songs.tsv",
        "tag_categories.tsv",
    ]
    assert "3 songs, 3 tags, 1.7 per song" in told


def test_audio_path_leads_from_the_data_to_the_files_wherever_one_stands(music, tmp_path):
    command = (ROOT / "step0_dataset.py", "table", "table.csv", "deep/data", "--min_songs", "1")
    done_well(run_command(*command, cwd=music))
    audio_path = read_about(music / "deep/data")["steps"]["step0"]["audio_path"]
    for song in read_tsv(music / "deep/data/songs.tsv", 4):
        assert (music / "deep/data" / audio_path / song[3]).is_file()


def test_rare_tags_go_unless_asked_for(music, tmp_path):
    assert refused(step0("table", music / "table.csv", tmp_path / "d"), "no tag has 5 songs", "3")
    told = done_well(step0("table", music / "table.csv", tmp_path / "d", "--min_songs", 2))
    assert {row[2] for row in track_tags(tmp_path / "d")} == {"Rock"}
    assert "tags with at least 2 songs: rows 5 -> 3, songs 3 -> 3, tags 3 -> 1" in told


def test_tags_are_rewritten_only_on_request(music, tmp_path):
    write_lines(music / "t.csv", ["file,tags", "rock/a.wav,Hip-Hop", "rock/b.mp3,hiphop|seen live"])
    told = done_well(step0("table", music / "t.csv", tmp_path / "d", "--min_songs", 1))
    assert [row[2] for row in track_tags(tmp_path / "d")] == ["Hip-Hop", "hiphop", "seen live"]
    assert "Hip-Hop = hiphop" in told
    again = ("--min_songs", 1, "--merge_spellings")
    done_well(step0("table", music / "t.csv", tmp_path / "d", *again))
    assert [row[2] for row in track_tags(tmp_path / "d")] == ["hip-hop", "hip-hop", "seen live"]


NFC, NFD = (unicodedata.normalize(form, "Café é") for form in ("NFC", "NFD"))


def test_one_form_of_names_and_files_by_the_name_they_have(music, tmp_path):
    write_lines(music / f"{NFD}/{NFC}.wav", [])
    lines = [f"{NFC}/{NFD}.wav,{NFD},{NFC}", f"rock/a.wav,{NFC},{NFD}\u200b"]
    write_lines(music / "t.csv", ["file,tags,artist", *lines])
    write_lines(music / "plays.csv", [f"u,{NFD}/{NFC}.wav,3"])
    options = ("--min_songs", 1, "--listeners", music / "plays.csv")
    done_well(step0("table", music / "t.csv", tmp_path / "d", *options))
    assert {row[2] for row in track_tags(tmp_path / "d")} == {NFC}
    assert read_tsv(tmp_path / "d/songs.tsv", 4) == [
        [f"{NFC}/{NFC}.wav", NFC, "", f"{NFD}/{NFC}.wav"],
        ["rock/a.wav", NFC, "", "rock/a.wav"],
    ]
    assert plays_of(tmp_path / "d") == [("u", f"{NFC}/{NFC}.wav", "3")]


def test_a_file_in_two_forms_is_one_file(music, tmp_path):
    write_lines(music / f"{NFD}.wav", [])
    write_lines(music / "t.csv", ["file,tags", f"{NFD}.wav,x", f"{NFC}.wav,y"])
    assert refused(step0("table", music / "t.csv", tmp_path / "d"), "in lines 2 and 3")


def test_the_very_file_that_is_named(music, tmp_path):
    for name in (NFC, NFD):
        write_lines(music / f"{name}.wav", [])
    for name in (NFC, NFD):
        write_lines(music / "t.csv", ["file,tags", f"{name}.wav,x"])
        done_well(step0("table", music / "t.csv", tmp_path / "d", "--min_songs", 1))
        assert read_songs(tmp_path / "d")[0][::3] == (f"{NFC}.wav", f"{name}.wav")


def test_too_long_a_name_is_no_file(music, tmp_path):
    long = f"{'x' * 300}/a.wav"
    write_lines(music / "t.csv", ["file,tags", "rock/a.wav,x", f"{long},x"])
    run = ("table", music / "t.csv", tmp_path / "d", "--min_songs", 1)
    assert refused(step0(*run), "1 of 2 files that do not exist", "the first in line 3")
    assert "left out: 1" in done_well(step0(*run, "--skip_missing"))


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (['rock/a.wav,"x, y"', 'rock/b.mp3,"x, z"'], "2 of 2 have ,"),
        (["rock/a.wav,x;y;z", "rock/b.mp3,x", "c d.flac,y;z"], "2 of 3 have ;"),
        (["rock/a.wav,x/y", "rock/b.mp3,x/y", "c d.flac,"], "2 of 2 have /"),
        (["rock/a.wav,x;y|z", "rock/b.mp3,x;y"], ""),
        (["rock/a.wav,x", 'rock/b.mp3,"x, y"', "c d.flac,z"], ""),
    ],
)
def test_another_sign_between_tags_is_told(music, tmp_path, lines, told):
    write_lines(music / "t.csv", ["file,tags", *lines])
    out = done_well(step0("table", music / "t.csv", tmp_path / "d", "--min_songs", 1))
    assert ("no list of tags has | in it" in out) == bool(told)
    assert told in out


@pytest.mark.parametrize("separator", [",", ";", " / ", "|"])
def test_the_sign_between_tags_can_be_chosen(music, tmp_path, separator):
    cells = separator.join(["x", "y a"]), separator.join(["k", ""])
    write_lines(music / "t.csv", ["file\ttags\tcategory", "\t".join(["rock/a.wav", *cells])])
    options = ("--min_songs", 1, f"--tag_separator={separator}")
    told = done_well(step0("table", music / "t.csv", tmp_path / "d", *options))
    assert [row[2] for row in track_tags(tmp_path / "d")] == ["x", "y a"]
    assert read_categories(tmp_path / "d") == {"x": "k", "y a": "other"}
    assert "tag_separator" not in told
    empty = step0("table", music / "t.csv", tmp_path / "e", "--tag_separator=")
    assert refused(empty, "--tag_separator must be")


def test_a_line_break_in_a_cell_stands_between_tags(music, tmp_path):
    content = 'file,tags,category\nrock/a.wav,"x\ny z","k\r\nl"\n"rock/b.mp3","x\n",k\n'
    (music / "t.csv").write_bytes(content.encode())
    done_well(step0("table", music / "t.csv", tmp_path / "d", "--min_songs", 1))
    assert [row[2] for row in track_tags(tmp_path / "d")] == ["x", "y z", "x"]
    assert read_categories(tmp_path / "d") == {"x": "k", "y z": "l"}


def test_a_column_without_a_name_is_told(music, tmp_path):
    write_lines(music / "t.csv", ["file,tags,,,artist,", "rock/a.wav,x,,lost,Ann,", ",,,,,"])
    told = done_well(step0("table", music / "t.csv", tmp_path / "d", "--min_songs", 1))
    assert "columns that are not used: number 4, without a name\n" in told


def test_categories_one_for_all_or_one_for_each(music, tmp_path):
    lines = ["file,tags,category", "rock/a.wav,x|y|,kind", "rock/b.mp3,x|y,other kind|kind"]
    write_lines(music / "t.csv", [*lines, "c d.flac,x|z,kind|"])
    done_well(step0("table", music / "t.csv", tmp_path / "d", "--min_songs", 1))
    assert read_categories(tmp_path / "d") == {"x": "kind", "y": "kind", "z": "other"}


def test_paths_may_be_absolute_or_written_by_windows(music, tmp_path):
    shutil.copy(music / "c d.flac", music / "back\\slash.flac")
    names = [music / "c d.flac", "rock\\a.wav", "rock//b.mp3", "back\\slash.flac"]
    write_lines(music / "t.csv", ["file;tags", *(f"{name};x" for name in names)])
    done_well(step0("table", music / "t.csv", tmp_path / "d", "--min_songs", 1))
    ids = [str(music / "c d.flac"), "rock/a.wav", "rock/b.mp3", "back\\slash.flac"]
    assert [row[0] for row in read_tsv(tmp_path / "d/songs.tsv", 4)] == ids


def test_songs_without_tags_and_unused_columns_are_told(music, tmp_path):
    write_lines(music / "t.csv", ["file,tags,artists", "rock/a.wav,x,Ann", "rock/b.mp3,,Bob"])
    told = done_well(step0("table", music / "t.csv", tmp_path / "d", "--min_songs", 1))
    assert "columns that are not used: artists" in told
    assert "songs without a tag: 1 (rock/b.mp3)" in told
    assert len(read_tsv(tmp_path / "d/songs.tsv", 4)) == 2


def test_missing_files_can_be_skipped(music, tmp_path):
    (music / "rock/b.mp3").unlink()
    done = step0("table", music / "table.csv", tmp_path / "d", "--min_songs", 1)
    assert refused(done, "1 of 3 files that do not exist (rock/b.mp3)", "--skip_missing")
    assert not (tmp_path / "d").exists()
    options = ("--min_songs", 1, "--skip_missing")
    told = done_well(step0("table", music / "table.csv", tmp_path / "d", *options))
    assert "files that do not exist, left out: 1 (rock/b.mp3)" in told
    assert {row[0] for row in track_tags(tmp_path / "d")} == {"rock/a.wav", "c d.flac"}


def test_unusual_formats_are_tried(music, tmp_path):
    soundfile.write(music / "a.au", np.zeros(100), 8000)
    soundfile.write(music / "flac_without_ending", np.zeros(100), 8000, format="FLAC")
    write_lines(music / "t.csv", ["file,tags", "a.au,x", "flac_without_ending,x"])
    done_well(step0("table", music / "t.csv", tmp_path / "d", "--min_songs", 1))
    for name in ("b.xyz", "c.XYZ", "d.txt", "e"):
        (music / name).write_bytes(b"no audio")
    lines = ["file,tags", "a.au,x", "b.xyz,x", "c.XYZ,x", "d.txt,x", "e,x"]
    write_lines(music / "t.csv", lines)
    done = step0("table", music / "t.csv", tmp_path / "d", "--min_songs", 1)
    said = "4 files of formats that cannot be read: without ending, txt, xyz (b.xyz, c.XYZ, d.txt"
    assert refused(done, said, "wav, flac, ogg")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["table.csv is missing", "as CSV"]),
        (b"", ["header that names file tags"]),
        (b"file,tags\n", ["no rows"]),
        (b"path,tags\nrock/a.wav,x\n", ["file tags", "path,tags"]),
        (b"file,tag\nrock/a.wav,x\n", ["file tags"]),
        (b"file,tags,tags\nrock/a.wav,x,y\n", ["a column twice"]),
        (rows("rock/a.wav,x", "rock/b.mp3"), ["1 instead of 2 fields in line 3"]),
        (rows("rock/a.wav,x", ",x"), ["no file in line 3"]),
        (rows('"rock/\ta.wav",x'), ["tab or line break", "line 2"]),
        (rows("rock/a.wav,x", "./rock/a.wav,y"), ["'rock/a.wav' in lines 2 and 3", "one row"]),
        (rows("rock/a.wav,", "rock/b.mp3,|"), ["no file of", "has a tag"]),
        (rows("x.mp3,x", "y.mp3,x"), ["none of the 2 files", "exists (x.mp3, y.mp3)", "folder"]),
        (rows("rock,x"), ["none of the 1 files"]),
        (rows('rock/a.wav,"x'), ["cannot be read from line 2"]),
        ("file,tags\nrock/a.wav,Bjørk\n".encode("cp1252"), ["not utf-8", "Windows-1252", "Bjørk"]),
        (b"PK\x03\x04\x80", ["not utf-8 text but a workbook", "CSV UTF-8"]),
        (gzip.compress(b"file,tags\nrock/a.wav,x\n"), ["not utf-8 text but a packed", "unpack"]),
        (b"PAR1\x15\x04\x80", ["not utf-8 text but Parquet", "as CSV"]),
        ("file,tags\nrock/a.wav,Bjørk\n".encode("utf-16")[:-1], ["not utf-16 text"]),
        (b"file,tags,category\nrock/a.wav,x|y|z,a|b\n", ["3 tags but 2 categories in line 2"]),
    ],
)
def test_a_bad_table_is_explained(music, tmp_path, content, words):
    (music / "table.csv").unlink()
    if content is not None:
        (music / "table.csv").write_bytes(content)
    done = step0("table", music / "table.csv", tmp_path / "data", "--min_songs", 1)
    assert refused(done, music / "table.csv", *words)
    assert not (tmp_path / "data").exists()


def test_bad_arguments_on_the_command_line(music, tmp_path):
    data = tmp_path / "data"
    assert_user_error(from_shell("table", tmp_path / "no.csv", data), "no.csv is missing")
    assert refused(step0("table", music / "table.csv", data, "--min_songs=0"), "--min_songs")
    assert refused(step0("table", music / "table.csv", data, "--skip_missing=x"), "--skip_missing")
    assert refused(step0("table", music / "table.csv", data, "--skip_mising"), "skip_mising")
    assert refused(step0("table", music, data), f"{music} is a directory")
    assert not data.exists()


def test_the_users_own_files_are_not_overwritten(music):
    shutil.move(music / "table.csv", music / "songs.tsv")
    before = (music / "songs.tsv").read_bytes()
    done = step0("table", music / "songs.tsv", music, "--min_songs", 1)
    assert refused(done, music / "songs.tsv", "rename it")
    assert (music / "songs.tsv").read_bytes() == before
    shutil.move(music / "songs.tsv", music / "table.csv")
    done_well(step0("table", music / "table.csv", music, "--min_songs", 1))  # side by side is fine
    assert read_about(music)["steps"]["step0"]["audio_path"] == "."


# ---------------------------------------------------------------- real recordings

FAMILIES = {
    "strings": ("Acoustic_guitar", "Cello", "Double_bass", "Violin_or_fiddle"),
    "woodwind": ("Clarinet", "Flute", "Saxophone"),
    "percussion": ("Bass_drum", "Hi-hat", "Snare_drum"),
}
SESSION_GAP = 100  # neighbouring freesound ids are taken for one recording session


def write_clip_table(clips: Path, table: Path) -> None:
    """Write the table that a new user would: instrument and family, artist = recording session."""
    family = {label: name for name, labels in FAMILIES.items() for label in labels}
    session, last = 0, -SESSION_GAP
    with open(clips, encoding="utf-8") as lines, open(table, "w", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["file", "tags", "category", "artist", "title"])
        for clip in sorted(csv.DictReader(lines), key=lambda clip: int(clip["freesound_id"])):
            number, label = int(clip["freesound_id"]), clip["label"]
            session += number - last > SESSION_GAP
            last = number
            file = os.path.relpath(clips.parent / clip["file"], table.parent)
            instrument = label.removesuffix("_or_fiddle").replace("_", " ").lower()
            tags, kinds = f"{instrument}|{family[label]}", "instrument|family (derived)"
            writer.writerow([file, tags, kinds, f"session {session}", number])


@pytest.mark.real_data
def test_real_recordings(tmp_path):
    clips = real_data("fsdkaggle2018-instruments") / "clips.csv"
    write_clip_table(clips, tmp_path / "table.csv")
    data = tmp_path / "data"
    told = done_well(from_shell("table", tmp_path / "table.csv", data))
    assert "300 songs, 13 tags, 2.0 per song" in told
    categories = read_categories(data)
    derived = {tag for tag, category in categories.items() if category == "family (derived)"}
    assert derived == set(FAMILIES) and "violin" in categories
    done_well(run_here(ROOT / "step1_data_split.py", "run", data, 13, 3))
    write_pickle(data / "google_emb.pkl", {tag: np.ones(4) for tag in categories})
    dataset = open_dataset(data)
    artist_of = {song.song_id: song.artist for song in read_songs(data)}
    parts = [
        {artist_of[dataset.song_ids[song]] for song in dataset.splits[part]}
        for part in ("train", "valid", "test")
    ]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    for songs in dataset.splits.values():
        assert dataset.song_tags[songs].sum(axis=0).min() >= 3
