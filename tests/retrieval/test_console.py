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
    ],
)
def test_an_option_without_its_value_is_told(typed, option):
    with pytest.raises(UserError, match=f"^{option} needs a value"):
        arguments_of(typed)
