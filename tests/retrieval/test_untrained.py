"""A search by musicnn's own tags: the order that its last layer gives, words that are no tag."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from gensim.models import KeyedVectors
from starlette.requests import Request

from audio_samples import chords
from commands import ROOT, assert_user_error, run_here
from encoders.musicnn_package import tags_of
from errors import UserError
from musicnn_samples import write_wheel
from preprocessing.features.song_layers import musicnn_mel, network_of, song_means
from retrieval import untrained
from retrieval.embedding import embed_file
from retrieval.index_writing import write_index
from retrieval.nearest import build_nearest
from retrieval.page import Page
from retrieval.search import Searcher
from retrieval.showing import hits_table
from retrieval.song_index import SongIndex, read_index

ENCODERS = ("msd-musicnn", "mtt-musicnn")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return write_wheel(tmp_path_factory.mktemp("wheel") / "musicnn.whl")


@pytest.fixture(scope="module")
def music(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for number in range(4):
        soundfile.write(folder / f"{number}.wav", chords(3.5 + number, 16000, seed=number), 16000)
    return folder


@pytest.fixture
def trusting(monkeypatch) -> None:
    """The package of the tests has not the hash of the real one."""
    monkeypatch.setattr(untrained, "fetch_wheel", lambda *_, given: given)


@pytest.fixture
def index(wheel, music, tmp_path, trusting) -> SongIndex:
    write_index(tmp_path / "my.index", *untrained.index_untrained(music, wheel))
    return read_index(tmp_path / "my.index")


def logits_of(music: Path, wheel: Path, encoder: str) -> np.ndarray:
    """What the last layer makes of each song, less what it makes of its training songs' mean."""
    network = network_of(wheel, encoder)
    vectors = [song_means(musicnn_mel(file)[0], network)[0] for file in sorted(music.iterdir())]
    weight = network.output.weight.detach().numpy()
    return (np.stack(vectors) - network.norm_dense.bias.detach().numpy()) @ weight.T


def test_scores_are_the_last_layer_and_the_mean_where_both_have_a_tag(
    index, music, wheel, monkeypatch
):
    alone = {}
    for encoder in ENCODERS:
        network = network_of(wheel, encoder)
        axes = network.output.weight * network.norm_dense.weight
        lengths = axes.norm(dim=1).detach().numpy()
        logits = logits_of(music, wheel, encoder) / lengths
        alone[encoder] = dict(zip(tags_of(encoder), logits.T, strict=True))
    both = alone["msd-musicnn"]["rock"] + alone["mtt-musicnn"]["rock"]
    expected = {"Hip-Hop": alone["msd-musicnn"]["Hip-Hop"], "sitar": alone["mtt-musicnn"]["sitar"]}
    searcher = Searcher(index)
    for tag, values in (expected | {"rock": both / np.sqrt(2)}).items():
        hits = searcher.search(searcher.wanted(tag))
        assert [hit.row for hit in hits] == np.argsort(-values).tolist()
        scores = np.array([hit.score for hit in sorted(hits)])
        np.testing.assert_allclose(scores / scores[0], values / values[0], rtol=0.02)
    assert len(index.model.tags) == 92 and not index.has_tags


def test_songs_have_one_length_however_loud_they_speak():
    short, long_ = np.full(4, 2.0), np.full(4, 100.0)
    placed = untrained.at_one_length(short)
    np.testing.assert_allclose(placed[:4], short / untrained.LONGEST, rtol=1e-6)
    assert np.linalg.norm(placed) == pytest.approx(1)
    np.testing.assert_allclose(untrained.at_one_length(long_)[:5], [0.5] * 4 + [0], atol=1e-3)


def test_large_collections_are_looked_up_by_faiss(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(300, 400)).astype(np.float16)
    places = np.stack([untrained.at_one_length(vector.astype(float)) for vector in vectors])
    assert build_nearest(places.astype(np.float16), tmp_path / "nearest.faiss", "ivfpq") == "ivfpq"


def test_a_word_is_searched_by_the_nearest_tag_and_said_so(index, tmp_path):
    vectors = KeyedVectors(3)
    words = {"sad": [1, 0, 0], "piano": [0, 1, 0], "no": [0, 0, 1], "voice": [0, 0, 2]}
    words |= {"gloomy": [3, 1, 0], "empty": [0, 1, 9], "zero": [0, 0, 0]}
    vectors.add_vectors(list(words), np.array(list(words.values()), np.float32))
    vectors.save(str(tmp_path / "small.kv"))
    searcher = Searcher(index, tmp_path / "small.kv")
    wanted = searcher.wanted("gloomy:2", without="Piano")
    np.testing.assert_array_equal(wanted[0].vector, searcher.wanted("sad")[0].vector)
    assert [(one.stand_in, one.weight) for one in wanted] == [("sad", 2), (None, -1)]
    lines = hits_table(index, wanted, searcher.search(wanted)).splitlines()
    assert lines[0].startswith("'gloomy:2' is none of the tags: 'sad', the nearest") and len(
        lines
    ) == 2 + len(index)
    asked = Request({"type": "http", "query_string": b"words=gloomy"})
    told = json.loads(Page(searcher, None).search(asked).body)["notes"]
    assert told == ["“gloomy” is no tag; “sad” stands for it"]
    assert searcher.wanted("empty")[0].stand_in == "voice"  # not 'no voice', known by its parts
    with pytest.raises(UserError, match="'zero' is no tag, and has no word vector"):
        searcher.wanted("zero")
    with pytest.raises(UserError, match="'sadd' is none of musicnn's tags: try a tag such as sad"):
        Searcher(index).wanted("sadd")
    strange = KeyedVectors(2)
    strange.add_vectors(["gloomy"], np.ones((1, 2), np.float32))
    strange.save(str(tmp_path / "strange.kv"))
    with pytest.raises(UserError, match="has no vector for a tag"):
        Searcher(index, tmp_path / "strange.kv").wanted("gloomy")


def test_a_file_that_is_not_in_it(index, music, wheel):
    song, place = embed_file(index.model, music / "2.wav")
    assert song.title == "2"
    np.testing.assert_allclose(place, index.vectors([2])[0], atol=1e-3)


def retrieve(*arguments) -> subprocess.CompletedProcess:
    return run_here(ROOT / "retrieve.py", *arguments)


def test_from_a_folder_to_its_songs(wheel, music, tmp_path, trusting):
    at = tmp_path / "my.index"
    made = retrieve("index", "--audio", music, at, "--wheel", wheel, "--is_subset")
    assert made.returncode == 0, made.stderr
    assert "4 songs, to be searched for 92 tags" in made.stdout
    assert "no effect without a model: --is_subset" in made.stdout
    found = retrieve("search", at, "sad,", "Rock:2", "--like", "1.wav")
    assert len(found.stdout.splitlines()) == 4 and found.returncode == 0
    outside = tmp_path / "new.wav"
    soundfile.write(outside, chords(4, 16000, seed=3), 16000)
    assert len(retrieve("radio", at, "--like", outside).stdout.splitlines()) == 6
    none_new = retrieve("index", "--audio", music, at, "--wheel", wheel, "--add")
    nothing = f"the index has every audio file in {music}: there is nothing to add\n"
    assert (none_new.returncode, none_new.stdout) == (0, nothing)
    two = retrieve("index", "--audio", music, "a", "b")
    assert_user_error(two, "give MODEL_PATH DATA_PATH INDEX, or --audio FOLDER INDEX")


def test_another_album_of_the_same_names(wheel, music, tmp_path, trusting):
    at, album = tmp_path / "my.index", tmp_path / "CD2"
    album.mkdir()
    soundfile.write(album / "1.wav", chords(3.5, 16000, seed=9), 16000)
    assert retrieve("index", "--audio", music, at, "--wheel", wheel).returncode == 0
    done = retrieve("index", "--audio", album, at, "--wheel", wheel, "--add")
    assert done.returncode == 0, done.stderr
    assert "1 song added\n5 songs, to be searched" in done.stdout
    assert "their song ids begin with their folder: CD2/1.wav\n" in done.stdout
    found = retrieve("search", at, "sad", "--like", "CD2/1.wav")
    assert len(found.stdout.splitlines()) == 5 and found.returncode == 0
    again = retrieve("index", "--audio", album, at, "--wheel", wheel, "--add")
    nothing = f"the index has every audio file in {album}: there is nothing to add\n"
    assert (again.returncode, again.stdout) == (0, nothing)


def test_music_that_moved_and_a_file_that_was_replaced(wheel, music, tmp_path, trusting):
    at, album = tmp_path / "my.index", tmp_path / "alb"
    shutil.copytree(music, album)
    (album / "cut.wav").write_bytes((music / "3.wav").read_bytes()[:90_000])
    (album / "text.wav").write_text("no music")

    def index(folder, *more):
        done = retrieve("index", "--audio", folder, at, "--wheel", wheel, *more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = index(album)
    assert f"1 songs cut or repaired: {album}/cut.wav (cut short: 2.8 of 6.5 s); {at}/audio" in made
    assert f"1 of 6 files left out: {album}/text.wav (not readable as wav" in made
    album = album.rename(tmp_path / "alb2")
    soundfile.write(album / "1.wav", chords(4, 16000, seed=8), 16000)
    moved = index(album, "--add")
    assert "4 songs have moved: their files are found anew\n1 song added\n" in moved
    remove = f"python -u retrieve.py remove {at} 1.wav\n"  # moved and replaced: no one can link it
    assert "\n1 song whose file is missing: 1.wav; " in moved and remove in moved
    found = {song.song_id: song.audio for song in read_index(at).songs()}
    assert found["0.wav"] == str(album / "0.wav") and found["alb2/1.wav"] == str(album / "1.wav")
    soundfile.write(album / "2.wav", chords(4, 16000, seed=7), 16000)
    changed = retrieve("search", at, "--like", album / "2.wav").stdout
    assert f"{album / '2.wav'} has changed since it was indexed: its sound of now is" in changed
    again = index(album, "--add")
    assert "1 song whose file has changed: embedded again\n" in again
    assert "6 songs, to be searched" in again and "added" not in again
    now = read_index(at)
    _, place = embed_file(now.model, album / "2.wav")
    np.testing.assert_allclose(now.vectors([now.row_of("2.wav")])[0], place, atol=1e-3)
    assert "there is nothing to add" in index(album, "--add")
    assert "has changed" not in retrieve("search", at, "--like", album / "2.wav").stdout
    assert remove in index(album, "--add") and retrieve("remove", at, "1.wav").returncode == 0
    assert "missing" not in index(album, "--add")


def test_another_wheel_is_refused(wheel, music, tmp_path):
    done = retrieve("index", "--audio", music, tmp_path / "my.index", "--wheel", wheel)
    assert_user_error(done, "has another SHA-256")


@pytest.mark.real_data
def test_the_authors_songs_by_what_is_heard_in_them(tmp_path):
    folder = Path(os.environ.get("TAG_RETRIEVAL_MUSICNN", "nowhere"))
    if not folder.is_dir():
        pytest.skip("TAG_RETRIEVAL_MUSICNN names no folder with the wheel and the authors' songs")
    package = folder / "musicnn-0.1.0-py3-none-any.whl"
    write_index(tmp_path / "my.index", *untrained.index_untrained(folder, package))
    searcher = Searcher(read_index(tmp_path / "my.index"))
    for tag, beginning in {"techno": "joram", "synth": "joram", "guitar": "TRWJ"}.items():
        best = searcher.search(searcher.wanted(tag))[0]
        assert searcher.index.song(best.row).song_id.startswith(beginning), tag
