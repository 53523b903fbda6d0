"""gensim's own files: of versions old and new, and files that would run code."""

import os
import pickle
import subprocess
from collections import defaultdict
from pathlib import Path

import gensim.models.keyedvectors
import gensim.models.word2vec
import gensim.utils
import numpy as np
import pytest
from gensim.models import Word2Vec

from errors import UserError
from preprocessing.words.tag_lookup import tag_vector
from preprocessing.words.vector_files import load_vectors
from preprocessing.words.word_vectors import open_vectors

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
