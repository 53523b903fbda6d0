"""MagnaTagATune in small, written as the published files are."""

import pytest

from commands import ROOT, run_here
from dataset.files import read_about, read_categories, read_tsv
from preprocessing.raw_sets.magnatagatune import PART_OF_FOLDER
from step0_runs import done_well, files_of, from_shell, refused, step0, write_lines

TAGS = ["no voice", "drum", "drums", "lol"]
INFO = "clip_id track_number title artist album url segmentStart segmentEnd original_url mp3_path"


def quoted(*fields):
    return "\t".join(f'"{field}"' for field in fields)


def info(clip, title, artist):
    return f"{clip}\t1\t" + quoted(title, artist, "A", "u") + f"\t0\t29\t{quoted('u', 'f/a.mp3')}"


@pytest.fixture
def raw(tmp_path):
    raw = tmp_path / "raw"
    clips = [
        quoted("clip_id", *TAGS, "mp3_path"),
        quoted(2, 1, 0, 0, 0, "f/a_b-01-c__i_aria-30-59.mp3"),
        quoted(6, 1, 1, 0, 0, "0/d.mp3"),
        quoted(10, 0, 0, 1, 1, "c/e.mp3"),
        quoted(11, 0, 0, 0, 0, "b/f.mp3"),
    ]
    write_lines(raw / "annotations_final.csv", clips)
    lines = [
        quoted(*INFO.split()),
        info(2, "BWV54 - I Aria", "American Bach Soloists"),
        info(6, 'A ""quoted"" title', "D"),
        info(10, "12\\ inch", "Eve"),
        info(99, "not annotated", "X"),
    ]
    write_lines(raw / "clip_info_final.csv", lines)
    return raw


def test_everything_is_written(raw, tmp_path):
    data = tmp_path / "data"
    done_well(from_shell("magnatagatune", raw, data))
    assert [row[:4] for row in read_tsv(data / "msd500/track_tags.tsv", 5)] == [
        ["2", "no voice", "no voice", "voice"],
        ["6", "no voice", "no voice", "voice"],
        ["6", "drum", "drum", "instrument"],
        ["10", "drums", "drums", "instrument"],
        ["10", "lol", "lol", "other"],
    ]
    assert read_tsv(data / "songs.tsv", 4) == [
        ["2", "American Bach Soloists", "BWV54 - I Aria", "f/a_b-01-c__i_aria-30-59.mp3"],
        ["6", "D", 'A "quoted" title', "0/d.mp3"],
        ["10", "Eve", "12\\ inch", "c/e.mp3"],
        ["11", "", "", "b/f.mp3"],
    ]
    parts = {"2": "test", "6": "train", "10": "valid", "11": "train"}
    assert dict(read_tsv(data / "published_split.tsv", 2)) == parts
    assert set(read_categories(data)) == set(TAGS)
    assert len(files_of(data)) == 6
    (raw / "c").mkdir()
    (raw / "c/e.mp3").touch()
    done_well(step0("magnatagatune", raw, data))
    assert read_about(data)["steps"]["step0"]["audio_path"] == "../raw"


def test_options(raw, tmp_path):
    options = ("--min_songs", 2, "--merge_spellings")
    done_well(step0("magnatagatune", raw, tmp_path / "data", *options))
    assert set(read_categories(tmp_path / "data")) == {"no voice", "drum"}


def test_clips_without_a_tag(raw, tmp_path):
    clips = [quoted("clip_id", *TAGS, "mp3_path"), quoted(2, 0, 0, 0, 0, "f/a.mp3")]
    write_lines(raw / "annotations_final.csv", clips)
    assert refused(step0("magnatagatune", raw, tmp_path / "data"), "no song that counts has a tag")


def test_the_usual_split_by_folder():
    folders = {part: [] for part in ("train", "valid", "test")}
    for folder, part in PART_OF_FOLDER.items():
        folders[part].append(folder)
    assert folders == {"train": [*"0123456789ab"], "valid": ["c"], "test": ["d", "e", "f"]}


def test_step_1_uses_it(raw, tmp_path):
    clips = [quoted("clip_id", "rock", "rare", "mp3_path")]
    clips += [quoted(n, 1, int(n == 3), f"{n % 16:x}/{n}.mp3") for n in range(64)]
    write_lines(raw / "annotations_final.csv", clips)
    done_well(step0("magnatagatune", raw, tmp_path / "data"))
    step1 = ("run", tmp_path / "data", 50, 4, "--split_by=published")
    told = done_well(run_here(ROOT / "step1_data_split.py", *step1))
    assert "tags with fewer than 4 songs in a part: rare (0 in valid)" in told
    for line in ("train       48", "valid        4", "test        12"):
        assert line in told


@pytest.mark.parametrize(
    ("name", "lines", "words"),
    [
        ("annotations_final.csv", None, ["missing"]),
        ("clip_info_final.csv", None, ["missing"]),
        ("annotations_final.csv", ["clip_id\trock", "2\t1"], ["header", "mp3_path"]),
        ("annotations_final.csv", ["clip_id\trock\tmp3_path", "2\t1"], ["2 instead of 3 fields"]),
        (
            "annotations_final.csv",
            ["clip_id\trock\tmp3_path", "2\tyes\t0/a.mp3"],
            ["'yes' instead of 0 or 1", "'rock' of the clip 2"],
        ),
        (
            "annotations_final.csv",
            ["clip_id\trock\tmp3_path", "2\t1\tx/a.mp3"],
            ["'x/a.mp3'", "none of the folders 0 to f"],
        ),
        (
            "annotations_final.csv",
            ["clip_id\trock\tmp3_path", "2\t1\t0/a.mp3", "2\t0\t0/b.mp3"],
            ["the clip '2' twice"],
        ),
        (
            "annotations_final.csv",
            ["clip_id\trock\tmp3_path", "\t1\t0/a.mp3"],
            ["'' as clip_id in line 2"],
        ),
        (
            "annotations_final.csv",
            ["clip_id\trock\tmp3_path", '2\t1\t"0/a\tb.mp3"'],
            ["'0/a\\tb.mp3' as mp3_path in line 2"],
        ),
        (
            "annotations_final.csv",
            ["clip_id\trock\t\tmp3_path", "2\t1\t1\t0/a.mp3"],
            ["a column without a tag"],
        ),
        ("clip_info_final.csv", ["clip_id\tartist", "2\tx"], ["header", "title"]),
        ("clip_info_final.csv", [quoted(*INFO.split()), *[info(2, "", "")] * 2], ["'2' twice"]),
    ],
)
def test_a_bad_file_is_explained(raw, tmp_path, name, lines, words):
    (raw / name).unlink()
    if lines:
        write_lines(raw / name, lines)
    done = step0("magnatagatune", raw, tmp_path / "data")
    assert refused(done, raw / name, "mirg.city.ac.uk", *words)
    assert not (tmp_path / "data").exists()


def test_tags_are_plain(raw, tmp_path):
    rows = [quoted("clip_id", "no  voice ", "drum\0", "mp3_path"), quoted(2, 1, 1, "0/a.mp3")]
    write_lines(raw / "annotations_final.csv", rows)
    done_well(step0("magnatagatune", raw, tmp_path / "data"))
    tags = [row[1:3] for row in read_tsv(tmp_path / "data/msd500/track_tags.tsv", 5)]
    assert tags == [["no voice"] * 2, ["drum"] * 2]
