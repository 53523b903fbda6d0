"""Fused block: on a GPU what convolution, pooling and ReLU give one after the other."""

import pytest
import torch
from torch.nn import functional as F

from fused_block import conv_pool_relu, is_fused
from modules import ShortChunkCNN


def on_gpu(test):
    return pytest.mark.gpu(
        pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")(test)
    )


def by_steps(x, weight, bias):
    """In float64, from the numbers as bfloat16 has them."""
    x, weight = x.bfloat16().double(), weight.bfloat16().double()
    return F.relu(F.max_pool2d(F.conv2d(x, weight, bias.double(), padding=1), 2))


@pytest.mark.parametrize("n_frames", [128, 173, 131])
@pytest.mark.parametrize("is_transposed", [False, True])
@on_gpu
def test_one_kernel_is_three_layers(n_frames, is_transposed):
    generator = torch.Generator().manual_seed(n_frames)
    x = torch.randn(3, 128, n_frames, generator=generator).cuda()
    if is_transposed:  # as chunks come from the store, time first
        x = x.transpose(1, 2).contiguous().transpose(1, 2)
    weight = torch.randn(128, 1, 3, 3, generator=generator).cuda()
    bias = torch.randn(128, generator=generator).cuda()
    found = conv_pool_relu(x[:, None], weight, bias)
    assert found.is_contiguous(memory_format=torch.channels_last)
    expected = by_steps(x[:, None], weight, bias)
    assert found.shape == expected.shape
    torch.testing.assert_close(found.double(), expected, rtol=2**-8, atol=1e-4)


@on_gpu
def test_the_network_evaluates_alike_in_bfloat16_and_float32():
    torch.manual_seed(0)
    network = ShortChunkCNN().cuda().eval()
    network.input_norm.running_mean.fill_(-40.0)
    network.input_norm.running_var.fill_(400.0)
    chunks = torch.randn(5, 128, 173, device="cuda") * 20 - 40
    with torch.no_grad():
        expected = network(chunks)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            assert is_fused(chunks[:, None])
            found = network(chunks).float()
    assert ((found - expected).norm() / expected.norm()).item() < 0.01


def test_elsewhere_the_layers_serve():
    chunks = torch.zeros(1, 1, 128, 128)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert not is_fused(chunks)
