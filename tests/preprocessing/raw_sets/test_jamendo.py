"""MTG-Jamendo: files in all their forms, small and real."""

import gzip
import lzma

import numpy as np
import pandas as pd
import pytest

from commands import ROOT, run_here
from dataset.files import read_about, read_categories, read_tsv
from preprocessing.raw_sets.jamendo import HOME, NAME
from preprocessing.tags.cleaning import TAG_LISTS
from real_data import real_data
from step0_runs import done_well, files_of, from_shell, refused, step0, write_lines

HEADER = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"


def track(number, *tags, artist=1):
    fields = (f"track_{number:07d}", f"artist_{artist:06d}", "album_1", f"0{number}/{number}.mp3")
    return "\t".join((*fields, "211.1", *tags))


GUITAR, SAD, AGE = "instrument---acousticguitar", "mood/theme---sad", "genre---newage"


@pytest.fixture
def raw(tmp_path):
    """Two files of categories, one of them packed, and a split of their best-known tags."""
    raw = tmp_path / "raw"
    lines = [HEADER, track(1, GUITAR), track(2, GUITAR, artist=2), track(4, GUITAR)]
    write_lines(raw / "autotagging_instrument.tsv", lines, end="\r\n")
    moods = "\r\n".join([HEADER, track(1, SAD), track(3, SAD)]) + "\r\n"
    (raw / "autotagging_moodtheme.tsv.xz").write_bytes(lzma.compress(moods.encode()))
    for part, number in (("train", 1), ("validation", 2), ("test", 3)):
        lines = [HEADER, track(number, AGE, SAD, artist=2 if number == 2 else 1)]
        file = f"split0_autotagging_top50tags-{part}.tsv.gz"
        (raw / file).write_bytes(gzip.compress("\n".join(lines).encode()))
    return raw


def tags_of(data):
    return [
        (row[0][-1], row[1], row[2], row[3]) for row in read_tsv(data / "msd500/track_tags.tsv", 5)
    ]


def test_files_of_all_kinds_together(raw, tmp_path):
    data = tmp_path / "data"
    told = done_well(from_shell("jamendo", raw, data))
    guitar = ("acousticguitar", "acoustic guitar", "instrument")
    age, sad = ("newage", "new age", "genre"), ("sad", "sad", "mood/character")
    assert tags_of(data) == [
        ("1", *age),
        ("1", *guitar),
        ("1", *sad),
        ("2", *age),
        ("2", *guitar),
        ("2", *sad),
        ("3", *age),
        ("3", *sad),
        ("4", *guitar),
    ]
    assert read_tsv(data / "songs.tsv", 4)[1] == ["track_0000002", "artist_000002", "", "02/2.mp3"]
    assert read_tsv(data / "published_split.tsv", 2) == [
        ["track_0000001", "train"],
        ["track_0000002", "valid"],
        ["track_0000003", "test"],
    ]
    assert read_categories(data)["sad"] == "mood/character"
    assert "read 5 files: 4 songs" in told
    assert "audio_path" not in read_about(data)["steps"]["step0"]
    (raw / "03").mkdir()
    (raw / "03/3.mp3").touch()
    done_well(step0("jamendo", raw, data))
    assert read_about(data)["steps"]["step0"]["audio_path"] == "../raw"


def test_the_smaller_edition_of_the_audio(raw, tmp_path):
    done_well(step0("jamendo", raw, tmp_path / "data", "--audio_low"))
    audio = [row[3] for row in read_tsv(tmp_path / "data/songs.tsv", 4)]
    assert audio == [f"0{number}/{number}.low.mp3" for number in (1, 2, 3, 4)]
    facts = read_about(tmp_path / "data")["steps"]["step0"]
    assert (facts["split"], facts["audio_low"]) == (0, True)


def test_the_whole_split_is_read_alone(raw, tmp_path):
    """With autotagging-*.tsv at hand, tags that not all splits have do not come back."""
    for split, numbers in ((0, (5, 6, 7)), (1, (7, 5, 6))):
        for part, number in zip(("train", "validation", "test"), numbers, strict=True):
            file = raw / f"splits/split-{split}/autotagging-{part}.tsv"
            write_lines(file, [HEADER, track(number, AGE)])
    done_well(step0("jamendo", raw, tmp_path / "data"))
    assert {row[0] for row in tags_of(tmp_path / "data")} == {"5", "6", "7"}
    done_well(step0("jamendo", raw, tmp_path / "data", "--split", 1))
    parts = dict(read_tsv(tmp_path / "data/published_split.tsv", 2))
    assert parts == {
        "track_0000005": "valid",
        "track_0000006": "test",
        "track_0000007": "train",
    }
    done_well(step0("jamendo", raw / "splits/split-1", tmp_path / "other", "--split", 1))
    assert dict(read_tsv(tmp_path / "other/published_split.tsv", 2)) == parts


def test_tags_of_an_excerpt_that_its_split_leaves_out(raw, tmp_path):
    done_well(step0("jamendo", raw, tmp_path / "data"))
    step0_facts = read_about(tmp_path / "data")["steps"]["step0"]
    assert step0_facts["split_tags"] == ["new age", "sad"]
    step1 = (ROOT / "step1_data_split.py", "run", tmp_path / "data", 5, 1)
    told = done_well(run_here(*step1, "--split_by=published"))
    assert "tags that are in no file of the split: acoustic guitar\n" in told
    assert np.load(tmp_path / "data/tags.npy").tolist() == ["new age", "sad"]


def test_without_a_split_there_is_none(raw, tmp_path):
    done_well(step0("jamendo", raw, tmp_path / "data"))
    for file in raw.glob("split*"):
        file.unlink()
    told = done_well(step0("jamendo", raw, tmp_path / "data"))
    assert "split 0: none in RAW" in told and "removed" in told
    assert files_of(tmp_path / "data") == [
        "dataset.json",
        "msd500/track_tags.tsv",
        "raw_tags.tsv",
        "songs.tsv",
        "tag_categories.tsv",
    ]


def test_a_split_that_is_not_there(raw, tmp_path):
    done = step0("jamendo", raw, tmp_path / "data", "--split", 3)
    assert refused(done, raw, "no files of split 3, only of 0", "--split")
    assert refused(step0("jamendo", raw, tmp_path / "data", "--split", "x"), "--split")
    assert refused(step0("jamendo", raw, raw), "RAW and DATA_PATH")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{HEADER}\n".encode(), ["hold no track"]),
        (b"TRACK_ID\tTAGS\n", ["must begin with the header"]),
        (f"{HEADER}\ntrack_1\ta\tb\n".encode(), ["3 fields in line 2"]),
        (f"{HEADER}\n{track(1, 'sad')}\n".encode(), ["'sad' instead of category---tag", "line 2"]),
        (f"{HEADER}\n{track(1, 'genre---')}\n".encode(), ["'genre---'"]),
        (f"{HEADER}\n{track(1, AGE, artist=9)}\n".encode(), ["contradicts", "track_0000001"]),
        (b"\xff\xfe\n", ["cannot be read"]),
        (f"{HEADER}\n{track(1, 'genre---' + chr(0))}\n".encode(), ["'genre---\\x00'", "line 2"]),
        (f"{HEADER}\n\ta\tb\t1.mp3\t2\t{AGE}\n".encode(), ["'' and '1.mp3' as", "in line 2"]),
        (f"{HEADER}\nt\ta\tb\t1\r.mp3\t2\t{AGE}\n".encode(), ["'1\\r.mp3'", "in line 2"]),
        (f"{HEADER}\n".encode() + bytes(2**24), ["more than 16 MB in line 2"]),
    ],
)
def test_a_bad_file_is_explained(raw, tmp_path, content, words):
    if "hold no track" in words:  # nor may another file
        for file in raw.iterdir():
            file.unlink()
    (raw / "autotagging_instrument.tsv").write_bytes(content)
    done = step0("jamendo", raw, tmp_path / "data")
    way_out = "correct or replace it" if "more than" in words[0] else HOME
    assert refused(done, way_out, *words)
    assert not (tmp_path / "data").exists()


def test_a_tag_has_one_spelling(raw, tmp_path):
    for file in raw.iterdir():
        file.unlink()
    tags = ["genre---rock", "genre---rock ", "genre---ro\0ck", "genre---hip\rhop"]
    write_lines(raw / "autotagging.tsv", [HEADER, track(1, *tags)])
    done_well(step0("jamendo", raw, tmp_path / "data"))
    assert [row[:3] for row in tags_of(tmp_path / "data")] == [
        ("1", "hip hop", "hip hop"),
        ("1", "rock", "rock"),
    ]


def test_damaged_packed_files_and_contradicting_parts(raw, tmp_path):
    packed = raw / "autotagging_moodtheme.tsv.xz"
    content = packed.read_bytes()
    for broken in (content[:-20], b"not packed"):
        packed.write_bytes(broken)
        assert refused(step0("jamendo", raw, tmp_path / "data"), packed, "cannot be read")
    packed.write_bytes(content)
    file = raw / "split0_autotagging_genre-test.tsv"
    write_lines(file, [HEADER, track(1, AGE)])
    assert refused(step0("jamendo", raw, tmp_path / "data"), "contradict", "track_0000001")


def test_a_folder_without_files_of_the_set(tmp_path):
    (tmp_path / "raw").mkdir()
    assert refused(step0("jamendo", tmp_path / "raw", tmp_path / "data"), "no autotagging*.tsv")
    assert refused(step0("jamendo", tmp_path / "none", tmp_path / "data"), "not a directory")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("autotagging.tsv", (None, "autotagging", None)),
        ("split2_autotagging_top50tags-test.tsv.xz", ("2", "autotagging_top50tags", "test")),
        ("autotagging_genre-validation.tsv.gz", (None, "autotagging_genre", "validation")),
        ("autotagging_toy.tsv", None),
        ("raw_autotagging.tsv", None),
        ("autotagging.tsv.bak", None),
    ],
)
def test_names_of_files(name, found):
    match = NAME.fullmatch(name)
    assert (match and match.group("split", "set", "part")) == found


def test_readable_names_only_add_spaces_and_the_like():
    names = read_tsv(TAG_LISTS / "jamendo_names.tsv", 2)
    assert names == sorted(names)
    for published, readable in names:
        joined = readable.replace(" and ", "n").replace(" ", "")
        assert joined == published


@pytest.mark.real_data
def test_real_files(tmp_path):
    raw = real_data("mtg-jamendo")
    told = done_well(from_shell("jamendo", raw, tmp_path))
    assert "54708 songs, 131 tags" in told
    kinds = pd.Series(read_categories(tmp_path)).value_counts().to_dict()
    assert kinds == {"mood/character": 59, "instrument": 41, "genre": 31}
    assert len(read_tsv(tmp_path / "published_split.tsv", 2)) == 54_380
    step1 = (ROOT / "step1_data_split.py", "run", tmp_path, 50, 20, "--split_by=published")
    told = done_well(run_here(*step1))
    assert "artists in more than one part: 0 of 3517" in told
    assert "tags that are in no file of the split: accordion," in told
    assert "tags of the published split: rows 206488 -> 166971, songs 54380 -> 54380" in told
    with lzma.open(raw / "split0_autotagging_top50tags-train.tsv.xz", "rt") as lines:
        top50 = {tag.partition("---")[2] for line in lines for tag in line.split()[5:]} - {""}
    names = dict(read_tsv(TAG_LISTS / "jamendo_names.tsv", 2))
    assert set(np.load(tmp_path / "tags.npy")) == {names.get(tag, tag) for tag in top50}
