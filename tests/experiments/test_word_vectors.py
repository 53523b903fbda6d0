"""experiments.word_vectors: neighbours, which of them are musical, and the command."""

import json
from pathlib import Path

import gensim.downloader
import numpy as np
import pytest
from gensim.models import KeyedVectors

from commands import assert_user_error, run_here
from errors import UserError
from experiments.word_vectors import (
    DASH,
    WORDS,
    choose_vectors,
    compare_neighbours,
    counts_table,
    is_musical,
    main,
    mean_musical,
    neighbours_table,
    plain_form,
    read_musical_words,
    tag_vector_files,
)
from planted import write_planted

SETS = {
    "general": ["house", "villa", "Garden", "country_house", "brass", "smooth", "jazz"],
    "music": ["house", "deep_house", "Acid_House", "electro_fans", "drum'n'bass", "attic", "chill"],
}


@pytest.fixture(autouse=True)
def no_downloads_at_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(tmp_path / "cache"))


def write_fan(data_path: Path, name: str, words: list[str]) -> Path:
    """Write vectors like a fan, 10 degrees apart: the order of the words is that of nearness."""
    angles = np.radians(10 * np.arange(len(words)))
    vectors = KeyedVectors(2)
    vectors.add_vectors(words, np.stack([np.cos(angles), np.sin(angles)], axis=1))
    file = data_path / f"{name}_w2v" / "m.kv"
    file.parent.mkdir(parents=True)
    vectors.save(str(file))
    return file


@pytest.fixture
def two_sets(tmp_path) -> dict[str, Path]:
    return {name: write_fan(tmp_path, name, words) for name, words in SETS.items()}


def words_of(one: dict, only_musical: bool = False) -> list[str]:
    return [near["word"] for near in one["neighbours"] if near["musical"] or not only_musical]


# ---------------------------------------------------------------- what is musical


def test_the_list_is_as_its_head_says():
    words = [
        line
        for line in Path("experiments/musical_words.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert words == sorted(set(words))
    assert [word for word in words if plain_form(word) != word or not word] == []
    assert set(words) == read_musical_words()
    assert 300 < len(words) <= 1500


@pytest.mark.parametrize(
    ("neighbour", "near", "expected"),
    [
        ("deep_house", "house", True),  # the phrase is on the list
        ("Deep-House", "house", True),
        ("Jungle_Brothers", "metal", True),  # a word is
        ("Jungle_Brothers", "jungle", False),  # but it is the one that was looked up
        ("country_house", "country", True),
        ("HOUSE", "house", False),
        ("jazz", "smooth jazz", True),
        ("townhouse", "metal", False),  # a part of a word is none
        ("deep", "house", False),  # nor is a part of a phrase
        ("", "house", False),
    ],
)
def test_musical_as_a_whole_or_in_a_word(neighbour, near, expected):
    musical = {"deep house", "house", "jungle", "jazz", "smooth jazz"}
    assert is_musical(neighbour, near, musical) is expected


# ---------------------------------------------------------------- neighbours


def test_neighbours_are_the_nearest_and_the_musical_ones_are_known(two_sets):
    found = compare_neighbours(two_sets, ["house", "smooth jazz", "chill"])
    house = found["house"]
    assert words_of(house["general"]) == SETS["general"][1:]
    assert words_of(house["general"], only_musical=True) == ["country_house", "brass", "jazz"]
    assert house["general"]["n_musical"] == 3
    assert words_of(house["music"]) == SETS["music"][1:]
    assert words_of(house["music"], only_musical=True) == SETS["music"][1:5]
    assert house["music"]["neighbours"][0]["similarity"] == pytest.approx(np.cos(np.radians(10)))
    assert found["smooth jazz"]["general"]["parts"] == ["smooth", "jazz"]
    assert words_of(found["smooth jazz"]["general"])[0] == "brass"
    assert found["smooth jazz"]["music"] is found["chill"]["general"] is None


def test_ten_neighbours_at_most(tmp_path):
    file = write_fan(tmp_path, "many", [f"w{n}" for n in range(15)])
    near = compare_neighbours({"many": file}, ["w0"])["w0"]["many"]
    assert words_of(near) == [f"w{n}" for n in range(1, 11)]


def test_means_are_over_the_words_that_every_set_has(two_sets):
    found = compare_neighbours(two_sets, ["house", "chill"])
    assert found["chill"]["music"]["n_musical"] == 5
    assert mean_musical(found) == {"general": 3, "music": 4}
    nowhere = {"chill": found["chill"]}
    assert mean_musical(nowhere) == {"general": None, "music": None}
    assert counts_table(nowhere).splitlines()[-1].count(DASH) == 2


def test_tables(two_sets):
    found = compare_neighbours(two_sets, ["house", "smooth jazz"])
    assert neighbours_table(found).splitlines() == [
        "|  | general | music |",
        "| --- | --- | --- |",
        "| house | villa, Garden, **country house**, **brass**, smooth, **jazz** "
        "| **deep house**, **Acid House**, **electro fans**, **drum'n'bass**, attic, chill |",
        "| smooth jazz | (smooth + jazz:) **brass**, **country house**, Garden, villa, **house** "
        f"| {DASH} |",
    ]
    counts = [line.split("|")[1:-1] for line in counts_table(found).splitlines()]
    assert [[cell.strip() for cell in row[1:]] for row in counts[2:]] == [
        ["3", "4"],
        ["3", DASH],
        ["3.0", "4.0"],
    ]


def test_words_do_not_break_the_table(tmp_path):
    file = write_fan(tmp_path, "odd", ["house", "a|b", "*", "x_[1]"])
    row = neighbours_table(compare_neighbours({"odd": file}, ["house"])).splitlines()[2]
    assert row == r"| house | a\|b, \*, x \[1] |"


# ---------------------------------------------------------------- which sets


def test_sets_in_the_order_asked_for(tmp_path, two_sets):
    write_fan(tmp_path, "third", ["house"])
    assert list(choose_vectors(tmp_path, None)) == ["general", "music", "third"]
    assert choose_vectors(tmp_path, ["music", "general"]) == two_sets
    assert list(choose_vectors(tmp_path, ["music", "general"])) == ["music", "general"]


@pytest.mark.parametrize("names", [["music", "musik"], ["music"], ["music", "music"]])
def test_sets_that_cannot_be_compared_are_told(tmp_path, two_sets, names):
    says = "musik; " if "musik" in names else "two sets"
    with pytest.raises(UserError, match=rf"{says}.* has general, music"):
        choose_vectors(tmp_path, names)


def test_one_set_alone_or_none_is_told(tmp_path):
    with pytest.raises(UserError, match="has none"):
        choose_vectors(tmp_path, None)
    write_fan(tmp_path, "music", SETS["music"])
    with pytest.raises(UserError, match=r"two sets .* has music: .*NAME_w2v"):
        choose_vectors(tmp_path, None)


# ---------------------------------------------------------------- the command


@pytest.fixture
def planted(tmp_path) -> Path:
    """A dataset directory with vectors `google` and `music`; of `general` no vectors of tags."""
    data = write_planted(tmp_path / "data", 100)
    for name, words in SETS.items():
        write_fan(data, name, words)
    google = KeyedVectors.load(str(data / "general_w2v" / "m.kv"))
    google.save_word2vec_format(str(data / "GoogleNews-vectors-negative300.bin"), binary=True)
    return data


def test_command_compares_neighbours_and_retrieval_once(tmp_path, planted):
    out = tmp_path / "out"
    command = ("-m", "experiments.word_vectors", planted, out, "--seeds", "3", "--n_epochs", "1")
    options = ("--vectors", "music,google,general", "--words", "house,chill", "--input_type", "cf")
    done = run_here(*command, *options, "--gpu_id", "cpu")
    assert done.returncode == 0, done.stderr
    report = (out / "word_vectors.md").read_text(encoding="utf-8")
    assert report in done.stdout
    assert "|  | music | google | general |" in report
    assert f"No retrieval with general: {planted / 'general_emb.pkl'} is missing" in report
    found = json.loads((out / "word_vectors.json").read_text(encoding="utf-8"))
    assert words_of(found["neighbours"]["house"]["google"]) == SETS["general"][1:]
    assert found["neighbours"]["chill"]["google"] is None
    assert found["mean_musical"] == {"music": 4, "google": 3, "general": 3}
    assert [run["column"] for run in found["runs"]] == ["music", "google"]
    for name in ("music", "google"):
        results = out / "runs" / f"cf-{name}-balanced-weighted-seed3" / "results.json"
        reached = json.loads(results.read_text())
        ran = reached["made_by"]["options"]
        assert ran["w2v_type"] == name
        assert ran["is_balanced"] and ran["is_weighted"] and ran["seed"] == 3
        assert f"{reached['map']:.4f}" in report
        results.write_text(json.dumps(reached | {"map": 0.125}))
    again = run_here(*command, *options, "--gpu_id", "cpu")
    assert again.returncode == 0, again.stderr
    assert "trained to epoch" not in again.stdout
    assert again.stdout.count("0.1250") == 2


def test_a_wrong_set_is_told_before_anything_is_trained(tmp_path, planted):
    done = run_here(
        "-m", "experiments.word_vectors", planted, tmp_path / "out", "--vectors", "music,tv"
    )
    assert_user_error(done, "--vectors", "tv", "general, google, music")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [(("--w2v_type", "music"), "--vectors"), (("--words", ","), "--words"), (("--tv",), "--tv")],
)
def test_wrong_options_are_told(tmp_path, monkeypatch, options, says):
    monkeypatch.setattr("sys.argv", ["word_vectors", str(tmp_path), str(tmp_path), *options])
    with pytest.raises(UserError, match=says):
        main()


def test_without_retrieval_nothing_is_trained(tmp_path, planted, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr("sys.argv", ["word_vectors", str(planted), str(out), "--no_retrieval"])
    main()
    assert sorted(file.name for file in out.iterdir()) == ["word_vectors.json", "word_vectors.md"]
    found = json.loads((out / "word_vectors.json").read_text(encoding="utf-8"))
    assert list(found["neighbours"]) == list(WORDS)
    assert found["runs"] == []


def test_the_smaller_set_has_vectors_of_its_own_or_those_of_the_whole(planted):
    (planted / "google_emb.pkl").rename(planted / "sub_google_emb.pkl")
    assert list(tag_vector_files(planted)) == ["music"]
    found = tag_vector_files(planted, is_subset=True)
    assert {name: file.name for name, file in found.items()} == {
        "music": "music_emb.pkl",
        "google": "sub_google_emb.pkl",
    }


def test_published_vectors_of_tags_are_enough_for_retrieval(tmp_path, monkeypatch):
    data, out = write_planted(tmp_path / "data", 100), tmp_path / "out"
    arguments = [data, out, "--seeds", "0", "--n_epochs", "1", "--input_type", "cf"]
    monkeypatch.setattr("sys.argv", ["word_vectors", *map(str, arguments)])
    main()
    found = json.loads((out / "word_vectors.json").read_text(encoding="utf-8"))
    assert found["vectors"] == {"google": None, "music": None}
    assert [run["column"] for run in found["runs"]] == ["google", "music"]
    assert "nearest neighbours" not in (out / "word_vectors.md").read_text(encoding="utf-8")
