"""What a test found: its keys, its tables, and that it is valid JSON or not there at all."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import results as results_module
from dataset.directory import Dataset
from metrics import METRICS, chance_map, score_tags
from results import collect_results, format_results, git_revision, provenance, write_results

OPTIONS = {"seed": 7, "margin": 0.4, "input_type": "cf"}


def dataset_of(song_tags, categories: dict[str, str] | None = None, names: str = "") -> Dataset:
    """A dataset whose songs are all in the test split, in reverse order."""
    song_tags = np.array(song_tags, dtype=bool)
    n_songs, n_tags = song_tags.shape
    return Dataset(
        path=Path("data"),
        tags=list(names) or [f"tag {n:02}" for n in range(n_tags)],
        song_ids=[f"song {n}" for n in range(n_songs)],
        song_tags=song_tags,
        splits={"train": np.array([0]), "valid": np.array([0]), "test": np.arange(n_songs)[::-1]},
        tag_vectors=np.zeros((n_tags, 2), dtype=np.float32),
        vectors={},
        categories=categories or {},
        about={"format_version": 1, "steps": {"step1": {"seed": 3}}},
    )


def results_of(dataset: Dataset, scores) -> dict:
    """Results of the test split from scores of tags by songs, in the order of the split."""
    truth = dataset.song_tags[dataset.splits["test"]].T
    return collect_results(score_tags(np.array(scores, dtype=float), truth), dataset, "test")


# tags a, b, c, d by songs 3, 2, 1, 0: c has no positive song, d no negative one
DATASET = dataset_of(
    [[1, 1, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1], [1, 0, 0, 1]],
    categories={"a": "genre", "d": "mood", "c": "mood", "z": "place"},
    names="abcd",
)
SCORES = [[4, 3, 2, 1], [1, 2, 3, 4], [0, 1, 0, 1], [1, 2, 3, 4]]
RESULTS = results_of(DATASET, SCORES)


def test_values_of_tags_by_hand():
    # a: songs 3 and 0, first and last of the ranking; b: songs 0 and 1, the first two
    assert RESULTS["tags"] == {
        "a": {"map": (1 + 2 / 4) / 2, "p@10": 0.2, "roc_auc": 0.5, "n_positive": 2},
        "b": {"map": 1, "p@10": 0.2, "roc_auc": 1, "n_positive": 2},
        "c": {"map": None, "p@10": None, "roc_auc": None, "n_positive": 0},
        "d": {"map": 1, "p@10": 0.4, "roc_auc": None, "n_positive": 4},
    }


def test_means_leave_out_what_is_undefined_and_name_it():
    assert RESULTS["map"] == pytest.approx((0.75 + 1 + 1) / 3)
    assert RESULTS["p@10"] == pytest.approx((0.2 + 0.2 + 0.4) / 3)
    assert RESULTS["roc_auc"] == pytest.approx((0.5 + 1) / 2)
    assert RESULTS["chance_map"] == chance_map(4, np.array([2, 2, 4]))
    assert (RESULTS["n_songs"], RESULTS["n_tags"], RESULTS["split"]) == (4, 3, "test")
    assert RESULTS["tags_without_positive"] == ["c"]


def test_categories_are_means_over_their_tags_with_a_positive():
    by_chance = chance_map(4, np.array([2]))
    genre = {"map": 0.75, "p@10": 0.2, "roc_auc": 0.5, "chance_map": by_chance, "n_tags": 1}
    mood = {"map": 1.0, "p@10": 0.4, "roc_auc": None, "chance_map": 1.0, "n_tags": 1}
    assert RESULTS["categories"] == {"genre": genre, "mood": mood}


def test_no_categories():
    found = results_of(dataset_of([[1], [0]]), [[1, 2]])
    assert found["categories"] == {}
    assert "category" not in format_results(found)


def test_a_split_without_any_tag_is_all_none(recwarn):
    found = results_of(dataset_of([[0, 0], [0, 0]], {"tag 00": "genre"}), [[1, 2], [1, 2]])
    assert {found[name] for name in (*METRICS, "chance_map")} == {None}
    assert found["n_tags"] == 0 and found["categories"] == {}
    assert found["tags_without_positive"] == ["tag 00", "tag 01"]
    assert "0 tags, 2 songs" in format_results(found)
    assert len(recwarn) == 0


def test_other_split_other_songs():
    per_tag = {name: np.ones(4) for name in METRICS}
    found = collect_results(per_tag, DATASET, "valid")
    assert (found["n_songs"], found["n_tags"], found["split"]) == (1, 3, "valid")
    assert "1 songs of the valid split\n" in format_results(found)
    assert "1 songs of the valid split, 7 left out" in format_results(found | {"n_left_out": 7})


# ---------------------------------------------------------------- provenance and JSON


def test_provenance_says_what_made_it():
    facts = provenance(OPTIONS, DATASET)
    assert facts["options"] == OPTIONS and facts["seed"] == 7
    assert facts["dataset"] == DATASET.about
    packages = {"python", "torch", "pytorch-lightning", "numpy", "scikit-learn"}
    assert facts["versions"].keys() == packages
    assert facts["versions"]["numpy"] == np.__version__
    assert re.match(r"3\.\d+\.\d+", facts["versions"]["python"])


def test_git_revision_is_a_revision_or_none(monkeypatch, tmp_path):
    found = git_revision()
    assert found is None or re.fullmatch(r"[0-9a-f]{40}(-dirty)?", found)
    monkeypatch.setattr(results_module, "__file__", str(tmp_path / "results.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_revision() is None  # outside of any checkout
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_revision() is None  # no git


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def test_written_results_are_valid_json_and_complete(tmp_path):
    whole = RESULTS | provenance(OPTIONS, DATASET)
    file = tmp_path / "new" / "results.json"
    write_results(file, whole)
    text = file.read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse_constant) == whole
    assert text.endswith("}\n")
    required = {"map", "p@10", "roc_auc", "n_songs", "n_tags", "tags", "categories"}
    assert required | {"options", "seed", "versions", "git_revision", "dataset"} <= whole.keys()
    assert all(list(one) == [*METRICS, "n_positive"] for one in whole["tags"].values())


def test_names_are_written_readably(tmp_path):
    found = results_of(dataset_of([[1], [0]], names="é"), [[1, 2]])
    write_results(tmp_path / "results.json", found)
    assert '"é"' in (tmp_path / "results.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("bad", [math.nan, object()])
def test_results_are_written_whole_or_not_at_all(tmp_path, bad):
    file = tmp_path / "results.json"
    write_results(file, {"map": 1})
    with pytest.raises((ValueError, TypeError)):
        write_results(file, {"map": 2, "more": bad})
    assert json.loads(file.read_text()) == {"map": 1}
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_leaves_the_old_results(tmp_path, monkeypatch):
    file = tmp_path / "results.json"
    write_results(file, {"map": 1})

    def write_half(path: Path, text: str, encoding: str) -> None:
        path.write_bytes(text.encode(encoding)[: len(text) // 2])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", write_half)
    with pytest.raises(OSError, match="no space left"):
        write_results(file, {"map": 2})
    assert json.loads(file.read_text()) == {"map": 1}
    assert list(tmp_path.iterdir()) == [file]


# ---------------------------------------------------------------- tables


def many_tags(n_tags: int) -> dict:
    """Results in which tag n has its one positive song at rank n + 1 of ten or more songs."""
    n_songs = max(n_tags, 10)
    dataset = dataset_of(np.eye(n_songs, n_tags))
    scores = np.tile(np.arange(n_songs), (n_tags, 1))  # the split goes backwards
    return results_of(dataset, scores)


def rows(text: str, title: str) -> list[list[str]]:
    """Cells of the rows below the heading that begins with `title`."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(title))
    below = lines[start + 1 :]
    end = below.index("") if "" in below else len(below)
    return [re.split(r"\s{2,}", line.strip()) for line in below[:end]]


def test_tables_by_hand():
    text = format_results(RESULTS)
    assert "3 tags, 4 songs of the test split" in text
    assert rows(text, " ")[0] == ["all tags", "0.9167", "0.2667", "0.7500"]
    assert rows(text, " ")[1] == ["at random", f"{RESULTS['chance_map']:.4f}"]
    assert rows(text, "category") == [
        ["genre (1)", "0.7500", "0.2000", "0.5000"],
        ["mood (1)", "1.0000", "0.4000", "-"],
    ]
    assert rows(text, "worst tags") == [["a (2)", "0.7500", "0.2000", "0.5000"]]
    assert "without positive song, left out of the means: c" in text


def test_columns_stand_below_their_headings():
    text = format_results(many_tags(12))
    lines = [line for line in text.splitlines() if "0." in line or "map" in line]
    heading = next(line for line in lines if "map" in line)
    assert heading.split() == list(METRICS)
    for line in lines:
        for end in (heading.index("map") + 3, heading.index("p@10") + 4, len(heading)):
            assert len(line) < end or line[end - 1] != " " or "at random" in line


def test_best_and_worst_tags_of_many():
    text = format_results(many_tags(12), n_extremes=3)
    assert [row[0] for row in rows(text, "best")] == ["tag 00 (1)", "tag 01 (1)", "tag 02 (1)"]
    assert [row[0] for row in rows(text, "worst")] == ["tag 09 (1)", "tag 10 (1)", "tag 11 (1)"]


@pytest.mark.parametrize("n_tags", [2, 3, 9])
def test_no_tag_is_both_best_and_worst(n_tags):
    text = format_results(many_tags(n_tags))
    best, worst = ([row[0] for row in rows(text, title)] for title in ("best", "worst"))
    assert len(best) == len(worst) == n_tags // 2
    assert not set(best) & set(worst)
    assert best[0] == "tag 00 (1)" and worst[-1] == f"tag {n_tags - 1:02} (1)"


def test_a_single_tag_needs_no_best_and_worst():
    text = format_results(many_tags(1))
    assert "1 tags" in text and "best" not in text and "worst" not in text
    assert text == text.rstrip()


def test_many_tags_without_positive_are_cut_short():
    found = results_of(dataset_of([[1] + [0] * 25]), [[1.0]] * 26)
    assert len(found["tags_without_positive"]) == 25
    assert format_results(found).endswith("tag 20 and 5 more")


def test_best_and_worst_tags_ignore_tags_without_positive():
    named = "".join(
        row[0] for title in ("best", "worst") for row in rows(format_results(RESULTS), title)
    )
    assert "c (" not in named
