"""musicnn, a network that tags music, with the weights that its authors have trained.

Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging" (late
breaking, ISMIR 2019), github.com/jordipons/musicnn, ISC licence; the architecture is that of Pons
et al., "End-to-end learning for music audio tagging at scale" (ISMIR 2018, arXiv 1711.02520). The
weights are TensorFlow's, in a package that is read as data and neither installed nor executed.
"""

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from encoders.musicnn_package import ENCODERS, tags_of
from encoders.tensor_bundle import read_bundle

N_PENULTIMATE = 200

# What TensorFlow calls the modules that have weights.
_TENSORFLOW: dict[type[nn.Module], str] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d), "conv2d"),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d), "batch_normalization"),
    nn.Linear: "dense",
}


class Layers(NamedTuple):
    """What the network makes of windows (B, T, 96), layer by layer, named as its authors do."""

    timbral: Tensor  # (B, 408, T)
    temporal: Tensor  # (B, 153, T)
    cnn1: Tensor  # (B, 64, T)
    cnn2: Tensor
    cnn3: Tensor
    max_pool: Tensor  # (B, 753), over time, of all the above
    mean_pool: Tensor
    penultimate: Tensor  # (B, 200)
    logits: Tensor  # (B, 50)


class _Front(nn.Module):
    """Convolution over time and mel bands, its maximum over the bands: (B, 1, T, F) -> (B, C, T).

    Parameters
    ----------
    n_outputs : int
        C.
    n_frames, n_bands : int
        Size of the filters.
    """

    def __init__(self, n_outputs: int, n_frames: int, n_bands: int):
        super().__init__()
        self.conv = nn.Conv2d(1, n_outputs, (n_frames, n_bands))
        self.norm = _norm(nn.BatchNorm2d, n_outputs)
        before = (n_frames - 1) // 2
        self.padding = (0, 0, before, n_frames - 1 - before)

    def forward(self, x: Tensor) -> Tensor:
        """Run it; in evaluation the maximum is taken at once, which gives the same twice as fast.

        Where the batch norm turns the sign of an output, that maximum is a minimum before it.
        """
        padded = F.pad(x, self.padding)
        if self.training:
            return self.norm(F.relu(self.conv(padded))).amax(3)
        sign = self.norm.weight.sign()  # (C,)
        signed = self.conv.weight * sign[:, None, None, None], self.conv.bias * sign
        highest = F.conv2d(padded, *signed).amax(3, keepdim=True)  # (B, C, T, 1)
        return self.norm(F.relu(highest * sign[:, None, None])).squeeze(3)


class _Middle(nn.Module):
    """Convolution over time of all that it gets: (B, C, T) -> (B, 64, T)."""

    def __init__(self, n_inputs: int):
        super().__init__()
        self.conv = nn.Conv1d(n_inputs, 64, 7, padding=3)
        self.norm = _norm(nn.BatchNorm1d, 64)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(F.relu(self.conv(x)))


def _norm(kind: type[nn.Module], n_inputs: int) -> nn.Module:
    return kind(n_inputs, eps=1e-3, momentum=0.01)  # TensorFlow's


class Musicnn(nn.Module):
    """The network: timbral and temporal filters, three layers over time, pooling, two dense layers.

    Its modules are made in the order in which TensorFlow numbered theirs: `load_musicnn` counts on
    that.
    """

    def __init__(self, n_tags: int = 50):
        super().__init__()
        self.norm_input = _norm(nn.BatchNorm2d, 1)
        self.timbral = nn.ModuleList([_Front(204, 7, n_bands) for n_bands in (38, 67)])
        self.temporal = nn.ModuleList([_Front(51, n_frames, 1) for n_frames in (128, 64, 32)])
        n_front = 2 * 204 + 3 * 51
        self.middle = nn.ModuleList([_Middle(n_inputs) for n_inputs in (n_front, 64, 64)])
        n_pooled = 2 * (n_front + 3 * 64)  # the maximum and the mean of each
        self.norm_pooled = _norm(nn.BatchNorm1d, n_pooled)
        self.dense = nn.Linear(n_pooled, N_PENULTIMATE)
        self.norm_dense = _norm(nn.BatchNorm1d, N_PENULTIMATE)
        self.output = nn.Linear(N_PENULTIMATE, n_tags)

    def forward(self, x: Tensor) -> Layers:
        """Run it on log mel spectrograms (B, T, 96); it was trained on T = `WINDOW` frames."""
        normed = self.norm_input(x.unsqueeze(1))  # (B, 1, T, 96)
        timbral = torch.cat([block(normed) for block in self.timbral], dim=1)
        temporal = torch.cat([block(normed) for block in self.temporal], dim=1)
        front = torch.cat([timbral, temporal], dim=1)  # (B, 561, T)
        cnn1 = self.middle[0](front)
        cnn2 = self.middle[1](cnn1) + cnn1
        cnn3 = self.middle[2](cnn2) + cnn2
        over_time = torch.cat([front, cnn1, cnn2, cnn3], dim=1)  # (B, 753, T)
        max_pool, mean_pool = over_time.amax(2), over_time.mean(2)
        pooled = torch.stack([max_pool, mean_pool], dim=2).flatten(1)  # (B, 1506), taking turns
        dropped = F.dropout(self.norm_pooled(pooled), 0.5, self.training)
        penultimate = self.norm_dense(F.relu(self.dense(dropped)))  # (B, 200)
        logits = self.output(F.dropout(penultimate, 0.5, self.training))
        return Layers(timbral, temporal, cnn1, cnn2, cnn3, max_pool, mean_pool, penultimate, logits)


def load_musicnn(wheel: Path, encoder: str = "msd-musicnn") -> Musicnn:
    """Build the network with the weights of one of `ENCODERS`, for evaluation.

    The wheel is that of the package, as `dataset.wheels` fetches and checks it.
    """
    folder = f"musicnn/{ENCODERS[encoder]}"
    with zipfile.ZipFile(wheel) as package:
        index = package.read(f"{folder}/.index")
        tensors = read_bundle(index, package.read(f"{folder}/.data-00000-of-00001"))
    network = Musicnn(len(tags_of(encoder)))
    counts: dict[str, int] = {}
    for module in network.modules():
        if kind := _TENSORFLOW.get(type(module)):
            number = counts[kind] = counts.get(kind, -1) + 1
            _fill(module, tensors, f"{kind}_{number}" if number else kind)
    return network.eval()


@torch.no_grad()
def _fill(module: Any, tensors: dict, name: str) -> None:
    """Copy the weights of a module from TensorFlow's, whose kernels have the outputs last."""
    if f"{name}/gamma" in tensors:
        names = {"gamma": module.weight, "beta": module.bias}
        names |= {"moving_mean": module.running_mean, "moving_variance": module.running_var}
        for ending, ours in names.items():
            ours.copy_(torch.tensor(tensors[f"{name}/{ending}"]))
        return
    kernel = torch.tensor(tensors[f"{name}/kernel"])
    if kernel.dim() == 4:  # (time, bands, inputs, outputs), or all inputs as bands
        order = (3, 2, 0, 1) if isinstance(module, nn.Conv2d) else (3, 1, 0, 2)
        kernel = kernel.permute(order)
    else:
        kernel = kernel.T
    module.weight.copy_(kernel.reshape(module.weight.shape))
    module.bias.copy_(torch.tensor(tensors[f"{name}/bias"]))
