"""Categories of tags that annotations name."""

import pandas as pd
import pytest

from dataset.files import read_tsv
from dataset.writing import write_tsv
from errors import UserError
from preprocessing.tags.categories import add_categories, most_common_categories


def frame(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["tag", "category"])


def test_most_common_category():
    rows = frame(*[("a", c) for c in ("x", "y", "y", "")], ("b", "z"), ("b", "q"), ("c", ""))
    assert most_common_categories(rows) == {"a": "y", "b": "q"}


def test_what_stands_there_stays(tmp_path):
    rows = [("rock", "my own"), ("old", "kept"), ("jazz", "")]
    write_tsv(tmp_path / "tag_categories.tsv", rows)
    named = frame(("rock", "genre"), ("jazz", "genre"), ("folk", "genre"), ("unused", "genre"))
    (tmp_path / "stage").mkdir()
    add_categories(tmp_path / "stage", tmp_path, ["folk", "jazz", "none", "rock"], named)
    assert read_tsv(tmp_path / "stage" / "tag_categories.tsv", 2) == [
        ["rock", "my own"],
        ["old", "kept"],
        ["folk", "genre"],
        ["jazz", "genre"],
    ]


def test_nothing_to_add_writes_nothing(tmp_path):
    add_categories(tmp_path, tmp_path, ["rock"], frame(("rock", "")))
    assert not list(tmp_path.iterdir())


def test_a_line_break_within_is_explained(tmp_path):
    with pytest.raises(UserError, match=r"has 'ro.*ck' as a tag or a category"):
        add_categories(tmp_path, tmp_path, ["ro\rck"], frame(("ro\rck", "genre")))
