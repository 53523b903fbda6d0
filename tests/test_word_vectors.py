"""Step 2: finding, loading and looking up word vectors; also the files of gensim 3.8."""

import contextlib
import gzip
import io
import json
import os
import pickle
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import gensim.downloader
import gensim.models.keyedvectors
import gensim.models.word2vec
import gensim.utils
import numpy as np
import pytest
from gensim.models import KeyedVectors, Word2Vec
from hypothesis import given
from hypothesis import strategies as st

import step2_word_embedding
from dataset_files import open_dataset, read_pickle, write_split
from errors import UserError, fire_commands
from preprocessing.word_vector_files import load_vectors
from preprocessing.word_vectors import (
    choose_sources,
    find_sources,
    nearest,
    open_vectors,
    part_keys,
    spellings,
    tag_vector,
    whole_key,
)

ROOT = Path(__file__).parents[1]


def make_vectors(words: list[str], dimensions: int = 4, seed: int = 0) -> KeyedVectors:
    vectors = KeyedVectors(dimensions)
    numbers = np.random.default_rng(seed).normal(size=(len(words), dimensions))
    vectors.add_vectors(words, numbers.astype(np.float32))
    return vectors


def step2(*arguments: object) -> subprocess.CompletedProcess:
    """Run the command line in this process: importing gensim takes longer than most tests."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            fire_commands(step2_word_embedding.COMMANDS, [str(word) for word in arguments])
            code = 0
        except SystemExit as leave:
            code = leave.code
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def step2_process(*arguments: object) -> subprocess.CompletedProcess:
    """Run the command line as a user does."""
    command = [sys.executable, "-u", "step2_word_embedding.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(autouse=True)
def no_downloads_at_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(tmp_path / "cache"))


def one_sentence(result: subprocess.CompletedProcess) -> str:
    """The message of a run that ended with a user's error."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    messages = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(messages) == 1
    return messages[0]


# ---------------------------------------------------------------- file formats


@pytest.mark.parametrize("suffix", [".bin", ".bin.gz", ".kv", ".model"])
def test_formats_give_the_same_vectors(tmp_path, suffix):
    original = make_vectors(["smooth_jazz", "été", "house"])
    file = tmp_path / f"vectors{suffix}"
    if suffix.startswith(".bin"):
        original.save_word2vec_format(str(file), binary=True)  # smart_open compresses by the name
    elif suffix == ".kv":
        original.save(str(file))
    else:
        model = Word2Vec([original.index_to_key] * 3, vector_size=4, min_count=1, workers=1)
        original = model.wv
        model.save(str(file))
    loaded = load_vectors(file)
    assert loaded.index_to_key == original.index_to_key
    assert loaded.key_to_index == original.key_to_index
    assert loaded.vectors.dtype == np.float32
    np.testing.assert_array_equal(loaded.vectors, original.vectors)


def test_binary_is_read_across_blocks(tmp_path, monkeypatch):
    original = make_vectors([f"word{n}" for n in range(500)], dimensions=7)
    original.save_word2vec_format(str(tmp_path / "v.bin"), binary=True)
    monkeypatch.setattr("preprocessing.word_vector_files._BLOCK", 64)
    loaded = load_vectors(tmp_path / "v.bin")
    assert loaded.index_to_key == original.index_to_key
    np.testing.assert_array_equal(loaded.vectors, original.vectors)


def test_binary_with_newlines_between_words_and_a_word_twice(tmp_path):
    rows = np.arange(6, dtype="<f4").reshape(3, 2)
    body = b"".join(
        word + b" " + row.tobytes() + b"\n"
        for word, row in zip((b"a", b"b", b"a"), rows, strict=True)
    )
    (tmp_path / "v.bin").write_bytes(b"3 2\n" + body)
    loaded = load_vectors(tmp_path / "v.bin")
    assert loaded["a"].tolist() == [0, 1]
    assert loaded["b"].tolist() == [2, 3]


@pytest.mark.parametrize(
    "content",
    [b"", b"junk", b"3 4\nword ", b"-1 4\n", b"2 0\n", b"9999999999999 300\nx ", b"\xff\xfe\n"],
)
def test_damaged_binary_is_a_users_error(tmp_path, content):
    (tmp_path / "v.bin").write_bytes(content)
    with pytest.raises(UserError, match=r"v\.bin is not a whole word2vec binary"):
        load_vectors(tmp_path / "v.bin")


def test_cut_gzip_is_a_users_error(tmp_path):
    make_vectors(["a", "b"]).save_word2vec_format(str(tmp_path / "v.bin"), binary=True)
    packed = gzip.compress((tmp_path / "v.bin").read_bytes())
    (tmp_path / "v.bin.gz").write_bytes(packed[:-15])
    with pytest.raises(UserError, match="not a whole word2vec binary"):
        load_vectors(tmp_path / "v.bin.gz")


@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_traceback(tmp_path_factory, content):
    for suffix in (".bin", ".model"):
        file = tmp_path_factory.mktemp("wild") / f"v{suffix}"
        file.write_bytes(content)
        with pytest.raises(UserError):
            load_vectors(file)


# ---------------------------------------------------------------- gensim 3.8


class Old:
    """An object as gensim 3.8 had it: attributes, pickled under the name of its class."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def old_class(monkeypatch, module, name: str) -> type:
    """Make a class that pickles as `module.name`, which gensim 4 has changed or dropped."""
    made = type(name, (Old,), {"__module__": module.__name__})
    monkeypatch.setattr(module, name, made, raising=False)
    return made


def save_as_gensim_38(monkeypatch, file: Path, words: list[str], matrix, apart: bool) -> None:
    """Write what `Word2Vec.save` of gensim 3.8.3 writes (protocol 2), attribute by attribute."""
    models = gensim.models
    vocab = old_class(monkeypatch, models.keyedvectors, "Vocab")
    keyed_vectors = old_class(monkeypatch, models.keyedvectors, "Word2VecKeyedVectors")
    word2vec = old_class(monkeypatch, models.word2vec, "Word2Vec")
    vocabulary = old_class(monkeypatch, models.word2vec, "Word2VecVocab")
    trainables = old_class(monkeypatch, models.word2vec, "Word2VecTrainables")
    kept_apart = {
        "__numpys": ["vectors"] if apart else [],
        "__scipys": [],
        "__ignoreds": ["vectors_norm"],
        "__recursive_saveloads": [],
    }
    wv = keyed_vectors(
        **({} if apart else {"vectors": matrix}),
        vocab={
            word: vocab(count=9 - row, index=row, sample_int=4294967296)
            for row, word in enumerate(words)
        },
        vector_size=matrix.shape[1],
        index2word=words,
        **kept_apart,
    )
    model = word2vec(
        sg=0,
        alpha=0.025,
        window=5,
        random=np.random.RandomState(1),
        min_alpha=0.0001,
        hs=0,
        negative=5,
        epochs=5,
        callbacks=(),
        load=gensim.utils.call_on_class_only,
        wv=wv,
        vocabulary=vocabulary(
            max_vocab_size=None,
            min_count=1,
            sample=0.001,
            sorted_vocab=1,
            null_word=0,
            raw_vocab=defaultdict(int, {"rare": 1}),
            max_final_vocab=None,
            ns_exponent=0.75,
            cum_table=np.arange(3),
        ),
        trainables=trainables(
            hashfxn=hash, layer1_size=matrix.shape[1], seed=1, syn1neg=np.zeros_like(matrix)
        ),
        **{**kept_apart, "__numpys": [], "__recursive_saveloads": ["wv", "trainables"]},
    )
    with open(file, "wb") as stream:
        pickle.dump(model, stream, protocol=2)
    if apart:
        np.save(f"{file}.wv.vectors.npy", matrix)
    monkeypatch.undo()


@pytest.mark.parametrize("apart", [False, True])
def test_a_model_of_gensim_38(tmp_path, monkeypatch, apart):
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2)
    words = ["jungle", "smooth_jazz", "house"]
    (tmp_path / "music_w2v").mkdir()
    file = tmp_path / "music_w2v" / "model_semeval_trigrams_300.model"
    save_as_gensim_38(monkeypatch, file, words, matrix, apart)
    loaded = open_vectors(tmp_path, "music")
    assert loaded.index_to_key == words
    np.testing.assert_array_equal(loaded["smooth_jazz"], [2, 3])
    np.testing.assert_array_equal(tag_vector(loaded, "Smooth Jazz"), [2, 3])


def test_the_hand_made_file_is_what_gensim_takes_for_38(tmp_path, monkeypatch):
    """gensim 4 itself upgrades the file: the layout is not of our own invention."""
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2)
    file = tmp_path / "old.model"
    save_as_gensim_38(monkeypatch, file, ["jungle", "smooth_jazz", "house"], matrix, apart=True)
    upgraded = Word2Vec.load(str(file))
    np.testing.assert_array_equal(upgraded.wv["smooth_jazz"], [2, 3])
    assert upgraded.min_count == 1


def test_a_missing_array_beside_the_model_is_named(tmp_path, monkeypatch):
    file = tmp_path / "old.model"
    matrix = np.ones((2, 2), dtype=np.float32)
    save_as_gensim_38(monkeypatch, file, ["a", "b"], matrix, apart=True)
    Path(f"{file}.wv.vectors.npy").unlink()
    with pytest.raises(UserError, match=r"old\.model\.wv\.vectors\.npy"):
        load_vectors(file)


# ---------------------------------------------------------------- hostile files


class Runs:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile(marker: Path) -> list:
    return [
        Runs(os.system, f"touch {marker}"),
        Runs(eval, f"open({str(marker)!r}, 'w')"),
        Runs(open, str(marker), "w"),
        Runs(os.mkdir, str(marker)),
        Runs(np.save, str(marker), np.zeros(2)),
        Runs(gensim.utils.pickle, {}, str(marker)),
        Runs(subprocess.check_output, ["touch", str(marker)]),
    ]


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_hostile_model_runs_nothing(tmp_path, number, protocol):
    marker = tmp_path / "ran.npy"
    file = tmp_path / "bad.model"
    file.write_bytes(pickle.dumps({"wv": hostile(marker)[number]}, protocol=protocol))
    with pytest.raises(UserError, match=r"bad\.model"):
        load_vectors(file)
    assert not marker.exists()
    pickle.loads(file.read_bytes())  # the file would have run under the plain unpickler
    assert marker.exists()


def test_a_hostile_array_beside_the_model_runs_nothing(tmp_path, monkeypatch):
    marker = tmp_path / "ran"
    file = tmp_path / "old.model"
    matrix = np.ones((2, 2), dtype=np.float32)
    save_as_gensim_38(monkeypatch, file, ["a", "b"], matrix, apart=True)
    beside = np.array([Runs(os.system, f"touch {marker}")], dtype=object)
    np.save(f"{file}.wv.vectors.npy", beside, allow_pickle=True)
    with pytest.raises(UserError, match=r"vectors\.npy"):
        load_vectors(file)
    assert not marker.exists()


@pytest.mark.parametrize("content", [{}, {"wv": 1}, [1, 2], np.zeros((2, 2))])
def test_plain_data_that_is_no_model_is_refused(tmp_path, content):
    (tmp_path / "v.kv").write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match="holds no word vectors"):
        load_vectors(tmp_path / "v.kv")


# ---------------------------------------------------------------- lookup


@pytest.mark.parametrize(
    ("tag", "word"),
    [
        ("jazz", "jazz"),
        ("smooth jazz", "smooth_jazz"),
        ("smooth jazz", "Smooth_Jazz"),
        ("smooth jazz", "smooth-jazz"),
        ("smooth jazz", "smoothjazz"),
        ("Smooth Jazz", "smooth_jazz"),
        ("idm", "IDM"),
        ("hip-hop", "hip_hop"),
        ("hip hop", "hip-hop"),
        ("a_cappella", "acappella"),
        ("r&b", "R&B"),
        ("rnb", "r&b"),
        ("r and b", "R&B"),
        ("drum and bass", "drum_&_bass"),
        ("drum & bass", "drum_and_bass"),
        ("dnb", "drum_and_bass"),
        ("rock and roll", "rock_n_roll"),
        ("rock'n'roll", "rocknroll"),
        ("rock'n'roll", "rock_and_roll"),
        ("rock 'n' roll", "rock_n_roll"),
        ("children's", "childrens"),
        ("childrens", "children's"),
        ("women's", "women"),
        ("80s", "1980s"),
        ("1980s", "eighties"),
        ("eighties", "80s"),
        ("00s", "2000s"),
        ("música", "musica"),
    ],
)
def test_a_tag_is_found_in_the_form_of_the_vocabulary(tag, word):
    vectors = make_vectors(["other", word])
    assert whole_key(vectors, tag) == word
    np.testing.assert_array_equal(tag_vector(vectors, tag), vectors[word])


def test_the_form_as_given_comes_first():
    vectors = make_vectors(["HOUSE", "house", "House", "deep_house", "deep house"])
    assert whole_key(vectors, "House") == "House"
    assert whole_key(vectors, "house") == "house"
    assert whole_key(vectors, "deep house") == "deep house"


@pytest.mark.parametrize("tag", ["blues", "jazz", "80s pop", "80's", "andes"])
def test_other_words_are_not_taken_for_a_tag(tag):
    vectors = make_vectors(["blue", "s", "jaz", "pop", "80", "des", "andés"])
    assert whole_key(vectors, tag) is None


def test_parts_are_the_longest_runs_and_their_mean():
    vectors = make_vectors(["contemporary", "smooth", "jazz", "smooth_jazz", "sad"])
    assert part_keys(vectors, "contemporary smooth jazz") == ["contemporary", "smooth_jazz"]
    expected = (vectors["contemporary"] + vectors["smooth_jazz"]) / 2
    found = tag_vector(vectors, "contemporary smooth jazz")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # The run is the longest wherever it stands, and what stands on both sides of it counts.
    assert part_keys(vectors, "sad smooth jazz sad") == ["sad", "smooth_jazz", "sad"]


def test_joining_words_are_passed_over_but_no_others():
    vectors = make_vectors(["music", "chill", "the", "drum_and_bass", "to"])
    assert part_keys(vectors, "music to chill") == ["music", "chill"]
    assert part_keys(vectors, "the chill") == ["chill"]
    assert part_keys(vectors, "chill drum and bass") == ["chill", "drum_and_bass"]
    assert part_keys(vectors, "xyzzy chill") == []
    assert tag_vector(vectors, "xyzzy chill") is None
    assert tag_vector(vectors, "of and") is None
    assert tag_vector(vectors, "") is None
    assert tag_vector(vectors, "the") is not None  # as a whole tag it is a word like others


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_a_bad_vector_counts_as_missing(bad):
    vectors = make_vectors(["jazz", "Jazz", "odd"])
    vectors.vectors[0] = bad
    vectors.vectors[2, :] = bad
    assert whole_key(vectors, "jazz") == "Jazz"
    assert tag_vector(vectors, "odd") is None
    assert tag_vector(vectors, "odd jazz") is None


@given(st.text(max_size=20))
def test_any_text_can_be_looked_up(tag):
    assert tag_vector(make_vectors(["word"]), tag + " xyzzy") is None
    assert next(spellings(tag)) == tag.strip().replace("’", "'")


def test_nearest_agrees_with_gensim_and_leaves_bad_vectors_out():
    vectors = make_vectors([f"w{n}" for n in range(50)], dimensions=8)
    expected = vectors.most_similar("w3", topn=7)
    found = nearest(vectors, "w3", top=7)
    assert [word for word, _ in found] == [word for word, _ in expected]
    np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], rtol=1e-5)
    vectors.vectors[5] = np.nan
    vectors.vectors[6] = 0
    vectors.norms = None
    assert {"w5", "w6", "w3"}.isdisjoint(word for word, _ in nearest(vectors, "w3", top=100))
    assert nearest(vectors, "unknown") is None
    assert {"w1", "w2"}.isdisjoint(word for word, _ in nearest(vectors, "w1 w2", top=100))


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
    with pytest.raises(UserError, match=r"other is neither a file nor the name .*at hand: .*mine"):
        open_vectors(tmp_path, "other")
    (tmp_path / "vectors.txt").write_text("a 1 2\n")
    with pytest.raises(UserError, match="no format that is read here"):
        open_vectors(tmp_path, tmp_path / "vectors.txt")


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
    assert "has no word vectors" in one_sentence(step2("run", dataset))
    assert contents(dataset) == before


def test_only_failing_sources_are_an_error(dataset):
    (dataset / "music_w2v" / "m.kv").write_bytes(b"junk")
    before = contents(dataset)
    assert "no word vectors could be read" in one_sentence(step2("run", dataset))
    assert contents(dataset) == before


def test_a_hostile_model_on_the_command_line(dataset):
    marker = dataset / "ran"
    hostile_file = dataset / "music_w2v" / "m.kv"
    hostile_file.write_bytes(pickle.dumps(Runs(os.system, f"touch {marker}")))
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


def test_neighbours_side_by_side(dataset):
    put_google(dataset, ["jungle", "forest", "tree"])
    result = step2("neighbours", dataset, "jungle", "deep house", 1980, "--top=2")
    assert result.returncode == 0, result.stderr
    tables = {
        table.split("\n")[0]: table.split("\n")[1:] for table in result.stdout[1:].split("\n\n")
    }
    assert list(tables) == ["jungle", "deep house", "1980"]
    assert tables["jungle"][0].split() == ["google", "music"]
    found = nearest(make_vectors(["jungle", "forest", "tree"], dimensions=3), "jungle", top=2)
    for row, (word, similarity) in zip(tables["jungle"][1:], found, strict=False):
        assert row.split()[:2] == [f"{similarity:.2f}", word]
    assert tables["deep house"][1].startswith("  has no such word")
    assert "0." in tables["deep house"][1]
    assert "= sad + jazz" in step2("neighbours", dataset, "sad jazz").stdout
    assert tables["1980"][1].split() == ["has", "no", "such", "word"] * 2


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
