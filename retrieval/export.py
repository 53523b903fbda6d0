"""A model for other programs: its branches as ONNX, songs and tags embedded, and a card.

song_branch.onnx, tag_branch.onnx   what embeds songs and tags
songs.tsv, tags.tsv                 id, artist, title; tag, tag category: a line a row of ...
song_embeddings.npy, tag_embeddings.npy, tag_word_vectors.npy   ... float32, of length 1
embeddings.safetensors              the same three arrays in one file
README.md                           the card, see `card.py`
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from checkpoint import open_trained
from dataset.directory import Dataset
from dataset.writing import staged, write_tsv
from errors import UserError
from model import RetrievalModel
from results import read_results
from retrieval.card import card
from retrieval.embedded_songs import EmbeddedSongs
from retrieval.embedding import embed_dataset
from solver import Solver

try:
    import onnx  # noqa: F401  (torch's exporter needs both)
    import onnxscript  # noqa: F401
    from safetensors.numpy import save
except ImportError:
    raise UserError("export needs ONNX: pip install onnx onnxscript safetensors") from None

SONG_BRANCH, TAG_BRANCH = "song_branch.onnx", "tag_branch.onnx"


class _Branch(nn.Module):
    """What embeds named inputs, brought to length 1."""

    def __init__(self, model: RetrievalModel, embed: Callable[[dict[str, Tensor]], Tensor]):
        super().__init__()
        self.model, self.embed = model, embed

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return F.normalize(self.embed(inputs))


def export_model(given: dict[str, Any], folder: Path) -> int:
    """Write a model and songs and tags of its data for other programs; return how many songs.

    `given` are options of main.py as TEST takes them. Files of an earlier export in the folder are
    replaced, all or none.

    Raises
    ------
    UserError
        As `--mode TEST`; or `folder` holds something else, or cannot be written to.
    """
    with staged(folder):  # raises UserError where nothing can be written
        pass
    if folder.is_dir() and any(folder.iterdir()) and not (folder / SONG_BRANCH).is_file():
        raise UserError(f"{folder} is a folder that holds something else: give TO a new name")
    trained = open_trained(given)
    songs = embed_dataset(trained)
    results = _results_of(trained.path)
    with staged(folder) as stage:
        solver = trained.solver.cpu().eval()
        _write_song_branch(solver, trained.options.input_length, stage / SONG_BRANCH)
        _write_tag_branch(solver, stage / TAG_BRANCH)
        _write_embeddings(stage, trained.dataset, songs, solver.model)
        (stage / "README.md").write_text(card(trained, len(songs.songs), results), encoding="utf-8")
    return len(songs.songs)


def _results_of(checkpoint: Path) -> dict | None:
    """What `--mode TEST` wrote beside a checkpoint; None if that is not there, or of another."""
    if not checkpoint.with_name("results.json").is_file():
        return None
    results = read_results(checkpoint.parent)
    tested = Path(str(results["made_by"].get("checkpoint")))
    return results if tested.name == checkpoint.name else None


def _write_song_branch(solver: Solver, n_frames: int, file: Path) -> None:
    songs, axes = {}, {}
    for name, length in solver.hparams.inputs.items():
        if length is None:
            songs[name] = torch.zeros(2, 3, solver.hparams.mel_settings["n_mels"], n_frames)
            axes[name] = {0: "songs", 1: "chunks"}
        else:
            songs[name] = torch.zeros(2, length)
            axes[name] = {0: "songs"}
    _write_onnx(_Branch(solver.model, solver.model.embed_songs), songs, axes, file)


def _write_tag_branch(solver: Solver, file: Path) -> None:
    model = solver.model
    words = {"word_vectors": torch.zeros(2, solver.hparams.tag_dim)}
    branch = _Branch(model, lambda inputs: model.embed_tags(inputs["word_vectors"]))
    _write_onnx(branch, words, {"word_vectors": {0: "tags"}}, file)


def _write_onnx(branch: nn.Module, inputs: dict[str, Tensor], axes: dict, file: Path) -> None:
    """Write a branch; `axes` names the dimensions of its inputs that may have any length."""
    with _calm():
        torch.onnx.export(
            branch.eval(),
            kwargs={"inputs": inputs},
            f=file,
            input_names=list(inputs),
            output_names=["embedding"],
            dynamic_shapes={"inputs": axes},
            external_data=False,
            dynamo=True,
            verbose=False,
        )


@contextmanager
def _calm() -> Iterator[None]:
    """Hide what the exporter says of itself and of packages that are not needed."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):
        try:
            yield
        finally:
            log.setLevel(level)


def _write_embeddings(
    stage: Path, dataset: Dataset, songs: EmbeddedSongs, model: RetrievalModel
) -> None:
    vectors = torch.from_numpy(dataset.tag_vectors)
    with torch.inference_mode():
        tags = F.normalize(model.embed_tags(vectors)).numpy()
    arrays = {
        "song_embeddings": np.ascontiguousarray(songs.embeddings),
        "tag_embeddings": tags,
        "tag_word_vectors": np.ascontiguousarray(dataset.tag_vectors),
    }
    for name, array in arrays.items():
        np.save(stage / f"{name}.npy", array)
    (stage / "embeddings.safetensors").write_bytes(save(arrays))
    write_tsv(stage / "songs.tsv", (song[:3] for song in songs.songs))
    write_tsv(stage / "tags.tsv", ((tag, dataset.categories.get(tag, "")) for tag in dataset.tags))
