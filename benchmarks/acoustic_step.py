"""Acoustic training on the CPU: one step of the CNN as written in the paper against ours.

The reference is float32, eager, in PyTorch's default memory layout, with ReLU before pooling; ours
is `modules.ShortChunkCNN` in the precision that main.py chooses on this machine, and compiled on
request. A step is forward and backward pass and Adam, on one batch that is given.

    python -m benchmarks.acoustic_step [--repeats 5] [--batch_size 32] [--compile]
"""

import argparse
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

from benchmarks.timing import compare, print_comparison
from main import choose_precision
from modules import ShortChunkCNN
from options import merge_options


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


def make_step(cnn: nn.Module, chunks: torch.Tensor, precision: str) -> Callable[[], None]:
    """Return a function that does one training step."""
    optimizer = torch.optim.Adam(cnn.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            embeddings = cnn(chunks)
        embeddings.float().square().mean().backward()
        optimizer.step()

    return step


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    chunks = torch.randn(arguments.batch_size, ShortChunkCNN.N_MELS, 173) * 20 - 40  # dB
    precision = choose_precision(merge_options({"input_type": "spec"}), "cpu")
    ours = ShortChunkCNN()
    if arguments.compile:
        ours.compile()
    seconds = compare(
        make_step(plain_cnn(), chunks, "32-true"),
        make_step(ours, chunks, precision),
        arguments.repeats,
    )
    how = f"{precision}{', compiled' if arguments.compile else ''}"
    print_comparison(f"one step of {arguments.batch_size} chunks, ours {how}", *seconds)


if __name__ == "__main__":
    main()
