"""Songs of an index: embedded as the test embeds them, from a dataset or from a folder of audio."""

import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from torch.nn import functional as F

from audio_samples import chords, song_mel, write_damaged
from checkpoint import open_trained
from data_loader import RetrievalData
from dataset.files import SONGS, SPLITS, normal_form, read_tsv
from dataset.mel_index import INDEX, PARTS, StoredSong, index_line
from dataset.writing import write_tsv
from errors import UserError
from index_samples import train
from mel_chunks import spread_chunks
from model import SongInputs
from preprocessing.mel.sources import digest_of
from retrieval import embedding
from retrieval.folder_report import write_report
from retrieval.index_writing import write_index
from retrieval.song_index import IndexedSong
from retrieval.song_index import read_index as read_song_index
from solver import cosine_similarity
from trainer import make_trainer
from training_runs import load_solver


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


def test_songs_of_all_splits_with_their_tags(cultural, capsys):
    model, (embeddings, rows, song_tags, _) = embedding.index_songs(cultural, None)
    path, solver, _, dataset = open_trained(cultural)
    songs = np.sort(np.concatenate([dataset.splits[part] for part in SPLITS]))
    assert [song.song_id for song in rows] == [dataset.song_ids[song] for song in songs]
    assert np.array_equal(song_tags, dataset.song_tags[songs])
    assert (model.tags, model.vectors_file) == (dataset.tags, "")
    assert model.checkpoint == str(path.resolve())
    with torch.inference_mode():
        places = solver.model.embed_songs({"cf": torch.from_numpy(dataset.vectors["cf"][songs])})
        tags = solver.model.embed_tags(torch.from_numpy(dataset.tag_vectors))
    np.testing.assert_allclose(embeddings, F.normalize(places).numpy(), atol=1e-6)
    similar = model.embed(model.tag_vectors) @ embeddings.T
    np.testing.assert_allclose(similar, cosine_similarity(tags, places).numpy(), atol=1e-5)
    few = embedding.embed_dataset(open_trained(cultural), iter(rows[2:]))
    assert few.songs == rows[:2]


def test_songs_of_an_earlier_index_of_the_same_model(cultural, acoustic, tmp_path, capsys):
    folder = tmp_path / "songs.index"
    write_index(folder, *embedding.index_songs(cultural, None))
    earlier = read_song_index(folder)
    assert not embedding.index_songs(cultural, None, earlier)[1].songs
    assert "there is nothing to add" in capsys.readouterr().out
    with pytest.raises(UserError, match="was made by another model"):  # before it embeds
        embedding.index_songs(acoustic, None, earlier)


def test_songs_are_known_in_every_form_of_their_ids(cultural):
    trained = open_trained(cultural)
    decomposed = [f"{song_id}e\u0301" for song_id in trained.dataset.song_ids]
    trained = trained._replace(dataset=replace(trained.dataset, song_ids=decomposed))
    known = [IndexedSong(normal_form(song_id)) for song_id in decomposed]
    assert known[0].song_id != decomposed[0]
    assert not embedding.embed_dataset(trained, known).songs


def test_tags_of_a_fused_model_weigh_its_inputs(audio_dataset_dir, tmp_path):
    given = train(audio_dataset_dir, tmp_path / "run", input_type="spec+cf", input_length=128)
    model, made = embedding.index_songs(given, None)
    _, solver, _, dataset = open_trained(given)
    assert solver.model.fusion.gate.weight.any()
    with torch.inference_mode():
        tags = solver.model.embed_tags(torch.from_numpy(dataset.tag_vectors))
    np.testing.assert_allclose(model.embed(model.tag_vectors), F.normalize(tags).numpy(), atol=1e-5)
    write_index(tmp_path / "songs.index", model, made)
    assert read_song_index(tmp_path / "songs.index").model.is_same(model)


def test_names_and_files_of_the_songs(cultural, shared_dataset_dir, tmp_path):
    data = shutil.copytree(shared_dataset_dir, tmp_path / "data")
    table = [("TRAAA00001", "Ann", "One", "audio/1.mp3"), ("TRAAA00002", "Bob", "Two", "")]
    write_tsv(data / SONGS, table)
    part = data / PARTS / "part-0"  # as another machine may have written it
    part.mkdir(parents=True)
    (part / INDEX).write_text(index_line(StoredSong("TRAAA00002", 0, 5, 9, "d")))
    (data / "google_w2v").mkdir()
    (data / "google_w2v" / "small.kv").touch()
    model, made = embedding.index_songs(cultural | {"data_path": str(data)}, None)
    audio = str(data / "audio/1.mp3")
    assert made.songs[:3] == [
        IndexedSong("TRAAA00000"),
        IndexedSong("TRAAA00001", "Ann", "One", audio),
        IndexedSong("TRAAA00002", "Bob", "Two", digest="d"),
    ]
    assert model.vectors_file == str(data / "google_w2v" / "small.kv")


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
    tags, made = embedding.index_songs(acoustic, music)
    files = [music / "good" / "long.flac", music / "good" / "short.MP3"]
    assert made.songs == [
        IndexedSong("good/long.flac", "", "", str(files[0]), digest_of(files[0])),
        IndexedSong("good/short.MP3", "", "", str(files[1]), digest_of(files[1])),
    ]
    assert made.song_tags is None
    model = load_solver(acoustic["model_load_path"]).model
    for file, place in zip(files, made.embeddings, strict=True):
        chunks = spread_chunks(song_mel(file), 128, 2)
        with torch.inference_mode():
            expected = F.normalize(model.embed_songs(SongInputs(spec=chunks[None])))[0]
        np.testing.assert_allclose(place, expected.numpy(), atol=1e-5)
    write_report(tmp_path / "my.index", made.of_folder, is_anew=True)
    said = capsys.readouterr().out
    readable = ("flac", "m4a", "mp3", "wav")  # by their names
    n_bad = sum(name.endswith(readable) and (music / "bad" / name).is_file() for name in reasons)
    assert f"{n_bad + 2} of {n_bad + 4} files left out: " in said
    assert f"{tmp_path}/my.index/audio_report.tsv lists them" in said
    report = read_tsv(tmp_path / "my.index/audio_report.tsv", 3)
    left_out = [row for row in report if row[1] == "left out"]
    assert len(left_out) == n_bad + 2
    for name in (r"two\nlines.wav", r"caf\udce9.wav"):
        assert [str(music / name), "left out", "name is not UTF-8 on one line"] in left_out
    song, place = embedding.embed_file(tags, files[0])  # on the spot
    assert song == made.songs[0]._replace(song_id="long.flac", title="long")
    np.testing.assert_allclose(place, made.embeddings[0], atol=1e-5)
    with pytest.raises(UserError, match=r"cannot be read .*: give --like another file"):
        embedding.embed_file(tags, music / "two\nlines.wav")
    tags.layers["bias2"] = tags.layers["bias2"] + 1
    with pytest.raises(UserError, match="no longer the model of the index"):
        embedding.embed_file(tags, files[0])


def test_folders_that_give_no_song(acoustic, cultural, tmp_path, few_threads):
    with pytest.raises(UserError, match="has no audio file"):
        embedding.index_songs(acoustic, tmp_path)
    (tmp_path / "text.mp3").write_text("no music")
    with pytest.raises(UserError, match="none of the 1 audio files"):
        embedding.index_songs(acoustic, tmp_path)
    with pytest.raises(UserError, match="a model of --input_type cf needs more than the audio"):
        embedding.index_songs(cultural, tmp_path)
    model, _ = embedding.index_songs(cultural, None)
    with pytest.raises(UserError, match="of --input_type cf cannot embed audio alone"):
        embedding.embed_file(model, tmp_path / "text.mp3")
