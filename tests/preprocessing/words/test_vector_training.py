"""Step 2 `train`: vectors of a text, its phrases, its formats, and that a seed repeats it."""

import bz2
import gzip
import lzma
import os
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors, Word2Vec

from commands import ROOT
from dataset.files import read_about
from errors import UserError
from preprocessing.words.tag_lookup import tag_vector
from preprocessing.words.vector_training import train_word_vectors
from preprocessing.words.word_text import Sentences
from preprocessing.words.word_vectors import open_vectors
from real_data import real_data
from step2_runs import recipe

# The planted text has few words, so that a phrase scores lower than in a real one.
SMALL = recipe(dimensions=16, epochs=3, min_count=2, sample=1e-3, phrase_threshold=2.0)


def planted_text(n_sentences: int = 1500) -> str:
    """Sentences about two topics, with 'smooth jazz' and 'new york city' as fixed phrases."""
    rng = np.random.default_rng(0)
    topics = (
        ["house", "techno", "smooth jazz", *(f"beat{n}" for n in range(20))],
        ["manor", "villa", "new york city", *(f"brick{n}" for n in range(20))],
    )
    filler = [f"filler{n}" for n in range(60)]
    sentences = []
    for number in range(n_sentences):
        words = [*rng.choice(topics[number % 2], 6, replace=False), *rng.choice(filler, 2)]
        sentences.append(" ".join(rng.permutation(words)))
    return "\n".join(sentences) + "\n"


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("text") / "planted.txt"
    file.write_text(planted_text())
    return file


def step2_train(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-u", "step2_word_embedding.py", "train", *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)


def files(directory: Path) -> list[str]:
    return sorted(str(file.relative_to(directory)) for file in directory.rglob("*"))


@pytest.mark.parametrize("method", ["cbow", "counts"])
def test_planted_topics_and_phrases_are_found(tmp_path, text, method):
    train_word_vectors(tmp_path, text, "mine", replace(SMALL, epochs=15, method=method))
    file = tmp_path / "mine_w2v" / "mine_trigrams_16.model"
    vectors = Word2Vec.load(str(file)).wv if method == "cbow" else KeyedVectors.load(str(file))
    assert vectors.vectors.shape == (len(vectors), 16)
    assert {"smooth_jazz", "new_york_city"} <= set(vectors.index_to_key)
    own = [vectors.similarity("house", word) for word in ("techno", "beat0", "beat1")]
    other = [vectors.similarity("house", word) for word in ("manor", "villa", "brick0")]
    assert min(own) > max(other)
    np.testing.assert_array_equal(tag_vector(vectors, "smooth jazz"), vectors["smooth_jazz"])


def test_the_model_is_one_file_that_gensim_opens(tmp_path, text):
    train_word_vectors(tmp_path, text, "mine", SMALL)
    assert files(tmp_path) == ["dataset.json", "mine_w2v", "mine_w2v/mine_trigrams_16.model"]
    model = Word2Vec.load(str(tmp_path / "mine_w2v" / "mine_trigrams_16.model"))
    assert model.sg == 0
    # Counted once, though a sentence with a phrase is learnt from in both forms.
    assert model.wv.get_vecattr("house", "count") == text.read_text().split().count("house")
    assert model.wv.get_vecattr("jazz", "count") == model.wv.get_vecattr("smooth_jazz", "count")
    np.testing.assert_array_equal(model.wv.vectors, open_vectors(tmp_path, "mine").vectors)
    facts = read_about(tmp_path)["steps"]["step2_train_mine"]
    assert facts["dimensions"] == 16
    assert facts["corpus"] == str(text)


@pytest.mark.parametrize(
    ("suffix", "opener"), [(".gz", gzip.open), (".bz2", bz2.open), (".xz", lzma.open)]
)
def test_a_compressed_text_is_the_same_text(tmp_path, text, suffix, opener):
    packed = tmp_path / f"text{suffix}"
    with opener(packed, "wb") as stream:
        stream.write(text.read_bytes())
    counted = []
    sentences = Sentences(packed, counted.append)
    expected = [line.split() for line in text.read_text().splitlines()]
    assert list(sentences) == expected
    assert list(sentences) == expected  # gensim reads several times
    assert sum(counted) >= packed.stat().st_size  # what the progress bar goes by


def test_either_normal_form_of_a_text_is_the_same_text(tmp_path):
    for form in ("NFC", "NFD"):
        (tmp_path / form).write_text(unicodedata.normalize(form, "forró é música\n"), "utf-8")
    nfc, nfd = (list(Sentences(tmp_path / form, lambda _: None)) for form in ("NFC", "NFD"))
    assert nfc == nfd == [["forró", "é", "música"]]


@pytest.mark.parametrize("method", ["cbow", "counts"])
def test_a_seed_gives_the_same_file_in_any_process(tmp_path, text, method):
    options = ("--dimensions=8", "--epochs=2", "--sample=0.001", f"--method={method}")
    contents = []
    for run, hash_seed in (("one", "1"), ("two", "2")):
        (tmp_path / run).mkdir()
        result = step2_train(tmp_path / run, text, *options, "--seed=5", PYTHONHASHSEED=hash_seed)
        assert result.returncode == 0, result.stderr
        contents.append((tmp_path / run / "music_w2v/music_trigrams_8.model").read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"method": "counts"},
        {"epochs": 4},
        {"window": 2},
        {"negative": 3},
        {"sample": 1e-2},
        {"min_count": 80},
        {"phrase_threshold": 1e6},
        {"dimensions": 8},
    ],
)
def test_every_option_changes_the_vectors(tmp_path, text, change, plain_vectors):
    train_word_vectors(tmp_path, text, "mine", replace(SMALL, **change))
    vectors = open_vectors(tmp_path, "mine")
    assert not np.array_equal(vectors.vectors, plain_vectors.vectors)
    assert ("smooth_jazz" in vectors) == ("phrase_threshold" not in change)
    assert ("filler1" in vectors) == ("min_count" not in change)


@pytest.fixture(scope="module")
def plain_vectors(tmp_path_factory, text):
    directory = tmp_path_factory.mktemp("plain")
    train_word_vectors(directory, text, "mine", SMALL)
    return open_vectors(directory, "mine")


def test_training_again_replaces_the_model_but_no_other(tmp_path, text):
    train_word_vectors(tmp_path, text, "mine", SMALL)
    train_word_vectors(tmp_path, text, "mine", SMALL)
    with pytest.raises(UserError, match=r"mine_w2v already holds mine_trigrams_16\.model"):
        train_word_vectors(tmp_path, text, "mine", recipe(dimensions=8))


def damaged(directory: Path, kind: str) -> Path:
    file = directory / f"{kind}.txt"
    match kind:
        case "empty":
            file.touch()
        case "latin1":
            file.write_bytes("caf\xe9\n".encode("latin-1") * 50)
        case "cut":
            file = file.with_suffix(".gz")
            file.write_bytes(gzip.compress(planted_text(50).encode())[:-20])
        case "short":
            file = file.with_suffix(".xz")  # which it is not
            file.write_text("only these few words\n")
    return file


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("empty", "min_count"),
        ("latin1", "not UTF-8"),
        ("short", "min_count"),
        ("cut", "damaged"),
        ("missing", "missing"),
    ],
)
def test_a_bad_text_is_a_users_error_and_leaves_nothing(tmp_path, kind, says):
    (tmp_path / "data").mkdir()
    with pytest.raises(UserError, match=says):
        train_word_vectors(tmp_path / "data", damaged(tmp_path, kind), "mine", SMALL)
    assert files(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--dimensions=many",), "--dimensions"),
        (("--epochs=0",), "--epochs"),
        (("--method=glove",), "--method"),
        (("--song_tags=-1",), "--song_tags"),
        (("--name=sub_music",), "not begin with sub_"),
        (("--song_tags=2",), "raw_tags.tsv"),
        (("--sample=1",), "--sample"),
        (("--name=../music",), "--name"),
        (("--workers=1.5",), "--workers"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path, text, options, says, capsys):
    import step2_word_embedding
    from command_line import fire_commands

    with pytest.raises(SystemExit) as leave:
        command = ["train", str(tmp_path), str(text), *options]
        fire_commands(step2_word_embedding.COMMANDS, command)
    assert leave.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and says in printed and printed.count("\n") == 1
    assert files(tmp_path) == []


def test_a_missing_text_on_the_command_line(tmp_path):
    result = step2_train(tmp_path, tmp_path / "nowhere.txt")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "nowhere.txt" in result.stderr
    assert files(tmp_path) == []


@pytest.mark.real_data
def test_phrases_of_a_real_text(tmp_path):
    """The first 2% of the text on music already hold the commonest phrases."""
    with lzma.open(real_data("text/music.txt.xz"), "rt", encoding="utf-8") as lines:
        part = [next(lines) for _ in range(4000)]
    (tmp_path / "part.txt").write_text("".join(part), encoding="utf-8")
    train_word_vectors(tmp_path, tmp_path / "part.txt", "real", recipe(dimensions=8, epochs=1))
    vectors = open_vectors(tmp_path, "real")
    assert {"hip_hop", "rock_and_roll", "new_york_city"} & set(vectors.index_to_key)
    assert "of_the" not in vectors
