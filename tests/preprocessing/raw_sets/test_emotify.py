"""Emotify in small: the tracks 1, 101 and 399, written as the published files are."""

import pytest
import soundfile

from audio_samples import chords
from dataset.files import read_about, read_categories, read_tsv
from preprocessing.raw_sets.emotify import MOODS
from step0_runs import done_well, files_of, refused, step0, write_lines

HEADER = f"track id, genre, {', '.join(MOODS)}, mood, liked"


def answer(track: int, *moods: str) -> str:
    """What one annotator said."""
    return ",".join([str(track), "any", *(str(int(mood in moods)) for mood in MOODS), "3", "0"])


ANSWERS = [
    answer(1, "calmness", "joyful_activation"),
    answer(101, "power"),
    *[answer(1, "calmness")] * 3,
    answer(1),  # joyful_activation now has a fifth
    *[answer(101)] * 3,  # power has a quarter
    answer(399),
]


@pytest.fixture
def raw(tmp_path):
    raw = tmp_path / "raw"
    write_lines(raw / "data.csv", [HEADER, *ANSWERS], end="\r\n")
    for name in ("classical/1", "rock/1", "pop/99"):
        file = raw / "emotifymusic" / f"{name}.mp3"
        file.parent.mkdir(parents=True)
        with soundfile.SoundFile(file, "w", 44100, 2, format="MP3") as sound:
            sound.artist, sound.title = f"Artist of  {name}", "Title"
            sound.write(chords(0.5, 44100, 2))
    return raw


def test_everything_is_written(raw, tmp_path):
    data = tmp_path / "data"
    done_well(step0("emotify", raw, data))
    assert [row[:4] for row in read_tsv(data / "msd500/track_tags.tsv", 5)] == [
        ["1", "classical", "classical", "genre"],
        ["101", "rock", "rock", "genre"],
        ["399", "pop", "pop", "genre"],
        ["1", "calmness", "calmness", "mood/character"],
        ["101", "power", "power", "mood/character"],
    ]
    assert read_tsv(data / "songs.tsv", 4) == [
        ["1", "Artist of classical/1", "Title", "classical/1.mp3"],
        ["101", "Artist of rock/1", "Title", "rock/1.mp3"],
        ["399", "Artist of pop/99", "Title", "pop/99.mp3"],
    ]
    assert read_categories(data)["power"] == "mood/character"
    noted = read_about(data)["steps"]["step0"]
    assert (noted["set"], noted["audio_path"]) == ("emotify", "../raw/emotifymusic")


def test_shares_of_annotators_are_strengths(raw, tmp_path):
    write_lines(raw / "data.csv", [HEADER, *ANSWERS, answer(101, "calmness")], end="\r\n")
    told = done_well(step0("emotify", raw, tmp_path / "data"))
    assert "tag strengths: 2, 1 of them too weak for the song to bear the tag" in told
    rows = read_tsv(tmp_path / "data/tag_strengths.tsv", 3)
    assert rows == [["1", "calmness", "0.8"], ["101", "calmness", "0.2"]]  # power is no tag now


def test_the_folder_above_does_as_well(raw, tmp_path):
    (tmp_path / "repository").mkdir()
    raw.rename(tmp_path / "repository/data")
    done_well(step0("emotify", tmp_path / "repository", tmp_path / "data"))
    assert len(read_tsv(tmp_path / "data/songs.tsv", 4)) == 3


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (answer(401), "'401' as track id in line 12"),
        ("1,classical,2" + ",0" * 10, "'2' as amazement in line 12"),
        ("1,classical", "fields in line 12"),
        (answer(7), "lacks 1 songs (classical/7.mp3)"),
    ],
)
def test_a_damaged_table_is_refused(raw, tmp_path, line, words):
    write_lines(raw / "data.csv", [HEADER, *ANSWERS, line])
    assert refused(step0("emotify", raw, tmp_path / "data"), words, "get it from Emotify")


def test_a_damaged_song_and_no_table_are_refused(raw, tmp_path):
    (raw / "emotifymusic/rock/1.mp3").write_bytes(b"no music")
    assert refused(step0("emotify", raw, tmp_path / "data"), "rock/1.mp3 cannot be opened")
    (raw / "data.csv").unlink()
    assert refused(step0("emotify", raw, tmp_path / "data"), "data/data.csv is missing")
    assert not [name for name in files_of(tmp_path) if name.startswith("data/")]
