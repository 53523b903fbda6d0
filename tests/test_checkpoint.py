"""Checkpoints: they describe themselves; what is none is refused and never run."""

import zipfile

import pytest
import torch

from checkpoint import check_same_data, checkpoint_file, read_checkpoint
from dataset.directory import open_dataset
from errors import UserError
from model import SongInputs
from solver import CHECKPOINT_FORMAT
from training_runs import OPTIONS, fit, load_solver


def test_a_checkpoint_describes_itself(shared_dataset_dir, tmp_path):
    solver, trainer = fit(shared_dataset_dir, epochs=1)
    path = tmp_path / "best.ckpt"
    trainer.save_checkpoint(path)
    loaded = load_solver(tmp_path)  # a folder stands for its best.ckpt
    assert OPTIONS.items() <= loaded.hparams.options.items()
    assert loaded.hparams.tags == open_dataset(shared_dataset_dir, input_type="cf").tags
    assert read_checkpoint(path)["tag_retrieval_format"] == CHECKPOINT_FORMAT
    songs = SongInputs(cf=torch.randn(5, 16))
    assert torch.equal(loaded.model.embed_songs(songs), solver.eval().model.embed_songs(songs))


class Payload:
    """Creates a file if it is ever unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_bit_that_has_changed_is_found_in_each_part(shared_dataset_dir, tmp_path):
    _, trainer = fit(shared_dataset_dir, epochs=1)
    path = tmp_path / "best.ckpt"
    trainer.save_checkpoint(path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        contents = {archive.read(part) for part in archive.namelist()}
    longest = sorted(contents, key=len)[-30:]  # weights, their averages in Adam, and their names
    for content in longest:
        damaged = bytearray(whole)
        damaged[whole.index(content) + len(content) // 2] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="is not a checkpoint, or is damaged"):
            read_checkpoint(path)
    path.write_bytes(whole)
    assert read_checkpoint(path)


@pytest.mark.parametrize("damage", ["cut", "text", "no format", "no settings", "code"])
def test_what_is_no_checkpoint_is_refused_and_never_run(tmp_path, damage, shared_dataset_dir):
    path = tmp_path / "best.ckpt"
    if damage == "cut":
        _, trainer = fit(shared_dataset_dir, epochs=1)
        trainer.save_checkpoint(path)
        path.write_bytes(path.read_bytes()[:-1000])
    elif damage == "text":
        path.write_text("not a checkpoint")
    elif damage == "no format":
        torch.save({"state_dict": {}}, path)
    elif damage == "no settings":
        torch.save(
            {
                "tag_retrieval_format": CHECKPOINT_FORMAT,
                "state_dict": {},
                "hyper_parameters": {"tags": []},
            },
            path,
        )
    else:
        torch.save(
            {"tag_retrieval_format": CHECKPOINT_FORMAT, "x": Payload(tmp_path / "ran")}, path
        )
    with pytest.raises(UserError, match=str(path)):
        load_solver(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("precision", {}),
        ("fusion", 10**9),
        ("num_chunk", float("nan")),
        ("negative_weighting", torch.ones(2)),
        ("resume", torch.ones(2)),
        ("lr", float("inf")),
        ("input_type", ["cf"]),
        (None, {}),
    ],
)
def test_options_that_no_command_line_gives(tmp_path, shared_dataset_dir, name, value):
    _, trainer = fit(shared_dataset_dir, epochs=1, max_steps=1)
    path = tmp_path / "best.ckpt"
    trainer.save_checkpoint(path)
    saved = torch.load(path, weights_only=True)
    if name is None:
        saved["hyper_parameters"] = [value]
    else:
        saved["hyper_parameters"]["options"][name] = value
    torch.save(saved, path)
    with pytest.raises(UserError, match=r"best\.ckpt has options that cannot be"):
        load_solver(path)


@pytest.mark.parametrize("version", [2, 3, torch.ones(2), True, "3"])
@pytest.mark.parametrize("settings", [{}, {"options": {}}, {"made_by": None, "tags": ["a"]}])
def test_made_up_checkpoints(tmp_path, version, settings):
    made_up = {"tag_retrieval_format": version, "hyper_parameters": settings, "state_dict": {}}
    torch.save(made_up, tmp_path / "best.ckpt")
    with pytest.raises(UserError, match=r"best\.ckpt has|lacks weights or settings"):
        load_solver(tmp_path)


@pytest.mark.parametrize("made_by", [None, {}, {"fingerprint": 5}, [1]])
def test_a_checkpoint_that_does_not_say_its_data(tmp_path, shared_dataset_dir, made_by):
    settings = {"tags": ["a"], "made_by": made_by}
    dataset = open_dataset(shared_dataset_dir, input_type="cf")
    with pytest.raises(UserError, match=r"last\.ckpt does not say what it was trained on"):
        check_same_data(settings, dataset, tmp_path / "last.ckpt")


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(UserError, match=r"best\.ckpt is missing"):
        checkpoint_file(tmp_path)
