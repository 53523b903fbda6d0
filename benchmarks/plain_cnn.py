"""The short-chunk CNN layer by layer as in the paper: what ours is tested and timed against."""

from itertools import pairwise

from torch import nn

from modules import ShortChunkCNN


def plain_cnn(n_outputs: int = 256) -> nn.Sequential:
    """`modules.ShortChunkCNN` as the paper has it; its weights stand in the same order."""
    channels = [1, 128, 128, 256, 256, 256, 256, 512]
    blocks = [
        nn.Sequential(
            nn.Conv2d(n_in, n_out, kernel_size=3, padding=1),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        for n_in, n_out in pairwise(channels)
    ]
    last = [nn.Conv2d(channels[-1], n_outputs, kernel_size=1), nn.BatchNorm2d(n_outputs), nn.ReLU()]
    shape = nn.Unflatten(1, (1, ShortChunkCNN.N_MELS))  # (B, F, L) -> (B, 1, F, L)
    over_time = [nn.AdaptiveMaxPool2d(1), nn.Flatten()]
    return nn.Sequential(shape, nn.BatchNorm2d(1), *blocks, *last, *over_time)
