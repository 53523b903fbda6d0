"""Which songs step 4 takes, from where, what it skips and refuses."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_samples import chords, song_mel, write_damaged, write_music, write_songs
from dataset.files import read_tsv
from dataset.mel_index import FRAMES, INDEX, PARTS, read_index
from dataset.mel_store import REPORT, open_mel_store, same_audio, skipped_songs
from dataset.writing import write_about, write_split, write_tsv
from errors import UserError
from mel_samples import all_frames
from preprocessing.mel import sources
from preprocessing.mel.mel_writing import write_from_audio
from preprocessing.mel.sources import TIMES, digest_of


def map_here(function, tasks, preload=()):
    """Processes have tests of their own; here they would only take time."""
    from preprocessing.mel.worker_pool import attempt

    for task in tasks:
        yield attempt(function, task)


def run(directory: Path, audio_path: Path | None = None, strict: bool = False) -> None:
    write_from_audio(directory, audio_path, map_here, strict)


def content(directory: Path) -> dict[str, bytes]:
    files = [*directory.glob("mel*"), directory / "dataset.json"]
    return {file.name: file.read_bytes() for file in files if file.is_file()}


def songs_of(directory: Path) -> list[str]:
    return open_mel_store(directory, []).song_ids


def test_the_store_holds_the_spectrogram_of_each_song(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("progress.LINE_EVERY", 0.0)
    directory = write_music(tmp_path / "data", n_songs=3)
    run(directory)
    store = open_mel_store(directory, [])
    assert store.song_ids == ["S000", "S001", "S002"]
    mels = [song_mel(directory / f"audio/{number}.wav") for number in range(3)]
    np.testing.assert_array_equal(all_frames(store), np.concatenate(mels))
    assert skipped_songs(directory) == {}
    about = json.loads((directory / "dataset.json").read_text())["steps"]["step4"]
    assert (about["made_from"], about["songs"], about["skipped"]) == ("audio", 3, 0)
    said = capsys.readouterr()
    assert said.out.startswith("3 songs") and "hours of audio a second" in said.out
    assert "spectrograms: 3 of 3" in said.err and "hours of audio/s" in said.err


def test_what_a_stopped_run_on_spark_had_begun_goes(tmp_path):
    directory = write_music(tmp_path / "data", n_songs=1)
    left = directory / PARTS / ".left" / "part-0"
    left.mkdir(parents=True)
    run(directory)
    assert list((directory / PARTS).iterdir()) == [] and songs_of(directory) == ["S000"]


def test_a_second_run_adds_only_what_is_new(tmp_path, capsys):
    directory = write_music(tmp_path / "data", n_songs=4)
    files = {f"S{number:03}": f"audio/{number}.wav" for number in range(4)}
    write_songs(directory, {name: files[name] for name in ("S002", "S000")})
    run(directory)
    before = (directory / FRAMES).read_bytes()
    write_songs(directory, files)
    run(directory)
    assert songs_of(directory) == ["S002", "S000", "S001", "S003"]
    assert (directory / FRAMES).read_bytes()[128 : len(before)] == before[128:]
    capsys.readouterr()
    whole = content(directory)
    run(directory)
    assert content(directory) == whole
    assert capsys.readouterr().out == "4 songs were there already\n"


def test_after_the_split_only_its_songs_are_taken(tmp_path):
    directory = write_music(tmp_path / "data", n_songs=4)
    splits = {"train": np.array([0]), "valid": np.array([1]), "test": np.array([2])}
    write_split(directory, ["a tag"], ["S003", "S000", "S002"], np.ones((3, 1)), splits)
    run(directory)
    assert songs_of(directory) == ["S003", "S000", "S002"]


def test_damaged_files_are_skipped_and_reported(tmp_path, capsys):
    reasons = write_damaged(tmp_path / "data")
    soundfile.write(tmp_path / "data" / "good.wav", chords(1), 22050)
    files = {f"id of {name}": name for name in reasons} | {"no file": None, "good": "good.wav"}
    run(write_songs(tmp_path / "data", files))
    assert songs_of(tmp_path / "data") == ["good"]
    skipped = skipped_songs(tmp_path / "data")
    assert list(skipped) == list(files)[:-1]
    for name, reason in reasons.items():
        assert reason in skipped[f"id of {name}"]
    assert skipped["no file"] == "no audio file in songs.tsv"
    report = (tmp_path / "data" / REPORT).read_text()
    assert (
        f"id of noise.flac\t{tmp_path / 'data' / 'noise.flac'}\tnot readable as flac: damaged"
        in report
    )
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("3 of 16 songs have no file: ")
    assert said[2].startswith("15 songs skipped: ") and "mel_skipped.tsv" in said[2]


@pytest.mark.parametrize("name", ["silent.wav", "text.mp3", "missing.wav", "folder.wav", None])
def test_strict_makes_each_an_error(tmp_path, name):
    write_damaged(tmp_path / "data")
    soundfile.write(tmp_path / "data" / "good.wav", chords(1), 22050)
    directory = write_songs(tmp_path / "data", {"good": "good.wav", "bad": name})
    with pytest.raises(UserError, match=rf"1 songs cannot be read: .*{name or 'bad'}"):
        run(directory, strict=True)
    assert not (directory / REPORT).exists()
    run(directory)
    run(write_songs(directory, {"good": "good.wav"}), strict=True)


def test_a_repaired_file_leaves_the_report(tmp_path):
    directory = write_music(tmp_path / "data", n_songs=3)
    song = (directory / "audio/1.wav").read_bytes()
    (directory / "audio/1.wav").write_bytes(song[:100])
    run(directory)
    assert skipped_songs(directory).keys() == {"S001"}
    (directory / "audio/1.wav").write_bytes(song)
    run(directory)
    assert skipped_songs(directory) == {}
    assert songs_of(directory) == ["S000", "S002", "S001"]


def test_the_report_keeps_songs_of_other_runs(tmp_path):
    directory = write_music(tmp_path / "data", n_songs=2)
    write_tsv(directory / REPORT, [("S001", "old", "old"), ("other", "o.mp3", "silent")])
    run(directory)
    assert skipped_songs(directory) == {"other": "silent"}


@pytest.mark.parametrize("where", ["argument", "noted", "noted whole", "data_path", "absolute"])
def test_where_relative_paths_start(tmp_path, where):
    directory = write_music(tmp_path / "data", n_songs=1)
    audio = directory / "audio"
    file = {"data_path": "audio/0.wav", "absolute": str(audio / "0.wav")}.get(where, "0.wav")
    write_songs(directory, {"S000": file})
    if where == "noted":
        write_about(directory, directory, "step0", {"audio_path": "audio"})
    if where == "noted whole":
        write_about(directory, directory, "step0", {"audio_path": str(audio)})
    if where == "argument":
        write_about(directory, directory, "step0", {"audio_path": "elsewhere"})
    run(directory, audio if where == "argument" else None)
    assert songs_of(directory) == ["S000"]


def test_no_songs_file(tmp_path):
    with pytest.raises(UserError, match=r"songs\.tsv is missing"):
        run(tmp_path)


def test_no_audio_at_all(tmp_path):
    directory = write_songs(tmp_path / "data", {"A": None, "B": None})
    with pytest.raises(UserError, match="names no audio file"):
        run(directory)


def test_none_of_the_files_exists(tmp_path):
    files = {f"S{number}": f"{number}.mp3" for number in range(9)}
    directory = write_songs(tmp_path / "data", files)
    with pytest.raises(UserError, match=r"none of the 9 .*0\.mp3, .* and 6 more.*AUDIO_PATH"):
        run(directory)
    assert content(directory) == {}


def test_a_finished_store_does_without_the_audio(tmp_path):
    directory = write_music(tmp_path / "data", n_songs=2)
    run(directory)
    for file in (directory / "audio").iterdir():
        file.unlink()
    run(directory)
    assert songs_of(directory) == ["S000", "S001"]


def test_nothing_readable_leaves_nothing(tmp_path):
    write_damaged(tmp_path / "data")
    directory = write_songs(tmp_path / "data", {"A": "song.raw", "B": "nan.wav"})
    with pytest.raises(UserError, match=r"none of 2 .*raw is no format .* wav, flac.*NaN"):
        run(directory)
    assert content(directory) == {}


def test_other_audio_under_the_same_name(tmp_path):
    directory = write_music(tmp_path / "data", n_songs=2)
    run(directory)
    before = content(directory)
    soundfile.write(directory / "audio/1.wav", chords(3, seed=9), 22050)
    with pytest.raises(UserError, match=r"1 songs \(S001\) have another size"):
        run(directory)
    assert content(directory) == before


@pytest.mark.parametrize("seconds_later", [3600, -3600, 0])
def test_other_audio_of_the_same_size(tmp_path, seconds_later):
    """Also an older file, moved there; and one of the same time where no time was noted."""
    directory = write_music(tmp_path / "data", n_songs=2)
    run(directory)
    before = content(directory)
    file = directory / "audio/1.wav"
    time = file.stat().st_mtime
    soundfile.write(file, chords(0.55, seed=9), 22050, subtype="FLOAT")
    os.utime(file, (time, time + seconds_later))
    if not seconds_later:
        (directory / TIMES).unlink()
        del before[TIMES]
    with pytest.raises(UserError, match=r"1 songs \(S001\) have another size or content"):
        run(directory)
    assert content(directory) == before


def test_copied_files_are_compared_once_and_not_computed_again(tmp_path, monkeypatch):
    directory = write_music(tmp_path / "data", n_songs=3)
    run(directory)
    for number in range(2):
        os.utime(directory / f"audio/{number}.wav", (1, 1))
    compared = []

    def watched(file: Path) -> str:
        compared.append(file.name)
        return digest_of(file)

    monkeypatch.setattr(sources, "digest_of", watched)
    index = (directory / INDEX).read_bytes()
    for _ in range(2):
        run(directory)
    assert compared == ["0.wav", "1.wav"] and (directory / INDEX).read_bytes() == index


def test_a_store_from_before_contents_were_noted_goes_on(tmp_path):
    directory = write_music(tmp_path / "data", n_songs=3)
    shutil.copy(directory / "audio/0.wav", directory / "audio/1.wav")
    files = {f"S{number:03}": f"audio/{number}.wav" for number in range(3)}
    run(write_songs(directory, {name: files[name] for name in ("S000", "S001")}))
    assert same_audio(directory) == [["S000", "S001"]]
    write_tsv(directory / INDEX, [row[:4] for row in read_tsv(directory / INDEX, 6)])
    (directory / TIMES).unlink()
    run(write_songs(directory, files))
    assert songs_of(directory) == ["S000", "S001", "S002"]
    assert [bool(song.digest) for song in read_index(directory)] == [False, False, True]
    assert same_audio(directory) == []


@pytest.mark.parametrize("test_song", ["S001", "S002"])
def test_the_same_audio_twice_is_told(tmp_path, capsys, test_song):
    directory = write_music(tmp_path / "data", n_songs=4)
    shutil.copy(directory / "audio/0.wav", directory / "audio/1.wav")
    run(directory)
    assert same_audio(directory) == [["S000", "S001"]]
    said = capsys.readouterr().out
    assert "1 songs are bit for bit the same audio as another: S000 = S001\n" in said
    ids = ["S000", "S001", "S002", "S003"]
    place = ids.index(test_song)
    rest = np.array([song for song in (1, 2) if song != place])
    splits = {"train": np.concatenate([[0], rest]), "valid": np.array([3])}
    write_split(directory, ["a"], ids, np.ones((4, 1)), splits | {"test": np.array([place])})
    run(directory)
    said = capsys.readouterr().out
    torn = "S000 (train) = S001 (test)\n1 such groups lie in several parts of the split"
    assert (torn in said) == (test_song == "S001")


def test_what_was_cut_or_repaired_is_told_and_kept(tmp_path, capsys):
    directory = write_music(tmp_path / "data", n_songs=3, seconds=3)
    file = directory / "audio/1.wav"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    run(directory)
    note = "cut short: 1.5 of 3.0 s"
    assert [song.note for song in read_index(directory)] == ["", note, ""]
    said = capsys.readouterr().out
    assert f"1 songs cut or repaired: S001 ({note}); mel_songs.tsv lists them all" in said
    assert skipped_songs(directory) == {}


def test_a_song_twice(tmp_path):
    directory = write_music(tmp_path / "data", n_songs=1)
    write_tsv(directory / "songs.tsv", [("A", "", "", "audio/0.wav")] * 2)
    with pytest.raises(UserError, match="lists a song twice"):
        run(directory)


def test_a_song_id_that_would_break_the_index(tmp_path):
    directory = write_music(tmp_path / "data", n_songs=1)
    splits = {name: np.array([0]) for name in ("train", "valid", "test")}
    write_split(directory, ["a"], ["S000", "S\t1"], np.ones((2, 1)), splits)
    with pytest.raises(UserError, match="tab or line break"):
        run(directory)
