"""What an index keeps of a folder of audio: times of files, and what was left out or cut."""

import pytest

from dataset.files import read_tsv
from retrieval.embedded_songs import OfFolder
from retrieval.folder_report import REPORT, TIMES, read_times, write_report
from retrieval.song_index import IndexedSong


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my.index").mkdir()
    return tmp_path / "my.index"


def test_all_files_left_out_or_cut_are_listed_and_three_are_shown(folder, tmp_path, capsys):
    left_out = {tmp_path / f"{n}\n\x1b[31m.mp3": "silent" for n in range(5)}
    repaired = {tmp_path / "cut.mp3": "cut short: 2.4 of 5.0 s"}
    heard = [*left_out, *repaired, tmp_path / "good.mp3"]
    of_folder = OfFolder(heard=heard, left_out=left_out, repaired=repaired)
    write_report(folder, of_folder, is_anew=True)
    first, second = capsys.readouterr().out.split("\n")[:-1]
    assert first.startswith(f"5 of 7 files left out: {tmp_path}/0\\n\\x1b[31m.mp3 (silent), ")
    assert first.endswith(f" and 2 more; {folder / REPORT} lists them all")
    assert second == (
        f"1 songs cut or repaired: {tmp_path}/cut.mp3 (cut short: 2.4 of 5.0 s); {folder / REPORT} "
        "lists them all"
    )
    rows = read_tsv(folder / REPORT, 3)
    assert rows[4] == [f"{tmp_path}/4\\n\\x1b[31m.mp3", "left out", "silent"]
    assert rows[5] == [f"{tmp_path}/cut.mp3", "cut or repaired", "cut short: 2.4 of 5.0 s"]


def test_what_is_said_of_other_files_stays_until_the_index_is_made_anew(folder, tmp_path):
    a, b, c = (tmp_path / name for name in ("a.mp3", "b.mp3", "c.mp3"))
    for file in (a, b, c):
        file.touch()
    left_out = {a: "silent", b: "silent", c: "silent"}
    write_report(folder, OfFolder((), frozenset(), {"A": "1 2"}, [a, b, c], left_out), True)
    c.unlink()
    write_report(folder, OfFolder((), frozenset(), {"B": "3 4"}, [b], {}), False)
    assert read_tsv(folder / REPORT, 3) == [[str(a), "left out", "silent"]]
    assert read_times(folder) == {"A": "1 2", "B": "3 4"}
    (folder / TIMES).write_bytes(b"\xff")
    assert read_times(folder) == {}
    write_report(folder, OfFolder(), True)
    assert not list(folder.iterdir())


def test_songs_without_a_file_are_told_with_the_command_that_takes_them_out(folder, capsys):
    def told(*song_ids):
        missing = [IndexedSong(one, audio=f"/gone/{one}") for one in song_ids]
        write_report(folder, OfFolder(missing=missing), is_anew=False)
        rows = read_tsv(folder / REPORT, 3) if missing else []
        assert rows == [[f"/gone/{one}", "missing", f"song {one}"] for one in song_ids]
        return capsys.readouterr().out

    lists = f"{folder / REPORT} lists them all; take out what is gone for good: "
    remove = f"python -u retrieve.py remove {folder}"
    one = f"1 song whose file is missing: 1.wav; {lists}{remove} 1.wav\n"
    assert told("1.wav") == told("1.wav") == one
    two = told("a b.wav", "-c.wav")
    assert two.startswith("2 songs whose files are missing: a b.wav, -c.wav; ")
    assert two.endswith(f": {remove} 'a b.wav' --song=-c.wav\n")
    four = told("1", "2", "3", "4")
    assert four == f"4 songs whose files are missing: 1, 2, 3 and 1 more; {lists}{remove} SONG...\n"
    assert told() == "" and not (folder / REPORT).exists()
