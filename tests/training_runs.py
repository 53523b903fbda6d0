"""A training of seconds, without main.py, and what is left of one."""

import torch
from pytorch_lightning import Trainer

from checkpoint import build_solver, checkpoint_file, read_checkpoint
from data_loader import RetrievalData
from dataset.directory import open_dataset
from options import Options
from solver import Solver

OPTIONS = {
    "input_type": "cf",
    "is_weighted": True,
    "negative_weighting": "similarity",
    "margin": 0.4,
    "lr": 1e-3,
    "lr_schedule": "constant",
    "seed": 0,
}
DATA_OPTIONS = {"batch_size": 128, "triplets_per_epoch": 10_000, "is_balanced": True, "seed": 0}
DATA_OPTIONS |= {"anchors_per_song": 1}


def load_solver(path):
    """The Solver of a checkpoint, or of the `best.ckpt` in a folder."""
    file = checkpoint_file(path)
    return build_solver(read_checkpoint(file), file)


def fit(
    directory, epochs=3, schedule="constant", ckpt_path=None, loss="triplet", **trainer_options
):
    dataset = open_dataset(directory, input_type="cf")
    torch.manual_seed(0)
    solver = Solver(
        OPTIONS | {"lr_schedule": schedule, "loss": loss},
        dataset.tags,
        tag_dim=20,
        inputs={"cf": 16},
    )
    trainer = Trainer(
        **{"accelerator": "cpu", "devices": 1, "logger": False, "max_epochs": epochs}
        | {"enable_checkpointing": False, "enable_progress_bar": False, "num_sanity_val_steps": 0}
        | {"enable_model_summary": False}
        | trainer_options
    )
    data = RetrievalData(dataset, Options(**DATA_OPTIONS, loss=loss))
    trainer.fit(solver, datamodule=data, ckpt_path=ckpt_path)
    return solver, trainer
