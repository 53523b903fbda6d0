"""Words of a query: where they end, what they weigh, which of them are tags."""

import pytest

from errors import UserError
from index_samples import make_model, write_vectors
from retrieval.words import Words, split_weight


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sad", ["sad"]),
        (" smooth  jazz ,sad,, ", ["smooth jazz", "sad"]),
        ("sad\njazz", ["sad", "jazz"]),
        (",", []),
        ("", []),
        ("sad; jazz", ["sad", "jazz"]),
        ('"sad", “smooth jazz”.', ["sad", "smooth jazz"]),
        ("sad.", ["sad"]),
        ("rock'n'roll, U.K., '80s", ["rock'n'roll", "U.K.", "'80s"]),
        ('"., ".", .', ['"', ".", "."]),
    ],
)
def test_words_in_a_query(query, words):
    assert Words(make_model()).in_query(query) == words


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("r&b, soul", ["r&b, soul"]),
        ("sad,R&B ,  soul:2, sad", ["sad", "R&B, soul:2", "sad"]),
        ("r&b, sad, soul", ["r&b", "sad", "soul"]),
        ("r&b\nsoul", ["r&b", "soul"]),
        ("r&b:1, soul", ["r&b:1", "soul"]),
        ("r&b, soul, live", ["r&b, soul, live"]),  # the longest
        ("r&b, soul, r&b, soul", ["r&b, soul", "r&b, soul"]),
        ("r&b, soul:0.5:2", ["r&b", "soul:0.5:2"]),
        ("sad, a,b", ["sad", "a, b"]),
        ("sad, a, , b", ["sad", "a", "b"]),
        ("a,,b", ["a", "b"]),
        ("x,", ["x,"]),
        (" x , sad", ["x", "sad"]),
    ],
)
def test_tags_with_commas(query, words):
    known = Words(make_model(["r&b, soul", "R&B, Soul, Live", "soul", "sad", "a,b", "x,"]))
    assert known.in_query(query) == words


def test_signs_of_tags_stay():
    known = Words(make_model(["a; b", '"c"', "d.", "sad"]))
    assert known.in_query('a; b, "c", d., "sad"') == ["a; b", '"c"', "d.", "sad"]


@pytest.mark.parametrize("text", ["sad -smooth jazz", "-blue", "blue  -sad"])
def test_a_minus_is_not_looked_up_by_parts(tmp_path, text):
    vectors = write_vectors(tmp_path / "small.kv", make_model())
    known = Words(make_model(vectors_file=vectors))
    with pytest.raises(UserError, match=f"'{text}' has a minus, .* by --not '"):
        known.vector(text)
    known.vector("blue-sad")
    assert known.parts("blue-sad") == ["blue", "sad"]


def test_tags_to_propose():
    known = Words(make_model(["00s", "10s", "Blues", "jazz", "smooth jazz", "sad"]))
    for text, tags in {
        "sad xyzzyq blues": ["sad", "Blues"],
        "without jazz!": ["jazz"],
        "very smooth jazz": ["smooth jazz", "jazz"],
        "bluess": ["Blues"],
        "xyzzyq": ["Blues", "jazz", "sad"],
    }.items():
        assert known.proposals(text) == tags


def test_a_tag_with_a_comma_is_found_as_it_is_written():
    words = Words(make_model(["Jazz,  piano", "jazz, piano", "a,b"]))
    columns = [words.column(text) for text in ("Jazz, piano", "jazz ,piano", "A, b", "a,b", "a")]
    assert columns == [0, 1, 2, 2, None]


def test_many_commas_are_read_at_once():
    assert Words(make_model(["a, b"])).in_query("b,a," * 20_000)[:3] == ["b", "a, b", "a, b"]


def test_weights_in_a_query():
    for text, split in {
        "jazz:2": ("jazz", 2),
        "jazz: +.5 ": ("jazz", 0.5),
        "jazz:1e39": ("jazz", 1e39),
        "a:b:-0.5": ("a:b", -0.5),
        "a:b": ("a:b", 1),
        ":2": (":2", 1),
    }.items():
        assert split_weight(text) == split


@pytest.mark.parametrize("number", ["0", "-0.0", "1e-999", "1e999", "nan", "-inf", "1_0", "٣"])
def test_what_is_no_weight(number):
    with pytest.raises(
        UserError, match=r"^'jazz:.*' has no weight that can be used: give a plain number above or"
    ):
        split_weight(f"jazz:{number}")


def test_tags_are_spelt_once(monkeypatch):
    known = Words(make_model())
    spelt = []
    monkeypatch.setattr("retrieval.words.key", lambda text: spelt.append(text) or text.casefold())
    assert known.suggest("jazz") == ["jazz", "smooth jazz"] and known.proposals("bluess") == [
        "Blues"
    ]
    assert spelt and not {*spelt} & {*known.model.tags} - {"jazz"}
