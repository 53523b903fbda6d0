"""Step 0 from its command line: small raw sets with known answers, the real ones, bad input."""

import contextlib
import csv
import io
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import step0_dataset
from dataset_files import read_about, read_categories, read_tsv
from errors import fire_commands
from preprocessing.lastfm2k import tagger_scores

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "data"

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


def write_lines(path, lines, encoding="utf-8", end="\n"):
    path.write_bytes("".join(line + end for line in lines).encode(encoding))


@pytest.fixture
def lastfm(tmp_path):
    """A raw lastfm-2k, in the encodings and line ends of the real one."""
    raw = tmp_path / "raw"
    raw.mkdir()
    write_lines(raw / "artists.dat", ARTISTS)
    write_lines(raw / "tags.dat", TAGS, "latin-1", "\r\n")
    write_lines(raw / "user_artists.dat", PLAYS, end="\r\n")
    write_lines(raw / "user_taggedartists.dat", TAGGINGS, end="\r\n")
    return raw


@pytest.fixture
def msd(tmp_path):
    """A raw excerpt of the Million Song Dataset."""
    raw = tmp_path / "raw"
    raw.mkdir()
    write_lines(raw / "items_index_MSD.tsv", ["TRB", "TRA"])
    np.save(raw / "item_factors_MSD.npy", np.arange(6, dtype=np.float32).reshape(2, 3))
    songs = ["TRA\tSOA\tBjörk\tDon\x19t", 'TRB\tSOB\tNA\t"Heroes"', "TRC\tSOC\tX\tY"]
    write_lines(raw / "songs.tsv", ["track_id\tsong_id\tartist\ttitle", *songs])
    tags = ["TRA\thip-hop", "TRA\thip hop", "TRB\thip hop", "TRB\tnull", "TRC\trock"]
    write_lines(raw / "raw_tags.tsv", ["track_id\ttag", *tags])
    return raw


def step0(*arguments):
    """Run step 0 in this process, as its command line does: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            fire_commands(step0_dataset.COMMANDS, [str(argument) for argument in arguments])
        except SystemExit as leave:
            code = leave.code
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def step0_from_shell(*arguments):
    """Run step 0 as a user does; slower, for the cases that need a process of their own."""
    return subprocess.run(
        [sys.executable, "-u", "step0_dataset.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def refused(done, *words):
    """One sentence on stderr that holds all words, exit code 2, no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("error: ")
    for word in words:
        assert str(word) in done.stderr
    return True


def files_of(folder):
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


def test_tagger_scores_by_hand():
    taggings = pd.DataFrame(
        [("u1", "a", "x"), ("u2", "a", "x"), ("u2", "a", "x"), ("u1", "a", "y"), ("u9", "b", "y")],
        columns=["userID", "artistID", "tagID"],
    )
    assert tagger_scores(taggings).values.tolist() == [
        ["a", "x", 100.0],
        ["a", "y", 50.0],
        ["b", "y", 100.0],
    ]


def test_lastfm2k_writes_everything(lastfm, tmp_path):
    data = tmp_path / "new" / "data"
    done = step0_from_shell("lastfm2k", lastfm, data, "--min_songs", 1)
    assert done.returncode == 0, done.stderr
    assert read_tsv(data / "msd500/track_tags.tsv", 5) == [
        ["7", "rock", "rock", "genre", "100"],
        ["7", "tropicália", "tropicália", "genre", "50"],
        ["8", "nan", "nan", "other", "100"],
        ["8", "Rock Music", "rock", "genre", "100"],
    ]
    assert read_tsv(data / "songs.tsv", 4) == [["7", "Björk", "", ""], ["8", '"Weird" Al', "", ""]]
    assert read_tsv(data / "triplets.tsv", 3) == [
        ["1", "7", "10"],
        ["1", "8", "3"],
        ["2", "7", "5"],
    ]
    assert read_categories(data) == {"nan": "other", "rock": "genre", "tropicália": "genre"}
    facts = read_about(data)["steps"]["step0"]
    assert (facts["set"], facts["min_songs"], facts["max_tags"]) == ("lastfm2k", 1, 20)
    assert facts["rules"][-1] == {
        "rule": "tags with at least 1 songs",
        "rows": 4,
        "songs": 2,
        "tags": 3,
    }
    assert files_of(data) == [
        "dataset.json",
        "msd500/track_tags.tsv",
        "songs.tsv",
        "tag_categories.tsv",
        "triplets.tsv",
    ]
    assert "score of at least 50: 5 -> 5 rows (2 songs, 5 tags)" in done.stdout


def test_pandas_reads_it_as_the_documentation_says(lastfm, tmp_path):
    step0("lastfm2k", lastfm, tmp_path / "data", "--min_songs", 1)
    table = pd.read_csv(
        tmp_path / "data/msd500/track_tags.tsv",
        sep="\t",
        header=None,
        quoting=csv.QUOTE_NONE,
        keep_default_na=False,
        dtype={0: str},
    )
    assert "nan" in set(table[2])
    assert table[4].dtype.kind in "if"


def test_msd_writes_everything(msd, tmp_path):
    data = tmp_path / "data"
    done = step0("msd", msd, data, "--min_songs", 1)
    assert done.returncode == 0, done.stderr
    assert read_tsv(data / "msd500/track_tags.tsv", 5) == [
        ["TRA", "hip hop", "hip hop", "genre", "100"],
        ["TRB", "hip hop", "hip hop", "genre", "100"],
        ["TRB", "null", "null", "other", "100"],
    ]
    assert read_tsv(data / "songs.tsv", 4) == [
        ["TRB", "NA", '"Heroes"', ""],
        ["TRA", "Björk", "Don’t", ""],
    ]
    for name in ("item_factors_MSD.npy", "items_index_MSD.tsv"):
        assert (data / name).read_bytes() == (msd / name).read_bytes()
    assert files_of(data) == [
        "dataset.json",
        "item_factors_MSD.npy",
        "items_index_MSD.tsv",
        "msd500/track_tags.tsv",
        "songs.tsv",
        "tag_categories.tsv",
    ]


def test_options_reach_the_rules(lastfm, tmp_path):
    def tags(*options):
        data = tmp_path / "data"
        done = step0("lastfm2k", lastfm, data, *options)
        assert done.returncode == 0, done.stderr
        found = [(row[0], row[2]) for row in read_tsv(data / "msd500/track_tags.tsv", 5)]
        shutil.rmtree(data)
        return found

    everything = [("7", "rock"), ("7", "tropicália"), ("8", "nan"), ("8", "rock")]
    assert tags("--min_songs", 1) == everything
    assert tags("--min_songs", 2) == [("7", "rock"), ("8", "rock")]
    assert ("7", "tropicália") not in tags("--min_songs", 1, "--min_score", 51)
    assert tags("--min_songs", 1, "--max_tags", 2) == everything[:2]
    assert tags("--min_songs", 1, "--max_tags", "None") == everything
    assert ("8", "seen live") in tags("--min_songs", 1, "--keep_not_music")
    assert ("8", "seen live") not in tags("--min_songs", 1, "--keep_not_music=False")


def test_same_set_again_is_the_same_and_keeps_the_other_steps(msd, tmp_path):
    data = tmp_path / "data"
    step0("msd", msd, data, "--min_songs", 1)
    first = {name: (data / name).read_bytes() for name in files_of(data)}
    step0("msd", msd, data, "--min_songs", 1)
    assert {name: (data / name).read_bytes() for name in files_of(data)} == first
    about = json.loads((data / "dataset.json").read_text(encoding="utf-8"))
    about["steps"]["step1"] = {"seed": 3}
    (data / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    step0("msd", msd, data, "--min_songs", 2)
    steps = read_about(data)["steps"]
    assert steps["step1"] == {"seed": 3}
    assert steps["step0"]["min_songs"] == 2


def test_another_set_is_refused(lastfm, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    about = {"format_version": 1, "steps": {"step0": {"set": "msd"}}}
    (data / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    assert refused(step0("lastfm2k", lastfm, data, "--min_songs", 1), data, "msd")
    assert files_of(data) == ["dataset.json"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("artists.dat", None, ["missing"]),
        ("tags.dat", None, ["missing"]),
        ("user_artists.dat", None, ["missing"]),
        ("user_taggedartists.dat", None, ["missing"]),
        ("artists.dat", "ÿ".encode("latin-1") * 9, ["utf-8"]),
        ("tags.dat", b"", ["header"]),
        ("tags.dat", b"tagID\ttagValue\r\n", ["no rows"]),
        ("tags.dat", b"tagID\ttagValue\r\n1\trock\tx\r\n", ["3 instead of 2", "line 2"]),
        ("tags.dat", b"tagID\ttagValue\r\n1\trock\r\n", ["names ids", "tags.dat", "2, 3, 4, 5"]),
        (
            "user_artists.dat",
            b"userID\tartistID\tweight\r\n1\t7\t1\r\n1\t8\tx\r\n",
            ["'x'", "line 3"],
        ),
        ("user_artists.dat", b"userID\tartistID\tweight\r\n1\t7\t0\r\n", ["'0'", "line 2"]),
        ("user_artists.dat", b"userID\tartistID\tweight\r\n1\t77\t1\r\n", ["77", "artists.dat"]),
    ],
)
def test_lastfm2k_explains_bad_files(lastfm, tmp_path, name, content, words):
    (lastfm / name).unlink()
    if content is not None:
        (lastfm / name).write_bytes(content)
    done = step0("lastfm2k", lastfm, tmp_path / "data", "--min_songs", 1)
    assert refused(done, lastfm / name, "grouplens.org", *words)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("songs.tsv", None, ["missing"]),
        ("raw_tags.tsv", None, ["missing"]),
        ("items_index_MSD.tsv", None, ["missing"]),
        ("item_factors_MSD.npy", None, ["missing"]),
        ("items_index_MSD.tsv", b"TRB\n", ["1 different tracks", "2 rows"]),
        ("items_index_MSD.tsv", b"TRB\nTRB\n", ["1 different tracks"]),
        ("songs.tsv", b"track_id\tsong_id\tartist\ttitle\nTRB\ta\tb\tc\n", ["lacks 1", "TRA"]),
        ("raw_tags.tsv", b"track\ttag\nTRA\trock\n", ["header", "track_id tag"]),
    ],
)
def test_msd_explains_bad_files(msd, tmp_path, name, content, words):
    (msd / name).unlink()
    if content is not None:
        (msd / name).write_bytes(content)
    done = step0("msd", msd, tmp_path / "data", "--min_songs", 1)
    assert refused(done, msd / name, "millionsongdataset.com", *words)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "factors", [np.zeros(2), np.full((2, 3), np.nan), np.array([["a"], ["b"]])]
)
def test_msd_explains_bad_factors(msd, tmp_path, factors):
    np.save(msd / "item_factors_MSD.npy", factors)
    done = step0("msd", msd, tmp_path / "data", "--min_songs", 1)
    assert refused(done, msd / "item_factors_MSD.npy")
    assert not (tmp_path / "data").exists()


def test_msd_explains_a_damaged_npy(msd, tmp_path):
    (msd / "item_factors_MSD.npy").write_bytes(b"not an array")
    assert refused(step0("msd", msd, tmp_path / "data"), msd / "item_factors_MSD.npy")


def test_bad_arguments(lastfm, tmp_path):
    data = tmp_path / "data"
    nowhere = tmp_path / "nowhere"
    assert refused(step0_from_shell("lastfm2k", nowhere, data), nowhere, "grouplens.org")
    assert refused(step0("msd", nowhere, data), nowhere, "millionsongdataset.com")
    assert refused(step0("lastfm2k", lastfm, lastfm), lastfm, "DATA_PATH")
    assert refused(step0("lastfm2k", lastfm, data, "--min_songs", 9), "--min_songs")
    assert refused(step0("lastfm2k", lastfm, data, "--min_score", "high"), "--min_score", "high")
    assert refused(step0("lastfm2k", lastfm, lastfm / "tags.dat", "--min_songs", 1), "tags.dat")
    unknown = step0_from_shell("lastfm2k", lastfm, data, "--min_song", 1)
    assert unknown.returncode == 2
    assert "Traceback" not in unknown.stderr
    assert not data.exists()


def test_help_names_the_options():
    shown = step0_from_shell("lastfm2k", "--help")
    text = shown.stdout + shown.stderr
    assert shown.returncode == 0
    for option in ("min_score", "max_tags", "min_songs", "keep_not_music"):
        assert option in text


def real(name):
    if not (REAL / name).is_dir():
        pytest.skip(f"the real data set {name} is not on this machine")
    return REAL / name


@pytest.mark.parametrize(
    ("command", "name", "songs", "hundredth"),
    [("lastfm2k", "lastfm-2k", 9_000, 70), ("msd", "msd-taste-profile", 3_900, 150)],
)
def test_real_set(tmp_path, command, name, songs, hundredth):
    done = step0_from_shell(command, real(name), tmp_path)
    assert done.returncode == 0, done.stderr
    rows = read_tsv(tmp_path / "msd500/track_tags.tsv", 5)
    assert len({(row[0], row[2]) for row in rows}) == len(rows)
    assert len({row[0] for row in rows}) >= songs
    counts = Counter(row[2] for row in rows)
    assert counts.most_common(100)[-1][1] >= hundredth
    assert counts.most_common(1)[0][0] == "rock"
    assert not {"seen live", "favorites", "awesome"} & counts.keys()
    assert {"hip-hop", "beautiful", "female vocalists", "80s"} <= counts.keys()
    categories = read_categories(tmp_path)
    frequent = [tag for tag, _ in counts.most_common(150)]
    assert [tag for tag in frequent if categories[tag] == "other"] == []
    listed = {row[0] for row in read_tsv(tmp_path / "songs.tsv", 4)}
    assert {row[0] for row in rows} <= listed
