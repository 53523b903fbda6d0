"""experiments.tables: what stands in them, what cannot be compared, and the paired test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from errors import UserError
from experiment_results import results
from experiments import paper
from experiments.tables import (
    average_precisions,
    budgets,
    markdown,
    mean_and_deviation,
    paired_tests,
    quoted_table,
    results_section,
    results_table,
)

FOUND = {"spec": [results(0.75, 0.25)], "cf": [results(0.25, 0.5)]}


def test_table_has_all_tags_and_categories():
    assert results_table(FOUND).splitlines() == [
        "|                  |   spec |     cf | at random |",
        "| ---------------- | -----: | -----: | --------: |",
        "| MAP              | 0.5500 | 0.3500 |    0.1000 |",
        "| P@10             | 0.5000 | 0.5000 |           |",
        "| ROC-AUC          | 0.7500 | 0.7500 |           |",
        "| MAP genre (3)    | 0.7500 | 0.2500 |    0.1250 |",
        "| MAP location (2) | 0.2500 | 0.5000 |    0.0625 |",
    ]


def test_a_bar_in_a_category_begins_no_cell():
    found = {"spec": [results(0.75, 0.25)]}
    categories = found["spec"][0]["categories"]
    categories["r&b|soul"] = categories.pop("genre")
    assert r"| MAP r&b\|soul (3) | 0.7500 |" in results_table(found)
    assert r"| a\|b | 1 |" in markdown(("a", "b"), [(r"a\|b", "1")]).replace("   ", " ")


def test_several_runs_give_mean_and_deviation():
    table = results_table({"spec": [results(0.5, 0.5), results(0.7, 0.7)]})
    assert "| MAP              | 0.6000 ± 0.1414 |    0.1000 |" in table
    assert "| MAP genre (3)    | 0.6000 ± 0.1414 |" in table


def test_an_undefined_metric_leaves_its_cell_empty():
    assert mean_and_deviation([None, None]) == ""
    assert mean_and_deviation([0.25]) == "0.2500"


@given(st.lists(st.lists(st.text("ab|", max_size=5), min_size=2, max_size=2), max_size=4))
def test_lines_of_a_table_are_of_one_length(rows):
    lines = markdown(("", "x"), rows).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == len(rows) + 2


@pytest.mark.parametrize("other", [{"n_songs": 8}, {"categories": {}}, {"chance_map": 0.2}])
def test_results_of_different_data_never_stand_in_one_table(other):
    found = {"spec": [results(1, 1)], "cf": [results(1, 1), results(1, 1) | other]}
    why = "have different categories" if "categories" in other else "are from different test songs"
    with pytest.raises(UserError, match=rf"spec and cf {why}"):
        results_table(found)


def test_as_many_songs_with_other_tags_are_another_test():
    """Other splits of songs with one tag each have the same chance, which depends on the sum."""
    other = results(1, 1)
    other["tags"]["rock"]["n_positive"], other["tags"]["jazz"]["n_positive"] = 3, 1
    with pytest.raises(UserError, match="spec and cf are from different test songs or tags"):
        results_table({"spec": [results(1, 1)], "cf": [other]})


def trained(**options) -> dict:
    return results(1, 1) | {"made_by": {"options": options}}


def test_how_long_columns_are_trained_is_said_where_it_differs():
    short, long = {"n_epochs": 2, "triplets_per_epoch": 1000}, {"n_epochs": 60}
    found = {
        "random": [trained(**short)] * 2,
        "balanced": [trained(**short, is_balanced=True)] * 2,
        "sigmoid": [trained(**long, triplets_per_epoch=10240, loss="sigmoid")] * 2,
    }
    line = "balanced: 2 epochs of 1,000 triplets; sigmoid: 60 epochs of 10,240 songs.\n"
    assert results_table(found).endswith(f"|\n\nTrainings differ: random, {line}")
    assert "differ" not in results_table({name: found[name] for name in ("random", "balanced")})


def test_triplets_of_several_anchors_are_counted_in_songs():
    alike = {"n_epochs": 5, "triplets_per_epoch": 960}
    many = trained(**alike, anchors_per_song=64)
    assert budgets({"triplet": [many], "sigmoid": [trained(**alike, loss="sigmoid")]}) == ""
    assert budgets({"triplet": [trained(**alike)], "many": [many]}) != ""


def test_a_baseline_is_trained_in_no_epochs():
    baseline = results(1, 1) | {"made_by": {"options": {"n_epochs": 7}, "baseline": {}}}
    assert budgets({"logistic regression": [baseline], "spec": [trained(n_epochs=2)]}) == ""


def test_heading_says_what_was_measured():
    one, two = (results_section(FOUND, "data", seeds) for seeds in ([7], [0, 1]))
    assert one == f"Measured on data: 5 tags, 9 test songs, seed 7.\n\n{results_table(FOUND)}"
    assert "seeds 0, 1; mean ± standard deviation over seeds.\n\n" in two


def test_quoted_numbers_are_said_to_be_quoted():
    text = quoted_table(paper.SAMPLING)
    assert text.startswith("Quoted from the paper, not measured here, on other data (its Table 1")
    assert "| MAP         | 0.1658 |   0.1675 |            0.1852 |" in text
    assert "| P@10        | 0.2990 |   0.3160 |            0.3500 |" in text
    assert "ROC-AUC" not in text


def test_average_precision_is_the_mean_over_seeds_of_tags_with_songs():
    found = average_precisions([results(0.5, 0.25), results(1.0, 0.25)])
    assert found == {"rock": 0.75, "jazz": 0.75, "folk": 0.75, "Brazil": 0.25, "Mali": 0.25}


def test_columns_are_compared_tag_by_tag():
    a, b = results(0.5, 0.5), results(0.75, 0.5)
    b["tags"]["rock"]["map"], b["tags"]["Mali"]["map"] = 0.875, 0.375
    last = paired_tests({"a": [a], "b": [b]}).splitlines()[-1]
    gains = [0.375, 0.25, 0.25, 0.0, -0.125]
    p = wilcoxon(gains).pvalue
    cells = [cell.strip() for cell in last.strip("|").split("|")]
    assert cells == ["b - a", "+0.1500", "3 : 1", f"{p:.2g}"]


def test_equal_columns_do_not_differ():
    last = paired_tests({"a": FOUND["cf"], "b": FOUND["cf"]}).splitlines()[-1]
    assert [cell.strip() for cell in last.strip("|").split("|")][1:] == ["+0.0000", "0 : 0", "1"]
