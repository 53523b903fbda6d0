"""Building blocks: layers as in the paper, shapes, and what too short a chunk gets."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from benchmarks.plain_cnn import plain_cnn
from modules import ConvBlock, HalfDropout, ShortChunkCNN, projection_head

CHANNELS = [1, 128, 128, 256, 256, 256, 256, 512]


def n_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def leaves(module: nn.Module) -> list[nn.Module]:
    """Layers in order of use, without the containers around them."""
    return [layer for layer in module.modules() if not list(layer.children())]


@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(300, 256), (200, 256), (7, 256), (32, 5)])
def test_projection_head_has_the_layers_of_the_paper(n_inputs, n_outputs):
    head = projection_head(n_inputs, n_outputs)
    kinds = [nn.Linear, nn.BatchNorm1d, nn.ReLU, HalfDropout, nn.Linear]
    assert [type(layer) for layer in head] == kinds
    assert head(torch.randn(3, n_inputs)).shape == (3, n_outputs)
    assert n_parameters(head) == (n_inputs + 1) * 512 + 2 * 512 + (512 + 1) * n_outputs


@pytest.mark.parametrize("shape", [(128, 512), (3, 50), (1, 1)])
def test_half_dropout_zeroes_or_doubles(shape):
    torch.manual_seed(0)
    dropout, x = HalfDropout(), torch.randn(shape, requires_grad=True)
    out = dropout(x)
    assert out.shape == x.shape and out.dtype == x.dtype
    out.sum().backward()
    assert torch.equal(x.grad, torch.where(out == 0, 0.0, 2.0))  # the mask, doubled
    assert torch.equal(out, x * x.grad)
    assert torch.equal(dropout.eval()(x), x)


def test_half_dropout_drops_units_one_by_one():
    torch.manual_seed(0)
    dropped = torch.stack([HalfDropout()(torch.ones(8, 33)) == 0 for _ in range(4000)]).float()
    assert (dropped.mean(dim=0) - 0.5).abs().max() < 0.04  # each unit, 5 standard deviations
    correlation = torch.corrcoef(dropped.flatten(1).T).fill_diagonal_(0)
    assert correlation.abs().max() < 0.1


def test_half_dropout_is_torchs_own_on_other_devices(monkeypatch):
    seen = []
    monkeypatch.setattr(nn.functional, "dropout", lambda *given: seen.append(given[1:]) or given[0])
    HalfDropout()(torch.ones(3, 50, device="meta"))
    HalfDropout()(torch.ones(3, 50))
    assert seen == [(0.5, True)]  # the first alone


def test_conv_block_halves_both_axes():
    block = ConvBlock(3, 5)
    assert {nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d} == set(map(type, block))
    assert block(torch.randn(2, 3, 8, 11)).shape == (2, 5, 4, 5)


def test_conv_block_equals_the_order_of_the_paper():
    block, x = ConvBlock(3, 5), torch.randn(4, 3, 8, 11)
    nn.init.normal_(block[1].weight)  # negative scales, too
    conv, norm = block[0], block[1]
    expected = nn.functional.max_pool2d(torch.relu(norm(conv(x))), 2)
    torch.testing.assert_close(block(x), expected)
    weights = list(block.parameters())
    gradients = (torch.autograd.grad(out.square().sum(), weights) for out in (block(x), expected))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def cnn() -> ShortChunkCNN:
    torch.manual_seed(0)
    return ShortChunkCNN(256).eval()


@pytest.mark.parametrize("n_outputs", [256, 200])
def test_cnn_has_the_layers_of_the_paper(n_outputs):
    cnn = ShortChunkCNN(n_outputs)
    block = [nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.ReLU]
    kinds = [nn.BatchNorm2d, *7 * block, nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert [type(layer) for layer in leaves(cnn)] == kinds
    convolutions = [layer for layer in leaves(cnn) if isinstance(layer, nn.Conv2d)]
    assert [layer.in_channels for layer in convolutions] == CHANNELS
    assert [layer.out_channels for layer in convolutions] == [*CHANNELS[1:], n_outputs]
    assert [layer.kernel_size for layer in convolutions] == [(3, 3)] * 7 + [(1, 1)]
    assert [layer.padding for layer in convolutions] == [(1, 1)] * 7 + [(0, 0)]
    norms = [layer for layer in leaves(cnn) if isinstance(layer, nn.BatchNorm2d)]
    assert [layer.num_features for layer in norms] == [*CHANNELS, n_outputs]
    pools = [layer for layer in leaves(cnn) if isinstance(layer, nn.MaxPool2d)]
    assert all(layer.kernel_size == layer.stride == 2 for layer in pools)
    blocks = sum(9 * n_in * n_out + 3 * n_out for n_in, n_out in pairwise(CHANNELS))
    assert n_parameters(cnn) == 2 + blocks + (512 + 1 + 2) * n_outputs


@pytest.mark.parametrize("n_frames", [128, 173, 256])
def test_cnn_turns_a_chunk_of_any_length_into_one_vector(cnn, n_frames):
    with torch.no_grad():
        out = cnn(torch.randn(1, 128, n_frames))
    assert out.shape == (1, 256)
    assert (out >= 0).all() and (out > 0).any()  # ReLU, and alive


def test_cnn_takes_the_maximum_over_time(cnn):
    seen = []
    handle = cnn.project.register_forward_hook(lambda *call: seen.append(call[2]))
    with torch.no_grad():
        out = cnn(torch.randn(1, 128, 256))
    handle.remove()
    assert seen[0].shape == (1, 256, 1, 2)
    torch.testing.assert_close(out, torch.maximum(seen[0][..., 0, 0], seen[0][..., 0, 1]))


@pytest.fixture
def pair() -> tuple[ShortChunkCNN, nn.Sequential]:
    """Ours and the plain one with the same weights, none of them as at the start."""
    torch.manual_seed(0)
    ours, plain = ShortChunkCNN(8).double(), plain_cnn(8).double()
    for weight in ours.parameters():
        nn.init.normal_(weight, 0.1, 0.3)
    plain.load_state_dict(dict(zip(plain.state_dict(), ours.state_dict().values(), strict=True)))
    return ours, plain


def test_cnn_trains_as_the_plain_one(pair):
    decibels = torch.randn(3, 128, 130, dtype=torch.float64) * 20 - 40
    gradients = []
    outputs = [cnn(decibels) for cnn in pair]
    for cnn, out in zip(pair, outputs, strict=True):
        gradients.append(torch.autograd.grad(out.square().sum(), list(cnn.parameters())))
    torch.testing.assert_close(*outputs)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    states = [list(cnn.state_dict().values()) for cnn in pair]
    for ours, theirs in zip(*states, strict=True):  # running statistics, too
        torch.testing.assert_close(ours, theirs)


def test_cnn_evaluates_as_the_plain_one(pair):
    decibels = torch.randn(3, 128, 130, dtype=torch.float64) * 20 - 40
    for cnn in pair:
        cnn(decibels)  # running statistics that are not 0 and 1
        cnn.eval()
    with_gradients = [cnn(decibels) for cnn in pair]
    with torch.no_grad():
        folded = pair[0](decibels)
    torch.testing.assert_close(*with_gradients)
    torch.testing.assert_close(folded, with_gradients[1].detach())


@pytest.mark.parametrize("shape", [(1, 128, 127), (1, 96, 173), (1, 127, 128), (1, 173, 128)])
def test_chunks_of_another_shape_are_refused(cnn, shape):
    with pytest.raises(ValueError, match=r"chunks must be \(128, >= 128\)"):
        cnn(torch.zeros(shape))
