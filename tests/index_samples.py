"""Indexes of songs whose answers are known, and models trained for a moment."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from gensim.models import KeyedVectors

from commands import run_main
from modules import projection_head
from retrieval.embedding import plain_layers
from retrieval.index_writing import EmbeddedSongs, write_index
from retrieval.song_index import IndexedSong, SongIndex, TagModel, read_index

FEW = {"n_epochs": 1, "triplets_per_epoch": 8, "batch_size": 4, "num_chunk": 2, "gpu_id": "cpu"}


def train(data_path, folder, **options):
    options |= {"data_path": data_path, "model_save_path": folder} | FEW
    run_main(*(part for name, value in options.items() for part in (f"--{name}", value)))
    return {"model_load_path": str(folder), "data_path": str(data_path), "gpu_id": "cpu"}


TAGS = ["Blues", "jazz", "smooth jazz", "sad"]


def make_model(tags=TAGS, vectors_file="", checkpoint="none.ckpt") -> TagModel:
    """Return an untrained tag branch."""
    torch.manual_seed(0)
    tag_vectors = torch.randn(len(tags), 6).numpy()
    layers = plain_layers(projection_head(6).eval())
    return TagModel(list(tags), tag_vectors, layers, str(vectors_file), checkpoint)


def make_songs(model: TagModel, n_songs: int = 5, songs=None, has_tags=True) -> EmbeddedSongs:
    """Songs that lie where a model puts its tags, one after another."""
    row = np.arange(n_songs) % len(model.tags)
    names = songs or [IndexedSong(f"S{number}") for number in range(n_songs)]
    song_tags = np.eye(len(model.tags), dtype=bool)[row] if has_tags else None
    return EmbeddedSongs(model.embed(model.tag_vectors)[row], names, song_tags)


def make_index(n_songs: int = 5, songs=None, has_tags=True, folder=None, **of_model) -> SongIndex:
    """An index of `make_songs`, in a folder of its own unless one is given."""
    model = make_model(**of_model)
    folder = folder or Path(tempfile.mkdtemp()) / "songs.index"
    write_index(folder, model, make_songs(model, n_songs, songs, has_tags))
    return read_index(folder)


def write_vectors(file, model, words=("blue",), change=0.0):
    """Vectors of the tags, joined by '_', and of other words: that of 'Blues', nearly."""
    vectors = KeyedVectors(model.tag_vectors.shape[1])
    known = model.tag_vectors + np.float32(change)
    names = [tag.replace(" ", "_") for tag in model.tags]
    vectors.add_vectors([*names, *words], np.concatenate([known, known[:1].repeat(len(words), 0)]))
    vectors.save(str(file))
    return file
