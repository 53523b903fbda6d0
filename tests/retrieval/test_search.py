"""Words to ranked songs, on an index whose answers are known."""

import unicodedata

import numpy as np
import pytest

from dataset.files import read_tsv
from errors import UserError
from index_samples import make_index, write_vectors
from retrieval.search import Searcher, hits_table, result_file, song_name, words_in, write_hits


def ids(index, hits):
    return [index.songs[hit.row][0] for hit in hits]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sad", ["sad"]),
        (" smooth  jazz ,sad,, ", ["smooth jazz", "sad"]),
        (",", []),
        ("", []),
    ],
)
def test_words_in_a_query(query, words):
    assert words_in(query) == words


def test_a_tag_finds_its_songs_first_and_ties_keep_their_order():
    index = make_index(n_songs=8)
    hits = Searcher(index).find(["smooth jazz"], top=3)
    assert ids(index, hits)[:2] == ["S2", "S6"]
    assert hits[0].score == pytest.approx(1, abs=1e-6) and len(hits) == 3
    assert len(Searcher(index).find(["sad"], top=100)) == 8


def test_case_does_not_matter_unless_two_tags_differ_by_it():
    index = make_index(n_songs=4)
    assert ids(index, Searcher(index).find(["blues"], 1)) == ["S0"]
    assert ids(index, Searcher(index).find(["SAD"], 1)) == ["S3"]
    both = make_index(n_songs=4, tags=["Blues", "blues", "c", "d"])
    for tag, song in (("Blues", "S0"), ("blues", "S1")):
        assert ids(both, Searcher(both).find([tag], 1)) == [song]


def test_several_words_count_alike():
    index = make_index(n_songs=4)
    hits = Searcher(index).find(["jazz", "sad"], top=4)
    alone = [Searcher(index).find([word], 4) for word in ("jazz", "sad")]
    for hit in hits:
        each = [next(one.score for one in found if one.row == hit.row) for found in alone]
        assert hit.by_word == pytest.approx(each, abs=1e-6)
        assert hit.score == pytest.approx(np.mean(each), abs=1e-6)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert set(ids(index, hits[:2])) == {"S1", "S3"}


def test_other_words_by_their_vectors(tmp_path):
    index = make_index(n_songs=4)
    file = write_vectors(tmp_path / "small.kv", index)
    by_option = Searcher(index, file)
    assert ids(index, by_option.find(["blue"], 1)) == ["S0"]
    file.unlink()
    assert ids(index, by_option.find(["blue"], 1)) == ["S0"]  # read once
    file = write_vectors(tmp_path / "other.kv", index)
    known = make_index(n_songs=4, vectors_file=str(file))
    by_parts = Searcher(known).find(["blue jazz"], 4)
    mean = index.tag_vectors[:2].mean(dim=0, keepdim=True)
    expected = index.similarities(mean)[0].sort(descending=True)
    assert [hit.row for hit in by_parts] == expected.indices.tolist()
    assert [hit.score for hit in by_parts] == pytest.approx(expected.values.tolist())
    with pytest.raises(UserError, match="'rainy' is no tag, and has no word vector"):
        Searcher(known).find(["rainy"], 1)
    with pytest.raises(UserError, match=r"try a tag such as smooth jazz$"):
        Searcher(known).find(["smoth jazz"], 1)
    with pytest.raises(UserError, match=r"try a tag such as Blues$"):
        Searcher(known).find(["bluess"], 1)


def test_vectors_that_are_missing_or_others(tmp_path):
    index = make_index()
    with pytest.raises(UserError, match=r"only tags can be searched for.*--vectors FILE.*Blues"):
        Searcher(index).find(["blue"], 1)
    with pytest.raises(UserError, match=r"missing\.kv is missing"):
        Searcher(index, tmp_path / "missing.kv").find(["blue"], 1)
    other = write_vectors(tmp_path / "other.kv", index, change=0.1)
    with pytest.raises(UserError, match="other word vectors than the model was trained with"):
        Searcher(index, other).find(["blue"], 1)
    longer = make_index(tag_vectors=index.tag_vectors.repeat(1, 2))
    same = write_vectors(tmp_path / "same.kv", index)
    with pytest.raises(UserError, match="other word vectors"):
        Searcher(longer, same).find(["blue"], 1)
    assert Searcher(index, other).find(["sad"], 1)  # a tag needs none of them


# ---------------------------------------------------------------- showing


NAMES = [["A", "Ann", "First", "/a.mp3"], ["B", "", "Second", ""], ["C", "", "", "/c.mp3"]]


def test_the_table():
    index = make_index(n_songs=3, songs=NAMES)
    lines = hits_table(index, ["jazz"], Searcher(index).find(["jazz"], 2)).splitlines()
    assert lines[0].split() == ["score", "song", "tags"]
    assert lines[1].split() == ["1", "1.000", "Second", "jazz"]
    lines = hits_table(
        index, ["jazz", "sad"], Searcher(index).find(["jazz", "sad"], 2)
    ).splitlines()
    assert lines[0].split() == ["score", "jazz", "sad", "song", "tags"]
    assert (
        len({line.index(word) for line, word in zip(lines, ("song", "Second"), strict=False)}) == 1
    )
    untagged = make_index(n_songs=3, song_tags=None)
    assert "tags" not in hits_table(untagged, ["jazz"], Searcher(untagged).find(["jazz"], 2))


def test_tags_asked_for_come_first_and_many_are_counted():
    index = make_index()
    more = make_index(
        n_songs=1,
        tags=[*index.tags, "live", "loud"],
        song_tags=index.song_tags.new_ones(1, 6),
        tag_vectors=index.tag_vectors.new_ones(6, 6),
    )
    table = hits_table(more, ["SAD"], Searcher(more).find(["SAD"], 1))
    assert table.endswith("sad, Blues, jazz, smooth jazz and 2 more")


def test_names():
    index = make_index(n_songs=3, songs=NAMES)
    assert [song_name(index, row) for row in range(3)] == ["Ann - First", "Second", "C"]


def test_written_as_table_and_playlist(tmp_path, capsys):
    index = make_index(n_songs=3, songs=NAMES)
    hits = Searcher(index).find(["Blues"], 3)
    write_hits(index, ["Blues"], hits, tmp_path / "found.tsv")
    rows = read_tsv(tmp_path / "found.tsv", 6)
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert rows[0] == ["1", "1.000000", *NAMES[0]]
    write_hits(index, ["Blues", "sad"], hits[:1], tmp_path / "found.m3u")
    text = (tmp_path / "found.m3u").read_text()
    assert text == "#EXTM3U\n#PLAYLIST:Blues, sad\n#EXTINF:-1,Ann - First\n/a.mp3\n"
    assert capsys.readouterr().out == ""
    for name, says in (("found.m3u", "found.m3u is UTF-8"), ("found.m3u8", "")):
        write_hits(index, ["café"], hits[:1], tmp_path / name)
        assert "#PLAYLIST:café\n" in (tmp_path / name).read_text(encoding="utf-8")
        told = capsys.readouterr().out
        assert says in told and bool(told) == bool(says)
    silent = make_index(n_songs=3)
    with pytest.raises(UserError, match="names no audio file"):
        write_hits(silent, ["Blues"], hits, tmp_path / "none.m3u")
    assert not (tmp_path / "none.m3u").exists()


def test_where_songs_found_can_be_written(tmp_path):
    for name in ("a.tsv", "a.M3U8", "a.TSV"):
        assert result_file(str(tmp_path / name)) == tmp_path / name
    with pytest.raises(UserError, match=r"a\.txt must end in \.tsv, for a table, or \.m3u"):
        result_file(str(tmp_path / "a.txt"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_keyboard_does_not_matter(form):
    tags = ["Forró", "jazz", "smooth jazz", "sad"]
    index = make_index(tags=[unicodedata.normalize("NFD", tag) for tag in tags])
    asked = [unicodedata.normalize(form, "forró")]
    hits = Searcher(index).find(asked, 5)
    assert ids(index, hits)[:2] == ["S0", "S4"]
    assert unicodedata.normalize("NFC", hits_table(index, asked, hits)).count("Forró") == 2
