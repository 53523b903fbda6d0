"""Files of word vectors: every format under any name, files of other kinds, damaged files."""

import bz2
import gzip
import lzma
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors, Word2Vec
from gensim.models.fasttext import save_facebook_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from errors import UserError
from preprocessing.words.tag_lookup import tag_vector
from preprocessing.words.vector_files import load_vectors
from step2_runs import make_vectors

# ---------------------------------------------------------------- file formats


def word2vec_binary(vectors: KeyedVectors, behind: bytes = b"") -> bytes:
    rows = (
        word.encode() + b" " + vectors[word].astype("<f4").tobytes() + behind
        for word in vectors.index_to_key
    )
    return b"%d %d\n" % vectors.vectors.shape + b"".join(rows)


def glove_text(vectors: KeyedVectors, gap: str = " ", end: str = "\n") -> bytes:
    rows = (gap.join([word, *map(str, vectors[word])]) for word in vectors.index_to_key)
    return "".join(row + end for row in rows).encode()


def word2vec_text(vectors: KeyedVectors, end: str = "\n") -> bytes:
    return f"{len(vectors)} {vectors.vector_size}{end}".encode() + glove_text(vectors, end=end)


FORMATS: dict[str, Callable[[KeyedVectors], bytes]] = {
    "word2vec binary": word2vec_binary,
    "word2vec binary with newlines": lambda vectors: word2vec_binary(vectors, b"\n"),
    "word2vec text": word2vec_text,
    "word2vec text with a space at the end": lambda vectors: word2vec_text(vectors, " \n"),
    "word2vec text of Windows": lambda vectors: word2vec_text(vectors, "\r\n"),
    "GloVe": glove_text,
    "GloVe with a byte order mark": lambda vectors: b"\xef\xbb\xbf" + glove_text(vectors),
    "GloVe with tabs": lambda vectors: glove_text(vectors, "\t"),
    "GloVe with an empty line": lambda vectors: glove_text(vectors) + b"\n",
}


def load(folder: Path, content: bytes, name: str = "vectors") -> KeyedVectors:
    (folder / name).write_bytes(content)
    return load_vectors(folder / name)


def assert_same(loaded: KeyedVectors, original: KeyedVectors) -> None:
    assert loaded.index_to_key == original.index_to_key
    assert loaded.key_to_index == original.key_to_index
    assert loaded.vectors.dtype == np.float32
    np.testing.assert_array_equal(loaded.vectors, original.vectors)


@pytest.mark.parametrize("name", ["v.bin", "v.gz", "v.txt", "v.model", "v"])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_is_taken_for_what_it_holds(tmp_path, kind, name):
    original = make_vectors(["smooth_jazz", "été", "1980", "house"])
    assert_same(load(tmp_path, FORMATS[kind](original), name), original)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("kind", ["word2vec binary", "GloVe with a byte order mark"])
def test_a_compressed_file_is_the_same_file(tmp_path, kind, pack):
    original = make_vectors(["smooth_jazz", "été", "house"])
    content = pack(FORMATS[kind](original))
    assert_same(load(tmp_path, content), original)
    with pytest.raises(UserError, match="vectors cannot be read"):
        load(tmp_path, content[:-15])


@pytest.mark.parametrize("suffix", [".bin", ".bin.gz", ".txt", ".kv", ".model"])
def test_what_gensim_saves_is_the_same(tmp_path, suffix):
    file = tmp_path / f"vectors{suffix}"
    model = Word2Vec([["smooth_jazz", "été", "house"]] * 3, vector_size=4, min_count=1, workers=1)
    if suffix in (".kv", ".model"):
        (model if suffix == ".model" else model.wv).save(str(file))
    else:  # smart_open compresses by the name
        model.wv.save_word2vec_format(str(file), binary=suffix != ".txt")
    assert_same(load_vectors(file), model.wv)


@pytest.mark.parametrize("ngrams", [{"min_n": 2, "max_n": 4}, {"max_n": 0}])
def test_vectors_of_fasttext_are_means_with_their_ngrams(tmp_path, ngrams):
    text = [["smooth_jazz", "été", "house", "forró"]] * 3
    model = FastText(text, vector_size=4, min_count=1, bucket=50, workers=1, **ngrams)
    save_facebook_model(model, str(tmp_path / "model.bin"))
    content = (tmp_path / "model.bin").read_bytes()
    for loaded in (load(tmp_path, content), load(tmp_path, gzip.compress(content))):
        assert loaded.index_to_key == model.wv.index_to_key
        np.testing.assert_allclose(loaded.vectors, model.wv.vectors, atol=1e-7)
    for damaged in (content + b"x", *(content[:cut] for cut in range(4, len(content), 97))):
        with pytest.raises(UserError, match="cannot be read"):
            load(tmp_path, damaged)


def test_binary_is_read_across_blocks(tmp_path, monkeypatch):
    original = make_vectors([f"word{n}" for n in range(500)], dimensions=7)
    monkeypatch.setattr("preprocessing.words.word2vec_files.BLOCK", 64)
    assert_same(load(tmp_path, word2vec_binary(original)), original)


@pytest.mark.parametrize("kind", FORMATS)
def test_of_a_word_twice_the_first_counts_in_any_normal_form(tmp_path, kind):
    twice = make_vectors(["forró", "pop", unicodedata.normalize("NFD", "forró"), "forro"])
    for word in ("forró", unicodedata.normalize("NFD", "forró")):
        loaded = load(tmp_path, FORMATS[kind](twice))
        np.testing.assert_array_equal(tag_vector(loaded, word), twice.vectors[0])
        np.testing.assert_array_equal(tag_vector(loaded, "forro"), twice.vectors[3])


def test_words_of_text_may_hold_spaces(tmp_path):
    original = make_vectors(["the", ". . .", "at name@domain.com", "smooth jazz"])
    for write in (glove_text, word2vec_text):
        assert_same(load(tmp_path, write(original)), original)


# ---------------------------------------------------------------- files of other kinds


def zipped(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "glove.zip", "w") as archive:
        archive.writestr("glove.txt", "the 0.1 0.2\nof 0.3 0.4\n")
    return (folder / "glove.zip").read_bytes()


OTHERS = {
    "nothing": b"",
    "a word": b"junk",
    "a page": b"<!DOCTYPE html>\n<html><body>404 2</body></html>\n",
    "UTF-16": "the 0.1 0.2\nof 0.3 0.4\n".encode("utf-16"),
    "Latin-1": "été 0.1 0.2\nof 0.3 0.4\n".encode("latin-1"),
    "a list of counts": b"rock 100\njazz 50\n",
    "a table": b"word,0.1,0.2\n",
    "a text": b"the year was\n1999 and 2000\n",
    "no vectors": b"0 300\n",
    "no dimensions": b"2 0\n",
    "less than none": b"-1 4\n",
    "an old fastText": b"\x0a\0\0\0\x05\0\0\0",
    "a binary that breaks off": b"3 4\nword ",
    "a text that breaks off": b"the 0.1 0.2\nof 0.3 0.4",
    "a text of other length": b"3 2\nthe 0.1 0.2\nof 0.3 0.4\n",
    "a line too short": b"the 0.1 0.2\nof 0.3\n",
    "a line too long": b"the 0.1 0.2\nof 0.3 0.4 0.5\n",
    "a line without a word": b"the 0.1 0.2\n0.3 0.4\n",
    "no number": b"the 0.1 0.2\nof 0.3 x\n",
    "a million numbers": b"2 999999\nx ",
}


@pytest.mark.parametrize("name", ["v.bin", "v.txt", "v.gz", "v.model"])
@pytest.mark.parametrize("kind", [*OTHERS, "a zip"])
def test_another_kind_of_file_is_a_users_error(tmp_path, kind, name):
    content = zipped(tmp_path) if kind == "a zip" else OTHERS[kind]
    with pytest.raises(UserError, match=f"{name} cannot be read as word vectors") as caught:
        load(tmp_path, content, name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("end", [b"x ", b"x 0.1 0.2\n", b"x " + bytes(1200)])
def test_what_a_header_claims_takes_no_memory(tmp_path, end):
    tracemalloc.start()
    with pytest.raises(UserError):
        load(tmp_path, b"999999999999 300\n" + end)
    assert tracemalloc.get_traced_memory()[1] < 2e7
    tracemalloc.stop()


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e7, -3e38])
@pytest.mark.parametrize("kind", [*FORMATS, "gensim"])
def test_numbers_that_no_training_gives_are_refused(tmp_path, kind, number):
    vectors = make_vectors(["jazz", "house", "odd"])
    vectors.vectors[2, 1] = number
    vectors.save(str(tmp_path / "v.kv"))
    saved = (tmp_path / "v.kv").read_bytes()
    with pytest.raises(UserError, match="'odd' has numbers such as"):
        load(tmp_path, saved if kind == "gensim" else FORMATS[kind](vectors))


@pytest.mark.parametrize("behind", [b"", b"\n"])
@pytest.mark.parametrize("row", range(5))
@pytest.mark.parametrize(
    "word", ["smooth jazz", "deep pop", "a b", "a  b", " x", "x ", "of the 80s"]
)
def test_a_space_in_a_word_of_a_binary_is_told(tmp_path, word, row, behind):
    words = [f"word{n}" for n in range(4)]
    words.insert(row, word)
    vectors = make_vectors(words, dimensions=20)
    vectors.vectors[:] = vectors.vectors.astype(np.float16)  # as Google News, of few digits
    with pytest.raises(UserError, match=r"space|no word|breaks off|UTF-8"):
        load(tmp_path, word2vec_binary(vectors, behind))


# ---------------------------------------------------------------- damage of any kind

WORDS = st.lists(
    st.text(
        st.characters(exclude_categories=["C", "Z"], exclude_characters="\ufffd"),
        min_size=1,
        max_size=6,
    ),
    min_size=2,
    max_size=6,
    unique_by=lambda word: unicodedata.normalize("NFC", word),
)
wild = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(content=st.binary(max_size=200), start=st.sampled_from([b"", b"2 3\n", b"\xba\x16\x4f\x2f"]))
@wild
def test_no_bytes_end_in_a_traceback(tmp_path, start, content):
    for prefix in (start, b"\x80\x04", b"\x1f\x8b"):
        with pytest.raises(UserError):
            load(tmp_path, prefix + content)


@given(words=WORDS, kind=st.sampled_from(list(FORMATS)), data=st.data())
@wild
def test_a_cut_file_is_refused_or_right(tmp_path, words, kind, data):
    original = make_vectors([unicodedata.normalize("NFC", word) for word in words], dimensions=10)
    content = FORMATS[kind](original)
    assert_same(load(tmp_path, content), original)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    try:
        loaded = load(tmp_path, cut)
    except UserError:
        return
    for word in loaded.index_to_key:  # text without a header may end after any line
        np.testing.assert_array_equal(loaded[word], original[word])


@given(words=WORDS, kind=st.sampled_from(list(FORMATS)), data=st.data())
@wild
def test_a_wrong_byte_is_refused_or_changes_one_word(tmp_path, words, kind, data):
    original = make_vectors([unicodedata.normalize("NFC", word) for word in words], dimensions=10)
    content = bytearray(FORMATS[kind](original))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    try:
        loaded = load(tmp_path, bytes(content))
    except UserError:
        return
    assert loaded.vector_size == original.vector_size
    others = [word for word in loaded.index_to_key if word in original]
    changed = [word for word in others if not np.array_equal(loaded[word], original[word])]
    assert len(changed) <= 1
    assert len(others) >= len(original) - 2  # two lines of text may have become one


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> list[bytes]:
    """Files whose numbers are not word by word: gensim's, and one of fastText."""
    folder = tmp_path_factory.mktemp("models")
    model = FastText([["smooth_jazz", "été"]] * 3, vector_size=4, min_count=1, bucket=9, workers=1)
    save_facebook_model(model, str(folder / "fasttext.bin"))
    make_vectors(["smooth_jazz", "été"]).save(str(folder / "v.kv"))
    return [file.read_bytes() for file in sorted(folder.iterdir())]


@given(data=st.data())
@wild
def test_a_damaged_model_is_refused_or_whole(tmp_path, models, data):
    content = bytearray(data.draw(st.sampled_from(models)))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.sampled_from([len(content), len(content) - 1, place]))]
    try:
        loaded = load(tmp_path, bytes(content))
    except UserError:
        return
    assert loaded.vectors.shape == (2, 4)
    assert np.isfinite(loaded.vectors).all()
