"""Songs of an index: embedded as the test embeds them, from a dataset or from a folder of audio."""

import shutil
import sys

import numpy as np
import pytest
import soundfile
import torch
from torch.nn import functional as F

from audio_samples import chords, write_damaged
from checkpoint import load_solver, open_trained
from data_loader import RetrievalData
from dataset.files import SONGS, SPLITS
from dataset.writing import write_tsv
from errors import UserError
from index_samples import train
from mel_chunks import spread_chunks
from model import SongInputs
from preprocessing.mel.mel_spectrogram import song_mel
from retrieval import embedding
from solver import cosine_similarity
from trainer import make_trainer


@pytest.fixture(scope="module")
def cultural(shared_dataset_dir, tmp_path_factory):
    return train(shared_dataset_dir, tmp_path_factory.mktemp("cf"), input_type="cf")


@pytest.fixture(scope="module")
def acoustic(audio_dataset_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spec")
    return train(audio_dataset_dir, folder, input_type="spec", input_length=128)


@pytest.fixture
def few_threads():
    n_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(n_threads)


def test_songs_of_all_splits_with_their_tags(cultural):
    index = embedding.index_songs(cultural, None)
    _, solver, _, dataset = open_trained(cultural)
    songs = np.sort(np.concatenate([dataset.splits[part] for part in SPLITS]))
    assert [song[0] for song in index.songs] == [dataset.song_ids[song] for song in songs]
    assert torch.equal(index.song_tags, torch.from_numpy(dataset.song_tags[songs]))
    assert (index.tags, index.vectors_file) == (dataset.tags, "")
    with torch.inference_mode():
        places = solver.model.embed_songs(
            SongInputs(cf=torch.from_numpy(dataset.vectors["cf"][songs]))
        )
        tags = solver.model.embed_tags(torch.from_numpy(dataset.tag_vectors))
    torch.testing.assert_close(index.embeddings, F.normalize(places))
    torch.testing.assert_close(
        index.similarities(index.tag_vectors), cosine_similarity(tags, places)
    )


def test_names_and_files_of_the_songs(cultural, shared_dataset_dir, tmp_path):
    data = shutil.copytree(shared_dataset_dir, tmp_path / "data")
    table = [("TRAAA00001", "Ann", "One", "audio/1.mp3"), ("TRAAA00002", "Bob", "Two", "")]
    write_tsv(data / SONGS, table)
    (data / "google_w2v").mkdir()
    (data / "google_w2v" / "small.kv").touch()
    index = embedding.index_songs(cultural | {"data_path": str(data)}, None)
    assert index.songs[1] == ["TRAAA00001", "Ann", "One", str(data / "audio/1.mp3")]
    assert index.songs[2] == ["TRAAA00002", "Bob", "Two", ""]
    assert index.songs[0] == ["TRAAA00000", "", "", ""]
    assert index.vectors_file == str(data / "google_w2v" / "small.kv")


def test_chunks_of_a_file_are_those_of_the_test_split(acoustic):
    _, _, options, dataset = open_trained(acoustic)
    data = RetrievalData(dataset, options)
    data.trainer = make_trainer(options, logger=False)
    data.setup("test")
    chunks = torch.cat([batch["spec"] for batch in data.test_dataloader()])  # (n, c, F, L)
    n_short = 0
    for song, expected in zip(dataset.splits["test"], chunks, strict=True):
        row = dataset.mel.rows_of([dataset.song_ids[song]])
        n_frames = int(dataset.mel.n_frames[row][0])
        mel = dataset.mel.song(row[0])
        n_short += n_frames < 128
        assert torch.equal(spread_chunks(mel, 128, 2), expected)
    assert n_short  # some were padded


def test_a_folder_of_audio(acoustic, tmp_path, capsys, few_threads):
    music = tmp_path / "music"
    (music / "good").mkdir(parents=True)
    reasons = write_damaged(music / "bad")
    (music / "two\nlines.wav").touch()
    (music / "caf\udce9.wav").touch()  # of Latin-1
    for name, seconds, rate in (("long.flac", 9, 44100), ("short.MP3", 1, 22050)):
        format_ = name.split(".")[1].upper()
        soundfile.write(music / "good" / name, chords(seconds, rate), rate, format=format_)
    sys.stdout.reconfigure(errors="backslashreplace")  # as commands do
    index = embedding.index_songs(acoustic, music)
    files = [music / "good" / "long.flac", music / "good" / "short.MP3"]
    assert index.songs == [
        ["good/long.flac", "", "long", str(files[0])],
        ["good/short.MP3", "", "short", str(files[1])],
    ]
    assert index.song_tags is None
    model = load_solver(acoustic["model_load_path"]).model
    for file, place in zip(files, index.embeddings, strict=True):
        chunks = spread_chunks(song_mel(file), 128, 2)
        with torch.inference_mode():
            expected = F.normalize(model.embed_songs(SongInputs(spec=chunks[None])))[0]
        torch.testing.assert_close(place, expected, rtol=0, atol=1e-5)
    said = capsys.readouterr().out
    readable = ("flac", "m4a", "mp3", "wav")  # by their names
    n_bad = sum(name.endswith(readable) and (music / "bad" / name).is_file() for name in reasons)
    assert f"{n_bad + 2} of {n_bad + 4} files left out: " in said
    assert "name is not UTF-8 on one line" in said


def test_folders_that_give_no_song(acoustic, cultural, tmp_path, few_threads):
    with pytest.raises(UserError, match="has no audio file"):
        embedding.index_songs(acoustic, tmp_path)
    (tmp_path / "text.mp3").write_text("no music")
    with pytest.raises(UserError, match="none of the 1 audio files"):
        embedding.index_songs(acoustic, tmp_path)
    with pytest.raises(UserError, match="a model of --input_type cf needs more than the audio"):
        embedding.index_songs(cultural, tmp_path)
