"""Words and songs to ranked songs, on an index whose answers are known."""

import unicodedata

import numpy as np
import pytest

from errors import UserError
from index_samples import make_index, make_model, write_vectors
from retrieval.index_writing import EmbeddedSongs, remove_songs, write_index
from retrieval.search import Rules, Searcher
from retrieval.song_index import IndexedSong, read_index, unit_length


def find(index, words="", top=10, rules=None, **asked):
    searcher = index if isinstance(index, Searcher) else Searcher(index)
    return searcher.search(searcher.wanted(words, **asked), top, rules)


def ids(index, hits):
    return [index.song(hit.row).song_id for hit in hits]


def near(index, words="", top=10, rules=None, **asked):
    return ids(index, find(index, words, top, rules, **asked))


def test_a_tag_finds_its_songs_first_and_ties_keep_their_order():
    index = make_index(n_songs=8)
    hits = find(index, "smooth jazz", 3)
    assert ids(index, hits)[:2] == ["S2", "S6"]
    assert hits[0].score == pytest.approx(1, abs=1e-3) and len(hits) == 3
    assert len(find(index, "sad", 100)) == 8


def test_case_does_not_matter_unless_two_tags_differ_by_it():
    index = make_index(n_songs=4)
    assert near(index, "blues", 1) == ["S0"]
    assert near(index, "SAD", 1) == ["S3"]
    both = make_index(n_songs=4, tags=["Blues", "blues", "c", "d"])
    for tag, song in (("Blues", "S0"), ("blues", "S1")):
        assert near(both, tag, 1) == [song]
    assert near(make_index(2, tags=["a", "a:2"]), "a:2", 1) == ["S1"]  # a tag comes first


def test_a_tag_may_have_commas():
    index = make_index(n_songs=4, tags=["r&b, soul", "soul", "jazz", "sad"])
    assert near(index, "R&B,soul", 1) == ["S0"] and near(index, "soul", 1) == ["S1"]
    hits = find(index, "jazz, r&b, soul:2", 4, without="r&b, soul, sad")
    assert len(hits[0].by_part) == 4


def test_only_the_ratios_of_weights_matter():
    index = make_index(n_songs=4)
    usual = find(index, "jazz:2, sad", without="Blues:-3")
    for scale in ("e38", "e307", "e-46", "e-320", "0" * 200):
        scaled = find(index, f"jazz:2{scale}, sad:1{scale}", without=f"Blues:-3{scale}")
        assert [hit.score for hit in scaled] == pytest.approx([hit.score for hit in usual])
    four = find(index, "jazz:1e308, sad:1e308", like=["S0:1e308", "S1:1e308"])
    assert four[0].score == pytest.approx(np.mean(four[0].by_part), abs=1e-5) and four[0].score > 0


def test_the_score_is_the_weighted_mean_of_similarities():
    index = make_index(n_songs=4)
    words = {"jazz": 2, "sad": 1, "Blues": -1}
    alone = [{hit.row: hit.score for hit in find(index, word, 4)} for word in words]
    hits = find(index, "jazz:2, sad", 4, without="Blues")
    assert find(index, "jazz:2, sad", 4, without="Blues:-1") == hits  # the sign is understood
    for hit in hits:
        each = [found[hit.row] for found in alone]
        assert hit.by_part == pytest.approx(each, abs=1e-5)
        assert hit.score == pytest.approx(np.dot(each, list(words.values())) / 4, abs=1e-5)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert set(near(index, "jazz, sad", 2)) == {"S1", "S3"}


def test_other_words_by_their_vectors(tmp_path):
    index = make_index(n_songs=4)
    file = write_vectors(tmp_path / "small.kv", index.model)
    by_option = Searcher(index, file)
    assert ids(index, find(by_option, "blue", 1)) == ["S0"]
    file.unlink()
    assert ids(index, find(by_option, "blue", 1)) == ["S0"]  # read once
    file = write_vectors(tmp_path / "other.kv", index.model)
    known = make_index(n_songs=4, vectors_file=file)
    mean = index.model.embed(index.model.tag_vectors[:2].mean(axis=0, keepdims=True))[0]
    expected = index.vectors(range(4)) @ mean
    hits = find(known, "blue jazz", 4)
    assert [hit.row for hit in hits] == np.argsort(-expected).tolist()
    assert [hit.score for hit in hits] == pytest.approx(sorted(expected, reverse=True), abs=1e-5)
    for word, sentence in {
        "rainy": "'rainy' is no tag, and has no word vector",
        "smoth jazz": r"try a tag such as smooth jazz$",
        "bluess": r"try a tag such as Blues$",
    }.items():
        with pytest.raises(UserError, match=sentence):
            find(known, word)


def test_what_a_word_was_looked_up_by(tmp_path):
    vectors = write_vectors(tmp_path / "small.kv", make_model())
    wanted = Searcher(make_index(), vectors).wanted("blue-jazz:2, blue, sad", ["S0"])
    assert [one.parts for one in wanted] == [("blue", "jazz"), ("blue",), (), ()]


def test_vectors_that_are_missing_or_others(tmp_path):
    index = make_index()
    with pytest.raises(UserError, match=r"only tags can be searched for.*--vectors FILE.*Blues"):
        find(index, "blue")
    with pytest.raises(UserError, match=r"missing\.kv is missing"):
        find(Searcher(index, tmp_path / "missing.kv"), "blue")
    other = write_vectors(tmp_path / "other.kv", index.model, change=0.1)
    with pytest.raises(UserError, match="other word vectors than the model was trained with"):
        find(Searcher(index, other), "blue")
    assert find(Searcher(index, other), "sad")  # a tag needs none of them


# ---------------------------------------------------------------- songs


def test_a_song_is_no_answer_to_itself_nor_are_its_copies(tmp_path):
    audio = tmp_path / "a, b.mp3"
    audio.touch()
    songs = [IndexedSong(f"S{n}", digest="d" if n in (0, 4) else "") for n in range(8)]
    songs[0] = songs[0]._replace(audio=str(audio))
    index = make_index(8, songs)
    assert len(near(index, like=["S0"])) == 6
    assert near(index, like=["S1"])[0] == "S5"  # as near, but no copy that is known
    assert near(index, like=[str(audio)]) == near(index, like=["S0"])
    both = near(index, like=["S1:2", "S2"])
    assert both[0] == "S5" and not {"S1", "S2"} & {*both}
    assert not {"S0", "S4"} & {*near(index, "jazz", like=["S0:-1"])}


def test_a_file_that_is_not_in_the_index_leaves_out_its_copies_alone(tmp_path, monkeypatch):
    file = tmp_path / "track1.wav"
    file.touch()
    songs = [IndexedSong("track1.wav", digest="d1"), IndexedSong("track2.wav", digest="d2")]
    index = make_index(2, songs)
    for digest, left in {"d3": ["track1.wav", "track2.wav"], "d2": ["track1.wav"]}.items():
        heard = IndexedSong(file.name, "", file.stem, str(file), digest), index.vectors([0])[0]
        monkeypatch.setattr("retrieval.embedding.embed_file", lambda *_, heard=heard: heard)
        assert near(index, like=[str(file)]) == left
        assert Searcher(index).wanted(like=[str(file)])[0].label == "like track1"


def test_ids_that_look_like_weights_and_names_of_no_file():
    index = make_index(3, [IndexedSong("a:0"), IndexedSong("b:-1"), IndexedSong("b")])
    for takes_files in (True, False):
        wanted = Searcher(index).wanted(like=["a:0", "b:-1", "b:-1:2"], takes_files=takes_files)
        assert [one.label for one in wanted] == ["like a:0", "like b:-1", "like b:-1:2"]
        assert [one.weight for one in wanted] == [1, 1, 2]
    with pytest.raises(UserError, match=r"'\\udcff.mp3' is no song id"):
        find(index, like=["\udcff.mp3"])


def test_names_of_files_are_not_looked_at_unless_they_may_be(tmp_path):
    file = tmp_path / "a.wav"
    file.touch()
    index = make_index(1, [IndexedSong("S0", audio=str(file))])
    assert Searcher(index).wanted(like=[str(file)])
    for name in (str(file), "~\0", "\udcff"):
        with pytest.raises(UserError, match="is no song here: look for songs by words"):
            Searcher(index).wanted(like=[name], takes_files=False)


def test_songs_that_are_not_there(tmp_path):
    index = make_index()
    with pytest.raises(UserError, match=r"'S9' is no song id .* such as 'S0', or an audio file"):
        find(index, like=["S9"])
    for nothing, says in (
        ({}, "no WORDS and no --like"),
        ({"without": "sad"}, "no WORDS and no --like"),
        ({"words": "sad:-1", "like": ["S0:-1"]}, "only what to keep away from"),
    ):
        with pytest.raises(UserError, match=says):
            find(index, **nothing)
    (tmp_path / "a.wav").touch()
    with pytest.raises(UserError, match=r"a\.wav is not in the index, and none\.ckpt, which"):
        find(index, like=[str(tmp_path / "a.wav")])


# ---------------------------------------------------------------- rules


def test_only_songs_with_a_tag():
    index = make_index(n_songs=8)
    assert near(index, "jazz", rules=Rules(only_tags=["SAD"])) == ["S3", "S7"]
    assert near(index, "jazz", rules=Rules(only_tags=["sad", "Blues"])) == []
    with pytest.raises(UserError, match="'sed' is no tag: try a tag such as sad"):
        find(index, "jazz", rules=Rules(only_tags=["sed"]))
    with pytest.raises(UserError, match="does not know which songs bear tags"):
        find(make_index(has_tags=False), "jazz", rules=Rules(only_tags=["sad"]))


@pytest.fixture
def clouds(tmp_path):
    """200 songs around the four tags: of artist 'one' near the first, of 30 artists elsewhere."""
    model = make_model()
    rng = np.random.default_rng(0)
    centre = np.arange(200) % 4
    places = model.embed(model.tag_vectors)[centre] + rng.normal(0, 0.03, (200, 256))
    songs = [IndexedSong(f"S{n}", f"artist {n % 40}" if n % 4 else "one") for n in range(200)]
    folder = tmp_path / "songs.index"
    write_index(folder, model, EmbeddedSongs(unit_length(places), songs, None))
    return read_index(folder)


def test_no_more_songs_of_an_artist(clouds):
    plain = [clouds.song(hit.row).artist for hit in find(clouds, "Blues", 30)]
    assert set(plain) == {"one"}
    limited = [clouds.song(hit.row).artist for hit in find(clouds, "Blues", 30, Rules((), 2))]
    assert len(limited) == 30 and max(map(limited.count, limited)) == 2
    assert limited[:2] == ["one", "one"]
    assert len(find(clouds, "Blues", 100, Rules((), 1))) == 31  # there are no more artists


def test_variety(clouds):
    def likeness(hits):
        vectors = clouds.vectors([hit.row for hit in hits])
        return (vectors @ vectors.T)[np.triu_indices(len(hits), 1)].mean()

    plain, varied = (find(clouds, "sad", 5, Rules(diverse=on)) for on in (False, True))
    assert varied[0] == plain[0] and len(varied) == 5
    assert likeness(varied) < likeness(plain)


def test_radio(clouds):
    searcher = Searcher(clouds)
    path = searcher.radio(searcher.wanted(like=["S1"]), 8)
    artists = [clouds.song(hit.row).artist for hit in path]
    assert len(path) == 8 == len(set(artists)) and "S1" not in ids(clouds, path)
    assert all(hit.row % 4 == 1 for hit in path)  # stays near
    assert len(searcher.radio(searcher.wanted("sad"), 500)) == 31


def test_songs_taken_out_are_not_found(tmp_path):
    folder = tmp_path / "songs.index"
    make_index(8, folder=folder)
    remove_songs(folder, ["S2"])
    index = read_index(folder)
    assert near(index, "smooth jazz", 2)[0] == "S6" and len(near(index, "sad")) == 7
    assert "S2" not in near(index, "jazz", rules=Rules(only_tags=["smooth jazz"]))


def test_suggestions():
    suggest = Searcher(make_index()).words.suggest
    assert suggest("JAZZ") == ["jazz", "smooth jazz"]
    assert (suggest("smoot jaz"), suggest("xyz")) == (["smooth jazz"], [])
    assert len(suggest("", 2)) == 2


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_keyboard_does_not_matter(form):
    tags = ["Forró", "jazz", "smooth jazz", "sad"]
    index = make_index(tags=[unicodedata.normalize("NFD", tag) for tag in tags])
    assert near(index, unicodedata.normalize(form, "forró"), 5)[:2] == ["S0", "S4"]


# ---------------------------------------------------------------- files and names that are others


def test_a_file_that_has_changed_is_heard_again_or_taken_as_it_was(tmp_path, monkeypatch, capsys):
    file = tmp_path / "a.wav"
    file.write_text("now")
    names = [IndexedSong("a.wav", audio=str(file), digest="then"), IndexedSong("b.wav")]
    index = make_index(2, names)
    wanted = Searcher(index).wanted(like=[str(file)])
    np.testing.assert_array_equal(wanted[0].vector, index.vectors([0])[0])
    said = capsys.readouterr().out
    assert said.startswith(f"{file} has changed since it was indexed, and is taken as it was: ")
    heard = IndexedSong("a.wav", digest="now"), index.vectors([1])[0]
    monkeypatch.setattr("retrieval.embedding.embed_file", lambda *_: heard)
    monkeypatch.chdir(tmp_path)
    for like in (str(file), "a.wav"):
        [one] = Searcher(index).wanted(like=[like])
        np.testing.assert_array_equal(one.vector, heard[1])
        assert near(index, like=[like]) == ["b.wav"]
    assert "has changed since it was indexed: its sound of now" in capsys.readouterr().out
    copies = [*names, IndexedSong("then.wav", digest="then"), IndexedSong("now.wav", digest="now")]
    assert near(make_index(4, copies), like=[str(file)]) == ["b.wav", "then.wav"]
    capsys.readouterr()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    [by_id] = Searcher(index).wanted(like=["a.wav"])
    np.testing.assert_array_equal(by_id.vector, index.vectors([0])[0])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_songs_and_files_in_either_form_of_their_names(tmp_path, form):
    nfc, nfd = (unicodedata.normalize(one, "é ö.mp3") for one in ("NFC", "NFD"))
    mixed = f"{nfd}/{nfc}"
    folder = tmp_path / nfd
    folder.mkdir()
    (folder / nfd).touch()
    names = [IndexedSong(nfd, audio=str(folder / nfd)), IndexedSong(mixed), IndexedSong("S2")]
    make_index(3, names, folder=tmp_path / "i")
    index = read_index(tmp_path / "i")
    typed = unicodedata.normalize(form, str(folder / nfd))
    for like, label in {typed: nfd, unicodedata.normalize(form, mixed): mixed}.items():
        [one] = Searcher(index).wanted(like=[like])
        assert one.label == f"like {label}"
    remove_songs(index.folder, [unicodedata.normalize(form, nfd)])
    assert [song.song_id for song in read_index(index.folder).songs()] == [mixed, "S2"]
