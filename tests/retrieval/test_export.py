"""A model for other programs: with onnxruntime and numpy alone it ranks songs as search does."""

import importlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from safetensors.numpy import load_file
from torch import nn
from torch.nn import functional as F

from checkpoint import open_trained
from commands import ROOT, assert_user_error, run_here, run_main
from dataset.mel_store import SETTINGS
from errors import UserError
from index_samples import train
from metrics import METRICS
from options import Options
from retrieval import export
from retrieval.card import card
from retrieval.embedding import index_songs
from retrieval.index_writing import write_index
from retrieval.search import Searcher
from retrieval.song_index import read_index
from solver import Solver

SIZES = {"spec": None, "cf": 12, "moods": 7}


@pytest.fixture(scope="module")
def cultural(shared_dataset_dir, tmp_path_factory):
    return train(shared_dataset_dir, tmp_path_factory.mktemp("cf"), input_type="cf", lr=1e-2)


@pytest.fixture(scope="module")
def exported(cultural, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "model"
    export.export_model(cultural, folder)
    return folder


def run_onnx(file, **inputs):
    session = onnxruntime.InferenceSession(file)
    return session.run(["embedding"], {n: np.float32(rows) for n, rows in inputs.items()})[0]


def lines(file):
    return [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]


def test_songs_rank_as_in_the_search(cultural, exported, shared_dataset_dir, tmp_path):
    songs, tags = (
        np.load(exported / "song_embeddings.npy"),
        np.load(exported / "tag_embeddings.npy"),
    )
    ids, names = ([line[0] for line in lines(exported / f"{one}.tsv")] for one in ("songs", "tags"))
    all_ids = np.load(shared_dataset_dir / "existing_ids.npy").tolist()
    cf = np.load(shared_dataset_dir / "ix_to_cf.npy")[[all_ids.index(one) for one in ids]]
    np.testing.assert_allclose(run_onnx(exported / "song_branch.onnx", cf=cf), songs, atol=1e-5)
    words = np.load(exported / "tag_word_vectors.npy")
    found = run_onnx(exported / "tag_branch.onnx", word_vectors=words)
    np.testing.assert_allclose(found, tags, atol=1e-5)
    write_index(tmp_path / "songs.index", *index_songs(cultural, None))
    searcher = Searcher(read_index(tmp_path / "songs.index"))
    for tag, vector in zip(names, tags, strict=True):
        hits = searcher.search(searcher.wanted(tag), len(ids))
        scores = dict(zip(ids, songs @ vector, strict=True))
        ranked = [scores[searcher.index.song(hit.row).song_id] for hit in hits]
        np.testing.assert_allclose(ranked, sorted(scores.values(), reverse=True), atol=2e-3)


def test_one_file_holds_all_arrays(exported):
    arrays = load_file(exported / "embeddings.safetensors")
    assert set(arrays) == {"song_embeddings", "tag_embeddings", "tag_word_vectors"}
    for name, array in arrays.items():
        assert np.array_equal(array, np.load(exported / f"{name}.npy"))
    assert np.allclose(np.linalg.norm(arrays["song_embeddings"], axis=1), 1, atol=1e-5)


def randomly_trained(*inputs: str, fusion="auto", mel="own", heads="paper") -> Solver:
    """A model whose weights, and means and deviations of its norms, are random."""
    torch.manual_seed(0)
    options = Options(input_type="+".join(inputs), fusion=fusion, heads=heads)
    sizes = {name: SIZES[name] for name in inputs}
    solver = Solver(options.to_store(), ["a"], 6, sizes, SETTINGS[mel])
    for module in solver.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    if solver.model.is_masked:
        nn.init.normal_(solver.model.fusion.gate.weight)
    return solver.eval()


@pytest.mark.parametrize(
    ("inputs", "fusion", "mel", "heads"),
    [
        (("cf",), "auto", "own", "paper"),
        (("cf",), "auto", "own", "twins"),
        (("moods",), "auto", "own", "paper"),
        (("moods",), "auto", "own", "twins"),
        (("cf", "moods"), "masked", "own", "paper"),
        (("cf", "moods"), "concat", "own", "twins"),
        pytest.param(("spec",), "auto", "own", "paper", marks=pytest.mark.slow),
        (("spec",), "auto", "musicnn", "paper"),
        pytest.param(("spec", "cf"), "concat", "own", "paper", marks=pytest.mark.slow),
        pytest.param(("spec", "cf", "moods"), "masked", "own", "paper", marks=pytest.mark.slow),
    ],
)
def test_branches_of_all_inputs(inputs, fusion, mel, heads, tmp_path):
    solver = randomly_trained(*inputs, fusion=fusion, mel=mel, heads=heads)
    file = tmp_path / "one.onnx"
    n_mels = SETTINGS[mel]["n_mels"]
    export._write_song_branch(solver, 140, file)
    for n_songs, n_chunks in ((5, 2), (1, 1)):
        spec = (n_chunks, n_mels, 140)
        shapes = {name: (size,) if size else spec for name, size in SIZES.items()}
        songs = {name: torch.randn(n_songs, *shapes[name]) for name in inputs}
        if fusion == "masked" and n_songs > 1:
            for row, name in enumerate(inputs):
                songs[name][row] = float("nan")
        with torch.inference_mode():
            expected = F.normalize(solver.model.embed_songs(songs)).numpy()
        found = run_onnx(file, **{name: rows.numpy() for name, rows in songs.items()})
        assert (found * expected).sum(axis=1).min() >= 0.9999
    export._write_tag_branch(solver, file)
    words = torch.randn(3, 6)
    with torch.inference_mode():
        expected = F.normalize(solver.model.embed_tags(words)).numpy()
    assert (run_onnx(file, word_vectors=words.numpy()) * expected).sum(axis=1).min() >= 0.9999


def front_matter(folder):
    head, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n\n", 1)
    return yaml.safe_load(head), text


def test_the_card_says_what_is_known(cultural, exported, tmp_path):
    facts, text = front_matter(exported)
    assert "Not known: the model was not tested" in text and "model-index" not in facts
    assert "--input_type cf" in text and "| `cf` | (songs, " in text and "dB" not in text
    assert str(tmp_path.parent.parent) not in text  # no path of this machine
    given = cultural | {"mode": "TEST"}
    run_main(*(part for name, value in given.items() for part in (f"--{name}", value)))
    export.export_model(cultural, exported)  # in place of the earlier export
    facts, text = front_matter(exported)
    results = json.loads((Path(cultural["model_load_path"]) / "results.json").read_text())
    measured = facts["model-index"][0]["results"][0]["metrics"]
    assert {one["type"]: one["value"] for one in measured} == {m: results[m] for m in METRICS}
    assert f"| all tags | {results['map']:.4f} |" in text


def test_damaged_results_beside_a_model_are_told(cultural, tmp_path):
    shutil.copy(Path(cultural["model_load_path"]) / "best.ckpt", tmp_path)
    made_by = {"checkpoint": "best.ckpt"}
    for damaged in ("{", "[]", "{}", json.dumps({"made_by": made_by, "map": 0.5})):
        (tmp_path / "results.json").write_text(damaged)
        with pytest.raises(UserError, match=r"results\.json does not hold the results"):
            export.export_model(cultural | {"model_load_path": str(tmp_path)}, tmp_path / "out")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("mel", "n_mels", "scale"),
    [("own", 128, "10 log10(power), in dB"), ("musicnn", 96, "log10(10000 power + 1)")],
)
def test_the_card_tells_how_spectrograms_are_made(cultural, mel, n_mels, scale):
    trained = open_trained(cultural)
    solver = randomly_trained("spec", "moods", mel=mel)
    options = replace(trained.options, input_type="spec+moods", input_length=140)
    text = card(trained._replace(solver=solver, options=options), 3, None)
    assert f"| `spec` | (songs, chunks, {n_mels}, 140) |" in text and "is a row of NaN" in text
    assert f"A spectrogram is {scale}, of the power in each mel band." in text
    assert json.dumps(SETTINGS[mel], indent=2) in text


def test_the_card_names_the_files_that_the_model_read(cultural, shared_dataset_dir, tmp_path):
    directory = tmp_path / "data"
    shutil.copytree(shared_dataset_dir, directory)
    shutil.copy(directory / "ix_to_cf.npy", directory / "sub_ix_to_cf.npy")
    trained = open_trained(cultural)
    dataset = replace(trained.dataset, path=directory)
    options = replace(trained.options, input_type="cf+moods", is_subset=True)
    solver = randomly_trained("cf", "moods")
    text = card(trained._replace(solver=solver, options=options, dataset=dataset), 3, None)
    assert "those of `sub_ix_to_cf.npy` in" in text and "those of `moods_songs.npy` in" in text
    assert "A row of zeros in `sub_ix_to_cf.npy` is not known" in text
    assert f"`{options.w2v_type}_emb.pkl`" in text  # published: one file serves both sets
    means = dict.fromkeys(METRICS, 0.5)
    tested = {"n_songs": 3, "n_tags": 1, "split": "test", "chance_map": 0.1} | means
    text = card(open_trained(cultural), 3, tested | {"categories": {"r&b|soul": means}})
    assert r"| r&b\|soul | 0.5000 | 0.5000 | 0.5000 |" in text
    alone = card(open_trained(cultural), 3, None)  # to which zeros are a vector as any other
    assert "those of `ix_to_cf.npy` in" in alone and "zeros" not in alone


def test_refusals_leave_all_as_it_was(cultural, exported, tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(UserError, match="holds something else: give TO a new name"):
        export.export_model(cultural, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["README.md"]
    before = {file.name: file.read_bytes() for file in exported.iterdir()}
    monkeypatch.setattr(export, "card", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export.export_model(cultural, exported)
    assert {file.name: file.read_bytes() for file in exported.iterdir()} == before


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    done = run_here(ROOT / "retrieve.py", "export", tmp_path, tmp_path, tmp_path / "out")
    assert_user_error(done, "best.ckpt is missing")
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "retrieval.export")
    with pytest.raises(UserError, match="export needs ONNX: pip install onnx"):
        importlib.import_module("retrieval.export")
