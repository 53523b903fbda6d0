"""Released checkpoints: the same embeddings as the released network, and nothing in them is run."""

import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from checkpoint import build_solver
from commands import ROOT, run_here, run_main
from dataset.directory import open_dataset
from dataset.mel_store import MEL_SETTINGS
from errors import UserError
from metrics import mean_over_tags, score_tags
from model import SongInputs
from options import merge_options
from planted import write_planted, write_planted_mels
from released_checkpoint import read_released
from released_network import N_CF, N_WORD, Released, lightning_file, save
from retrieval.embedding import index_songs
from solver import Solver, cosine_similarity

OPTIONS = merge_options({}).to_store()


@pytest.fixture(scope="module")
def networks() -> dict[str, Released]:
    torch.manual_seed(0)
    return {input_type: Released(input_type) for input_type in ("spec", "cf", "hybrid")}


@pytest.fixture(scope="module")
def files(networks, tmp_path_factory) -> dict[str, Path]:
    """A file of each input type, in the form that Lightning 0.9 wrote."""
    folder = tmp_path_factory.mktemp("released")
    return {
        name: save(folder / f"{name}.ckpt", lightning_file(network.state_dict()), is_zip=False)
        for name, network in networks.items()
    }


def load(path: Path) -> Solver:
    return build_solver(read_released(path, OPTIONS), path)


def assert_same_embeddings(solver: Solver, network: Released) -> None:
    generator = torch.Generator().manual_seed(3)
    words, cf = (torch.randn(5, size, generator=generator) for size in (N_WORD, N_CF))
    spec = 10 * torch.randn(5, 128, 173, generator=generator) - 40
    spec = None if network.input_type == "cf" else spec
    cf = None if network.input_type == "spec" else cf
    with torch.inference_mode():
        ours = solver.model.embed_tags(words), solver.model.embed_songs({"spec": spec, "cf": cf})
        theirs = network.embed_tags(words), network.embed_songs(spec, cf)
    for mine, reference in zip(ours, theirs, strict=True):
        assert reference.std() > 0.01  # they say something
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)


# ------------------------------------------------------------ the same network


@pytest.mark.parametrize("input_type", ["spec", "cf", "hybrid"])
def test_embeddings_are_those_of_the_released_network(networks, files, input_type):
    solver = load(files[input_type])
    assert_same_embeddings(solver, networks[input_type])
    assert solver.hparams.options == OPTIONS | {"input_type": input_type}
    assert solver.hparams.mel_settings == (None if input_type == "cf" else MEL_SETTINGS)
    assert not solver.training


def test_every_weight_is_taken(networks, files):
    """Also those that a mistake would hardly move: num_batches_tracked, small biases."""
    for name, network in networks.items():
        taken = load(files[name]).model.state_dict()
        own = {part for part in taken if part.startswith("fusion.norm.")}
        given = sorted(float(weight.double().sum()) for weight in network.state_dict().values())
        found = sorted(float(taken[part].double().sum()) for part in taken.keys() - own)
        assert found == given


def test_norm_that_the_released_fusion_has_not_changes_nothing(files):
    norm = load(files["hybrid"]).model.fusion.norm.eval()
    x = torch.randn(3, 200 + N_CF)
    torch.testing.assert_close(norm(x), x, rtol=1e-5, atol=1e-7)
    assert norm.num_batches_tracked == 0


def test_revision_without_norm_in_the_last_layer(tmp_path):
    torch.manual_seed(1)
    network = Released("spec", has_last_norm=False)
    path = save(tmp_path / "old.ckpt", lightning_file(network.state_dict()))
    assert_same_embeddings(load(path), network)


@pytest.mark.parametrize("prefix", ["", "model."])
@pytest.mark.parametrize("is_zip", [True, False])
def test_bare_state_dict(networks, tmp_path, prefix, is_zip):
    weights = {prefix + name: value for name, value in networks["cf"].state_dict().items()}
    assert_same_embeddings(load(save(tmp_path / "bare.pt", weights, is_zip)), networks["cf"])


def test_weights_that_share_one_storage(networks, tmp_path):
    """Views: with an offset, with strides of their own, in another number format."""
    weights = networks["cf"].state_dict()
    both = torch.cat([weights["bn1.weight"], weights["bn1.bias"]]).double()
    weights |= {"bn1.weight": both[:512], "bn1.bias": both[512:]}
    weights["fc2.weight"] = weights["fc2.weight"].T.contiguous().T
    for is_zip in (True, False):
        assert_same_embeddings(load(save(tmp_path / "v.pt", weights, is_zip)), networks["cf"])


# ------------------------------------------------------------ nothing is run


class Command:
    """Unpickled by anything that trusts the file, this runs a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("function", [os.system, exec])
def test_commands_in_the_file_are_not_run(networks, tmp_path, is_zip, function):
    mark = tmp_path / "was run"
    text = f"touch '{mark}'" if function is os.system else f"open({str(mark)!r}, 'w')"
    weights = networks["cf"].state_dict()
    content = lightning_file(weights, evil=Command(function, text))
    path = save(tmp_path / "evil.ckpt", content, is_zip)
    torch.load(path, weights_only=False)
    assert mark.exists()  # so it would have been run
    mark.unlink()
    assert_same_embeddings(load(path), networks["cf"])
    weights["fc1.weight"] = Command(function, text)
    with pytest.raises(UserError, match=r"no matrix fc1\.weight"):
        load(save(path, lightning_file(weights), is_zip))
    assert not mark.exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_programs_are_no_weights(networks, tmp_path):
    path = tmp_path / "script.pt"
    torch.jit.trace(networks["cf"].fc1, torch.zeros(1, N_WORD)).save(str(path))
    assert read_released(path, OPTIONS) is None


def damaged(content: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "cut": content[:-1000],
        "half": content[: len(content) // 2],
        "noise": np.random.default_rng(0).bytes(1000),
        "no zip": b"PK\x03\x04 nothing more",
    }


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("what", damaged(b""))
def test_damaged_files_are_none(networks, tmp_path, is_zip, what):
    whole = io.BytesIO()
    weights = networks["cf"].state_dict()
    torch.save(lightning_file(weights), whole, _use_new_zipfile_serialization=is_zip)
    path = tmp_path / "damaged.ckpt"
    path.write_bytes(damaged(whole.getvalue())[what])
    assert read_released(path, OPTIONS) is None


@pytest.mark.parametrize(
    "content",
    [{"state_dict": {"encoder.weight": torch.zeros(2)}}, {"state_dict": 3}, [1, 2], {1: 2}],
)
def test_other_files_are_none(tmp_path, content):
    assert read_released(save(tmp_path / "other.pt", content), OPTIONS) is None


# ------------------------------------------------------------ what does not fit


@pytest.mark.parametrize(
    ("input_type", "changes", "says"),
    [
        ("cf", {"fc1.weight": None}, r"has no matrix fc1\.weight"),
        ("cf", {"cf_fc1.weight": torch.zeros(512)}, r"has no matrix cf_fc1\.weight"),
        ("cf", {"bn1.running_var": None, "cf_fc2.bias": None}, r"has no bn1\.running_var"),
        ("cf", {"cf_fc2.weight": torch.zeros(128, 512)}, r"cf_fc2\.weight of shape \(128, 512\)"),
        ("cf", {"cf_fc2.weight": 3}, r"cf_fc2\.weight of shape None"),
        ("cf", {"fc9.weight": torch.zeros(1)}, r"has fc9\.weight, which the model has not"),
        ("spec", {"layer3.bn.bias": None}, r"has no layer3\.bn\.bias"),
        ("spec", {"layer8.bn.running_mean": None}, r"has no layer8\.bn\.running_mean"),
        (
            "spec",
            {"spec_bn.weight": torch.zeros(2)},
            r"spec_bn\.weight of shape \(2,\), not",
        ),
        ("hybrid", {"cat_fc1.weight": torch.zeros(512, 9)}, r"cat_fc1\.weight of shape \(512, 9\)"),
        ("hybrid", {"layer8.conv.weight": None}, r"has no layer8\.conv\.weight"),
        ("hybrid", {"cf_fc1.bias": torch.zeros(512)}, r"has cf_fc1\.bias, which the model has not"),
    ],
)
def test_first_weight_that_does_not_fit_is_named(networks, tmp_path, input_type, changes, says):
    weights = networks[input_type].state_dict() | changes
    weights = {name: value for name, value in weights.items() if value is not None}
    path = save(tmp_path / "wrong.ckpt", lightning_file(weights))
    with pytest.raises(UserError, match=says) as error:
        read_released(path, OPTIONS)
    assert str(path) in str(error.value)


# ------------------------------------------------------------ main.py --mode TEST


def test_by_main(path: Path, directory: Path, *more: str) -> dict:
    where = ["--model_load_path", str(path), "--data_path", str(directory), "--gpu_id", "cpu"]
    target = path.with_suffix(".json")
    run_main("--mode", "TEST", *where, "--result_path", target, *more)
    return json.loads(target.read_text())


test_by_main.__test__ = False


def reference_map(network: Released, directory: Path, w2v_type: str = "google") -> float:
    """MAP of the released network on the test songs; of audio the 128 frames in the middle."""
    dataset = open_dataset(directory, w2v_type, input_type=network.input_type)
    songs = dataset.splits["test"]
    vectors = dataset.vectors.get("cf")
    cf = None if vectors is None else torch.from_numpy(vectors[songs])
    spec = None
    if network.input_type != "cf":
        frames = np.load(directory / "mel.npy").astype(np.float32)
        lines = (line.split("\t") for line in (directory / "mel_songs.tsv").open())
        place = {name: (int(start), int(n)) for name, start, n, _ in lines}
        chunks = []
        for start, n_frames in (place[dataset.song_ids[song]] for song in songs):
            first = start + round((n_frames - 128) / 2)
            chunks.append(frames[first : first + 128].T)
        spec = torch.from_numpy(np.stack(chunks))
    with torch.inference_mode():
        tags = normalize(network.embed_tags(torch.from_numpy(dataset.tag_vectors)))
        scores = tags @ normalize(network.embed_songs(spec, cf)).T
    return mean_over_tags(score_tags(scores.numpy(), dataset.song_tags[songs].T))["map"]


@pytest.fixture(scope="module")
def long_audio_dir(tmp_path_factory) -> Path:
    """Few songs, each longer than a chunk."""
    directory = write_planted(tmp_path_factory.mktemp("long") / "data", 60)
    return write_planted_mels(directory, shortest=130)


@pytest.mark.parametrize("input_type", ["spec", "hybrid"])
def test_acoustic_models_by_main(networks, files, long_audio_dir, input_type):
    chunks = ("--num_chunk", "1", "--input_length", "128", "--precision", "32")
    found = test_by_main(files[input_type], long_audio_dir, *chunks)
    expected = reference_map(networks[input_type], long_audio_dir)
    assert found["map"] == pytest.approx(expected, abs=1e-4)
    used = found["made_by"]["options"]
    assert (used["input_type"], used["num_chunk"], used["input_length"]) == (input_type, 1, 128)


def test_the_command_line(networks, files, shared_dataset_dir, tmp_path):
    target = tmp_path / "results.json"
    where = ("--model_load_path", files["cf"], "--data_path", shared_dataset_dir)
    more = ("--result_path", target, "--w2v_type", "music", "--margin", "0.2")
    done = run_here(ROOT / "main.py", "--mode", "TEST", *where, *more)
    assert done.returncode == 0, done.stderr
    told = "is a released checkpoint: its tags, vectors and spectrograms are not checked"
    assert sum(told in line for line in done.stdout.splitlines()) == 1
    assert "no effect with --mode TEST: --margin" in done.stdout
    found = json.loads(target.read_text())
    expected = reference_map(networks["cf"], shared_dataset_dir, "music")
    assert found["map"] == pytest.approx(expected, abs=1e-6)
    assert expected != pytest.approx(reference_map(networks["cf"], shared_dataset_dir), abs=1e-3)
    digest = hashlib.sha256(files["cf"].read_bytes()).hexdigest()
    assert found["made_by"]["released_checkpoint"] == {"file": "cf.ckpt", "sha256": digest}
    assert found["made_by"]["options"]["w2v_type"] == "music"
    assert found["made_by"]["train_seconds"] is None


def test_contradictions_are_told(networks, files, shared_dataset_dir, tmp_path):
    with pytest.raises(UserError, match="--input_type spec contradicts the checkpoint"):
        test_by_main(files["cf"], shared_dataset_dir, "--input_type", "spec")
    for part, kind in (("fc1", "word"), ("cf_fc1", "CF")):
        weights = networks["cf"].state_dict() | {f"{part}.weight": torch.zeros(512, 9)}
        path = save(tmp_path / "other sizes.ckpt", lightning_file(weights))
        with pytest.raises(UserError, match=rf"takes {kind} vectors of 9 numbers, .* have \d+"):
            test_by_main(path, shared_dataset_dir)


@pytest.mark.parametrize("w2v_type", ["google", "music"])
def test_indexed_with_the_word_vectors_that_are_named(
    networks, files, shared_dataset_dir, w2v_type
):
    given = {"model_load_path": str(files["cf"]), "data_path": str(shared_dataset_dir)}
    made, found = index_songs(given | {"w2v_type": w2v_type, "gpu_id": "cpu"}, None)
    dataset = open_dataset(shared_dataset_dir, w2v_type, input_type="cf")
    vectors = torch.from_numpy(dataset.tag_vectors)
    assert np.array_equal(made.tag_vectors, dataset.tag_vectors)
    with torch.inference_mode():
        model = load(files["cf"]).model
        songs = model.embed_songs(SongInputs(cf=torch.from_numpy(dataset.vectors["cf"])))
        expected = cosine_similarity(model.embed_tags(vectors), songs)
    similar = torch.from_numpy(made.embed(made.tag_vectors) @ found.embeddings.T)
    torch.testing.assert_close(similar, expected, rtol=0, atol=1e-5)
