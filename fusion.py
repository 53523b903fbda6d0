"""Fusion: the vectors of several song inputs -> one song embedding."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from modules import EMBEDDING_SIZE, VectorHead, projection_head, song_head
from processes import total

# Penalties of the gate, beside a loss summed over tags and songs: of squared weights, and of how
# far tags are from the others of their kind. Chosen by validation artists left out of the fit.
RIDGE, TOGETHER = 0.01, 100.0


class ConcatFusion(nn.Module):
    """Fusion by concatenation: the vectors of a song -> one song embedding.

    Every value is brought to mean 0 and deviation 1 first: those of a CF vector of length 1 are
    some twenty times smaller than those of the CNN, and would be learnt twenty times slower.
    `sizes` has the length of the vectors of each song input, `are_twins` is that of `song_head`,
    `dropout` that of `VectorHead`.
    """

    def __init__(self, sizes: dict[str, int], are_twins: bool = False, dropout: float = 0.0):
        super().__init__()
        self.dropout = dropout
        self.names = list(sizes)
        n_values = sum(sizes.values())
        self.norm = nn.BatchNorm1d(n_values, affine=False)  # no `VectorHead`: names in checkpoints
        self.head = song_head(n_values, are_twins)

    def forward(self, vectors: dict[str, Tensor]) -> Tensor:
        """Fuse vectors (B, C) of each song input -> (B, 256)."""
        normed = self.norm(torch.cat([vectors[name] for name in self.names], dim=-1))
        return self.head(F.dropout(normed, self.dropout, self.training))


class MaskedFusion(nn.Module):
    """Fusion of whatever is known of a song, in which each tag says which input tells it.

    The space is shared out: each input has dimensions of its own, and a projection into them, of
    length 1, or 0 where a song lacks it. A tag's share of each input is a function of its word
    vector, the gate: the cosine of a tag and a song is the mean of the inputs' cosines, weighted by
    the tag. The gate is fitted to songs that the branches were not trained on (`fit_gate`), since
    every input can learn the training songs by heart, even for tags that it tells nothing of.
    `sizes` has the length of the vectors of each song input, `tag_dim` that of the word vectors, D;
    `dropout` is that of `VectorHead`.
    """

    def __init__(self, sizes: dict[str, int], tag_dim: int, dropout: float = 0.0):
        super().__init__()
        bounds = [number * EMBEDDING_SIZE // len(sizes) for number in range(len(sizes) + 1)]
        self.widths = [end - start for start, end in pairwise(bounds)]
        self.names = list(sizes)
        self.projections = nn.ModuleDict(
            {
                module_name(name): VectorHead(size, projection_head(size, width), dropout)
                for (name, size), width in zip(sizes.items(), self.widths, strict=True)
            }
        )
        self.gate = nn.Linear(tag_dim, len(sizes)).requires_grad_(False)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)  # all inputs count alike at first

    def forward(self, vectors: dict[str, Tensor]) -> Tensor:
        """Join what is known of songs: vectors (B, C), NaN rows where unknown -> float (B, 256).

        Each input's dimensions have length 1, or 0 where it is unknown.
        """
        n_songs = len(next(iter(vectors.values())))
        parts = []
        heads = self.projections.values()
        for name, head, width in zip(self.names, heads, self.widths, strict=True):
            rows = vectors.get(name)
            if rows is None:
                parts.append(torch.zeros(n_songs, width, device=self.gate.weight.device))
            else:
                parts.append(F.normalize(project_known(head, rows, width)))
        return torch.cat(parts, dim=-1)

    def each_alone(self, songs: Tensor) -> list[Tensor]:
        """Songs (B, 256) known by one input alone, for each input: (B, 256)."""
        parts = songs.split(self.widths, dim=-1)
        zeros = [torch.zeros_like(part) for part in parts]
        return [
            torch.cat([*zeros[:number], part, *zeros[number + 1 :]], dim=-1)
            for number, part in enumerate(parts)
        ]

    def weigh(self, tags: Tensor, tag_vectors: Tensor) -> Tensor:
        """Give each input its share of the tags (A, 256), by their word vectors (A, D)."""
        shares = self._asked(tag_vectors, self.gate.weight, self.gate.bias).softmax(dim=1)
        return torch.cat(
            [
                F.normalize(part.float()) * share[:, None]
                for part, share in zip(tags.split(self.widths, dim=-1), shares.T, strict=True)
            ],
            dim=-1,
        )

    @staticmethod
    def _asked(tag_vectors: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """What becomes the share of each of n inputs by a softmax, (A, n); directions count."""
        return F.linear(F.normalize(tag_vectors), weight, bias)

    @torch.enable_grad()
    def fit_gate(
        self, tags: Tensor, tag_vectors: Tensor, songs: Tensor, truth: Tensor, kinds: Sequence[str]
    ) -> None:
        """Fit the gate to songs that the branches were not trained on.

        Each tag is asked which songs bear it: the cross entropy of a softmax over the songs, which
        rates their order, as the metrics do, and not how frequent a tag is. Tags of one kind are
        held together: what a few songs of a few artists say of one tag is much by chance.

        Parameters
        ----------
        tags : Tensor of float, shape (T, 256)
            The tags, not yet weighed.
        tag_vectors : Tensor of float, shape (T, D)
        songs : Tensor of float, shape (V, 256)
        truth : Tensor of float, shape (T, V)
        kinds : sequence of str
            Category of each tag; '' for none.
        """
        apart = _from_their_means(kinds).to(songs.device)  # (T, T)
        of_tags, of_songs = (x.detach().double().split(self.widths, dim=-1) for x in (tags, songs))
        pairs = zip(of_tags, of_songs, strict=True)
        cosines = torch.stack([F.normalize(tag) @ song.T for tag, song in pairs], dim=1)
        known = torch.stack([part.norm(dim=-1) for part in of_songs])
        n_known = known.sum(dim=0).clamp(min=1)  # (n, V) -> (V,)
        weight, bias = (torch.zeros_like(one.double()) for one in self.gate.parameters())
        scale = torch.full_like(bias[0], 10.0)  # of cosines that become logits
        learnt = [one.requires_grad_() for one in (weight, bias, scale)]
        search = torch.optim.LBFGS(learnt, max_iter=1000, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            search.zero_grad()
            asked = self._asked(tag_vectors.double(), weight, bias)  # (T, n)
            shares = asked.softmax(dim=1)
            found = (shares / shares.norm(dim=1, keepdim=True))[:, None] @ cosines
            logits = scale * found.squeeze(1) / n_known.sqrt()  # (T, V)
            errors = -(logits.log_softmax(dim=1) * truth).sum()
            penalised = errors + RIDGE * weight.square().sum()
            penalised = penalised + TOGETHER * (apart @ asked).square().sum()
            penalised.backward()
            return penalised

        search.step(loss)
        self.gate.weight.data, self.gate.bias.data = weight.detach().float(), bias.detach().float()


def _from_their_means(kinds: Sequence[str]) -> Tensor:
    """Matrix (T, T), double, that takes from each tag's value the mean of the tags of its kind.

    A tag of no kind, '', is its own mean.
    """
    same = torch.tensor([[one == other != "" for other in kinds] for one in kinds]).double()
    same.fill_diagonal_(1)
    return torch.eye(len(kinds), dtype=torch.float64) - same / same.sum(dim=1, keepdim=True)


def module_name(name: str) -> str:
    """Name of an input as that of a module, which has no dot and is no attribute of modules."""
    is_taken = hasattr(nn.ModuleDict, name) or name in vars(nn.ModuleDict())
    return f"input_{name}".replace(".", "_dot_") if is_taken or "." in name else name


def is_known(rows: Tensor) -> Tensor:
    """Whether each of B songs has an input (B, ...): its row does not begin with NaN; (B,) bool."""
    return ~rows.flatten(1)[:, 0].isnan()


def project_known(
    network: nn.Module,
    rows: Tensor,
    n_outputs: int,
    project: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Project the rows (B, ...) that are known -> (B, n_outputs) in float32, 0 for the others.

    By `network`, or by `project` where that feeds it. In training a single row counts as unknown:
    batch norm learns no deviation from one vector.
    """
    project = network if project is None else project  # `or` stops torch's exporter
    known = is_known(rows)
    if torch.compiler.is_exporting():  # no choice by content there: all are projected
        return project(rows.nan_to_num()).masked_fill(~known[:, None], 0)
    index = known.nonzero().squeeze(1)
    out = rows.new_zeros(len(rows), n_outputs, dtype=torch.float32)
    n_rows = total(len(index)) if network.training else len(index)
    if n_rows > int(network.training):
        out = out.index_copy(0, index, project(rows[index]).float())
    elif network.training:  # several processes wait for a gradient of every weight
        out = out + 0 * sum(one.sum() for one in (rows[index], *network.parameters()))
    return out
