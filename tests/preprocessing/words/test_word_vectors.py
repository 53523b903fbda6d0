"""Step 2: finding word vectors, and the command line."""

import json
import os
import pickle
import subprocess
import sys
import unicodedata
from pathlib import Path

import gensim.downloader
import gensim.models.keyedvectors
import gensim.models.word2vec
import gensim.utils
import numpy as np
import pytest
from gensim.models import KeyedVectors

from commands import ROOT
from dataset.directory import open_dataset
from dataset.files import read_pickle
from dataset.writing import write_split
from errors import UserError
from preprocessing.words.word_vectors import choose_sources, find_sources, open_vectors
from step2_runs import make_vectors, one_sentence, step2


def step2_process(*arguments: object) -> subprocess.CompletedProcess:
    """Run the command line as a user does."""
    command = [sys.executable, "-u", "step2_word_embedding.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(autouse=True)
def no_downloads_at_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(tmp_path / "cache"))


class Touches:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


# ---------------------------------------------------------------- finding


def test_sources_are_found_in_the_directory(tmp_path):
    assert find_sources(tmp_path) == {}
    for name in ("music", "general"):
        (tmp_path / f"{name}_w2v").mkdir()
        make_vectors(["a"]).save(str(tmp_path / f"{name}_w2v" / "any.kv"))
    (tmp_path / "empty_w2v").mkdir()
    cached = tmp_path / "cache" / "word2vec-google-news-300" / "word2vec-google-news-300.gz"
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert find_sources(tmp_path) == {
        "google": cached,
        "general": tmp_path / "general_w2v" / "any.kv",
        "music": tmp_path / "music_w2v" / "any.kv",
    }
    own = tmp_path / "GoogleNews-vectors-negative300.bin.gz"
    own.touch()
    assert find_sources(tmp_path)["google"] == own


@pytest.mark.parametrize(("folder", "name"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_source_is_found_in_either_normal_form_of_its_name(tmp_path, folder, name):
    folder, name = (unicodedata.normalize(form, "forró") for form in (folder, name))
    (tmp_path / f"{folder}_w2v").mkdir()
    make_vectors(["a"]).save(str(tmp_path / f"{folder}_w2v" / "m.kv"))
    assert "a" in open_vectors(tmp_path, name)
    file = tmp_path / f"{folder}_w2v" / "m.kv"
    assert list(choose_sources(tmp_path, {}, only=[name]).values()) == [file]


def test_two_models_in_a_folder_are_not_chosen_between(tmp_path):
    for folder, names in (("music_w2v", ("one.kv", "two.model")), ("mine_w2v", ("m.kv",))):
        (tmp_path / folder).mkdir()
        for name in names:
            make_vectors(["a"]).save(str(tmp_path / folder / name))
    with pytest.raises(UserError, match=r"music_w2v holds several .*one\.kv, two\.model"):
        open_vectors(tmp_path, "music")
    assert "a" in open_vectors(tmp_path, "mine")  # which is none of its business


def test_open_vectors_by_name_and_by_path(tmp_path):
    (tmp_path / "mine_w2v").mkdir()
    file = tmp_path / "mine_w2v" / "m.kv"
    make_vectors(["a"]).save(str(file))
    assert "a" in open_vectors(tmp_path, "mine")
    assert "a" in open_vectors(tmp_path, str(file))
    with pytest.raises(
        UserError, match=r"other is neither a file nor the name .*at hand: .*mine"
    ) as refusal:
        open_vectors(tmp_path, "other")
    assert "--" not in str(refusal.value)  # step 1 has no such options
    (tmp_path / "vectors.txt").write_text("a 1 2\n")
    assert open_vectors(tmp_path, str(tmp_path / "vectors.txt"))["a"].tolist() == [1, 2]
    (tmp_path / "vectors.txt").write_text("a list of words\n")
    with pytest.raises(UserError, match=r"vectors\.txt cannot be read as word vectors"):
        open_vectors(tmp_path, str(tmp_path / "vectors.txt"))


def test_download_only_when_asked_and_a_failure_is_one_line(tmp_path, monkeypatch, capsys):
    asked = []

    def no_network(name, return_path):
        asked.append((name, return_path))
        raise OSError("no route\nto host")

    monkeypatch.setattr(gensim.downloader, "load", no_network)
    (tmp_path / "music_w2v").mkdir()
    make_vectors(["a"]).save(str(tmp_path / "music_w2v" / "m.kv"))
    choose_sources(tmp_path, {"google": None})
    assert not asked
    capsys.readouterr()
    assert list(choose_sources(tmp_path, {"google": "download"})) == ["music"]
    assert asked == [("word2vec-google-news-300", True)]
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert "no route to host" in printed


# ---------------------------------------------------------------- the command line


TAGS = ["deep house", "jungle", "sad jazz", "zydeco"]


@pytest.fixture
def dataset(tmp_path):
    """Six songs; `zydeco` alone is on song 1 and, with others, on song 3."""
    song_tags = np.array(
        [[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0], [0, 1, 1, 1], [1, 0, 1, 0], [0, 1, 0, 0]]
    )
    splits = {"train": [0, 1, 2], "valid": [3], "test": [4, 5]}
    for prefix in ("", "sub_"):
        write_split(
            tmp_path,
            TAGS,
            [f"SO{n}" for n in range(6)],
            song_tags,
            {name: np.array(rows) for name, rows in splits.items()},
            prefix,
        )
    (tmp_path / "music_w2v").mkdir()
    make_vectors(["deep_house", "jungle", "sad", "jazz", "zydeco"], seed=1).save(
        str(tmp_path / "music_w2v" / "m.kv")
    )
    return tmp_path


def put_google(dataset: Path, words: list[str]) -> KeyedVectors:
    vectors = make_vectors(words, dimensions=3)
    file = dataset / "GoogleNews-vectors-negative300.bin"
    vectors.save_word2vec_format(str(file), binary=True)
    return vectors


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(f.relative_to(directory)): f.read_bytes() for f in directory.rglob("*") if f.is_file()
    }


def test_run_writes_each_source_and_prints_coverage(dataset):
    google = put_google(dataset, ["Deep_House", "jungle", "Zydeco", "sad_jazz", "unused"])
    result = step2_process("run", dataset)
    assert result.returncode == 0, result.stderr
    assert "google: 4 of 4 tags found whole, 0 by parts, 0 missing" in result.stdout
    assert "music: 3 of 4 tags found whole, 1 by parts, 0 missing" in result.stdout
    assert "sad jazz = sad + jazz" in result.stdout
    written = read_pickle(dataset / "google_emb.pkl")
    assert list(written) == TAGS
    np.testing.assert_array_equal(written["deep house"], google["Deep_House"])
    assert open_dataset(dataset, "google").tag_vectors.shape == (4, 3)
    assert open_dataset(dataset, "music").tag_vectors.shape == (4, 4)
    facts = json.loads((dataset / "dataset.json").read_text())["steps"]["step2"]
    assert facts["sources"]["music"]["by_parts"] == {"sad jazz": ["sad", "jazz"]}


def test_without_google_the_music_vectors_are_written_and_a_line_says_so(dataset):
    result = step2("run", dataset)
    assert result.returncode == 0, result.stderr
    assert "google: left out" in result.stdout
    assert (dataset / "music_emb.pkl").is_file()
    assert not (dataset / "google_emb.pkl").exists()


@pytest.mark.parametrize("google", ["missing.bin", "damaged.bin"])
def test_a_failing_source_does_not_stop_the_other(dataset, google):
    (dataset / "damaged.bin").write_bytes(b"junk")
    result = step2("run", dataset, f"--google={dataset / google}")
    assert result.returncode == 0, result.stderr
    assert google in result.stdout
    assert (dataset / "music_emb.pkl").is_file()
    assert not (dataset / "google_emb.pkl").exists()


def test_sources_by_path_and_by_choice(dataset, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    vectors = make_vectors(["deep_house", "jungle", "sad_jazz", "zydeco"], dimensions=5)
    vectors.save(str(elsewhere / "g.kv"))
    result = step2("run", dataset, f"--google={elsewhere / 'g.kv'}", "--only=google")
    assert result.returncode == 0, result.stderr
    assert read_pickle(dataset / "google_emb.pkl")["jungle"].shape == (5,)
    assert not (dataset / "music_emb.pkl").exists()
    assert "trumpet" in one_sentence(step2("run", dataset, "--only=music,trumpet"))


def test_no_source_at_all_is_an_error(dataset):
    (dataset / "music_w2v" / "m.kv").unlink()
    before = contents(dataset)
    said = one_sentence(step2("run", dataset))
    assert "has no word vectors" in said and "--general=spacy" in said
    said = one_sentence(step2("neighbours", dataset, "jazz"))
    assert "has no word vectors" in said and "--" not in said
    assert contents(dataset) == before


def test_only_failing_sources_are_an_error(dataset):
    (dataset / "music_w2v" / "m.kv").write_bytes(b"junk")
    before = contents(dataset)
    assert "no word vectors can be read" in one_sentence(step2("run", dataset))
    assert contents(dataset) == before


def test_a_hostile_model_on_the_command_line(dataset):
    marker = dataset / "ran"
    hostile_file = dataset / "music_w2v" / "m.kv"
    hostile_file.write_bytes(pickle.dumps(Touches(marker)))
    before = contents(dataset)
    one_sentence(step2_process("run", dataset))
    assert contents(dataset) == before


def test_tags_without_a_vector_are_listed_and_nothing_is_written(dataset):
    put_google(dataset, ["jungle", "sad_jazz"])
    before = contents(dataset)
    message = one_sentence(step2_process("run", dataset))
    assert "google lacks deep house, zydeco" in message
    assert "--drop_missing" in message
    assert contents(dataset) == before


def test_drop_missing_takes_the_tags_out_of_the_split(dataset):
    put_google(dataset, ["jungle", "sad_jazz", "deep_house"])
    result = step2("run", dataset, "--drop_missing")
    assert result.returncode == 0, result.stderr
    for name in ("google", "music"):  # zydeco leaves both, so that they stay comparable
        after = open_dataset(dataset, name)
        assert after.tags == ["deep house", "jungle", "sad jazz"]
        assert list(read_pickle(dataset / f"{name}_emb.pkl")) == after.tags
    assert after.song_tags.shape == (6, 3)
    assert after.song_ids == [f"SO{n}" for n in range(6)]
    assert {name: rows.tolist() for name, rows in after.splits.items()} == {
        "train": [0, 2],
        "valid": [3],
        "test": [4, 5],
    }
    assert after.song_tags.astype(int).tolist()[3:] == [[0, 1, 1], [1, 0, 1], [0, 1, 0]]
    assert open_dataset(dataset, "music", is_subset=False).about["steps"]["step2"][
        "dropped_tags"
    ] == ["zydeco"]
    assert len(np.load(dataset / "sub_tags.npy")) == 4  # the smaller set is as it was


def test_drop_missing_that_empties_a_split_is_an_error(dataset):
    put_google(dataset, ["deep_house"])  # the valid song bears other tags only
    before = contents(dataset)
    assert "valid" in one_sentence(step2("run", dataset, "--drop_missing"))
    assert contents(dataset) == before


def test_drop_missing_without_existing_ids_leaves_the_file_out(dataset):
    (dataset / "existing_ids.npy").unlink()
    np.save(dataset / "train_ids.npy", np.array(["0//SO0", "1//SO1"]))  # song 2 is in no split
    (dataset / "train_tag_to_ix.pkl").unlink()
    put_google(dataset, ["jungle", "sad_jazz", "deep_house"])
    result = step2("run", dataset, "--drop_missing")
    assert result.returncode == 0, result.stderr
    assert not (dataset / "existing_ids.npy").exists()
    assert open_dataset(dataset, "google").splits["train"].tolist() == [0]


def test_subset_has_files_of_its_own(dataset):
    result = step2("run", dataset, "--is_subset")
    assert result.returncode == 0, result.stderr
    assert (dataset / "sub_music_emb.pkl").is_file()
    assert not (dataset / "music_emb.pkl").exists()
    assert open_dataset(dataset, "music", is_subset=True).tags == TAGS


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "nowhere"), "nowhere is not a directory"),
        (("run", "{dataset}", "--drop_missing=maybe"), "--drop_missing"),
        (("neighbours", "{dataset}"), "WORD"),
        (("neighbours", "{dataset}", "jungle", "--top=none"), "--top"),
        (("run", "{dataset}", "--is_subset", "--music=nowhere.kv"), "no word vectors"),
    ],
)
def test_wrong_arguments_are_one_sentence(dataset, arguments, says):
    message = one_sentence(step2(*(text.format(dataset=dataset) for text in arguments)))
    assert says in message


def test_an_unknown_option_runs_nothing(dataset):
    before = contents(dataset)
    result = step2("run", dataset, "--drop_mising")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert contents(dataset) == before
