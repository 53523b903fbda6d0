"""Indexes of songs whose answers are known, and models trained for a moment."""

import dataclasses

import numpy as np
import torch
from gensim.models import KeyedVectors
from torch.nn import functional as F

from commands import run_main
from modules import projection_head
from retrieval.song_index import SongIndex

FEW = {"n_epochs": 1, "triplets_per_epoch": 8, "batch_size": 4, "num_chunk": 2, "gpu_id": "cpu"}


def train(data_path, folder, **options):
    options |= {"data_path": data_path, "model_save_path": folder} | FEW
    run_main(*(part for name, value in options.items() for part in (f"--{name}", value)))
    return {"model_load_path": str(folder), "data_path": str(data_path), "gpu_id": "cpu"}


def make_index(n_songs: int = 5, **changed) -> SongIndex:
    """Songs that lie where an untrained tag branch puts the tags a, b, c ..., one after another."""
    torch.manual_seed(0)
    tags = ["Blues", "jazz", "smooth jazz", "sad"]
    tag_vectors = torch.randn(len(tags), 6)
    tag_branch = projection_head(6).eval()
    with torch.inference_mode():
        places = F.normalize(tag_branch(tag_vectors))
    row = torch.arange(n_songs) % len(tags)
    song_tags = F.one_hot(row, len(tags)).bool()
    songs = [[f"S{number}", "", "", ""] for number in range(n_songs)]
    index = SongIndex(
        embeddings=places[row],
        songs=songs,
        song_tags=song_tags,
        tags=tags,
        tag_vectors=tag_vectors,
        tag_branch=tag_branch.state_dict(),
        vectors_file="",
    )
    return dataclasses.replace(index, **changed)


def write_vectors(file, index, words=("blue",), change=0.0):
    """Vectors of the tags, joined by '_', and of other words: that of 'Blues', nearly."""
    vectors = KeyedVectors(index.tag_vectors.shape[1])
    known = index.tag_vectors.numpy() + change
    names = [tag.replace(" ", "_") for tag in index.tags]
    vectors.add_vectors([*names, *words], np.concatenate([known, known[:1].repeat(len(words), 0)]))
    vectors.save(str(file))
    return file
