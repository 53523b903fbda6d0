"""musicnn as the acoustic branch: its weights to begin with, some of them trained, its own mels."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import trainer
from audio_samples import chords, write_music
from commands import ROOT, assert_user_error, run_here
from data_loader import RetrievalData
from dataset.files import read_strings
from dataset.mel_store import SETTINGS, open_mel_store
from encoders.musicnn import load_musicnn
from main_runs import AUDIO_OPTIONS, run_wrong, test_model, train
from mel_chunks import spread_chunks
from modules import MusicnnBranch
from musicnn_samples import write_wheel
from planted import write_planted
from preprocessing.features.song_layers import musicnn_mel
from preprocessing.mel.store_writer import open_writer
from retrieval import embedding
from training_runs import load_solver

STEP4 = ROOT / "step4_mel_spectrogram.py"
SPEC = AUDIO_OPTIONS | {"input_type": "spec"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return write_wheel(tmp_path_factory.mktemp("wheel") / "musicnn.whl")


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    """A dataset whose spectrograms have musicnn's form; some songs are shorter than a chunk."""
    directory = write_planted(tmp_path_factory.mktemp("planted") / "data", 60)
    rng = np.random.default_rng(0)
    with open_writer(directory, "audio", "musicnn") as writer:
        for song_id in read_strings(directory / "existing_ids.npy"):
            mel = rng.uniform(0, 3, size=(int(rng.integers(90, 200)), 96))
            writer.append(song_id, mel.astype(np.float16), 1)
        writer.describe({})
    return directory


@pytest.fixture
def trusting(monkeypatch):
    """The package of the tests has not the hash of the real one."""
    monkeypatch.setattr(trainer, "fetch_wheel", lambda *_, given: given)


def test_it_is_the_trained_network_up_to_the_layer_before_its_tags(wheel):
    branch, trained = MusicnnBranch(8).eval(), load_musicnn(wheel)
    spec = torch.rand(3, 96, 150)
    with torch.no_grad():
        expected = trained(spec.transpose(1, 2)).penultimate
        branch.start_from(load_musicnn(wheel), keep_front=False)
        torch.testing.assert_close(branch.network(spec.transpose(1, 2)).penultimate, expected)
        assert branch(spec).shape == (3, 8)
    assert all(weight.requires_grad for weight in branch.parameters())


@pytest.mark.parametrize("init", ["musicnn", "musicnn-last"])
def test_training_changes_the_last_layers_or_all(directory, wheel, tmp_path, trusting, init):
    trained = train(directory, tmp_path / "run", init=init, wheel=wheel, **SPEC)
    before = load_musicnn(wheel).state_dict()
    branch = "model.acoustic_branch.network."
    moved = {
        name.split(".")[0]
        for name, old in before.items()
        if not name.startswith("output")
        and not torch.equal(trained["state_dict"][branch + name], old)
    }
    last = {"dense", "norm_dense"}
    front = {"norm_input", "timbral", "temporal", "middle", "norm_pooled"}
    assert moved == (last if init == "musicnn-last" else last | front)
    assert trained["hyper_parameters"]["mel_settings"] == SETTINGS["musicnn"]


def test_the_checkpoint_alone_tests_and_hears_files(directory, wheel, tmp_path, trusting):
    folder = tmp_path / "run"
    train(directory, folder, init="musicnn-last", wheel=wheel, **SPEC)
    results = test_model(folder, directory)  # which needs no package
    assert results["made_by"]["options"]["init"] == "musicnn-last"
    file = tmp_path / "music/a.wav"
    file.parent.mkdir()
    soundfile.write(file, chords(1.5, 16000), 16000)  # shorter than a chunk: silence is 0
    given = {"model_load_path": str(folder), "data_path": str(directory), "gpu_id": "cpu"}
    _, made = embedding.index_songs(given, file.parent)
    solver = load_solver(folder)
    chunks = spread_chunks(musicnn_mel(file)[0], 128, 2, past_end=0.0)
    assert (chunks[:, :, -1] == 0).all()
    with torch.no_grad():
        expected = solver.model.embed_songs({"spec": chunks[None]})[0]
    np.testing.assert_allclose(made.embeddings[0], expected / expected.norm(), atol=1e-5)


def test_silence_follows_short_songs_from_memory_and_disk(directory):
    store = open_mel_store(directory, [])
    assert store.settings == SETTINGS["musicnn"] and store.song(0).shape[1] == 96
    for cache in ("memory", "disk"):
        chunks = next(batches_of(directory, cache))["spec"]  # (songs, 2, 96, 128)
        short = torch.from_numpy(store.n_frames[: len(chunks)] < 128)
        assert chunks.shape[2] == 96 and chunks.min() == 0 == chunks[short][..., -1].max()


def batches_of(directory: Path, cache: str):
    from checkpoint import open_asked
    from options import Options
    from trainer import make_trainer

    options = Options(
        data_path=str(directory), input_type="spec", cache=cache, input_length=128, num_chunk=2
    )
    dataset = open_asked(options)
    data = RetrievalData(dataset, options, np.arange(len(dataset.song_ids)))
    data.trainer = make_trainer(options, logger=False)
    data.setup("predict")
    return iter(data.predict_dataloader())


def test_step_4_writes_its_spectrograms(tmp_path):
    directory = write_music(tmp_path / "data", n_songs=1)
    done = run_here(STEP4, "run", directory, "--mel", "musicnn")
    assert done.returncode == 0, done.stderr
    store = open_mel_store(directory, [])
    np.testing.assert_array_equal(store.song(0), musicnn_mel(directory / "audio/0.wav")[0])
    assert "1 songs were there" in run_here(STEP4, "run", directory, "--mel=musicnn").stdout
    other = run_here(STEP4, "run", directory)
    assert_user_error(other, "made with f_max 8000.0 instead of 11025.0", "run step 4 again")
    assert_user_error(run_here(STEP4, "run", directory, "--mel", "db"), "--mel must be own or")


def test_mistakes_are_told(capsys, directory, audio_dataset_dir, tmp_path, wheel):
    where = ["--model_save_path", tmp_path, "--input_type", "spec", "--init", "musicnn"]
    told = run_wrong(capsys, *where, "--data_path", audio_dataset_dir)
    assert "--init musicnn needs spectrograms" in told and "step 4 --mel musicnn" in told
    told = run_wrong(capsys, *where, "--data_path", directory, "--wheel", wheel)
    assert "has another SHA-256" in told
    assert not (tmp_path / "best.ckpt").exists()


def test_a_model_of_other_spectrograms_is_told(capsys, directory, trained_on_audio):
    where = ["--mode", "TEST", "--model_load_path", trained_on_audio, "--data_path", directory]
    assert "made with other settings" in run_wrong(capsys, *where)
