"""Step 1: the rules of selection one by one, and the whole by command line."""

import json
import re
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from commands import ROOT, run_here
from dataset.directory import open_dataset
from dataset.files import read_categories, read_song_ids
from dataset.writing import write_pickle
from errors import UserError
from preprocessing.split.data_split import to_matrix, top_tags, with_vector
from preprocessing.split.step0_tables import read_annotations
from step1_data_split import run
from step3_taste_profile import neighbours

TAGS = ["folk", "jazz", "rock"]


def step1(*arguments: object) -> subprocess.CompletedProcess:
    return run_here(ROOT / "step1_data_split.py", "run", *arguments)


def write_lines(file: Path, rows: list[tuple]) -> None:
    file.parent.mkdir(exist_ok=True)
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    file.write_text(text, encoding="utf-8")


def song(number: int) -> str:
    return f"TRAAA{number:03d}"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """120 songs of 60 artists; rock on all, jazz on a half, folk on a third, noise on five."""
    rows = []
    for number in range(120):
        tags = ["rock"] + ["jazz"] * (number % 2) + ["folk"] * (number % 3 == 0)
        rows += [(song(number), f"{tag} music", tag, "genre", 60) for tag in tags]
        rows += [(song(number), "noise", "noise", "", 100)] * (number < 5)
        rows += [(song(number), "blues", "blues", "genre", 49)]
    write_lines(tmp_path / "msd500" / "track_tags.tsv", rows)
    songs = [(song(number), f"artist {number // 2}", "title", "") for number in range(120)]
    write_lines(tmp_path / "songs.tsv", songs)
    write_lines(tmp_path / "items_index_MSD.tsv", [(song(number),) for number in range(120)])
    return tmp_path


def frame(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["song", "tag", "category", "score"])


# ---------------------------------------------------------------- the whole step


def test_run_writes_a_split_that_opens(directory):
    done = step1(directory, 3, 5)
    assert done.returncode == 0, done.stderr
    write_pickle(directory / "google_emb.pkl", {tag: np.ones(4) for tag in TAGS})
    dataset = open_dataset(directory)
    assert dataset.tags == TAGS
    assert dataset.song_ids == [song(number) for number in range(120)]
    expected = [[number % 3 == 0, number % 2 == 1, True] for number in range(120)]
    np.testing.assert_array_equal(dataset.song_tags, expected)
    assert [len(dataset.splits[name]) for name in ("train", "valid", "test")] == [84, 18, 18]
    artists = [{number // 2 for number in songs} for songs in dataset.splits.values()]
    assert not (artists[0] & artists[1] or artists[0] & artists[2] or artists[1] & artists[2])
    for songs in dataset.splits.values():
        assert dataset.song_tags[songs].sum(axis=0).min() >= 5
    assert dataset.categories == dict.fromkeys(TAGS, "genre")
    assert dataset.about["steps"]["step1"]["songs"] == {"train": 84, "valid": 18, "test": 18}
    assert "score >= 50: rows 345 -> 225, songs 120 -> 120, tags 5 -> 4" in done.stdout
    assert "3 tags with the most songs: rows 225 -> 220" in done.stdout


def split_bytes(directory: Path) -> list[bytes]:
    return [(directory / f"{name}_ids.npy").read_bytes() for name in ("train", "valid", "test")]


def test_same_seed_same_split_whatever_the_order_of_rows(directory):
    run(directory, 3, 5)
    first = split_bytes(directory)
    for file in (directory / "msd500" / "track_tags.tsv", directory / "songs.tsv"):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        file.write_text("".join(reversed(lines)), encoding="utf-8")
    run(directory, 3, 5)
    assert split_bytes(directory) == first
    run(directory, 3, 5, seed=1)
    assert split_bytes(directory) != first


def test_score_and_subset_options(directory):
    run(directory, 4, 5, minimum_score=40, is_subset=True)
    assert np.load(directory / "sub_tags.npy").tolist() == ["blues", *TAGS]
    assert not (directory / "tags.npy").exists()
    about = json.loads((directory / "dataset.json").read_text(encoding="utf-8"))
    assert about["steps"]["sub_step1"]["minimum_score"] == 40


def test_songs_without_data_of_a_kind_at_hand_are_left_out(directory):
    ids = [(song(number),) for number in range(100)]
    write_lines(directory / "items_index_MSD.tsv", ids)
    rows = [(song(n), f"artist {n // 2}", "t", "a.mp3" if n >= 10 else "") for n in range(120)]
    write_lines(directory / "songs.tsv", rows)
    spec = directory / "spec" / "A" / "A" / "A" / f"{song(2)}.npy"
    spec.parent.mkdir(parents=True)
    np.save(spec, np.zeros(1))
    run(directory, 3, 3)
    kept = [song(number) for number in (2, *range(10, 100))]
    assert np.load(directory / "existing_ids.npy").tolist() == kept


def test_songs_whose_audio_step_4_could_not_read_are_left_out(directory):
    songs = [(song(n), f"artist {n // 2}", "t", "a.mp3" if n < 110 else "") for n in range(120)]
    write_lines(directory / "songs.tsv", songs)
    write_lines(directory / "mel_songs.tsv", [(song(110), 0, 5, 99)])  # its path is not known
    skipped = [(song(n), "a.mp3", "silent") for n in range(8)]
    write_lines(directory / "mel_skipped.tsv", skipped)
    done = step1(directory, 3, 3)
    assert re.search(r"songs with audio that can be read: .* songs 120 -> 103", done.stdout)
    kept = [song(number) for number in range(8, 111)]
    assert np.load(directory / "existing_ids.npy").tolist() == kept
    write_lines(directory / "mel_skipped.tsv", [(song(n), "a.mp3", "silent") for n in range(111)])
    with pytest.raises(UserError, match="'songs with audio that can be read'"):
        run(directory, 3, 3)


def test_triplets_are_listening_data_too(directory):
    (directory / "items_index_MSD.tsv").unlink()
    write_lines(directory / "triplets.tsv", [("user", song(number), 1) for number in range(90)])
    run(directory, 3, 3)
    assert np.load(directory / "existing_ids.npy").tolist() == [song(n) for n in range(90)]


def test_no_data_of_either_kind_keeps_all_songs(directory, capsys):
    (directory / "items_index_MSD.tsv").unlink()
    run(directory, 3, 5)
    assert "no listening data and no audio" in capsys.readouterr().out
    assert len(np.load(directory / "existing_ids.npy")) == 120


def test_split_by_song_needs_no_artists(directory):
    (directory / "songs.tsv").unlink()
    done = step1(directory, 3, 5)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "--split_by=song" in done.stderr
    assert "Traceback" not in done.stderr
    run(directory, 3, 5, split_by="song")
    assert len(np.load(directory / "train_ids.npy")) == 84


def test_a_song_without_artist_is_named(directory):
    rows = [(song(n), f"artist {n}" if n != 7 else "", "t", "") for n in range(119)]
    write_lines(directory / "songs.tsv", rows)
    with pytest.raises(UserError, match=r"no artist for 2 of 120 songs \(TRAAA007, TRAAA119\)"):
        run(directory, 3, 5)


def test_categories_are_added_and_none_is_lost(directory):
    write_lines(directory / "tag_categories.tsv", [("rock", "my own"), ("old", "kept"), ("jazz",)])
    run(directory, 3, 5)
    expected = {"rock": "my own", "old": "kept", "jazz": "genre", "folk": "genre"}
    assert read_categories(directory) == expected


def test_neighbours_of_an_earlier_split_are_called_stale(directory, capsys):
    run(directory, 3, 5)
    np.save(directory / "ix_to_cf.npy", np.eye(len(read_song_ids(directory, "")), 4))
    write_lines(directory / "triplets.tsv", [("u", song(number), 1) for number in range(120)])
    neighbours(str(directory), str(directory / "triplets.tsv"))
    capsys.readouterr()
    run(directory, 3, 5)
    assert "step 3 neighbours" not in capsys.readouterr().out
    run(directory, 3, 5, seed=1)
    told = "the split has changed: run step 3 neighbours again for neighbours_songs.npy\n"
    assert told in capsys.readouterr().out


def test_vectors_of_an_earlier_split_are_called_stale(directory, capsys):
    run(directory, 3, 5)
    for name in ("google_emb.pkl", "sub_google_emb.pkl", "ix_to_cf.npy"):
        (directory / name).write_bytes(b"")
    capsys.readouterr()
    run(directory, 3, 5, seed=1)
    assert "again" not in capsys.readouterr().out
    run(directory, 1, 5)
    assert "run step 2 again for google_emb.pkl\n" in capsys.readouterr().out
    write_lines(directory / "items_index_MSD.tsv", [(song(number),) for number in range(100)])
    run(directory, 1, 5)
    assert "the songs have changed: run step 3 again" in capsys.readouterr().out
    (directory / "google_w2v").mkdir()
    (directory / "google_w2v/songs_read.txt").write_text("\n".join(map(song, range(120))))
    run(directory, 1, 5)
    assert "removed google_emb.pkl, for google_w2v has read the tags" in capsys.readouterr().out
    assert [file.name for file in directory.glob("*_emb.pkl")] == ["sub_google_emb.pkl"]


def test_tags_without_a_vector_are_left_out(directory, capsys):
    gensim_models = pytest.importorskip("gensim.models")
    vectors = gensim_models.KeyedVectors(2)
    vectors.add_vectors(["rock", "folk"], np.eye(2))
    vectors.save(str(directory / "own.kv"))
    run(directory, 3, 5, vectors=str(directory / "own.kv"))
    assert np.load(directory / "tags.npy").tolist() == ["folk", "rock"]
    assert "own.kv: jazz, noise\n" in capsys.readouterr().out
    rows = frame(("s", "rock", "", 1), ("s", "x", "", 1))
    rows = with_vector(rows, directory, str(directory / "own.kv"))
    assert rows["tag"].tolist() == ["rock"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, 5), "TOP_N_TAGS must be a whole number of at least 1, not 0"),
        (("all", 5), "TOP_N_TAGS must be a whole number"),
        ((3, 0), "MINIMUM_NUMBER_OF_TAGS_IN_EACH_SPLIT must be"),
        ((3, 5, "--seed=-1"), "--seed must be"),
        ((3, 5, "--split_by=album"), "--split_by must be artist or song or published"),
        ((3, 5, "--require=any,cf"), "--require must be cf, spec, cf,spec, or any alone"),
        ((3, 5, "--require=,"), "--require must be cf, spec, cf,spec, or any alone"),
        ((3, 5, "--minimum_score=101"), "is left after the rule 'annotations with a score >= 101'"),
        ((3, 14), r"14 songs of each tag.*folk (40).*lower MINIMUM to 13"),
        ((3, 5, "--is_subset=maybe"), "--is_subset must be True or False"),
        ((3, 5, "--vectors=other"), "other is neither a file nor the name"),
    ],
)
def test_bad_arguments_write_nothing(directory, arguments, message):
    before = sorted(directory.rglob("*"))
    positional = [argument for argument in arguments if not str(argument).startswith("--")]
    options = dict(
        argument[2:].split("=") if "=" in argument else (argument[2:], True)
        for argument in arguments
        if str(argument).startswith("--")
    )
    options = {name: int(v) if str(v).lstrip("-").isdigit() else v for name, v in options.items()}
    pattern = message.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(UserError, match=pattern):
        run(directory, *positional, **options)
    assert sorted(directory.rglob("*")) == before


def test_bad_input_on_the_command_line(directory):
    before = sorted(directory.rglob("*"))
    done = step1(directory, 3, 14)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("error: 14 songs of each tag")
    assert "Traceback" not in done.stderr
    assert step1(directory, 3, 5, "--seeed=1").returncode == 2
    assert sorted(directory.rglob("*")) == before


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "is empty"),
        ("s\to\tt\tc\t60\ns\to\tt\tc\n", "incomplete in row 2"),
        ("song\toriginal\ttag\tcategory\tscore\n", "incomplete in row 1"),
        ("s\to\t\tc\t60\n", "incomplete in row 1"),
        ("s\to\tt\tc\t60\ns\to\tt\tc\t60\t7\n", "5 columns"),
    ],
)
def test_broken_annotations_are_explained(tmp_path, content, message):
    (tmp_path / "track_tags.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message) as caught:
        read_annotations(tmp_path / "track_tags.tsv")
    assert "\n" not in str(caught.value)


def test_a_sixth_field_in_every_row_is_not_dropped_in_silence(tmp_path):
    (tmp_path / "track_tags.tsv").write_text("s\to\tt\tc\t60\tlost\n" * 2, encoding="utf-8")
    with pytest.raises(UserError, match="not a file of 5 columns"):
        read_annotations(tmp_path / "track_tags.tsv")


def test_names_are_compared_in_one_form(directory):
    nfd = {name: unicodedata.normalize("NFD", name) for name in ("é", "tropicália")}
    rows = [(f"é{number}", "", "tropicália", "", 100) for number in range(60)]
    rows[::2] = [(nfd["é"] + row[0][1:], "", nfd["tropicália"], "", 100) for row in rows[::2]]
    write_lines(directory / "msd500/track_tags.tsv", rows)
    (directory / "items_index_MSD.tsv").unlink()
    plays = [("u", f"{('é', nfd['é'])[number % 3 == 0]}{number}", 1) for number in range(60)]
    write_lines(directory / "triplets.tsv", plays)
    songs = [(f"{('é', nfd['é'])[number % 4 == 0]}{number}", f"é{number}") for number in range(60)]
    write_lines(directory / "songs.tsv", songs)
    run(directory, 9, 9)
    assert np.load(directory / "tags.npy").tolist() == ["tropicália"]
    assert np.load(directory / "existing_ids.npy").tolist() == sorted(f"é{n}" for n in range(60))


def test_annotations_stay_text(tmp_path):
    rows = [("007", "x", "null", "NA", 50.5), ('"1', "", "80s", "", 100)]
    write_lines(tmp_path / "track_tags.tsv", rows)
    read = read_annotations(tmp_path / "track_tags.tsv")
    assert read.to_numpy().tolist() == [["007", "null", "NA", 50.5], ['"1', "80s", "", 100.0]]


# ---------------------------------------------------------------- rules


def test_top_tags_by_hand():
    rows = frame(
        ("s1", "b", "", 50), ("s2", "b", "", 49.9), ("s2", "a", "", 80), ("s3", "c", "", 90)
    )
    assert set(top_tags(rows, 1)["tag"]) == {"b"}
    assert set(top_tags(rows, 2)["tag"]) == {"a", "b"}  # a and c have a song each: a comes first
    assert len(top_tags(rows, 9)) == 4


def test_matrix_by_hand():
    rows = frame(("z", "b", "", 1), ("É", "a", "", 1), ("z", "B", "", 1))
    tags, songs, matrix = to_matrix(rows)
    assert (tags, songs) == (["B", "a", "b"], ["z", "É"])  # by code point
    np.testing.assert_array_equal(matrix.toarray(), [[1, 0, 1], [0, 1, 0]])
