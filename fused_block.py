"""The first block of the short-chunk CNN as one kernel, for evaluation on a GPU.

Its feature map is the largest of the network, and most of the time goes into writing and reading
it. Here each value is pooled where it is computed, and only a quarter of them is ever written.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

try:
    import triton
    import triton.language as tl
except ImportError:  # comes with PyTorch for GPUs
    triton = None

TAPS = 16  # the nine of a 3x3 kernel, and zeros: a matrix unit takes no fewer
PLACES = 64  # after pooling, that one program computes


def is_fused(x: Tensor) -> bool:
    """Whether `conv_pool_relu` serves for this input: one channel, on a GPU, in bfloat16."""
    return (
        triton is not None
        and x.is_cuda
        and x.shape[1] == 1
        and not torch.is_grad_enabled()
        and torch.is_autocast_enabled("cuda")
        and torch.get_autocast_dtype("cuda") == torch.bfloat16
    )


def conv_pool_relu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """3x3 convolution of one channel, 2x2 max pooling and ReLU.

    Parameters
    ----------
    x : Tensor of float, shape (B, 1, F, L)
        Zeros are taken for what lies outside.
    weight : Tensor of float, shape (C, 1, 3, 3)
        C a power of two, at least 16.
    bias : Tensor of float, shape (C,)

    Returns
    -------
    Tensor of bfloat16, shape (B, C, F // 2, L // 2)
        Channels last; sums are float32.
    """
    n_songs, _, n_rows, n_columns = x.shape
    n_channels = len(weight)
    shape = (n_songs, n_channels, n_rows // 2, n_columns // 2)
    out = torch.empty(
        shape, dtype=torch.bfloat16, device=x.device, memory_format=torch.channels_last
    )
    taps = F.pad(weight.flatten(1), (0, TAPS - 9)).T.contiguous().bfloat16()  # (TAPS, C)
    n_programs = -(-shape[2] * shape[3] // PLACES)
    strides = x.stride(0), x.stride(2), x.stride(3)
    _kernel[(n_songs, n_programs)](
        x, taps, bias.float(), out, n_rows, n_columns, *strides, n_channels, TAPS, PLACES
    )
    return out


if triton is not None:

    @triton.jit
    def _kernel(
        x,
        taps,
        bias,
        out,
        n_rows,
        n_columns,
        song_stride,
        row_stride,
        column_stride,
        n_channels: tl.constexpr,
        n_taps: tl.constexpr,
        n_places: tl.constexpr,
    ):
        song = tl.program_id(0).to(tl.int64)
        width = n_columns // 2
        n_outputs = (n_rows // 2) * width
        place = tl.program_id(1) * n_places + tl.arange(0, n_places)
        channel = tl.arange(0, n_channels)
        tap = tl.arange(0, n_taps)
        kernel = tl.load(taps + tap[:, None] * n_channels + channel[None, :])  # (taps, C)
        is_asked = (place < n_outputs)[:, None] & (tap < 9)[None, :]
        highest = tl.full((n_places, n_channels), float("-inf"), tl.float32)
        for corner in tl.static_range(4):  # of the 2x2 that become one value
            row = (place // width * 2 + corner // 2)[:, None] + (tap // 3 - 1)[None, :]
            column = (place % width * 2 + corner % 2)[:, None] + (tap % 3 - 1)[None, :]
            inside = (row >= 0) & (row < n_rows) & (column >= 0) & (column < n_columns)
            where = song * song_stride + row * row_stride + column * column_stride
            seen = tl.load(x + where, mask=is_asked & inside, other=0.0)  # (places, taps)
            highest = tl.maximum(highest, tl.dot(seen.to(tl.bfloat16), kernel))
        highest = tl.maximum(highest + tl.load(bias + channel)[None, :], 0.0)
        to = (song * n_outputs + place)[:, None] * n_channels + channel[None, :]
        tl.store(out + to, highest.to(tl.bfloat16), mask=(place < n_outputs)[:, None])
