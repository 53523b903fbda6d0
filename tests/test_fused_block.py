"""Fused block: on a GPU what the layers give one after the other, in training and evaluation."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fused_block
from fused_block import (
    conv_pool_relu,
    conv_pool_relu_gradient,
    is_fused,
    norm_conv_pool_relu,
    patch_moments,
    with_ones,
)
from modules import ShortChunkCNN


def on_gpu(test):
    return pytest.mark.gpu(
        pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")(test)
    )


# ---------------------------------------------------------------- what the kernels compute, plainly


def channels(heard: Tensor) -> Tensor:
    """The two channels of the convolution, rim and all: (B, 2, F + 2, L + 2)."""
    return torch.stack([heard[:-1], heard[-1:].expand_as(heard[:-1])], dim=1)


def by_steps(heard: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.relu(F.max_pool2d(F.conv2d(channels(heard)[:, : weight.shape[1]], weight, bias), 2))


def moments_by_steps(heard: Tensor) -> Tensor:
    patches = F.unfold(channels(heard), 3).transpose(0, 1).flatten(1)  # (18, places)
    return patches @ patches.T / patches.shape[1]


@pytest.fixture
def layers() -> tuple[nn.BatchNorm2d, nn.Conv2d, nn.BatchNorm2d]:
    """As at no start: all weights and running statistics drawn."""
    torch.manual_seed(0)
    layers = nn.BatchNorm2d(1), nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
    for layer in layers:
        for weight in layer.parameters():
            nn.init.normal_(weight)
    for norm in layers[::2]:
        norm.running_mean.normal_()
        norm.running_var.uniform_(1, 9)
    return tuple(layer.double() for layer in layers)


@pytest.mark.parametrize("is_training", [True, False])
def test_statistics_from_moments_are_those_of_the_map(layers, is_training, monkeypatch):
    monkeypatch.setattr(fused_block, "conv_pool_relu", by_steps)
    monkeypatch.setattr(fused_block, "patch_moments", moments_by_steps)
    x = torch.randn(3, 1, 12, 15, dtype=torch.float64) * 20 - 40
    monkeypatch.setattr(Tensor, "bfloat16", Tensor.double)
    theirs = copy.deepcopy(layers)
    for layer in (*layers, *theirs):
        layer.train(is_training)
    found = norm_conv_pool_relu(x, *layers)
    input_norm, conv, norm = theirs
    expected = F.relu(F.max_pool2d(norm(conv(input_norm(x))), 2))
    torch.testing.assert_close(found, expected)
    (found * torch.arange(16)[:, None, None]).square().sum().backward()
    (expected * torch.arange(16)[:, None, None]).square().sum().backward()
    for ours, other in zip(layers, theirs, strict=True):
        for name, buffer in other.named_buffers():
            torch.testing.assert_close(getattr(ours, name), buffer, msg=name)
        for name, weight in other.named_parameters():
            torch.testing.assert_close(getattr(ours, name).grad, weight.grad, msg=name)


@pytest.mark.parametrize("is_training", [True, False])
def test_elsewhere_the_layers_serve(is_training):
    chunks = torch.zeros(1, 1, 128, 128)
    with torch.set_grad_enabled(is_training), torch.autocast("cpu", dtype=torch.bfloat16):
        assert not is_fused(chunks, is_training)


# ---------------------------------------------------------------- the kernels


def case(n_frames: int, n_channels: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(n_frames)
    heard = with_ones(torch.randn(3, 1, 128, n_frames, generator=generator)).cuda()
    weight = torch.randn(128, n_channels, 3, 3, generator=generator).cuda()
    return heard, weight, torch.randn(128, generator=generator).cuda()


def exact(heard: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
    """In float64, from the numbers as bfloat16 has them."""
    return heard.double(), weight.bfloat16().double(), bias.double()


@pytest.mark.parametrize("n_frames", [128, 173, 131])
@pytest.mark.parametrize("n_channels", [1, 2])
@on_gpu
def test_one_kernel_is_three_layers(n_frames, n_channels):
    given = case(n_frames, n_channels)
    found, expected = conv_pool_relu(*given), by_steps(*exact(*given))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert found.shape == expected.shape
    torch.testing.assert_close(found.double(), expected, rtol=2**-8, atol=1e-4)


@pytest.mark.parametrize("n_frames", [128, 131])
@on_gpu
def test_gradients_are_those_of_three_layers(n_frames):
    given = case(n_frames, 2)
    heard, weight, bias = (one.requires_grad_() for one in exact(*given))
    expected = by_steps(heard, weight, bias)
    gradient = torch.randn_like(expected).bfloat16()
    expected.backward(gradient.double())
    weight_gradient = conv_pool_relu_gradient(*given, gradient)
    for ours, theirs in ((weight_gradient, weight), (weight_gradient[:, 1, 1, 1], bias)):
        assert ((ours - theirs.grad).norm() / theirs.grad.norm()).item() < 1e-4


@on_gpu
def test_moments_are_those_of_the_patches():
    heard = case(131, 2)[0]
    expected = moments_by_steps(heard.double())
    torch.testing.assert_close(patch_moments(heard).double(), expected, rtol=1e-5, atol=1e-6)


def chunks_of(n: int) -> Tensor:
    return torch.randn(n, 128, 173, device="cuda") * 20 - 40


@on_gpu
def test_the_network_evaluates_alike_in_bfloat16_and_float32():
    torch.manual_seed(0)
    network = ShortChunkCNN().cuda().eval()
    network.input_norm.running_mean.fill_(-40.0)
    network.input_norm.running_var.fill_(400.0)
    chunks = chunks_of(5)
    with torch.no_grad():
        expected = network(chunks)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            assert is_fused(chunks[:, None], False)
            found = network(chunks).float()
    assert ((found - expected).norm() / expected.norm()).item() < 0.01


@on_gpu
def test_gradients_in_bfloat16_are_as_near_to_float32_as_those_of_the_layers(monkeypatch):
    """Those of the input's norm are sums of which little is left: one seed would tell nothing."""
    front = ("input_norm.weight", "input_norm.bias", "blocks.0.0.weight", "blocks.0.1.weight")
    front += ("blocks.0.1.bias", "blocks.1.0.weight")

    def learn(seed: int, precision: torch.dtype) -> tuple[list[Tensor], dict[str, Tensor]]:
        torch.manual_seed(seed)
        network, chunks = ShortChunkCNN().cuda(), chunks_of(16)
        nn.init.uniform_(network.input_norm.weight, 0.5, 2.0)
        nn.init.normal_(network.input_norm.bias)
        with torch.autocast("cuda", dtype=precision, enabled=precision != torch.float32):
            loss = network(chunks).float().square().mean()
        loss.backward()
        found = [network.get_parameter(name).grad for name in front]
        return found, {
            **dict(network.input_norm.named_buffers()),
            **dict(network.blocks[0].named_buffers()),
        }

    errors = {"fused": torch.zeros(len(front)), "layers": torch.zeros(len(front))}
    for seed in range(6):
        exact, buffers = learn(seed, torch.float32)
        for way in errors:
            with monkeypatch.context() as patch:
                if way == "layers":
                    patch.setattr("modules.is_fused", lambda *asked: False)
                found, tracked = learn(seed, torch.bfloat16)
            apart = [
                (ours - one).norm() / one.norm() for ours, one in zip(found, exact, strict=True)
            ]
            errors[way] += torch.stack(apart).cpu()
            for name, one in buffers.items():
                torch.testing.assert_close(tracked[name], one, rtol=0.01, atol=0.01, msg=name)
    assert (errors["fused"] < 1.5 * errors["layers"] + 0.01).all(), (front, errors)
