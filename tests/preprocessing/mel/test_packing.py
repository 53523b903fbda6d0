"""Step 4's `pack`: the published layout to the packed store."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_samples import chords, write_songs
from dataset.files import TRACK_TAGS
from dataset.mel_index import INDEX
from dataset.mel_store import N_MELS, open_mel_store, skipped_songs
from errors import UserError
from preprocessing.mel.mel_writing import write_from_audio, write_from_published
from preprocessing.mel.worker_pool import map_in_order


def content(directory: Path) -> dict[str, bytes]:
    files = [*directory.glob("mel*"), directory / "dataset.json"]
    return {file.name: file.read_bytes() for file in files}


def write_published(directory: Path, mels: dict[str, np.ndarray]) -> Path:
    for song_id, mel in mels.items():
        folder = directory.joinpath("spec", *song_id[2:5])
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{song_id}.npy", mel)
    return directory


def test_packing_changes_nothing_but_the_form(tmp_path):
    rng = np.random.default_rng(0)
    mels = {
        f"TR{name}": rng.uniform(-100, 30, (N_MELS, length)).astype(np.float32)
        for name, length in (("BBB1", 7), ("AAA1", 300), ("AAA2", 1))
    }
    directory = write_published(tmp_path / "data", mels)
    published = open_mel_store(directory, mels)
    write_from_published(directory)
    packed = open_mel_store(directory, mels)
    assert packed.song_ids == ["TRAAA1", "TRAAA2", "TRBBB1"]
    for row, song_id in enumerate(packed.song_ids):
        there = published.song(published.song_ids.index(song_id))
        np.testing.assert_array_equal(packed.song(row), there.astype(np.float16))
        np.testing.assert_array_equal(there, mels[song_id].T)
    before = content(directory)
    write_from_published(directory)
    assert content(directory) == before
    with pytest.raises(UserError, match="made from published files"):
        soundfile.write(directory / "a.wav", chords(1), 22050)
        write_from_audio(
            write_songs(directory, {"A": "a.wav"}), None, partial(map_in_order, n_processes=1)
        )


def test_packing_skips_what_is_damaged(tmp_path):
    good = np.zeros((N_MELS, 5), np.float32)
    mels = {"TRAAA1": good, "TRAAA2": good[:96], "TRAAA3": good + np.nan, "TRAAA4": good + 1e9}
    directory = write_published(tmp_path / "data", mels)
    write_from_published(directory)
    assert open_mel_store(directory, []).song_ids == ["TRAAA1"]
    skipped = skipped_songs(directory)
    assert skipped.keys() == {"TRAAA2", "TRAAA3", "TRAAA4"}
    assert "(128, frames)" in skipped["TRAAA2"] and "infinite" in skipped["TRAAA4"]


def test_nothing_to_pack(tmp_path):
    (tmp_path / TRACK_TAGS).parent.mkdir()
    np.save(tmp_path / "spec.npy", np.zeros(3))
    with pytest.raises(UserError, match="no spectrogram in the published layout"):
        write_from_published(tmp_path)
    assert not (tmp_path / INDEX).exists()
