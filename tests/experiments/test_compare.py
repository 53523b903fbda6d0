"""experiments.compare: table and chart of single results, and what cannot be compared."""

import json

import pytest

from commands import assert_user_error, run_here
from experiment_results import results
from experiments.compare import main
from experiments.tables import results_table


def write(folder, content) -> None:
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(content))


def test_what_is_missing_is_told_in_a_sentence(tmp_path):
    assert_user_error(run_here("-m", "experiments.compare", tmp_path), "required: --to")
    assert_user_error(run_here("-m", "experiments.compare", "--to", tmp_path), "FOLDER")


def test_help_shows_the_command_line_on_its_own_line(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["compare", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "\n    python -m experiments.compare FOLDER... --to RESULT_DIR\n" in (
        capsys.readouterr().out
    )


WHOLE = results(1, 1)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"map": 0.5},
        *({key: value for key, value in WHOLE.items() if key != left_out} for left_out in WHOLE),
        WHOLE | {"tags": {"tag 00": {"map": 0.5}}},
        WHOLE | {"categories": {"genre": {"map": 0.5, "n_tags": 3}}},
        WHOLE | {"map": "0.5"},
        WHOLE | {"tags": [0.5]},
    ],
)
def test_what_are_no_results_is_told(tmp_path, content):
    write(tmp_path / "spec", content)
    done = run_here("-m", "experiments.compare", tmp_path / "spec", "--to", tmp_path / "out")
    assert_user_error(done, "spec/results.json does not hold the results of a test")


def test_command_writes_table_and_chart(tmp_path):
    found = {"spec": [results(0.75, 0.25)], "cf": [results(0.25, 0.5)]}
    for name, (content,) in found.items():
        write(tmp_path / name, content)
    folders = (tmp_path / "spec", tmp_path / "cf")
    done = run_here("-m", "experiments.compare", *folders, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/compare.md").read_text() == results_table(found)
    assert results_table(found) in done.stdout
    assert (tmp_path / "out/compare.png").read_bytes().startswith(b"\x89PNG")


def results_of(digest: str) -> dict:
    return results(1, 1) | {"made_by": {"options": {}, "tested_by": {"test songs": digest}}}


@pytest.mark.parametrize(
    ("other", "part"),
    [
        (results(1, 1) | {"n_songs": 8}, "different test songs"),
        (results_of("b"), "spec and other are from different test songs"),  # of the same counts
        (None, "results.json is missing"),
    ],
)
def test_what_cannot_be_compared_is_told(tmp_path, other, part):
    write(tmp_path / "spec", results_of("a"))
    if other:
        write(tmp_path / "other", other)
    folders = (tmp_path / "spec", tmp_path / "other")
    done = run_here("-m", "experiments.compare", *folders, "--to", tmp_path / "out")
    assert_user_error(done, part)
    assert not (tmp_path / "out").exists()
