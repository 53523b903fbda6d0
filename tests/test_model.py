"""The branches joined: shapes, chunks, gradients, and combinations that make no sense."""

import pytest
import torch
from torch import nn

from model import EMBEDDING_SIZE, INPUT_TYPES, RetrievalModel, SongInputs
from modules import ConcatFusion, ShortChunkCNN, projection_head

FRAMES = 128  # as few as the CNN takes: it is slow


def build(input_type: str, tag_dim: int = 300, cf_dim: int = 200) -> RetrievalModel:
    torch.manual_seed(0)
    return RetrievalModel(input_type, tag_dim, None if input_type == "spec" else cf_dim)


def inputs(input_type: str, n_songs: int, cf_dim: int = 200) -> SongInputs:
    generator = torch.Generator().manual_seed(1)
    spec = torch.randn(n_songs, 128, FRAMES, generator=generator)
    cf = torch.randn(n_songs, cf_dim, generator=generator)
    return SongInputs(
        spec=None if input_type == "cf" else spec, cf=None if input_type == "spec" else cf
    )


def shapes(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(parameter.shape) for parameter in module.parameters()]


@pytest.mark.parametrize(("tag_dim", "cf_dim"), [(300, 200), (20, 32), (1, 1)])
def test_cf_model_takes_vectors_of_any_length(tag_dim, cf_dim):
    model = build("cf", tag_dim, cf_dim)
    assert model.embed_tags(torch.randn(4, tag_dim)).shape == (4, 256)
    assert model.embed_songs(inputs("cf", 4, cf_dim)).shape == (4, 256)
    expected = shapes(projection_head(tag_dim, 256)) + shapes(projection_head(cf_dim, 256))
    assert shapes(model) == expected


def test_hybrid_model_fuses_200_acoustic_values_with_the_cf_vector():
    model = build("hybrid", tag_dim=300, cf_dim=32).eval()
    expected = shapes(projection_head(300, 256)) + shapes(ShortChunkCNN(200))
    assert shapes(model) == expected + shapes(ConcatFusion(200, 32))
    songs = inputs("hybrid", 2, cf_dim=32)
    with torch.no_grad():
        out = model.embed_songs(songs)
        by_hand = model.fusion(model.acoustic_branch(songs.spec), songs.cf)
    assert out.shape == (2, 256)
    torch.testing.assert_close(out, by_hand)


def test_spec_model_is_tag_branch_and_cnn():
    model = build("spec", tag_dim=300).eval()
    assert shapes(model) == shapes(projection_head(300, 256)) + shapes(ShortChunkCNN(256))
    songs = inputs("spec", 1)
    with torch.no_grad():
        out = model.embed_songs(songs)
        torch.testing.assert_close(out, model.acoustic_branch(songs.spec))
    assert out.shape == (1, EMBEDDING_SIZE)


@pytest.mark.parametrize("input_type", INPUT_TYPES)
def test_gradient_reaches_every_parameter(input_type):
    model = build(input_type, tag_dim=10, cf_dim=6)
    songs = model.embed_songs(inputs(input_type, 2, cf_dim=6))
    tags = model.embed_tags(torch.randn(2, 10))
    (tags * songs).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        is_before_batch_norm = name.endswith("0.bias")  # which takes the bias out again
        assert is_before_batch_norm or parameter.grad.abs().sum() > 0, name


def test_chunks_of_a_song_are_averaged():
    model = build("spec").eval()
    chunks = inputs("spec", 4).spec.unflatten(0, (2, 2))  # two songs of two chunks
    with torch.no_grad():
        together = model.embed_songs(SongInputs(spec=chunks))
        single = model.embed_songs(SongInputs(spec=chunks.flatten(0, 1)))
    assert together.shape == (2, 256)
    torch.testing.assert_close(together, (single[0::2] + single[1::2]) / 2)


def test_hybrid_averages_chunks_before_the_fusion():
    model = build("hybrid", cf_dim=8).eval()
    songs = inputs("hybrid", 2, cf_dim=8)
    with torch.no_grad():
        acoustic = model.acoustic_branch(songs.spec)
        expected = model.fusion(acoustic.mean(dim=0, keepdim=True), songs.cf[:1])
        fused_first = model.fusion(acoustic, songs.cf[:1].expand(2, -1)).mean(dim=0, keepdim=True)
        found = model.embed_songs(SongInputs(songs.spec[None], songs.cf[:1]))
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, fused_first)


@pytest.mark.parametrize("input_type", INPUT_TYPES)
def test_evaluation_repeats_itself(input_type):
    model = build(input_type, cf_dim=6).eval()
    songs, tags = inputs(input_type, 1, cf_dim=6), torch.randn(1, 300)
    with torch.no_grad():
        assert torch.equal(model.embed_songs(songs), model.embed_songs(songs))
        assert torch.equal(model.embed_tags(tags), model.embed_tags(tags))


def test_training_drops_values_out():
    model = build("cf").train()
    songs, tags = inputs("cf", 8), torch.randn(8, 300)
    with torch.no_grad():
        assert not torch.equal(model.embed_songs(songs), model.embed_songs(songs))
        assert not torch.equal(model.embed_tags(tags), model.embed_tags(tags))


def test_songs_are_embedded_one_by_one_in_evaluation():
    model = build("cf").eval()
    songs = inputs("cf", 5)
    with torch.no_grad():
        whole = model.embed_songs(songs)
        single = torch.cat([model.embed_songs(SongInputs(cf=row[None])) for row in songs.cf])
    torch.testing.assert_close(whole, single)


@pytest.mark.parametrize(
    ("input_type", "cf_dim", "message"),
    [
        ("cf", None, "cf_dim"),
        ("hybrid", None, "cf_dim"),
        ("spec", 200, "cf_dim"),
        ("audio", None, "input_type must be one of"),
        ("", 200, "input_type must be one of"),
    ],
)
def test_combinations_without_sense_are_refused(input_type, cf_dim, message):
    with pytest.raises(ValueError, match=message):
        RetrievalModel(input_type, 300, cf_dim)


@pytest.mark.parametrize("shape", [(1, 128, 127), (1, 2, 128, 127), (1, 2, 96, 173)])
def test_chunks_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="chunks must be"):
        build("spec").embed_songs(SongInputs(spec=torch.zeros(shape)))
