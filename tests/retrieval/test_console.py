"""Options that stand several times, by their short names too, each with a value."""

import pytest

from errors import UserError
from retrieval.console import arguments_of


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("search i jazz, sad --top 3", "search i jazz, sad --top 3"),
        ("search i --like A --like=B", "search i --like=A|B"),
        (
            "search i -l A -l B -w sad --not calm -o x",
            "search i --like=A|B --without=sad|calm --only_tag=x",
        ),
        ("search i --only-tag x --artist-limit 2", "search i --artist_limit 2 --only_tag=x"),
        ("radio i --not sad -l 3", "radio i -l 3 --without=sad"),
        ("index m d i --index=flat --is-subset", "index m d i --by=flat --is_subset"),
        ("search i --not -5", "search i --without=-5"),
        ("search my-index a-b", "search my-index a-b"),
        ("remove i A --song=-rf.mp3 --song -b", "remove i A --song=-rf.mp3|-b"),
        ("remove i --help", "remove i --help"),
        ("serve i --not sad", "serve i --not sad"),  # as typed, where it is not understood
    ],
)
def test_what_fire_gets(typed, understood):
    expected = [word.replace("|", "\n") for word in understood.split(" ")]
    assert arguments_of(typed.split(" ")) == expected


@pytest.mark.parametrize(
    ("typed", "option"),
    [
        (["search", "i", "jazz", "--not"], "--not"),
        (["search", "i", "--like", "--top", "2"], "--like"),
        (["search", "i", "--only-tag="], "--only-tag"),
        (["search", "i", "--like", " "], "--like"),
        (["search", "i", "-w"], "-w"),
        (["index", "i", "--index"], "--index"),
        (["merge", "--index", "--by=flat"], "--index"),
    ],
)
def test_an_option_without_its_value_is_told(typed, option):
    with pytest.raises(UserError, match=f"^{option} needs a value"):
        arguments_of(typed)


@pytest.mark.parametrize("option", ["--index", "--index=hnsw"])
@pytest.mark.parametrize("command", ["search", "radio", "serve", "export"])
def test_how_to_look_is_said_as_the_index_is_made(command, option):
    with pytest.raises(UserError, match=r"^--index is an option of `index` and `merge` alone"):
        arguments_of([command, "i", option, "hnsw"])


@pytest.mark.parametrize("song_id", ["-rf.mp3", "--x.mp3", "-"])
def test_a_song_that_looks_like_an_option_is_told(song_id):
    with pytest.raises(UserError, match=f"begins with a dash as --song={song_id}$"):
        arguments_of(["remove", "i", song_id])
