"""Tags in word vectors: spellings, parts, bad vectors, any text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.files import normal_form
from preprocessing.words.tag_lookup import (
    OWN_SHARE,
    set_apart,
    spellings,
    tag_keys,
    tag_vector,
    whole_key,
)
from step2_runs import make_vectors

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
        ("mu\u0301sica", "música"),
        ("Mu\u0301sica crio\u0308lla", "música_criölla"),
        ("mu\u0301sica", "musica"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8 pop", "한국_pop"),
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
    assert whole_key(make_vectors(["forro", "forró"]), "forro\u0301") == "forró"


@pytest.mark.parametrize("tag", ["blues", "jazz", "80s pop", "80's", "andes"])
def test_other_words_are_not_taken_for_a_tag(tag):
    vectors = make_vectors(["blue", "s", "jaz", "pop", "80", "des", "andés"])
    assert whole_key(vectors, tag) is None


def test_parts_are_the_longest_runs_and_their_mean():
    vectors = make_vectors(["contemporary", "smooth", "jazz", "smooth_jazz", "sad"])
    assert tag_keys(vectors, "contemporary smooth jazz") == ["contemporary", "smooth_jazz"]
    expected = (vectors["contemporary"] + vectors["smooth_jazz"]) / 2
    found = tag_vector(vectors, "contemporary smooth jazz")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # The run is the longest wherever it stands, and what stands on both sides of it counts.
    assert tag_keys(vectors, "sad smooth jazz sad") == ["sad", "smooth_jazz", "sad"]


def test_joining_words_are_passed_over_but_no_others():
    vectors = make_vectors(["music", "chill", "the", "drum_and_bass", "to"])
    assert tag_keys(vectors, "music to chill") == ["music", "chill"]
    assert tag_keys(vectors, "the chill") == ["chill"]
    assert tag_keys(vectors, "chill drum and bass") == ["chill", "drum_and_bass"]
    assert tag_keys(vectors, "xyzzy chill") == []
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
    assert next(spellings(tag)) == normal_form(tag).strip().replace("’", "'")


# ---------------------------------------------------------------- tags that share a vector


def test_tags_that_share_a_vector_are_set_apart():
    rng = np.random.default_rng(0)
    one, two, alone = rng.normal(size=(3, 300)).astype(np.float32) * 5
    before = {"1960s": one, "jazz": alone, "1970s": one, "flute": two, "日本": two, "1980s": one}
    after = dict(before)
    assert set_apart(after) == [["1960s", "1970s", "1980s"], ["flute", "日本"]]
    assert after["jazz"] is alone and list(after) == list(before)
    assert len({vector.tobytes() for vector in after.values()}) == 6
    owns = [after[tag] - before[tag] for tag in ("1960s", "1970s", "flute", "日本")]
    for tag, own in zip(("1960s", "1970s", "flute", "日本"), owns, strict=True):
        assert after[tag].dtype == np.float32
        assert np.linalg.norm(own) == pytest.approx(OWN_SHARE * np.linalg.norm(before[tag]))
        few = {"x": before[tag], tag: before[tag]}
        assert set_apart(few) == [["x", tag]]
        np.testing.assert_array_equal(few[tag], after[tag])  # by the tag's name, whatever else is
    cosines = np.corrcoef(owns)[np.triu_indices(4, 1)]
    assert abs(cosines).max() < 0.25  # each in a direction of its own
    assert set_apart(after) == []
