"""Fusion: by concatenation as in the paper, and by a gate: which input tells which tag."""

import torch
from torch.nn import functional as F

from fusion import ConcatFusion, MaskedFusion
from modules import projection_head
from solver import cosine_similarity


def test_fusion_normalises_and_concatenates_acoustic_first():
    torch.manual_seed(0)
    fusion = ConcatFusion({"spec": 3, "cf": 2})
    acoustic, cf = torch.randn(64, 3) * 5 + 2, torch.randn(64, 2) / 10
    for _ in range(200):  # running statistics come near those of the batch
        assert fusion({"spec": acoustic, "cf": cf}).shape == (64, 256)
    both = torch.cat([acoustic, cf], dim=1)
    normal = (both - both.mean(dim=0)) / both.std(dim=0)
    fusion.eval()
    torch.testing.assert_close(
        fusion({"spec": acoustic, "cf": cf}), fusion.head(normal), atol=0.05, rtol=0
    )
    sizes = [p.shape for p in fusion.parameters()]
    assert sizes == [p.shape for p in projection_head(5, 256).parameters()]


def test_fusion_learns_from_small_values_as_from_large_ones():
    torch.manual_seed(0)
    fusion = ConcatFusion({"spec": 3, "cf": 2})
    acoustic, cf = torch.randn(64, 3), torch.randn(64, 2)
    out = fusion.norm(torch.cat([acoustic, cf / 10], dim=1))
    expected = fusion.norm(torch.cat([acoustic, cf], dim=1))
    torch.testing.assert_close(out, expected, atol=0.1, rtol=0)


# ---------------------------------------------------------------- masked fusion

SIZES = {"spec": 5, "cf": 3, "musicnn": 4}


def build(sizes: dict[str, int], tag_dim: int = 6) -> MaskedFusion:
    torch.manual_seed(0)
    return MaskedFusion(sizes, tag_dim).eval()


def vectors(sizes: dict[str, int], n_songs: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(n_songs, size, generator=generator) for name, size in sizes.items()}


def test_the_space_is_shared_out_and_each_part_has_length_1_or_0():
    fusion = build(SIZES)
    assert sum(fusion.widths) == 256 and max(fusion.widths) - min(fusion.widths) <= 1
    songs = vectors(SIZES, 4)
    songs["cf"][2] = float("nan")
    del songs["musicnn"]
    parts = fusion(songs).split(fusion.widths, dim=1)
    lengths = torch.stack([part.norm(dim=1) for part in parts])
    expected = torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 1], [0, 0, 0, 0]])
    torch.testing.assert_close(lengths, expected)


@torch.no_grad()
def test_a_cosine_is_the_mean_of_the_inputs_cosines_weighted_by_the_tag():
    fusion = build(SIZES)
    torch.nn.init.normal_(fusion.gate.weight, std=3)
    tag_vectors, tags = torch.randn(7, 6), torch.randn(7, 256)
    songs = vectors(SIZES, 4)
    songs["spec"][1] = float("nan")
    found = cosine_similarity(fusion.weigh(tags, tag_vectors), fusion(songs))
    shares = (F.normalize(tag_vectors) @ fusion.gate.weight.T).softmax(dim=1)
    expected = torch.zeros(7, 4)
    for tag in range(7):
        for song in range(4):
            names = [name for name in SIZES if songs[name][song].isfinite().all()]
            for name in names:
                number = list(SIZES).index(name)
                part = tags.split(fusion.widths, dim=1)[number][tag]
                head = fusion.projections[name](songs[name][song : song + 1])[0]
                cosine = F.cosine_similarity(part, head, dim=0)
                expected[tag, song] += shares[tag, number] * cosine
            expected[tag, song] /= shares[tag].norm() * len(names) ** 0.5
    torch.testing.assert_close(found, expected)


def test_inputs_may_have_any_name():
    names = ["spec", "clap-1.0", "half", "type", "forward", "keys", "training", "_modules"]
    sizes = dict.fromkeys(names, 3)
    fusion, same = build(sizes), build(sizes)
    assert len(fusion.state_dict()) == len(set(fusion.state_dict()))
    same.load_state_dict(fusion.state_dict())
    songs = vectors(sizes, 4)
    for name in names:
        torch.testing.assert_close(same({name: songs[name]}), fusion({name: songs[name]}))
    assert list(build(SIZES).projections) == list(SIZES)  # as in checkpoints of before


def test_each_alone_is_the_song_without_the_other_inputs():
    fusion = build(SIZES)
    songs = vectors(SIZES, 4)
    for name, alone in zip(SIZES, fusion.each_alone(fusion(songs)), strict=True):
        torch.testing.assert_close(alone, fusion({name: songs[name]}))


def two_kinds_of_tags(fusion: MaskedFusion, n_songs: int) -> tuple[torch.Tensor, ...]:
    """Tags 0 to 3 are told by the first input of the songs and tags 4 to 7 by the second.

    Of the other tags an input is as sure, and wrong. The word vectors are of two kinds as well.
    """
    generator = torch.Generator().manual_seed(2)
    truth, wrong = (torch.rand(2, 8, n_songs, generator=generator) < 0.3).float()
    tags = torch.randn(8, 256, generator=generator)
    told = [torch.cat([truth[:4], wrong[4:]]), torch.cat([wrong[:4], truth[4:]])]
    parts = [one.T @ part for one, part in zip(told, tags.split(fusion.widths, 1), strict=True)]
    songs = torch.cat([F.normalize(part) for part in parts], dim=1)
    word_vectors = torch.randn(8, 6, generator=generator) * 0.3
    word_vectors[:4, 0] += 1
    word_vectors[4:, 1] += 1
    return tags, word_vectors, songs, truth


def shares_of(fusion: MaskedFusion, tag_vectors: torch.Tensor) -> torch.Tensor:
    weighed = fusion.weigh(torch.ones(len(tag_vectors), 256), tag_vectors)
    return torch.stack([part.norm(dim=1) for part in weighed.split(fusion.widths, dim=1)], dim=1)


def test_the_gate_finds_which_input_tells_which_tag_and_carries_it_to_other_words():
    fusion = build({"spec": 5, "cf": 3})
    tags, word_vectors, songs, truth = two_kinds_of_tags(fusion, 200)
    torch.testing.assert_close(shares_of(fusion, word_vectors), torch.full((8, 2), 0.5))
    fusion.fit_gate(tags, word_vectors, songs, truth, [""] * 8)
    shares = shares_of(fusion, word_vectors)
    assert (shares[:4, 0] > 0.75).all() and (shares[4:, 1] > 0.75).all()
    unseen = torch.eye(2, 6)
    assert shares_of(fusion, unseen).diag().min() > 0.8
    again = build({"spec": 5, "cf": 3})
    again.fit_gate(tags, word_vectors, songs, truth, [""] * 8)
    torch.testing.assert_close(again.gate.weight, fusion.gate.weight, rtol=0, atol=0)


def test_tags_of_a_kind_are_held_together():
    def fitted(kinds):
        fusion = build({"spec": 5, "cf": 3})
        tags, word_vectors, songs, truth = two_kinds_of_tags(fusion, 24)
        few = songs.clone()
        few[:, : fusion.widths[0]] = 0.9 * few[:, : fusion.widths[0]]
        # By chance the second input tells tag 0 in these few songs, and the first does not.
        part = F.normalize(tags.split(fusion.widths, 1)[1][0], dim=0)
        few[:, fusion.widths[0] :] = F.normalize(
            few[:, fusion.widths[0] :] + 3 * truth[0][:, None] * part
        )
        fusion.fit_gate(tags, word_vectors, few, truth, kinds)
        return shares_of(fusion, word_vectors)[:, 0]

    alone, together = fitted([""] * 8), fitted(["heard"] * 4 + ["told"] * 4)
    assert alone[0] < 0.5 and together[0] > alone[0] + 0.1
    assert together[:4].std() < 0.05 < alone[:4].std()
    torch.testing.assert_close(fitted(["", "a", "b", "c", *"defg"]), alone)  # kinds of one tag


def test_the_gate_is_fitted_where_inputs_lack_and_where_no_song_bears_a_tag():
    fusion = build({"spec": 5, "cf": 3})
    tags, word_vectors, songs, truth = two_kinds_of_tags(fusion, 200)
    songs[::2, : fusion.widths[0]] = 0
    songs[::6] = 0
    truth[1] = 0
    fusion.fit_gate(tags, word_vectors, songs, truth, [""] * 8)
    shares = shares_of(fusion, word_vectors)
    assert shares.isfinite().all() and shares[0, 0] > 0.7 and (shares[4:, 1] > 0.7).all()


def test_training_leaves_the_gate_alone():
    fusion = build(SIZES).train()
    songs = vectors(SIZES, 4)
    tags = torch.randn(2, 256, requires_grad=True)
    cosine_similarity(fusion.weigh(tags, torch.randn(2, 6)), fusion(songs)).sum().backward()
    assert fusion.gate.weight.grad is None and tags.grad.abs().sum() > 0
    assert "gate.weight" in fusion.state_dict()
