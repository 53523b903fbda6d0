"""Step 1's tag strengths: looked up by hand-made tables, and by command line."""

import numpy as np
import pytest

from errors import UserError
from preprocessing.split.step0_tables import strengths_of_split
from step1_data_split import run

TAGS, SONGS = ["jazz", "rock"], ["s1", "s2", "s3"]
BEARS = np.array([[1, 0], [0, 1], [1, 1]])


def write_strengths(directory, *rows) -> None:
    lines = ("\t".join(map(str, row)) + "\n" for row in rows)
    (directory / "tag_strengths.tsv").write_text("".join(lines), encoding="utf-8")


def found(directory) -> np.ndarray | None:
    return strengths_of_split(directory, TAGS, SONGS, BEARS)


def test_strengths_by_hand(tmp_path):
    assert found(tmp_path) is None
    rows = [("s3", "rock", 0.5), ("s1", "rock", "1e-1"), ("s1", "jazz", 1)]
    rows += [("s9", "rock", 0.7), ("s2", "pop", 0.7)]  # no song, no tag of the split
    write_strengths(tmp_path, *rows)
    matrix = found(tmp_path)
    assert matrix.dtype == np.float32  # s2 and s3 bear what the file lacks
    np.testing.assert_array_equal(matrix, np.float32([[1, 0.1], [0, 1], [1, 0.5]]))


def test_of_two_rows_the_higher_counts_and_names_have_one_form(tmp_path):
    rows = [("e\u0301", "rock", 0.2), ("\u00e9", "rock", 0.4), ("\u00e9", "rock", 0.3)]
    write_strengths(tmp_path, *rows)
    matrix = strengths_of_split(tmp_path, ["rock"], ["\u00e9"], np.array([[0]]))
    assert matrix.tolist() == [[np.float32(0.4)]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("s1", "rock", 0), "has the strength 0 in row 2, which must be above 0 and at most 1"),
        (("s1", "rock", 1.5), "has the strength 1.5 in row 2"),
        (("s1", "rock", "-inf"), "has the strength -inf in row 2"),
        (("s1", "rock", 1e-60), "has the strength 1e-60 in row 2"),  # which float32 takes for 0
        (("s1", "rock", "high"), "incomplete in row 2: each row must be song_id, cleaned_tag and"),
        (("s1", "rock"), "is incomplete in row 2"),
        (("s1", "", 0.5), "is incomplete in row 2"),
        (("s1", "rock", 0.5, "more"), "is not a file of 3 columns separated by tabs"),
    ],
)
def test_what_is_no_strength_is_told(tmp_path, row, message):
    write_strengths(tmp_path, ("s1", "jazz", 1), row)
    with pytest.raises(UserError, match=message) as caught:
        found(tmp_path)
    assert "tag_strengths.tsv" in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture
def directory(tmp_path):
    """40 songs: each rock, every other jazz with a score of 60, the others weakly so."""
    (tmp_path / "msd500").mkdir()
    rows = [(f"s{n}", "rock", "rock", "genre", 100) for n in range(40)]
    rows += [(f"s{n}", "jazz", "jazz", "genre", 60) for n in range(0, 40, 2)]
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    (tmp_path / "msd500/track_tags.tsv").write_text(text)
    weak = [(f"s{n}", "jazz", 0.2) for n in range(1, 40, 2)]
    write_strengths(tmp_path, *((row[0], row[2], 0.9) for row in rows), *weak)
    return tmp_path


@pytest.mark.parametrize("prefix", ["", "sub_"])
def test_step_1_writes_them_and_removes_those_of_before(directory, capsys, prefix):
    how = {"split_by": "song", "is_subset": bool(prefix)}
    run(directory, 2, 3, **how)
    told = "tag strengths: 60 of tags that songs bear, 20 of weaker ones"
    assert told in capsys.readouterr().out
    file = directory / f"{prefix}tag_strengths.npy"
    strengths, bears = np.load(file), np.load(directory / f"{prefix}binaries.npy")
    assert strengths.dtype == np.float32 and np.load(directory / f"{prefix}tags.npy")[0] == "jazz"
    np.testing.assert_array_equal(strengths, np.where(bears, 0.9, 0.2).astype(np.float32))
    assert [one.name for one in directory.glob("*strengths.npy")] == [file.name]
    (directory / "tag_strengths.tsv").unlink()
    run(directory, 2, 3, **how)
    assert f"removed {file}" in capsys.readouterr().out and not file.exists()
    run(directory, 2, 3, **how)
    assert "strengths" not in capsys.readouterr().out


def test_what_a_higher_minimum_score_drops_keeps_its_strength(directory, capsys):
    write_strengths(directory, *((f"s{n}", "rock", 0.9) for n in range(40)), ("s0", "jazz", 0.8))
    rows = (directory / "msd500/track_tags.tsv").read_text() + "s1\tjazz\tjazz\tgenre\t100\n"
    rows += "".join(f"s{n}\tjazz\tjazz\tgenre\t90\n" for n in range(3, 40, 2))
    (directory / "msd500/track_tags.tsv").write_text(rows)
    run(directory, 2, 3, minimum_score=80, split_by="song")
    strengths, song_ids = (
        np.load(directory / f"{name}.npy") for name in ("tag_strengths", "existing_ids")
    )
    row = song_ids.tolist().index("s0")
    assert not np.load(directory / "binaries.npy")[row, 0]
    assert strengths[row].tolist() == [np.float32(0.8), np.float32(0.9)]
    assert "tag strengths: 60 of tags that songs bear, 1 of weaker ones" in capsys.readouterr().out


def test_damaged_strengths_leave_the_split_as_it_was(directory):
    run(directory, 2, 3, split_by="song")
    before = {file: file.read_bytes() for file in directory.glob("*.npy")}
    write_strengths(directory, ("s1", "rock", 7))
    with pytest.raises(UserError, match="has the strength 7 in row 1"):
        run(directory, 2, 3, split_by="song", seed=1)
    assert {file: file.read_bytes() for file in directory.glob("*.npy")} == before
