"""experiments.runs: the table over seeds, and reading seeds. tests/test_sampling.py runs it."""

import pytest

from errors import UserError
from experiments.runs import as_table, parse_seeds


def test_table_has_mean_and_deviation():
    one = {"n_tags": 8, "n_songs": 60, "chance_map": 0.2, "p@10": 0.5, "roc_auc": 0.9}
    found = {"random": [one | {"map": 0.1}, one | {"map": 0.3}], "balanced": [one | {"map": 0.4}]}
    table = as_table(found, "data", [0, 1])
    assert "| MAP | 0.2000 ± 0.1414 | 0.4000 |" in table
    assert "8 tags, 60 test songs, seeds [0, 1], MAP at random 0.200" in table


def test_seeds_are_a_list_of_numbers():
    assert parse_seeds("0,12") == [0, 12]
    for wrong in ("one", "1,,2"):
        with pytest.raises(UserError, match="--seeds"):
            parse_seeds(wrong)
