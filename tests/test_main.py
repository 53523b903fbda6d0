"""The command line: train, resume, test."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from checkpoint import read_checkpoint
from commands import ROOT, run_here, run_main
from dataset.directory import open_dataset
from errors import UserError
from main_runs import AUDIO_OPTIONS, options_for, run_wrong, test_model, train, weights
from model import SongInputs
from options import merge_options
from training_runs import load_solver

# ------------------------------------------------------------ train and test


def test_train_then_test(dataset_dir, tmp_path):
    folder = tmp_path / "run"
    done = run_here(ROOT / "main.py", *options_for(dataset_dir, folder, n_epochs=2))
    assert done.returncode == 0, done.stderr
    assert "best validation MAP" in done.stdout
    assert {"best.ckpt", "last.ckpt", "logs"} <= {path.name for path in folder.iterdir()}
    arguments = ("--mode", "TEST", "--model_load_path", folder / "best.ckpt")
    done = run_here(ROOT / "main.py", *arguments, "--data_path", dataset_dir)
    assert done.returncode == 0, done.stderr
    for part in ("all tags", "at random", "genre (4)", "mood (4)", "best tags", "worst tags"):
        assert part in done.stdout
    results = json.loads((folder / "results.json").read_text())
    assert results["map"] > 2 * results["chance_map"]


def test_results_equal_scikit_learn_on_the_checkpoint(trained, shared_dataset_dir, capsys):
    results = test_model(trained, shared_dataset_dir)
    solver, dataset = load_solver(trained), open_dataset(shared_dataset_dir, input_type="cf")
    songs = dataset.splits["test"]
    with torch.no_grad():
        tag_embeddings = solver.model.embed_tags(torch.from_numpy(dataset.tag_vectors))
        song_embeddings = solver.model.embed_songs(
            SongInputs(cf=torch.from_numpy(dataset.vectors["cf"][songs]))
        )
    cosine = torch.nn.CosineSimilarity(dim=-1)
    scores = cosine(tag_embeddings[:, None], song_embeddings[None]).numpy()
    truth = dataset.song_tags[songs].T
    ap = [average_precision_score(t, s) for t, s in zip(truth, scores, strict=True)]
    auc = [roc_auc_score(t, s) for t, s in zip(truth, scores, strict=True)]
    p10 = [t[np.argsort(-s)[:10]].mean() for t, s in zip(truth, scores, strict=True)]
    assert results["map"] == pytest.approx(np.mean(ap), abs=1e-6)
    assert results["roc_auc"] == pytest.approx(np.mean(auc), abs=1e-6)
    assert results["p@10"] == pytest.approx(np.mean(p10), abs=1e-6)
    tag = dataset.tags[3]
    assert results["tags"][tag]["map"] == pytest.approx(ap[3], abs=1e-6)
    assert results["tags"][tag]["n_positive"] == truth[3].sum()
    assert results["n_songs"] == 60 and results["n_tags"] == 8
    genre = [ap[i] for i in range(0, 8, 2)]
    assert results["categories"]["genre"]["map"] == pytest.approx(np.mean(genre), abs=1e-6)
    made_by = results["made_by"]
    trained_with = {"input_type": "cf", "n_epochs": 2, "lr": 1e-3, "precision": "auto"}
    assert trained_with.items() <= made_by["options"].items() and made_by["seed"] == 0
    assert made_by["dataset"]["steps"]["planted"] == {"n_songs": 300}
    assert {"python", "torch", "pytorch-lightning"} <= set(made_by["versions"])
    assert "git_revision" in made_by
    assert made_by["ran_with"] == {"precision": "32-true", "compiled": False}
    assert "written to" in capsys.readouterr().out


def test_validation_in_training_agrees_with_the_checkpoint(trained, shared_dataset_dir):
    best = read_checkpoint(trained / "best.ckpt")
    callback = next(state for name, state in best["callbacks"].items() if "'map'" in name)
    dataset = open_dataset(shared_dataset_dir, input_type="cf")
    solver, songs = load_solver(trained), dataset.splits["valid"]
    with torch.no_grad():
        tags = torch.nn.functional.normalize(
            solver.model.embed_tags(torch.from_numpy(dataset.tag_vectors))
        )
        embedded = solver.model.embed_songs(
            SongInputs(cf=torch.from_numpy(dataset.vectors["cf"][songs]))
        )
        scores = (tags @ torch.nn.functional.normalize(embedded).T).numpy()
    truth = dataset.song_tags[songs].T
    ap = [average_precision_score(t, s) for t, s in zip(truth, scores, strict=True)]
    assert callback["best_model_score"].item() == pytest.approx(np.mean(ap), abs=1e-3)


def test_resuming_ends_as_if_never_stopped(trained, shared_dataset_dir, tmp_path):
    train(shared_dataset_dir, tmp_path, n_epochs=1)
    words = ["--resume", "--model_save_path", tmp_path, "--n_epochs", 2, "--gpu_id", "cpu"]
    run_main(*words, "--data_path", shared_dataset_dir)
    whole, resumed = (read_checkpoint(folder / "last.ckpt") for folder in (trained, tmp_path))
    assert resumed["epoch"] == whole["epoch"] == 1
    assert resumed["hyper_parameters"]["options"]["lr"] == 1e-3  # from the checkpoint
    options = merge_options({}, resumed["hyper_parameters"]["options"])
    assert options.n_epochs == 2  # and so would be these
    assert torch.equal(weights(resumed), weights(whole))
    assert len(list((tmp_path / "logs").glob("version_*/metrics.csv"))) == 2


def test_what_is_trained_stays_as_it_is(trained, shared_dataset_dir, tmp_path, capsys):
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run/results.json").write_text("{}")
    files = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    words = ["--data_path", shared_dataset_dir, "--model_save_path", tmp_path / "run"]
    run_main(*words, "--resume", "--n_epochs", 2, "--gpu_id", "cpu")
    assert "nothing left to train" in capsys.readouterr().out
    for refused, why in (
        (["--resume", "--n_epochs", 1], "is of epoch 2, beyond --n_epochs 1"),
        (["--num_threads", 5000], "--num_threads 5000 is too many"),
        (["--precision", "16-mixed"], "needs a GPU"),
        (["--lr", "1e30"], "training diverged"),
    ):
        assert why in run_wrong(capsys, *words, "--input_type", "cf", "--gpu_id", "cpu", *refused)
    for file, content in files.items():
        assert file.read_bytes() == content


def test_results_are_written_though_nobody_reads_on(
    trained, shared_dataset_dir, tmp_path, monkeypatch
):
    def nobody_reads(results):
        raise BrokenPipeError

    monkeypatch.setattr("train_test.format_results", nobody_reads)
    words = ["--data_path", shared_dataset_dir, "--model_load_path", trained, "--gpu_id", "cpu"]
    with pytest.raises(BrokenPipeError):
        run_main("--mode", "TEST", *words, "--result_path", tmp_path / "results.json")
    assert json.loads((tmp_path / "results.json").read_text())["n_songs"] > 0


def test_a_dataset_directory_that_is_not_given(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    resumed = ["--resume", "--n_epochs", 3, "--model_save_path", trained]
    for words in (resumed, ["--mode", "TEST"]):
        with pytest.raises(UserError, match="--data_path is missing: give the dataset directory"):
            run_main(*words, "--model_load_path", trained, "--gpu_id", "cpu")


def test_a_moved_run_goes_on_and_keeps_its_best_model(trained, shared_dataset_dir, tmp_path):
    shutil.copytree(trained, tmp_path / "moved")
    last = tmp_path / "moved/last.ckpt"
    saved = torch.load(last, weights_only=True)
    for state in saved["callbacks"].values():  # as if the epochs so far had been far better
        if state.get("best_k_models"):
            state["best_model_score"] = state["kth_value"] = torch.tensor(0.999)
    torch.save(saved, last)
    best = (tmp_path / "moved/best.ckpt").read_bytes()
    words = ["--resume", "--model_save_path", tmp_path / "moved", "--gpu_id", "cpu"]
    for n_epochs in (2, 3):  # nothing more to do, and one epoch more
        run_main(*words, "--data_path", shared_dataset_dir, "--n_epochs", n_epochs)
        assert (tmp_path / "moved/best.ckpt").read_bytes() == best


def test_a_run_without_its_best_model_goes_on(trained, shared_dataset_dir, tmp_path, capsys):
    shutil.copytree(trained, tmp_path / "moved")
    (tmp_path / "moved/best.ckpt").unlink()
    words = ["--resume", "--model_save_path", tmp_path / "moved", "--gpu_id", "cpu"]
    run_main(*words, "--data_path", shared_dataset_dir, "--n_epochs", 2)
    assert "there is no best.ckpt" in capsys.readouterr().out
    run_main(*words, "--data_path", shared_dataset_dir, "--n_epochs", 3)
    assert (tmp_path / "moved/best.ckpt").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_stopped_training_is_told_and_goes_on(shared_dataset_dir, tmp_path, sent, code, word):
    command = [sys.executable, "-u", ROOT / "main.py", *options_for(shared_dataset_dir, tmp_path)]
    process = subprocess.Popen(
        [*map(str, command), "--n_epochs", "5000"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 200
    while not (tmp_path / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(sent)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == code, error
    assert f"{tmp_path} has the last whole epoch, after which the same command goes on" in error
    assert error.endswith(f"{word}\n") and "Traceback" not in error
    done = read_checkpoint(tmp_path / "last.ckpt")["epoch"]
    run_main("--resume", *options_for(shared_dataset_dir, tmp_path, n_epochs=done + 2))
    assert read_checkpoint(tmp_path / "last.ckpt")["epoch"] == done + 1


def test_logs_are_written_as_csv_and_for_tensorboard(trained):
    lines = (trained / "logs/version_0/metrics.csv").read_text().splitlines()
    assert {"map", "p@10", "roc_auc", "loss", "active_triplets"} <= set(lines[0].split(","))
    assert list((trained / "logs/version_0").glob("events*"))


def test_two_trainings_with_one_seed_are_equal(trained, shared_dataset_dir, tmp_path):
    assert torch.equal(
        weights(train(shared_dataset_dir, tmp_path, n_epochs=2)),
        weights(read_checkpoint(trained / "last.ckpt")),
    )


# ------------------------------------------------------------ spectrograms


@pytest.mark.slow
def test_the_acoustic_branch_finds_what_sounds(trained_on_audio, audio_dataset_dir, capsys):
    results = test_model(trained_on_audio, audio_dataset_dir)
    assert "kept in memory" in capsys.readouterr().out
    assert results["n_songs"] == 12
    assert results["map"] > 1.5 * results["chance_map"]


def test_hybrid_needs_both(audio_dataset_dir, tmp_path):
    few = AUDIO_OPTIONS | {"input_type": "hybrid", "triplets_per_epoch": 16}
    checkpoint = train(audio_dataset_dir, tmp_path, **few)
    names = {name.split(".")[1] for name in checkpoint["state_dict"]}
    assert names == {"tag_branch", "acoustic_branch", "fusion"}
    assert 0 < test_model(tmp_path, audio_dataset_dir)["map"] <= 1


def test_the_cache_changes_nothing_and_the_chunk_length_does(audio_dataset_dir, tmp_path):
    few = AUDIO_OPTIONS | {"input_type": "spec", "triplets_per_epoch": 16, "num_chunk": 1}
    runs = {
        "memory": few | {"cache": "memory"},
        "disk": few | {"cache": "disk", "num_workers": 1},
        "longer": few | {"input_length": 150},
    }
    found = {
        name: weights(train(audio_dataset_dir, tmp_path / name, **changed))
        for name, changed in runs.items()
    }
    assert torch.equal(found["memory"], found["disk"])
    assert not torch.equal(found["memory"], found["longer"])


def test_compile_reaches_the_acoustic_branch(audio_dataset_dir, tmp_path, monkeypatch):
    compiled = []

    def compile_nothing(forward, **_):
        compiled.append(forward.__self__)
        return forward

    monkeypatch.setattr(torch, "compile", compile_nothing)
    few = AUDIO_OPTIONS | {"input_type": "spec", "triplets_per_epoch": 8, "num_chunk": 1}
    train(audio_dataset_dir, tmp_path, **few, compile="True")
    assert [type(module).__name__ for module in compiled] == ["ShortChunkCNN"]


def test_training_anew_drops_results_of_the_model_before(shared_dataset_dir, tmp_path, capsys):
    train(shared_dataset_dir, tmp_path)
    test_model(tmp_path, shared_dataset_dir)
    capsys.readouterr()
    train(shared_dataset_dir, tmp_path, seed=1)
    assert not (tmp_path / "results.json").exists()
    assert f"{tmp_path} has the model of an earlier run" in capsys.readouterr().out


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
@pytest.mark.parametrize("precision", ["32", "16-mixed", "bf16-mixed"])
def test_training_on_a_gpu_finds_the_planted_answer(shared_dataset_dir, tmp_path, precision):
    changed = {"gpu_id": "0", "n_epochs": 20, "is_weighted": True, "precision": precision}
    train(shared_dataset_dir, tmp_path, **changed)
    results = test_model(tmp_path, shared_dataset_dir)
    assert results["map"] > 0.8
