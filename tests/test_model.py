"""The branches joined: shapes, chunks, gradients, and combinations that make no sense."""

import pytest
import torch
from torch import nn

from dataset.files import song_inputs
from fusion import ConcatFusion
from model import EMBEDDING_SIZE, RetrievalModel, SongInputs
from modules import ShortChunkCNN, VectorHead, projection_head

FRAMES = 128  # as few as the CNN takes: it is slow


INPUT_TYPES = ["spec", "cf", "hybrid", "musicnn", "spec+cf", "spec+cf+musicnn", "cf+musicnn"]


def build(input_type: str, tag_dim: int = 300, cf_dim: int = 200, **options) -> RetrievalModel:
    torch.manual_seed(0)
    names = song_inputs(input_type)
    fusion = "concat" if input_type == "hybrid" else "masked"
    sizes = {name: None if name == "spec" else cf_dim for name in names}
    return RetrievalModel(tag_dim, sizes, **{"fusion": fusion} | options)


def inputs(input_type: str, n_songs: int, cf_dim: int = 200) -> SongInputs:
    generator = torch.Generator().manual_seed(1)
    shapes = {"spec": (n_songs, 128, FRAMES)}
    return {
        name: torch.randn(shapes.get(name, (n_songs, cf_dim)), generator=generator)
        for name in song_inputs(input_type)
    }


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
    assert shapes(model) == expected + shapes(ConcatFusion({"spec": 200, "cf": 32}))
    songs = inputs("hybrid", 2, cf_dim=32)
    with torch.no_grad():
        out = model.embed_songs(songs)
        by_hand = model.fusion(songs | {"spec": model.acoustic_branch(songs["spec"])})
    assert out.shape == (2, 256)
    torch.testing.assert_close(out, by_hand)


def test_a_head_for_vectors_leaves_out_a_share_of_them_in_training_alone():
    torch.manual_seed(0)
    head, vectors = VectorHead(500, nn.Identity(), 0.75), 3 + 7 * torch.randn(200, 500)
    kept, normed = head(vectors), VectorHead(500, nn.Identity())(vectors)
    assert (kept == 0).double().mean() == pytest.approx(0.75, abs=0.01)
    torch.testing.assert_close(kept, torch.where(kept == 0, 0, 4 * normed))
    assert normed.mean(dim=0).abs().max() < 1e-5 and (normed.std(dim=0) - 1).abs().max() < 0.01
    assert (head.eval()(vectors) != 0).all()


@pytest.mark.parametrize("input_type", ["cf", "musicnn", "cf+musicnn"])
@pytest.mark.parametrize("fusion", ["concat", "masked"])
def test_dropout_of_inputs_is_for_vectors_behind_a_norm(input_type, fusion):
    songs = inputs(input_type, 8)
    some, all_ = (build(input_type, fusion=fusion, input_dropout=share) for share in (0.7, 0.0))
    assert some.state_dict().keys() == all_.state_dict().keys()
    outs = []
    for model in (some, all_):
        torch.manual_seed(1)
        outs.append(model.embed_songs(songs))
    assert torch.equal(*outs) == (input_type == "cf")


def test_spec_model_is_tag_branch_and_cnn():
    model = build("spec", tag_dim=300).eval()
    assert shapes(model) == shapes(projection_head(300, 256)) + shapes(ShortChunkCNN(256))
    songs = inputs("spec", 1)
    with torch.no_grad():
        out = model.embed_songs(songs)
        torch.testing.assert_close(out, model.acoustic_branch(songs["spec"]))
    assert out.shape == (1, EMBEDDING_SIZE)


@pytest.mark.parametrize("input_type", INPUT_TYPES)
def test_gradient_reaches_every_parameter(input_type):
    model = build(input_type, tag_dim=10, cf_dim=6)
    songs = model.embed_songs(inputs(input_type, 12, cf_dim=6))
    tags = model.embed_tags(torch.randn(12, 10))
    (tags * songs).sum().backward()
    trained = [one for one in model.named_parameters() if not one[0].startswith("fusion.gate")]
    for name, parameter in trained:
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        is_before_batch_norm = name.endswith("0.bias")  # which takes the bias out again
        assert is_before_batch_norm or parameter.grad.abs().sum() > 0, name


def test_chunks_of_a_song_are_averaged():
    model = build("spec").eval()
    chunks = inputs("spec", 4)["spec"].unflatten(0, (2, 2))  # two songs of two chunks
    with torch.no_grad():
        together = model.embed_songs(SongInputs(spec=chunks))
        single = model.embed_songs(SongInputs(spec=chunks.flatten(0, 1)))
    assert together.shape == (2, 256)
    torch.testing.assert_close(together, (single[0::2] + single[1::2]) / 2)


def test_hybrid_averages_chunks_before_the_fusion():
    model = build("hybrid", cf_dim=8).eval()
    songs = inputs("hybrid", 2, cf_dim=8)
    with torch.no_grad():
        acoustic = model.acoustic_branch(songs["spec"])
        cf = songs["cf"][:1]
        expected = model.fusion({"spec": acoustic.mean(dim=0, keepdim=True), "cf": cf})
        fused_first = model.fusion({"spec": acoustic, "cf": cf.expand(2, -1)})
        fused_first = fused_first.mean(dim=0, keepdim=True)
        found = model.embed_songs({"spec": songs["spec"][None], "cf": cf})
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
        single = torch.cat([model.embed_songs(SongInputs(cf=row[None])) for row in songs["cf"]])
    torch.testing.assert_close(whole, single)


@pytest.mark.parametrize(
    ("sizes", "fusion", "message"),
    [
        ({"cf": None}, "concat", "has vectors of a length"),
        ({"spec": None, "cf": None}, "concat", "has vectors of a length"),
        ({"spec": 200}, "concat", "has vectors of a length"),
        ({}, "concat", "one input at least"),
        ({"cf": 200}, "sum", "one of"),
    ],
)
def test_combinations_without_sense_are_refused(sizes, fusion, message):
    with pytest.raises(ValueError, match=message):
        RetrievalModel(300, sizes, fusion)


def test_vectors_of_any_name_have_a_branch_of_any_scale():
    model = build("musicnn", cf_dim=8)
    assert shapes(model) == shapes(projection_head(300, 256)) + shapes(
        VectorHead(8, projection_head(8))
    )
    songs = inputs("musicnn", 64, 8)["musicnn"]
    with torch.no_grad():
        model.vector_branch[1][3] = nn.Identity()  # dropout
        found = model.embed_songs({"musicnn": songs})
        large = model.embed_songs({"musicnn": songs * 1000 + 5})
    torch.testing.assert_close(found, large, atol=1e-3, rtol=1e-3)


# ---------------------------------------------------------------- twins


@pytest.mark.parametrize("input_type", ["cf", "hybrid", "musicnn"])
def test_the_cosine_by_twins_is_the_mean_of_their_cosines(input_type):
    model = build(input_type, cf_dim=6, are_twins=True).eval()
    songs, tags = inputs(input_type, 5, cf_dim=6), torch.randn(4, 300)
    with torch.no_grad():
        found, asked = model.embed_songs(songs), model.embed_tags(tags)
        pairs = model.apart(asked, found)
    cosine = nn.functional.cosine_similarity
    whole = cosine(asked[:, None], found, dim=-1)
    halves = [cosine(tags[:, None], songs, dim=-1) for tags, songs in pairs]
    assert len(pairs) == 2 and not torch.allclose(*halves, atol=1e-2)
    torch.testing.assert_close(whole, (halves[0] + halves[1]) / 2)


def test_a_twin_learns_nothing_from_the_loss_of_the_other():
    model = build("cf", cf_dim=6, are_twins=True)
    songs, tags = (
        model.embed_songs(inputs("cf", 8, cf_dim=6)),
        model.embed_tags(torch.randn(8, 300)),
    )
    nn.functional.cosine_similarity(*model.apart(tags, songs)[0]).sum().backward()
    for branch in (model.tag_branch, model.cultural_branch):
        grads = [sum(p.grad.abs().sum() for p in head.parameters()) for head in branch.heads]
        assert grads[0] > 0 and grads[1] == 0


def test_twins_embed_a_tag_in_training_as_in_evaluation():
    model, tags = build("cf", are_twins=True), torch.randn(8, 300)
    with torch.no_grad():
        assert torch.equal(model.train().embed_tags(tags), model.eval().embed_tags(tags))


@pytest.mark.parametrize("input_type", ["spec", "spec+cf"])
def test_masked_fusion_and_chunks_alone_have_no_twins(input_type):
    assert shapes(build(input_type, are_twins=True)) == shapes(build(input_type))


# ---------------------------------------------------------------- masked fusion


def test_what_is_not_known_of_a_song_changes_nothing():
    model = build("spec+cf+musicnn", cf_dim=6).eval()
    songs = inputs("spec+cf+musicnn", 3, 6)
    with torch.no_grad():
        whole = model.embed_songs(songs)
        for name in songs:
            left = dict(songs)
            left[name] = songs[name].index_fill(0, torch.tensor([1]), float("nan"))
            found = model.embed_songs(left)
            assert found.isfinite().all()
            torch.testing.assert_close(found[[0, 2]], whole[[0, 2]])
            assert not torch.allclose(found[1], whole[1])


def test_training_asks_for_all_inputs_together_and_for_each_alone():
    model = build("cf+musicnn", cf_dim=6).eval()
    songs = inputs("cf+musicnn", 3, 6)
    songs["cf"][1] = float("nan")
    with torch.no_grad():
        whole, *alone = model.embed_ways(songs)
        torch.testing.assert_close(whole, model.embed_songs(songs))
        for name, found in zip(songs, alone, strict=True):
            expected = model.embed_songs({name: songs[name].nan_to_num(0.5)})
            known = ~songs[name].isnan().any(dim=1)
            torch.testing.assert_close(found, expected * known[:, None])
        (only,) = build("hybrid", cf_dim=6).eval().embed_ways(inputs("hybrid", 2, 6))
    assert only.shape == (2, 256)


def test_only_masked_fusion_has_a_gate_to_fit():
    truth = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 1]])
    for input_type, moves in (("cf+musicnn", True), ("hybrid", False), ("cf", False)):
        model = build(input_type, tag_dim=5, cf_dim=6).eval()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        model.fit_gate(torch.randn(2, 5), torch.randn(4, 256), truth, ["a", "a"])
        changed = {
            name for name, value in model.state_dict().items() if value.ne(before[name]).any()
        }
        assert changed == ({"fusion.gate.weight", "fusion.gate.bias"} if moves else set())


def test_a_song_of_which_one_step_knows_alone_does_not_stop_it():
    model = build("cf+musicnn", cf_dim=6).train()
    songs = inputs("cf+musicnn", 4, 6)
    songs["cf"][1:] = float("nan")
    out = model.embed_songs(songs)
    out.sum().backward()
    assert out.isfinite().all()


@pytest.mark.parametrize("n_known", [0, 1])
def test_a_step_without_an_input_leaves_no_weight_without_a_gradient(n_known):
    """DDP would wait for it, or had to look for such weights in each step."""
    model = build("spec+cf", cf_dim=6).train()
    for name in ("spec", "cf"):
        songs = inputs("spec+cf", 4, 6)
        songs[name][n_known:] = float("nan")
        model.zero_grad()
        (model.embed_songs(songs).sum() + model.embed_tags(torch.randn(3, 300)).sum()).backward()
        lacking = [one for one, weight in model.named_parameters() if weight.grad is None]
        assert lacking == ["fusion.gate.weight", "fusion.gate.bias"]  # which no step trains


@pytest.mark.parametrize("shape", [(1, 128, 127), (1, 2, 128, 127), (1, 2, 96, 173)])
def test_chunks_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="chunks must be"):
        build("spec").embed_songs(SongInputs(spec=torch.zeros(shape)))
