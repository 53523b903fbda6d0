"""Several processes that train one model: what each computes of a batch, and how they tell it.

A batch is the whole batch, whatever the number of processes. Each embeds its part of the songs and
of the tags, all embeddings are gathered, and every process computes the loss of the whole. So more
processes change the time that a training takes, and nothing else but dropout and rounding.
"""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import resource_tracker
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from errors import UserError
from progress import lock_by_threads

GRACE = 10.0  # seconds in which this process may say itself why another one has ended
ENVIRONMENT = ("LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")  # as Lightning reads it


# ---------------------------------------------------------------- parts of a batch


def place() -> tuple[int, int]:
    """Number of this process, and of how many."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def part_of(rows: Tensor) -> Tensor:
    """This process's part of the rows of a batch: as many as the others have, or one more."""
    number, n_processes = place()
    return rows if n_processes == 1 else rows.tensor_split(n_processes)[number]


def gather(part: Tensor, n_rows: int) -> Tensor:
    """All `n_rows` rows (n_rows, E) of which each process has its `part_of`, with gradient."""
    number, n_processes = place()
    if n_processes == 1:
        return part
    sizes = [len(rows) for rows in torch.empty(n_rows).tensor_split(n_processes)]
    before, after = sum(sizes[:number]), sum(sizes[number + 1 :])
    return _Sum.apply(F.pad(part, (0, 0, before, after)))


def total(count: int) -> int:
    """Sum of a count over the processes."""
    if place()[1] == 1:
        return count
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    counts = torch.tensor([count], device=device)
    distributed.all_reduce(counts)
    return int(counts)


class _Sum(torch.autograd.Function):
    """Sum over the processes; what each process makes of it has its part in the gradient."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        x = x.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradient)


def share_batch_norm(model: nn.Module) -> None:
    """Let every batch norm of a model take mean and deviation of the whole batch in training.

    `torch.nn.SyncBatchNorm` does so on GPUs alone.
    """
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.forward = partial(_normalise, module)


def _normalise(norm: nn.modules.batchnorm._BatchNorm, x: Tensor) -> Tensor:
    if not norm.training or place()[1] == 1:
        return type(norm).forward(norm, x)
    others = [0, *range(2, x.dim())]
    shape = [1, -1, *[1] * (x.dim() - 2)]
    values = x.to(norm.running_mean.dtype)
    n_values = total(x.numel() // x.shape[1])
    mean = _Sum.apply(values.sum(others)) / n_values  # (C,)
    centred = values - mean.view(shape)
    variance = _Sum.apply(centred.square().sum(others)) / n_values
    track_statistics(norm, mean, variance, n_values)
    out = centred * (variance + norm.eps).rsqrt().view(shape)
    if norm.affine:
        out = out * norm.weight.view(shape) + norm.bias.view(shape)
    return out.to(x.dtype)


@torch.no_grad()
def track_statistics(
    norm: nn.modules.batchnorm._BatchNorm, mean: Tensor, variance: Tensor, n_values: int
) -> None:
    """Take a batch's mean and variance of `n_values`, (C,) each, into the running ones."""
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance * n_values / max(n_values - 1, 1), norm.momentum)


# ---------------------------------------------------------------- processes that help


@contextlib.contextmanager
def helpers(n_processes: int, work: Callable[..., object], *arguments: Any) -> Iterator[None]:
    """Let `work(*arguments)` run in the other processes, so that all of them are `n_processes`.

    They print nothing. When one ends before its time, so does this one, in a sentence; when this
    one is killed, the others end. `work` does what this process
    does meanwhile; it is of a module, so that other processes can import it.
    """
    if n_processes == 1:
        yield
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    context = multiprocessing.get_context("spawn")
    started = [
        context.Process(target=_help, args=(work, arguments), daemon=True)
        for _ in range(1, n_processes)
    ]
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    done = threading.Event()
    try:  # a signal that was held comes before the first step, and must not leave them behind
        with _signals_held():
            for number, process in enumerate(started, start=1):
                os.environ.update(_place_in_environment(number, port))  # which it takes over
                process.start()
        os.environ.update(_place_in_environment(0, port))
        threading.Thread(target=_watch, args=(started, done), daemon=True).start()
        yield
    except RuntimeError:  # of a connection that has ended, unless it is this process's own
        time.sleep(1.0)
        killed = [process.exitcode for process in started if (process.exitcode or 0) < 0]
        if killed:
            raise UserError(_why_ended(killed[0])) from None
        raise
    finally:
        done.set()
        for process in [one for one in started if one.pid]:  # a stop may come before the last
            process.kill()  # Lightning would wait for the end of a step
            process.join()
        if distributed.is_initialized():
            distributed.destroy_process_group()
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


def _place_in_environment(number: int, port: str) -> dict[str, str]:
    return dict(zip(ENVIRONMENT, (str(number), "0", "127.0.0.1", port), strict=True))


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Let what is started meanwhile never hear of Ctrl-C or SIGTERM, not even as it is loaded.

    Terminals and batch systems send them to all processes at once; the first acts for all.
    """
    resource_tracker.ensure_running()  # it is started first, and would let them through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _help(work: Callable[..., object], arguments: tuple) -> None:
    """What another process does."""
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    lock_by_threads()
    work(*arguments)


def _end_with_the_first() -> None:
    """End this process when the first one is killed: it may be waiting for that one to begin."""
    first = multiprocessing.parent_process()
    if first:
        first.join()
        os._exit(1)


def _watch(started: list, done: threading.Event) -> None:
    """End this process when another has ended before its time: it would wait for it for ever."""
    while not done.wait(0.5):
        ended = [process for process in started if process.exitcode not in (None, 0)]
        if ended and not done.wait(GRACE):
            print(f"error: {_why_ended(ended[0].exitcode)}", file=sys.stderr, flush=True)
            for process in started:
                process.kill()
            os._exit(2)


def _why_ended(exit_code: int) -> str:
    return (
        f"one of the processes of --n_processes or --gpu_id ended with exit code {exit_code}: see "
        "whether memory was short, or give fewer"
    )
