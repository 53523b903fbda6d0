"""The front of the short-chunk CNN, batch norm of the input and first block, as kernels for a GPU.

Its feature map is the largest of the network, and most of the time goes into writing and reading
it. Here each value is pooled where it is computed, only a quarter of them is ever written, and the
backward pass computes them once more. The batch norm between convolution and pooling needs mean
and variance of the map: these follow from moments of the input's patches, for a convolution is a
sum of a patch's values.
"""

import torch
from torch import Tensor, nn
from torch.library import triton_op, wrap_triton
from torch.nn import functional as F

from processes import place, track_statistics

try:
    import triton
    import triton.language as tl
except ImportError:  # comes with PyTorch for GPUs
    triton = None

PLACES = 32  # that a program computes at once
PROGRAMS = 528  # that share what is summed over all places: four for each processor of an H100
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # row and column in the 2x2 that become one value


def is_fused(x: Tensor, is_training: bool) -> bool:
    """Whether `norm_conv_pool_relu` serves for this input: one channel, a GPU, bfloat16."""
    return (
        triton is not None
        and x.is_cuda
        and x.shape[1] == 1
        and not x.requires_grad
        and is_training == torch.is_grad_enabled()
        and torch.is_autocast_enabled("cuda")
        and torch.get_autocast_dtype("cuda") == torch.bfloat16
        and place()[1] == 1  # else batch norm takes statistics of all processes
    )


def norm_conv_pool_relu(
    x: Tensor, input_norm: nn.BatchNorm2d, conv: nn.Conv2d, norm: nn.BatchNorm2d
) -> Tensor:
    """What `relu(max_pool2d(norm(conv(input_norm(x))), 2))` gives, in training or evaluation.

    Parameters
    ----------
    x : Tensor of float, shape (B, 1, F, L)
        Gets no gradient.
    input_norm, conv, norm
        Of 1 channel, from 1 to C by 3x3 with zeros around, and of C channels.

    Returns
    -------
    Tensor of bfloat16, shape (B, C, F // 2, L // 2)
        Channels last.
    """
    with torch.autocast(x.device.type, enabled=False):
        if norm.training:
            variance, mean = torch.var_mean(x, correction=0)
            track_statistics(input_norm, mean, variance, x.numel())
            heard = with_ones((x - mean) * (variance + input_norm.eps).rsqrt())
            # Scale and shift of the input's norm are learnt: with a second channel, of ones within
            # the song, they are weights of the convolution.
            weight = torch.cat([conv.weight * one for one in input_norm.parameters()], dim=1)
            mean, variance = _statistics(weight, patch_moments(heard))
            mean = mean + conv.bias
            track_statistics(norm, mean, variance, x.numel())
        else:
            by = input_norm.weight * (input_norm.running_var + input_norm.eps).rsqrt()
            heard = with_ones((x - input_norm.running_mean) * by + input_norm.bias)
            weight, mean, variance = conv.weight, norm.running_mean, norm.running_var
        by = norm.weight * (variance + norm.eps).rsqrt()  # (C,)
        bias = (conv.bias - mean) * by + norm.bias
        return conv_pool_relu(heard, weight * by[:, None, None, None], bias)


def with_ones(x: Tensor) -> Tensor:
    """What the kernels read: (B, 1, F, L) as bfloat16 (B + 1, F + 2, L + 2).

    With a rim of zeros around each song; the last one is ones.
    """
    songs = F.pad(x.squeeze(1).bfloat16(), (1, 1, 1, 1))
    ones = F.pad(torch.ones_like(x[0], dtype=torch.bfloat16), (1, 1, 1, 1))
    return torch.cat([songs, ones])


def _statistics(weight: Tensor, moments: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance, (C,) each, of what a convolution gives, from moments of the patches."""
    rows = weight.flatten(1)  # (C, 18)
    mean = moments[13]  # of the patches: in the middle of the ones there always is a one
    covariance = moments - mean[:, None] * mean
    return rows @ mean, ((rows @ covariance) * rows).sum(dim=1)


# ---------------------------------------------------------------- kernels as operators of torch


@triton_op("tag_retrieval::conv_pool_relu", mutates_args={})
def conv_pool_relu(heard: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """3x3 convolution, 2x2 max pooling and ReLU.

    Parameters
    ----------
    heard : Tensor of bfloat16, shape (B + 1, F + 2, L + 2)
        As `with_ones` gives it. Gets no gradient.
    weight : Tensor of float32, shape (C, 1 or 2, 3, 3)
        For the songs and, if there is a second channel, the ones; without it there are no
        gradients. C a power of two, at least 16.
    bias : Tensor of float32, shape (C,)

    Returns
    -------
    Tensor of bfloat16, shape (B, C, F // 2, L // 2)
        Channels last; sums are float32.
    """
    n_songs, n_rows, n_columns = _sizes(heard)
    shape = (n_songs, len(weight), n_rows // 2, n_columns // 2)
    out = torch.empty(
        shape, dtype=torch.bfloat16, device=heard.device, memory_format=torch.channels_last
    )
    kernels = _kernels(weight)
    grid = (n_songs, -(-shape[2] * shape[3] // PLACES))
    wrap_triton(_conv_pool_relu)[grid](
        heard, kernels, bias, out, *_sizes(heard), *kernels.shape[1:], PLACES
    )
    return out


@triton_op("tag_retrieval::conv_pool_relu_gradient", mutates_args={})
def conv_pool_relu_gradient(
    heard: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor
) -> Tensor:
    """Gradient of the weights, (C, 2, 3, 3): that of the bias is the ones' in the middle."""
    kernels = _kernels(weight)  # (4, 32, C)
    sums = torch.empty((PROGRAMS, *kernels.shape), dtype=torch.float32, device=heard.device)
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    wrap_triton(_gradient)[(PROGRAMS,)](
        heard, kernels, bias, gradient, sums, *_sizes(heard), *kernels.shape[1:], PLACES
    )
    found = sums.sum(dim=0).mT.unflatten(2, (2, 4, 4))  # (4, C, 2, 4, 4)
    parts = zip(found, CORNERS, strict=True)
    return sum(one[:, :, row : row + 3, column : column + 3] for one, (row, column) in parts)


@triton_op("tag_retrieval::patch_moments", mutates_args={})
def patch_moments(heard: Tensor) -> Tensor:
    """Means over all places of the products of two values of a patch: float32 (18, 18).

    A patch is what a kernel of two channels sees: nine values of the song, and nine of the ones.
    """
    n_songs, n_rows, n_columns = _sizes(heard)
    sums = torch.empty((PROGRAMS, 32, 32), dtype=torch.float32, device=heard.device)
    wrap_triton(_moments)[(PROGRAMS,)](heard, sums, *_sizes(heard), 32, PLACES)
    return sums.sum(dim=0)[:18, :18] / (n_songs * n_rows * n_columns)


def _sizes(heard: Tensor) -> tuple[int, int, int]:
    """Songs, rows and columns."""
    return heard.shape[0] - 1, heard.shape[1] - 2, heard.shape[2] - 2


def _kernels(weight: Tensor) -> Tensor:
    """A 4x4 kernel for each corner of a 2x2: bfloat16 (4, 16 or 32, C), 0 around the 3x3."""
    corners = [
        F.pad(weight, (column, 1 - column, row, 1 - row)).flatten(1).T for row, column in CORNERS
    ]
    return torch.stack(corners).bfloat16()


def _keep(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
    found = conv_pool_relu_gradient(*ctx.saved_tensors, gradient)
    return None, found, found[:, 1, 1, 1]


conv_pool_relu.register_autograd(_backward, setup_context=_keep)

if triton is not None:

    @triton.jit
    def _seen(
        heard,
        song,
        corner,
        is_asked,
        n_songs,
        n_rows,
        n_columns,
        size: tl.constexpr,
        n_taps: tl.constexpr,
    ):
        """What size x size kernels see of song and ones, from a corner on: (places, n_taps)."""
        tap = tl.arange(0, n_taps)
        n_values: tl.constexpr = size * size
        plane = tl.where(tap < n_values, song, n_songs) * (n_rows + 2) * (n_columns + 2)
        reach = tap % n_values // size * (n_columns + 2) + tap % size
        where = corner[:, None] + (plane + reach)[None, :]
        mask = is_asked[:, None] & (tap < 2 * n_values)[None, :]
        return tl.load(heard + where, mask=mask, other=0.0)

    @triton.jit
    def _conv_pool_relu(
        heard,
        kernels,
        bias,
        out,
        n_songs,
        n_rows,
        n_columns,
        n_taps: tl.constexpr,
        n_channels: tl.constexpr,
        n_places: tl.constexpr,
    ):
        """One program for `n_places` pooled places of a song."""
        song = tl.program_id(0)
        width = n_columns // 2
        n_outputs = (n_rows // 2) * width
        place = tl.program_id(1) * n_places + tl.arange(0, n_places)
        is_asked = place < n_outputs
        corner = place // width * 2 * (n_columns + 2) + place % width * 2
        seen = _seen(heard, song, corner, is_asked, n_songs, n_rows, n_columns, 4, n_taps)
        channel = tl.arange(0, n_channels)
        at = tl.arange(0, n_taps)[:, None] * n_channels + channel[None, :]
        highest = tl.dot(seen, tl.load(kernels + at))
        for number in tl.static_range(1, 4):
            kernel = tl.load(kernels + number * n_taps * n_channels + at)
            highest = tl.maximum(highest, tl.dot(seen, kernel))
        highest = tl.maximum(highest + tl.load(bias + channel)[None, :], 0.0)
        to = (song.to(tl.int64) * n_outputs + place)[:, None] * n_channels + channel[None, :]
        tl.store(out + to, highest.to(tl.bfloat16), mask=is_asked[:, None])

    @triton.jit
    def _gradient(
        heard,
        kernels,
        bias,
        gradient,
        sums,
        n_songs,
        n_rows,
        n_columns,
        n_taps: tl.constexpr,
        n_channels: tl.constexpr,
        n_places: tl.constexpr,
    ):
        """Each program sums over its share of the pooled places of all songs."""
        width = n_columns // 2
        n_outputs = (n_rows // 2) * width
        n_blocks = tl.cdiv(n_outputs, n_places)
        channel = tl.arange(0, n_channels)
        at = tl.arange(0, n_taps)[:, None] * n_channels + channel[None, :]
        size: tl.constexpr = n_taps * n_channels
        shift = tl.load(bias + channel)[None, :]
        first = tl.zeros((n_taps, n_channels), tl.float32)
        second, third, fourth = first, first, first
        for block in range(tl.program_id(0), n_songs * n_blocks, tl.num_programs(0)):
            song = block // n_blocks
            place = block % n_blocks * n_places + tl.arange(0, n_places)
            is_asked = place < n_outputs
            corner = place // width * 2 * (n_columns + 2) + place % width * 2
            seen = _seen(heard, song, corner, is_asked, n_songs, n_rows, n_columns, 4, n_taps)
            highest = tl.dot(seen, tl.load(kernels + at))
            which = tl.zeros((n_places, n_channels), tl.int32)
            for number in tl.static_range(1, 4):
                value = tl.dot(seen, tl.load(kernels + number * size + at))
                which = tl.where(value > highest, number, which)
                highest = tl.maximum(highest, value)
            of = (song.to(tl.int64) * n_outputs + place)[:, None] * n_channels + channel[None, :]
            given = tl.load(gradient + of, mask=is_asked[:, None], other=0.0)
            given = tl.where(highest + shift > 0, given, 0.0).to(tl.bfloat16)
            turned = tl.trans(seen)
            first += tl.dot(turned, tl.where(which == 0, given, 0.0).to(tl.bfloat16))
            second += tl.dot(turned, tl.where(which == 1, given, 0.0).to(tl.bfloat16))
            third += tl.dot(turned, tl.where(which == 2, given, 0.0).to(tl.bfloat16))
            fourth += tl.dot(turned, tl.where(which == 3, given, 0.0).to(tl.bfloat16))
        to = sums + tl.program_id(0) * 4 * size + at
        tl.store(to, first)
        tl.store(to + size, second)
        tl.store(to + 2 * size, third)
        tl.store(to + 3 * size, fourth)

    @triton.jit
    def _moments(
        heard,
        sums,
        n_songs,
        n_rows,
        n_columns,
        n_taps: tl.constexpr,
        n_places: tl.constexpr,
    ):
        """Each program sums products over its share of the places of all songs."""
        n_blocks = tl.cdiv(n_rows * n_columns, n_places)
        total = tl.zeros((n_taps, n_taps), tl.float32)
        for block in range(tl.program_id(0), n_songs * n_blocks, tl.num_programs(0)):
            song = block // n_blocks
            place = block % n_blocks * n_places + tl.arange(0, n_places)
            is_asked = place < n_rows * n_columns
            corner = place // n_columns * (n_columns + 2) + place % n_columns
            seen = _seen(heard, song, corner, is_asked, n_songs, n_rows, n_columns, 3, n_taps)
            total += tl.dot(tl.trans(seen), seen)
        tap = tl.arange(0, n_taps)
        at = tl.program_id(0) * n_taps * n_taps + tap[:, None] * n_taps + tap[None, :]
        tl.store(sums + at, total)
