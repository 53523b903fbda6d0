"""experiments.compare: the table, the chart, and what cannot be compared."""

import json

import matplotlib.image
import pytest
from conftest import ROOT, assert_user_error, run_command

from experiments.compare import as_table


def results(genre: float, place: float) -> dict:
    one = {"map": (genre + place) / 2, "p@10": 0.5, "roc_auc": 0.75, "chance_map": 0.1}
    categories = {
        "genre": {"map": genre, "chance_map": 0.125, "n_tags": 3},
        "location": {"map": place, "chance_map": 0.0625, "n_tags": 2},
    }
    return one | {"n_songs": 9, "n_tags": 5, "categories": categories}


FOUND = {"spec": results(0.75, 0.25), "cf": results(0.25, 0.5)}


def test_table_has_all_tags_and_categories():
    assert as_table(FOUND).splitlines() == [
        "|                  |   spec |     cf | at random |",
        "| ---------------- | -----: | -----: | --------: |",
        "| MAP              | 0.5000 | 0.3750 |    0.1000 |",
        "| P@10             | 0.5000 | 0.5000 |           |",
        "| ROC-AUC          | 0.7500 | 0.7500 |           |",
        "| MAP genre (3)    | 0.7500 | 0.2500 |    0.1250 |",
        "| MAP location (2) | 0.2500 | 0.5000 |    0.0625 |",
    ]


def write(folder, content) -> None:
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(content))


def test_command_writes_table_and_chart(tmp_path):
    for name, content in FOUND.items():
        write(tmp_path / name, content)
    folders = (tmp_path / "spec", tmp_path / "cf")
    done = run_command("-m", "experiments.compare", *folders, "--to", tmp_path / "out", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/compare.md").read_text() == as_table(FOUND)
    assert as_table(FOUND) in done.stdout
    picture = matplotlib.image.imread(tmp_path / "out/compare.png")
    colours = {tuple(pixel) for pixel in picture[::7, ::7].reshape(-1, 4).tolist()}
    assert len(colours) > 2  # paper, and bars of two colours


@pytest.mark.parametrize(
    ("other", "part"),
    [
        (results(1, 1) | {"n_songs": 8}, "different test songs"),
        (results(1, 1) | {"categories": {}}, "different test songs"),
        (None, "results.json is missing"),
    ],
)
def test_what_cannot_be_compared_is_told(tmp_path, other, part):
    write(tmp_path / "spec", FOUND["spec"])
    if other:
        write(tmp_path / "other", other)
    folders = (tmp_path / "spec", tmp_path / "other")
    done = run_command("-m", "experiments.compare", *folders, "--to", tmp_path / "out", cwd=ROOT)
    assert_user_error(done, part)
    assert not (tmp_path / "out").exists()
