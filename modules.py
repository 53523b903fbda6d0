"""Building blocks of the branches: projection head, short-chunk CNN, musicnn to be fine-tuned.

Architecture of Won et al., ICASSP 2021 (arXiv 2010.16030), figure 1; the CNN after "Evaluation of
CNN-based Automatic Music Tagging Models" (Won, Ferraro, Bogdanov, Serra, 2020, arXiv 2006.00751).
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from encoders.musicnn import N_PENULTIMATE, Musicnn
from fused_block import is_fused, norm_conv_pool_relu

EMBEDDING_SIZE = 256  # dimensions of the space


class HalfDropout(nn.Module):
    """Dropout of half of the units, one random bit a unit.

    On a CPU torch's own dropout draws a double a unit, one after the other: a cultural training
    step takes 1.19 times as long with it (1.16 to 1.24, seven pairs on two cores).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Zero each value with probability 1/2 and double the others; identity in evaluation."""
        if not self.training or x.device.type != "cpu":
            return F.dropout(x, 0.5, self.training)
        n_words = -(-x.numel() // 32)
        words = torch.randint(-(2**31), 2**31, (n_words, 1), dtype=torch.int32)
        bits = (words >> torch.arange(32, dtype=torch.int32)) & 1  # (n_words, 32)
        return x * bits.flatten()[: x.numel()].view_as(x).to(x.dtype).mul_(2)


def projection_head(
    n_inputs: int, n_outputs: int = EMBEDDING_SIZE, n_hidden: int = 512
) -> nn.Sequential:
    """Two-layer perceptron (B, n_inputs) -> (B, n_outputs) with batch norm and dropout."""
    return nn.Sequential(
        nn.Linear(n_inputs, n_hidden),
        nn.BatchNorm1d(n_hidden),
        nn.ReLU(),
        HalfDropout(),
        nn.Linear(n_hidden, n_outputs),
    )


def plain_head(n_inputs: int, n_outputs: int = EMBEDDING_SIZE) -> nn.Sequential:
    """Two-layer perceptron (B, n_inputs) -> (B, n_outputs): a row is not told by the others."""
    return nn.Sequential(nn.Linear(n_inputs, 512), nn.ReLU(), nn.Linear(512, n_outputs))


class TwinHeads(nn.Module):
    """Two heads that share out the dimensions of the space: (B, C) -> (B, 256).

    Each half has length 1, so that the cosine of a tag and a song, both from twins, is the mean of
    the halves' cosines: two networks that are trained apart and asked together.
    """

    def __init__(self, make_head: Callable[[int], nn.Module]):
        super().__init__()
        self.heads = nn.ModuleList([make_head(EMBEDDING_SIZE // 2) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([F.normalize(head(x).float()) for head in self.heads], dim=-1)

    @staticmethod
    def halves(embeddings: Tensor) -> tuple[Tensor, ...]:
        """What either twin says of tags or songs: (B, 256) -> two of (B, 128)."""
        return embeddings.split(EMBEDDING_SIZE // 2, dim=-1)


def song_head(n_inputs: int, are_twins: bool) -> nn.Module:
    """From a song's vector into the space: as in the paper, or twins, each twice as wide."""
    if not are_twins:
        return projection_head(n_inputs)
    return TwinHeads(partial(projection_head, n_inputs, n_hidden=1024))


def tag_head(n_inputs: int, are_twins: bool) -> nn.Module:
    """From a word vector into the space: as in the paper, or twins.

    Those have neither batch norm nor dropout: losses over all tags show them each in every step.
    """
    return TwinHeads(partial(plain_head, n_inputs)) if are_twins else projection_head(n_inputs)


class VectorHead(nn.Sequential):
    """A head for vectors of any scale, (B, n_inputs): each value brought to mean 0 and deviation 1.

    In training each value is left out with probability `dropout`, so that none is relied on alone
    (Srivastava et al. 2014): a few hundred songs are soon known by heart.
    """

    def __init__(self, n_inputs: int, head: nn.Module, dropout: float = 0.0):
        super().__init__(nn.BatchNorm1d(n_inputs, affine=False), head)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        norm, head = self
        return head(F.dropout(norm(x), self.dropout, self.training))


class ConvBlock(nn.Sequential):
    """3x3 convolution, batch norm, 2x2 max pooling, ReLU: (B, C, F, L) -> (B, C', F/2, L/2).

    The paper's ReLU stands before the pooling, which gives the same from four times the work.
    """

    def __init__(self, n_inputs: int, n_outputs: int):
        super().__init__(
            nn.Conv2d(n_inputs, n_outputs, kernel_size=3, padding=1),
            nn.BatchNorm2d(n_outputs),
            nn.MaxPool2d(2),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Run the block; in evaluation the convolution takes over the batch norm."""
        if self.training:
            return super().forward(x)
        conv, norm, pool, relu = self
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()  # (C',)
        bias = (conv.bias - norm.running_mean) * scale + norm.bias
        weight = conv.weight * scale[:, None, None, None]
        out = pool(F.conv2d(x, weight, padding=1))
        return relu(out + bias[:, None, None])  # on a quarter of the values that pooling sees


class ShortChunkCNN(nn.Module):
    """Short-chunk CNN: a chunk of mel spectrogram to one vector of `n_outputs` numbers.

    Batch norm on the input, seven blocks of 3x3 convolution and 2x2 max pooling, which leave one
    of 128 mel bands, a 1x1 convolution with batch norm and ReLU, then the maximum over time.
    """

    N_MELS = 128
    MIN_FRAMES = 128  # seven poolings by two must leave one frame

    def __init__(self, n_outputs: int = EMBEDDING_SIZE):
        super().__init__()
        channels = [1, 128, 128, 256, 256, 256, 256, 512]
        self.input_norm = nn.BatchNorm2d(1)
        self.blocks = nn.Sequential(*(ConvBlock(n_in, n_out) for n_in, n_out in pairwise(channels)))
        self.project = nn.Sequential(
            nn.Conv2d(channels[-1], n_outputs, kernel_size=1),
            nn.BatchNorm2d(n_outputs),
            nn.ReLU(),
        )
        self.to(memory_format=torch.channels_last)  # 1.2 times faster on the CPU, and with bf16

    def forward(self, spec: Tensor) -> Tensor:
        """Embed chunks: float (B, 128, L) in dB, L >= 128 frames -> float (B, n_outputs)."""
        if spec.shape[-2] != self.N_MELS or spec.shape[-1] < self.MIN_FRAMES:
            raise ValueError(
                f"chunks must be ({self.N_MELS}, >= {self.MIN_FRAMES}), not {tuple(spec.shape)}"
            )
        out = spec.unsqueeze(1)  # (B, F, L) -> (B, 1, F, L)
        first, *others = self.blocks
        if is_fused(out, self.training):
            out = norm_conv_pool_relu(out, self.input_norm, first[0], first[1])
        else:
            out = first(self.input_norm(out))
        for layer in (*others, self.project):
            out = layer(out)  # ... -> (B, n_outputs, 1, L / 128)
        return out.amax(dim=(2, 3))  # (B, n_outputs, 1, L / 128) -> (B, n_outputs)


class MusicnnBranch(nn.Module):
    """musicnn up to the layer before its tags, then a projection to `n_outputs` numbers."""

    TRAINED_LAST = ("dense", "norm_dense")  # of musicnn, beside the projection

    def __init__(self, n_outputs: int = EMBEDDING_SIZE):
        super().__init__()
        self.network = Musicnn()
        self.network.output = nn.Identity()  # its tags are not wanted
        self.norm = nn.BatchNorm1d(N_PENULTIMATE, affine=False)
        self.head = projection_head(N_PENULTIMATE, n_outputs)

    def start_from(self, trained: Musicnn, keep_front: bool) -> None:
        """Take the weights of a trained network; with `keep_front` all but its last layers stay.

        These are in evaluation then, which Lightning respects.
        """
        trained.output = nn.Identity()
        self.network.load_state_dict(trained.state_dict())
        for name, module in self.network.named_children():
            if keep_front and name not in self.TRAINED_LAST:
                module.requires_grad_(False).eval()

    def forward(self, spec: Tensor) -> Tensor:
        """Embed chunks: float (B, 96, L) in musicnn's scale -> float (B, n_outputs)."""
        return self.head(self.norm(self.network(spec.transpose(1, 2)).penultimate))
