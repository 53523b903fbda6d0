"""The rules for annotations that steps 0 and 1 share, by hand."""

import pandas as pd
import pytest

from preprocessing.rules import of_songs, scored


@pytest.fixture
def annotations() -> pd.DataFrame:
    rows = [("s1", "b", 50.0), ("s2", "b", 49.9), ("s2", "a", 80.0), ("s3", "c", 90.0)]
    return pd.DataFrame(rows, columns=["song", "tag", "score"])


def test_the_least_score_is_kept(annotations):
    assert scored(annotations, 50)["song"].tolist() == ["s1", "s2", "s3"]


def test_only_some_songs_are_kept(annotations):
    assert of_songs(annotations, ["s2", "unknown"])["tag"].tolist() == ["b", "a"]
