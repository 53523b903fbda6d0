"""The server of the page: what it answers, and what it refuses."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import quote

import pytest

from commands import ROOT, assert_user_error, run_command
from index_samples import make_index, make_model, write_vectors
from page_samples import BAD_TAG, N_SONGS, get, served, sounding_index
from retrieval.page import LOCAL_NAMES, serve_page
from retrieval.search import Searcher
from retrieval.song_index import IndexedSong

FIRST = "a & b/00?.wav"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return sounding_index(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def port(index):
    with served(index) as port:
        yield port


def ask(port, target):
    status, _, body = get(port, target)
    return status, json.loads(body)


def search(port, words="", **asked):
    asked = {"words": words} | asked
    parts = [f"{name}={quote(text)}" for name, text in asked.items()]
    return ask(port, f"/search?{'&'.join(parts)}")


def test_about(port):
    status, about = ask(port, "/about")
    assert status == 200 and about["n_songs"] == N_SONGS and about["has_audio"]
    assert about["tags"][0] == BAD_TAG and "jazz" in about["tags"]


def test_words_and_songs(port):
    status, answer = search(port, "jazz:2, SAD", like=FIRST, **{"not": "Blues"})
    assert status == 200
    name = "<b>Ann</b> 0 - Song 0"
    assert answer["labels"] == ["jazz:2", "SAD", f"like {name}", "not Blues"]
    assert answer["songs"] == [f"like {name}"] and answer["notes"] == []
    assert len(answer["hits"]) == 10
    hit = answer["hits"][0]
    assert hit["id"] != FIRST and len(hit["by_part"]) == 4
    score = (2 * hit["by_part"][0] + hit["by_part"][1] + hit["by_part"][2] - hit["by_part"][3]) / 5
    assert hit["score"] == pytest.approx(score, abs=1e-5)
    assert hit["artist"].startswith("<b>Ann</b>") and hit["title"].startswith("Song")
    assert len(search(port, "jazz", top="3")[1]["hits"]) == 3


def test_less_like_a_song(port):
    more = search(port, "jazz", like=FIRST, top="100")[1]
    less = search(port, "jazz", like=f"{FIRST}:-1", top="100")[1]
    assert less["songs"] == ["not like <b>Ann</b> 0 - Song 0"]
    near, far = ({hit["id"]: hit["score"] for hit in found["hits"]} for found in (more, less))
    same_place = "a & b/05?.wav"  # five tags: every fifth song lies at the same
    assert near[same_place] > far[same_place]
    assert FIRST not in near and FIRST not in far


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "nothing is asked for"),
        ({"words": " , "}, "nothing is asked for"),
        (
            {"words": "rainy"},
            "“rainy” is no tag, and its meaning is not known here: try a tag such",
        ),
        ({"words": "jaz:2"}, "“jaz” is no tag, and its meaning is not known here: try a tag such"),
        ({"words": "sad", "not": "jaz"}, "try a tag such as jazz"),
        ({"words": "jazz, " + "a" * 400}, f"“{'a' * 60}…” is no tag"),
        ({"words": "a" * 100_000}, f"“{'a' * 60}…” is too long"),
        ({"words": "sad", "like": "a" * 501}, "ids of songs have at most 500 letters"),
        ({"like": ""}, "nothing is asked for"),
        ({"like": " "}, "nothing is asked for"),
        ({"like": "no such"}, "'no such' is no song here"),
        ({"like": "/etc/passwd"}, "is no song here"),
        ({"like": "/etc/passwd:2"}, "is no song here"),
        ({"like": f"{FIRST}:-1"}, "only what to keep away from"),
        ({"words": "jazz:-1, sad:-0.5"}, "only what to keep away from"),
        ({"words": ",".join(["sad"] * 31)}, "too much at once"),
        ({"words": "sad", "top": "0"}, "top must be"),
        ({"words": "sad", "top": "101"}, "top must be"),
        ({"words": "sad", "top": "all"}, "top must be"),
        ({"words": "sad", "top": "9" * 5000}, "top must be"),
        ({"words": "sad:1_0"}, "no weight that can be used"),
        ({"like": "~\0"}, "is no song here"),
        ({"words": "jazz -sad"}, "“jazz -sad” has a minus: write “sad” in the field “But not”"),
        ({"words": "sad", "not": "SAD"}, "nothing is asked for: what to be near and"),
        ({"words": "sad:1e39, sad:-1e39"}, "nothing is asked for: what to be near and"),
        ({"not": "sad"}, "nothing is asked for: give some words"),
    ],
)
def test_what_cannot_be_answered_gets_one_sentence(port, asked, says):
    status, answer = search(port, **asked)
    has_place = "is no tag" in says or "try a tag" in says or "has a minus" in says
    assert status == 400 and list(answer) == ["error", *["refused"] * has_place]
    assert says in answer["error"] and "\n" not in answer["error"]
    assert "--" not in answer["error"] and len(answer["error"]) < 300


def test_a_refused_word_is_told_with_its_place_and_tags():
    with served(make_index(tags=["00s", "10s", "jazz", "sad", "piano"])) as port:
        for words, parts, at, tags in (
            ("jazz; pianno:2", ["jazz", "pianno:2"], 1, ["piano"]),
            ("sad xyzzyq piano", ["sad xyzzyq piano"], 0, ["sad", "piano"]),
            ("xyzzyq", ["xyzzyq"], 0, ["jazz", "sad", "piano"]),
        ):
            told = {"box": "words", "parts": parts, "at": at, "tags": tags}
            assert search(port, words)[1]["refused"] == told
        told = search(port, "jazz", **{"not": "sadd"})[1]["refused"]
        assert told == {"box": "not", "parts": ["sadd"], "at": 0, "tags": ["sad"]}


def test_what_stands_several_times_counts_as_on_the_page(port):
    answer = ask(port, "/search?words=sad&words=jazz&top=2&top=3")[1]
    assert answer["labels"] == ["sad", "jazz"] and len(answer["hits"]) == 2


def test_a_song_that_is_empty_is_none(port):
    assert search(port, "jazz", like="")[1] == search(port, "jazz")[1]


def test_a_word_that_is_no_tag_is_told(tmp_path):
    vectors = write_vectors(tmp_path / "small.kv", make_model())
    with served(make_index(vectors_file=vectors)) as port:
        _, answer = search(port, "jazz:2, blue:0.5")
        assert answer["notes"] == ["“blue” is no tag; its word vector says what it means"]
        _, answer = search(port, "blue jazz")
        says = "“blue jazz” is no tag; it is read as blue + jazz, and their word vectors say"
        assert answer["notes"][0].startswith(says)
        assert "has a minus" in search(port, "blue -jazz")[1]["error"]
        status, answer = search(port, "rainy")
        assert status == 400 and "“rainy” is no tag, and its meaning is not" in answer["error"]


def test_ids_that_look_like_weights_and_tags_with_commas():
    songs = [IndexedSong(song_id) for song_id in ("a:0", "b:-1", "c")]
    with served(make_index(3, songs, tags=["r&b, soul", "soul", "sad"])) as port:
        for song in songs:
            status, answer = search(port, like=song.song_id)
            assert (status, answer["labels"]) == (200, [f"like {song.song_id}"])
            assert search(port, "sad", like=f"{song.song_id}:-1")[0] == 200
        _, answer = search(port, "r&b, soul:2, sad")
        assert answer["labels"] == ["r&b, soul:2", "sad"] and answer["notes"] == []


def test_audio_whole_and_in_ranges(port, index):
    address = search(port, "sad")[1]["hits"][0]["audio"]
    whole = (index.folder.parent / "tone.wav").read_bytes()
    status, head, body = get(port, f"/{address}")
    assert (status, body) == (200, whole)
    assert head["content-type"].startswith("audio/") and head["accept-ranges"] == "bytes"
    status, head, body = get(port, f"/{address}", Range="bytes=100-199")
    assert (status, body) == (206, whole[100:200])
    assert head["content-range"] == f"bytes 100-199/{len(whole)}"
    assert get(port, f"/{address}", Range="bytes=-5")[2] == whole[-5:]
    assert get(port, f"/{address}", Range=f"bytes={len(whole)}-")[0] == 416


@pytest.mark.parametrize("ranges", ["items=0-5", "bytes=0-5,99999999-", "bytes=-", "a", ""])
def test_other_ranges_than_one_get_the_whole(port, index, ranges):
    address = search(port, "sad")[1]["hits"][0]["audio"]
    status, _, body = get(port, f"/{address}", Range=ranges)
    assert (status, body) == (200, (index.folder.parent / "tone.wav").read_bytes())


@pytest.mark.parametrize(
    "target",
    [
        "/audio/../audio/a",
        "/audio/..%2f..%2fetc%2fpasswd",
        "/audio/%2Fetc%2Fpasswd",
        "/audio//etc/passwd",
        "/audio/../../../../../../etc/passwd",
        "/audio/",
        "/audio/no-such-song",
        "/audio/%00",
        "/audio/%ff%fe",
        "/../page.py",
        "/..%2fpage.py",
        "/%2e%2e/page.py",
        "/page.py",
    ],
)
def test_other_files_are_not_given_out(port, target):
    assert get(port, target)[0] == 404


def test_the_path_of_a_song_is_no_address_of_it(port, index):
    file = index.folder.parent / "tone.wav"
    assert file.is_file()
    assert (
        get(port, f"/audio/{file}")[0] == get(port, f"/audio/{quote(str(file), safe='')}")[0] == 404
    )


def test_what_an_index_names_must_be_audio_that_is_there(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    named = [str(tmp_path / "secret.txt"), str(tmp_path / "gone.wav"), str(tmp_path), ""]
    songs = [IndexedSong(f"S{number}", "", "", audio) for number, audio in enumerate(named)]
    with served(make_index(4, songs)) as port:
        assert [get(port, f"/audio/S{number}")[0] for number in range(4)] == [404] * 4
        assert not ask(port, "/about")[1]["has_audio"]
        assert {hit["audio"] for hit in search(port, "sad")[1]["hits"]} == {""}
        assert get(port, "/playlist.m3u8?words=sad")[2].count(b"http") == 0


def test_playlist(port):
    status, head, body = get(port, "/playlist.m3u8?words=sad&top=2")
    assert status == 200 and head["content-disposition"] == 'attachment; filename="songs.m3u8"'
    lines = body.decode().splitlines()
    assert lines[:2] == ["#EXTM3U", "#PLAYLIST:sad"] and len(lines) == 6
    address = lines[3].removeprefix(f"http://127.0.0.1:{port}")
    assert get(port, address)[0] == 200


def test_map(port, index):
    status, places = ask(port, "/map")
    assert status == 200
    assert [song[3] for song in places["songs"]] == [song.song_id for song in index.songs()]
    assert [tag[2] for tag in places["tags"]] == index.model.tags


def test_page_takes_nothing_from_elsewhere(port):
    text = ""
    for name in ("", "page.js", "map.js", "words.js", "elements.js", "sound.js", "page.css"):
        status, _, body = get(port, f"/{name}")
        assert status == 200
        text += body.decode()
    assert "default-src 'self'" in text
    for sign in ("http:", "https:", "//cdn", "@import", "innerHTML", "insertAdjacentHTML"):
        assert sign not in text


def test_other_names_of_the_host_are_refused(port):
    assert get(port, "/about", Host="evil.example")[0] == 400


# ---------------------------------------------------------------- the command


def test_mistakes_of_the_command(tmp_path):
    def wrong(*arguments):
        return run_command(ROOT / "retrieve.py", "serve", *arguments)

    folder = make_index(folder=tmp_path / "songs.index").folder
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = wrong(folder, "--port", str(port))
        says = f"port {port} of 127.0.0.1 cannot be listened on (Address already in use): give"
        assert_user_error(taken, says)
    assert_user_error(wrong(folder, "--port", "99999"), "port 99999", "(ports end at 65535)")
    assert_user_error(wrong(folder, "--port", "web"), "--port must be a whole number")
    for name in ("no.such.invalid", "a..b"):
        assert_user_error(wrong(folder, "--host", name), f"port 7860 of {name} cannot be")
    assert_user_error(wrong(folder, "--host", ""), "--host is empty")
    assert_user_error(wrong(tmp_path / "none"), "cannot be read")
    (folder / "index.json").write_text("{}")
    assert_user_error(wrong(folder), "is no index, or is damaged")


@pytest.mark.parametrize(
    ("sent", "code", "word"),
    [([signal.SIGINT] * 2, 130, "interrupted"), ([signal.SIGTERM], 143, "terminated")],
)
def test_stopped_it_says_one_word(tmp_path, sent, code, word):
    folder = make_index(folder=tmp_path / "songs.index").folder
    command = [sys.executable, "-u", str(ROOT / "retrieve.py"), "serve", str(folder), "--port=0"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, cwd=ROOT) as server:
        assert any("Ctrl-C ends it" in line for line in server.stdout)
        time.sleep(0.3)
        for one in sent:
            server.send_signal(one)
            time.sleep(0.1)
        _, said = server.communicate(timeout=60)
    assert (server.returncode, said) == (code, f"{word}\n")


def has_ipv6():
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_an_address_of_ipv6(monkeypatch, capsys):
    places = []
    monkeypatch.setattr(
        "uvicorn.Server.run", lambda _, sockets: places.extend(one.getsockname() for one in sockets)
    )
    serve_page(Searcher(make_index()), "::1", 0)
    [(address, port, *_)] = places
    *_, on_words, on_page = capsys.readouterr().out.splitlines()
    assert (address, on_page) == ("::1", f"http://[::1]:{port}/ is the page; Ctrl-C ends it")
    assert "searches for tags alone, unless --vectors FILE is given" in on_words


def test_names_of_this_machine(index):
    with served(index, LOCAL_NAMES) as port:
        for name in ("[::1]:80", "[::1]", "localhost:80", "127.0.0.1"):
            assert get(port, "/about", Host=name)[0] == 200
        assert get(port, "/about", Host="evil.example")[0] == 400


def test_a_package_that_is_missing(tmp_path):
    folder = make_index(folder=tmp_path / "songs.index").folder
    script = (
        "import sys, runpy; sys.modules['starlette'] = None; "
        f"sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['retrieve.py', 'serve', {str(folder)!r}]; "
        f"runpy.run_path({str(ROOT / 'retrieve.py')!r}, run_name='__main__')"
    )
    assert_user_error(run_command("-c", script), "pip install 'starlette>=1.3,<2' uvicorn")
