"""Nearest neighbours: agreement with gensim, and the tables of step 2 `neighbours`."""

import gensim.downloader
import numpy as np
import pytest

from errors import UserError
from preprocessing.words.neighbours import find_neighbours, neighbours_in
from step2_runs import make_vectors, one_sentence, step2


@pytest.fixture(autouse=True)
def no_downloads_at_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(gensim.downloader, "BASE_DIR", str(tmp_path / "cache"))


def save_vectors(data_path, name: str, words: list[str]) -> None:
    (data_path / f"{name}_w2v").mkdir()
    make_vectors(words).save(str(data_path / f"{name}_w2v" / "m.kv"))


def test_agrees_with_gensim_and_leaves_bad_vectors_out():
    vectors = make_vectors([f"w{n}" for n in range(50)], dimensions=8)
    expected = vectors.most_similar("w3", topn=7)
    found = find_neighbours(vectors, "w3", top=7)
    assert found.parts == []
    assert [word for word, _ in found.nearest] == [word for word, _ in expected]
    np.testing.assert_allclose([s for _, s in found.nearest], [s for _, s in expected], rtol=1e-5)
    vectors.vectors[5] = np.nan
    vectors.vectors[6] = 0
    vectors.norms = None
    everything = find_neighbours(vectors, "w3", top=100).nearest
    assert {word for word, _ in everything} == set(vectors.index_to_key) - {"w3", "w5", "w6"}


def test_a_word_by_parts_and_one_without_a_vector():
    vectors = make_vectors([f"w{n}" for n in range(50)], dimensions=8)
    found = find_neighbours(vectors, "w1 w2", top=100)
    assert found.parts == ["w1", "w2"]
    assert {word for word, _ in found.nearest} == set(vectors.index_to_key) - {"w1", "w2"}
    mean = vectors["w1"] + vectors["w2"]
    direction = vectors["w9"] / np.linalg.norm(vectors["w9"])
    assert dict(found.nearest)["w9"] == pytest.approx(direction @ mean / np.linalg.norm(mean))
    assert find_neighbours(vectors, "unknown", top=10) is None


def test_several_words_in_a_file(tmp_path):
    save_vectors(tmp_path, "music", ["jungle", "forest", "tree"])
    found = neighbours_in(tmp_path / "music_w2v" / "m.kv", ["tree", "gabber"], top=1)
    nearest = find_neighbours(make_vectors(["jungle", "forest", "tree"]), "tree", top=1)
    assert found == {"tree": nearest, "gabber": None}
    (tmp_path / "music_w2v" / "m.kv").write_bytes(b"junk")
    with pytest.raises(UserError, match=r"m\.kv"):
        neighbours_in(tmp_path / "music_w2v" / "m.kv", ["tree"], top=10)


def test_sets_side_by_side(tmp_path):
    save_vectors(tmp_path, "general", ["jungle", "forest", "tree"])
    save_vectors(tmp_path, "music", ["deep_house", "jungle", "sad", "jazz", "zydeco"])
    result = step2("neighbours", tmp_path, "jungle", "deep house", 1980, "--top=2")
    assert result.returncode == 0, result.stderr
    tables = {
        table.split("\n")[0]: table.split("\n")[1:] for table in result.stdout[1:].split("\n\n")
    }
    assert list(tables) == ["jungle", "deep house", "1980"]
    assert tables["jungle"][0].split() == ["general", "music"]
    found = find_neighbours(make_vectors(["jungle", "forest", "tree"]), "jungle", top=2)
    assert len(found.nearest) == 2
    for row, (word, similarity) in zip(tables["jungle"][1:], found.nearest, strict=False):
        assert row.split()[:2] == [f"{similarity:.2f}", word]
    assert tables["deep house"][1].startswith("  has no such word")
    assert "0." in tables["deep house"][1]
    assert "= sad + jazz" in step2("neighbours", tmp_path, "sad jazz").stdout
    assert tables["1980"][1].split() == ["has", "no", "such", "word"] * 2


def test_sets_that_cannot_be_read_are_told(tmp_path):
    assert "has no word vectors" in one_sentence(step2("neighbours", tmp_path, "jungle"))
    save_vectors(tmp_path, "general", ["jungle", "forest"])
    save_vectors(tmp_path, "music", ["jungle", "techno"])
    (tmp_path / "general_w2v" / "m.kv").write_bytes(b"junk")
    result = step2("neighbours", tmp_path, "jungle")
    assert result.returncode == 0, result.stderr
    assert "general: left out" in result.stdout
    assert result.stdout.splitlines()[-1].split()[-1] == "techno"
    (tmp_path / "music_w2v" / "m.kv").write_bytes(b"junk")
    assert "can be read" in one_sentence(step2("neighbours", tmp_path, "jungle"))
