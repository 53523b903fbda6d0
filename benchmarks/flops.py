"""How many floating point operations the branches take."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.plain_cnn import plain_cnn
from benchmarks.synthetic import CF_DIM, TAG_DIM
from dataset.mel_store import N_MELS
from model import RetrievalModel


def forward_flops(input_type: str, length: int) -> tuple[int, int]:
    """FLOPs forward of one tag, and of one song or chunk of `length` frames.

    Counted by torch from the shapes of the layers: convolutions and matrix products, two FLOPs a
    multiplication with its addition.
    """
    cf_dim = None if input_type == "spec" else CF_DIM
    counts = []
    with torch.device("meta"):
        model = RetrievalModel(TAG_DIM, {input_type: cf_dim})
        if input_type == "spec":  # ours computes a little more than the network asks for
            model.acoustic_branch = plain_cnn()
        model.eval()
        inputs = {"spec": torch.empty(1, N_MELS, length), "cf": torch.empty(1, CF_DIM)}
        for branch, given in (
            (model.embed_tags, torch.empty(1, TAG_DIM)),
            (model.embed_songs, inputs),
        ):
            with FlopCounterMode(display=False) as counter:
                branch(given)
            counts.append(counter.get_total_flops())
    return counts[0], counts[1]
