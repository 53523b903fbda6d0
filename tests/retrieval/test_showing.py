"""Tables and playlists of songs found."""

import pytest

from dataset.files import read_tsv
from errors import UserError
from index_samples import TAGS, make_index
from retrieval.search import Searcher
from retrieval.showing import hits_table, result_file, write_hits
from retrieval.song_index import IndexedSong

NAMES = [
    IndexedSong("A", "Ann", "First", "/a.mp3"),
    IndexedSong("B", "", "Second"),
    IndexedSong("C", "", "", "/c.mp3"),
]


def found(index, words, top=10, **asked):
    searcher = Searcher(index)
    wanted = searcher.wanted(words, **asked)
    return wanted, searcher.search(wanted, top)


def test_the_table():
    index = make_index(3, NAMES)
    lines = hits_table(index, *found(index, "jazz", 2)).splitlines()
    assert lines[0].split() == ["score", "song", "tags"]
    assert lines[1].split() == ["1", "1.000", "Second", "jazz"]
    lines = hits_table(index, *found(index, "jazz:2", 2, like=["A"], without="sad")).splitlines()
    cells = [cell.strip() for cell in lines[0].split("  ") if cell.strip()]
    assert cells == ["score", "jazz:2", "like Ann - First", "not sad", "song", "tags"]
    assert lines[0].index("song") == lines[1].index("Second")
    untagged = make_index(3, has_tags=False)
    assert "tags" not in hits_table(untagged, *found(untagged, "jazz"))


def test_tags_asked_for_come_first_and_many_are_counted():
    index = make_index(1, tags=[*TAGS, "live", "loud"])
    index.parts[0].song_tags = index.parts[0].song_tags | 255
    for words in ("SAD", "sad:2"):
        table = hits_table(index, *found(index, words))
        assert table.endswith("sad, Blues, jazz, smooth jazz and 2 more")
    table = hits_table(index, *found(index, "loud:2", without="sad"))
    assert table.endswith("loud, Blues, jazz, smooth jazz and 2 more")


def test_tags_that_all_answers_bear_come_first_too():
    index = make_index(1, tags=[*TAGS, "live", "loud"])
    index.parts[0].song_tags = index.parts[0].song_tags | 255
    table = hits_table(index, *found(index, "jazz"), only_tags=["LOUD"])
    assert table.endswith("jazz, loud, Blues, smooth jazz and 2 more")


def test_ids_are_shown_where_no_tags_are_known_and_songs_have_names():
    index = make_index(3, NAMES, has_tags=False)
    lines = hits_table(index, *found(index, "jazz")).splitlines()
    assert lines[0].split() == ["score", "song", "id"]
    shown = {line.split()[-1] for line in lines[1:]}
    assert shown == {"A", "B", "C"} and any("Ann - First" in line for line in lines)
    nameless = make_index(2, [IndexedSong("A"), IndexedSong("B")], has_tags=False)
    lines = hits_table(nameless, *found(nameless, "jazz")).splitlines()
    assert lines[0].split()[-1] == "song" and {line.split()[-1] for line in lines[1:]} == {"A", "B"}


def test_names_of_any_script_keep_the_columns_and_steer_no_terminal():
    strange = [
        IndexedSong("A", "日本語の歌手", "ガ"),
        IndexedSong("B", "Bjo\u0308rk", "Jo\u0301ga"),
        IndexedSong("C", "\x1b[31mred", "\x1b]0;owned\x07"),
        IndexedSong("D", "", "x" * 300),
    ]
    text = hits_table(index := make_index(4, strange), *found(index, "jazz"))
    assert "\x1b" not in text and "\x07" not in text
    lines = text.splitlines()
    place = lines[0].index("tags")  # of a terminal, counted by hand: two for each of 7 letters
    wide, accents = (next(one for one in lines if name in one) for name in ("日本", "rk -"))
    assert wide[: wide.index("ガ") + 1].endswith("日本語の歌手 - ガ")
    assert len(wide[: place - 7].rstrip()) < len(wide) and wide[place - 7 - 1] == " "
    assert wide[place - 7 :].split(",")[0] in TAGS and accents[place + 2 :].split(",")[0] in TAGS
    assert max(map(len, lines)) < 120 and "xxx…" in text


@pytest.fixture
def names(tmp_path):
    """`NAMES`, with files that are there."""
    for name in ("a.mp3", "c.mp3"):
        (tmp_path / name).touch()
    return [one._replace(audio=one.audio and f"{tmp_path}{one.audio}") for one in NAMES]


def test_written_as_table_and_playlist(names, tmp_path, capsys):
    index = make_index(3, names)
    wanted, hits = found(index, "Blues", 3)
    write_hits(index, wanted, hits, tmp_path / "found.tsv")
    rows = read_tsv(tmp_path / "found.tsv", 6)
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert rows[0] == ["1", f"{hits[0].score:.6f}", *names[0][:4]]
    write_hits(index, found(index, "Blues, sad")[0], hits[:1], tmp_path / "found.m3u")
    text = (tmp_path / "found.m3u").read_text()
    assert text == (f"#EXTM3U\n#PLAYLIST:Blues, sad\n#EXTINF:-1,Ann - First\n{tmp_path}/a.mp3\n")
    assert capsys.readouterr().out == ""
    cafe = [wanted[0]._replace(label="café")]
    for name, says in (("found.m3u", "found.m3u is UTF-8"), ("found.m3u8", "")):
        write_hits(index, cafe, hits[:1], tmp_path / name)
        assert "#PLAYLIST:café\n" in (tmp_path / name).read_text(encoding="utf-8")
        told = capsys.readouterr().out
        assert says in told and bool(told) == bool(says)
    silent = make_index(3)
    with pytest.raises(UserError, match="names no audio file"):
        write_hits(silent, wanted, hits, tmp_path / "none.m3u")
    assert not (tmp_path / "none.m3u").exists()


def test_where_songs_found_can_be_written(tmp_path):
    for name in ("a.tsv", "a.M3U8", "a.TSV"):
        assert result_file(str(tmp_path / name)) == tmp_path / name
    with pytest.raises(UserError, match=r"a\.txt must end in \.tsv, for a table, or \.m3u"):
        result_file(str(tmp_path / "a.txt"))
    assert list(tmp_path.iterdir()) == []


def test_a_playlist_is_without_files_that_are_missing(names, tmp_path, capsys):
    index = make_index(3, names)
    wanted, hits = found(index, "Blues", 3)
    to = tmp_path / "found.m3u8"
    write_hits(index, wanted, hits, to)
    said = capsys.readouterr().out
    assert said == "1 of 3 songs left out of the playlist, for its file is missing: Second\n"
    (tmp_path / "a.mp3").unlink()
    write_hits(index, wanted, hits, to)
    said = capsys.readouterr().out
    assert said.startswith("2 of 3 songs left out of the playlist, for their files are missing: ")
    assert [line for line in to.read_text().splitlines() if line[0] != "#"] == [names[2].audio]
    (tmp_path / "c.mp3").unlink()
    with pytest.raises(UserError, match=r"no file of the songs found is where it was .*--add"):
        write_hits(index, wanted, hits, tmp_path / "none.m3u8")
    assert not (tmp_path / "none.m3u8").exists()
    write_hits(index, wanted, hits, tmp_path / "found.tsv")
    assert len(read_tsv(tmp_path / "found.tsv", 6)) == 3


def test_no_column_steers_a_terminal():
    odd = "\x1b[31m\u202e\x9b\x07"
    songs = [IndexedSong(f"S{n}{odd}", "", f"T{n}{odd}") for n in range(2)]
    for has_tags in (True, False):
        index = make_index(2, songs, has_tags, tags=[f"jazz{odd}", "sad"])
        table = hits_table(index, *found(index, "sad", like=[songs[0].song_id]))
        assert all(letter == "\n" or letter.isprintable() for letter in table)
