"""Acoustic branch on the CPU: training and inference as written in the paper against ours.

The reference is float32, eager, in PyTorch's default memory layout, with ReLU before pooling; ours
is `modules.ShortChunkCNN` as main.py runs it on this machine: in its precision, with freed memory
kept, and compiled on request. Each has a process of its own, for the memory is kept for a whole
process. A training step is forward and backward pass and Adam on a given batch, inference the
forward pass of a batch without gradients. The limit is the time of the convolutions at the rate of
a large float32 matrix product.

    python -m benchmarks.acoustic_step [--repeats 5] [--batch_size 32] [--compile]
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import torch
from torch import nn

from benchmarks.flops import forward_flops
from benchmarks.plain_cnn import plain_cnn
from benchmarks.timing import compare, print_comparison
from modules import ShortChunkCNN
from options import merge_options
from trainer import choose_precision, keep_freed_memory

LENGTH = 173  # frames of a chunk


def make_step(cnn: nn.Module, chunks: torch.Tensor, precision: str) -> Callable[[], None]:
    """Return a function that does one training step."""
    optimizer = torch.optim.Adam(cnn.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            embeddings = cnn.train()(chunks)
        embeddings.float().square().mean().backward()
        optimizer.step()

    return step


def make_inference(cnn: nn.Module, chunks: torch.Tensor, precision: str) -> Callable[[], None]:
    """Return a function that embeds the chunks."""

    def embed() -> None:
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed")
        with torch.inference_mode(), autocast:
            cnn.eval()(chunks)

    return embed


# ---------------------------------------------------------------- in a process of its own

_work: dict[str, Callable[[], None]] = {}


def prepare(is_ours: bool, batch_size: int, is_compiled: bool) -> None:
    """Make what this process is asked for."""
    torch.manual_seed(0)
    chunks = torch.randn(batch_size, ShortChunkCNN.N_MELS, LENGTH) * 20 - 40  # dB
    cnn, precision = plain_cnn(), "32-true"
    if is_ours:
        keep_freed_memory()
        cnn, precision = ShortChunkCNN(), chosen_precision()
        if is_compiled:
            cnn.compile()
    _work["training"] = make_step(cnn, chunks, precision)
    _work["inference"] = make_inference(cnn, chunks, precision)


def work(kind: str) -> None:
    """Do what `prepare` has made."""
    _work[kind]()


# ---------------------------------------------------------------- the command


def chosen_precision() -> str:
    """Precision that main.py chooses on this machine."""
    return choose_precision(merge_options({"input_type": "spec"}), "cpu")


def limit_seconds(batch_size: int) -> float:
    """Seconds of the convolutions of a forward pass at the rate of a large matrix product."""
    _, flops = forward_flops("spec", LENGTH)
    factor, product = torch.randn(2, 2048, 2048)
    fastest = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        torch.mm(factor, factor, out=product)
        fastest = min(fastest, time.perf_counter() - start)
    return flops * batch_size * fastest / (2 * 2048**3)


def run_in(pool: ProcessPoolExecutor, kind: str) -> None:
    """Do the work of one kind in the process of a pool."""
    pool.submit(work, kind).result()


def main() -> None:
    """Print the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    n_chunks = arguments.batch_size
    limit = limit_seconds(n_chunks)
    how = f"{chosen_precision()}{', compiled' if arguments.compile else ''}"
    one_process: dict = {"max_workers": 1, "mp_context": get_context("spawn")}
    one_process["initializer"] = prepare
    with (
        ProcessPoolExecutor(**one_process, initargs=(False, n_chunks, False)) as reference,
        ProcessPoolExecutor(**one_process, initargs=(True, n_chunks, arguments.compile)) as ours,
    ):
        for kind, flops in (("training", 3), ("inference", 1)):
            seconds = compare(
                partial(run_in, reference, kind), partial(run_in, ours, kind), arguments.repeats
            )
            print_comparison(f"{kind}, {n_chunks} chunks of {LENGTH} frames, ours {how}", *seconds)
            print(f"  the convolutions alone, in float32: {1e3 * flops * limit:.0f} ms")


if __name__ == "__main__":
    main()
