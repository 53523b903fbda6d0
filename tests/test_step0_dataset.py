"""Step 0: the sets of listening data from the command line, real and small; what all sets share."""

import csv
import json
import shutil
from collections import Counter

import pandas as pd
import pytest

from commands import run_command
from dataset.files import read_about, read_categories, read_tsv
from preprocessing.raw_sets.lastfm2k import tagger_scores
from raw_samples import TAGGINGS, write_lastfm, write_msd
from real_data import real_data
from step0_runs import done_well, files_of, from_shell, refused, step0, write_lines


@pytest.fixture
def lastfm(tmp_path):
    return write_lastfm(tmp_path / "raw")


@pytest.fixture
def msd(tmp_path):
    return write_msd(tmp_path / "raw")


def test_tagger_scores_by_hand():
    taggings = pd.DataFrame(
        [("u1", "a", "x"), ("u2", "a", "x"), ("u2", "a", "x"), ("u1", "a", "y"), ("u9", "b", "y")],
        columns=["userID", "artistID", "tagID"],
    )
    assert tagger_scores(taggings).values.tolist() == [
        ["a", "x", 2, 100.0],
        ["a", "y", 1, 50.0],
        ["b", "y", 1, 100.0],
    ]


def test_lastfm2k_writes_everything(lastfm, tmp_path):
    data = tmp_path / "new" / "data"
    done = from_shell("lastfm2k", lastfm, data, "--min_songs", 1)
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
        "raw_tags.tsv",
        "songs.tsv",
        "tag_categories.tsv",
        "tag_strengths.tsv",
        "triplets.tsv",
    ]
    assert read_tsv(data / "tag_strengths.tsv", 3) == [
        ["7", "rock", "0.666667"],  # two people
        ["7", "tropicália", "0.5"],
        ["8", "nan", "0.5"],
        ["8", "rock", "0.5"],
    ]
    assert "score of at least 50: rows 5 -> 5, songs 2 -> 2, tags 5 -> 5" in done.stdout


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


def test_what_is_below_the_score_is_in_the_strengths_alone(lastfm, tmp_path):
    data = tmp_path / "data"
    told = done_well(step0("lastfm2k", lastfm, data, "--min_songs", 1, "--min_score", 51))
    assert "tag strengths: 3, 0 of them too weak for the song to bear the tag" in told
    write_lines(lastfm / "user_taggedartists.dat", [*TAGGINGS, "1\t8\t3\t1\t4\t2009"], end="\r\n")
    told = done_well(step0("lastfm2k", lastfm, data, "--min_songs", 1, "--min_score", 51))
    assert "tag strengths: 5, 1 of them too weak for the song to bear the tag" in told
    borne = {(row[0], row[2]) for row in read_tsv(data / "msd500/track_tags.tsv", 5)}
    strengths = {(song, tag): strength for song, tag, strength in strengths_of(data)}
    assert strengths.keys() - borne == {("7", "tropicália")}
    assert strengths["7", "tropicália"] == 0.25  # half of the score, by one person


def strengths_of(data):
    rows = read_tsv(data / "tag_strengths.tsv", 3)
    return [(song, tag, float(strength)) for song, tag, strength in rows]


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
        "raw_tags.tsv",
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


def test_bad_arguments(lastfm, tmp_path):
    data = tmp_path / "data"
    nowhere = tmp_path / "nowhere"
    assert refused(from_shell("lastfm2k", nowhere, data), nowhere, "grouplens.org")
    assert refused(step0("msd", nowhere, data), nowhere, "millionsongdataset.com")
    assert refused(step0("lastfm2k", lastfm, lastfm), lastfm, "DATA_PATH")
    assert refused(step0("lastfm2k", lastfm, data, "--min_songs", 9), "--min_songs")
    for option in (
        ["--min_score", "high"],
        ["--min_score", -1],
        ["--min_score", 101],
        ["--min_score", True],
        ["--max_tags", 0],
        ["--max_tags", 2.5],
        ["--min_songs", 0],
        ["--min_songs", None],
        ["--keep_not_music", "yes"],
    ):
        assert refused(step0("lastfm2k", lastfm, data, *option), option[0], "must be", option[1])
    for command in ("table", "magnatagatune"):
        for option in (["--min_songs", 0], ["--min_songs", "x"], ["--merge_spellings", 1]):
            assert refused(step0(command, lastfm, data, *option), option[0], "must be")
    assert refused(step0("lastfm2k", lastfm, lastfm / "tags.dat", "--min_songs", 1), "tags.dat")
    unknown = from_shell("lastfm2k", lastfm, data, "--min_song", 1)
    assert unknown.returncode == 2
    assert "Traceback" not in unknown.stderr
    assert not data.exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("table", ["listeners", "min_songs", "merge_spellings", "skip_missing", "category", "|"]),
        ("jamendo", ["split", "autotagging*.tsv"]),
        ("magnatagatune", ["min_songs", "merge_spellings", "clip_info_final.csv"]),
        ("emotify", ["data.csv", "emotifymusic/"]),
        ("lastfm2k", ["min_score", "max_tags", "min_songs", "keep_not_music"]),
        ("msd", ["max_tags", "min_songs", "keep_not_music"]),
        ("demo", ["seed", "listen"]),
    ],
)
def test_help(command, words):
    shown = step0(command, "--help")
    assert shown.returncode == 0
    for word in words:
        assert word in shown.stdout + shown.stderr


def test_help_needs_no_heavy_import():
    script = (
        "import sys, step0_dataset, step1_data_split; "
        "print([name for name in ('pandas', 'scipy', 'gensim') if name in sys.modules])"
    )
    assert run_command("-c", script).stdout.strip() == "[]"


def test_what_an_earlier_step_0_left_is_removed_and_told(msd, tmp_path):
    data = tmp_path / "data"
    done_well(step0("msd", msd, data, "--min_songs", 1))
    for name in ("triplets.tsv", "published_split.tsv"):
        write_lines(data / name, ["TRA\ttrain"])
    kept = done_well(step0("msd", msd, data, "--min_songs", 1))
    assert "removed" not in kept  # step 0 did not write them: they are the user's
    about = json.loads((data / "dataset.json").read_text(encoding="utf-8"))
    about["steps"]["step0"]["files"].append("published_split.tsv")
    (data / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    told = done_well(step0("msd", msd, data, "--min_songs", 1))
    assert f"removed {data / 'published_split.tsv'}" in told
    assert (data / "triplets.tsv").exists() and not (data / "published_split.tsv").exists()


def test_strengths_of_an_earlier_step_0_are_removed(lastfm, tmp_path):
    data = tmp_path / "data"
    done_well(step0("lastfm2k", lastfm, data, "--min_songs", 1))
    assert (data / "tag_strengths.tsv").exists()
    about = (data / "dataset.json").read_text(encoding="utf-8")
    (data / "dataset.json").write_text(about.replace('"lastfm2k"', '"msd"'), encoding="utf-8")
    done = step0("msd", write_msd(tmp_path / "msd"), data, "--min_songs", 1)  # it has no scores
    assert f"removed {data / 'tag_strengths.tsv'}" in done_well(done)
    assert not (data / "tag_strengths.tsv").exists()


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("command", "name", "songs", "hundredth"),
    [("lastfm2k", "lastfm-2k", 9_000, 70), ("msd", "msd-taste-profile", 3_900, 150)],
)
def test_real_set(tmp_path, command, name, songs, hundredth):
    done = from_shell(command, real_data(name), tmp_path)
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
