"""Which triplets: anchors (tags) with positive songs, and negative songs mined from the batch.

Everything happens on the device of the tensors given, without a Python loop over rows and without
waiting for the device. Randomness comes from the `torch.Generator` given.
"""

import math

import torch
from torch import Tensor

NEGATIVE_WEIGHTINGS = ("uniform", "similarity", "distance")
STREAMS = ("pairs", "negatives", "dropout")


def epoch_seed(stream: str, seed: int, epoch: int, rank: int = 0) -> int:
    """Seed of one of the STREAMS for one epoch, of all processes or of the one with `rank`.

    A resumed run draws what the whole run drew, and what one stream draws tells nothing of another.
    """
    # The constants only keep the numbers of one generator from falling on those of another.
    mixed = ((seed * 1_000_003 + epoch) * 1_009 + rank) * len(STREAMS) + STREAMS.index(stream)
    return mixed % 2**63


class PairSampler:
    """Draws (anchor tag, positive song) pairs, with replacement.

    Random sampling draws a song, then one of its tags, so that frequent tags come often. Balanced
    sampling draws a tag, then one of its songs, so that all tags come equally often (Won et al.,
    ICASSP 2021, section 2.2).

    Parameters
    ----------
    song_tags : Tensor of bool, shape (N, T)
        Whether a song bears a tag.
    songs : Tensor of int64, shape (n,)
        Indices of the songs to draw from: the training split.
    is_balanced : bool
        Balanced instead of random sampling.
    """

    def __init__(self, song_tags: Tensor, songs: Tensor, is_balanced: bool):
        self.is_balanced = is_balanced
        self.songs = songs
        table = song_tags[songs]  # (N, T) -> (n, T)
        table = table.T if is_balanced else table  # a row is what is drawn first
        counts = table.sum(dim=1)
        self.rows = counts.nonzero().squeeze(1)  # rows that have something to draw
        self.counts = counts
        self.starts = counts.cumsum(0) - counts
        self.members = table.nonzero()[:, 1]  # what each row has, row after row

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw `n` pairs.

        Returns
        -------
        tags, songs : Tensor of int64, shape (n,)
            Tag indices, and indices of songs that bear them.
        """
        device = self.members.device
        row = self.rows[
            torch.randint(len(self.rows), (n,), generator=generator, device=device)
        ]  # (n,)
        # In double precision the product stays below the count: it never reaches the next row.
        fraction = torch.rand(n, generator=generator, device=device, dtype=torch.float64)
        member = self.members[self.starts[row] + (fraction * self.counts[row]).long()]  # (n,)
        tags, songs = (row, member) if self.is_balanced else (member, row)
        return tags, self.songs[songs]


def draw_tags(song_tags: Tensor, songs: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw `n` tags of each song, with replacement, all of its tags alike.

    Parameters
    ----------
    song_tags : Tensor of bool, shape (N, T)
        Whether a song bears a tag.
    songs : Tensor of int64, shape (B,)
        Indices of songs that bear a tag.
    n : int
        Tags a song.
    generator : torch.Generator
        On the device of the tensors.

    Returns
    -------
    Tensor of int64, shape (B, n)
        Tag indices.
    """
    return song_tags[songs].float().multinomial(n, replacement=True, generator=generator)


@torch.no_grad()
def mine_negatives(
    similarity: Tensor, is_candidate: Tensor, weighting: str, n_dims: int, generator
) -> tuple[Tensor, Tensor]:
    """Choose a negative song of the batch for every anchor, at random by weight.

    Parameters
    ----------
    similarity : Tensor of float, shape (A, B)
        Cosine similarity of each anchor with each song of the batch.
    is_candidate : Tensor of bool, shape (A, B)
        Whether the song may be the anchor's negative: it does not bear the anchor tag.
    weighting : {'uniform', 'similarity', 'distance'}
        All candidates alike; by (1 + cosine) / 2, as the code released by Won et al.; or by
        inverse density of distances, as Wu et al. 2017 (arXiv 1706.07567), section 4.
    n_dims : int
        Dimension of the embedding space, for 'distance'.
    generator : torch.Generator
        On the device of `similarity`.

    Returns
    -------
    index : Tensor of int64, shape (A,)
        The song chosen for each anchor.
    is_valid : Tensor of bool, shape (A,)
        False where an anchor has no candidate; its `index` means nothing.
    """
    similarity = similarity.float()  # sums of half-precision weights would lose the last songs
    if weighting == "uniform":
        weights = torch.ones_like(similarity)
    elif weighting == "similarity":
        weights = (1 + similarity) / 2
    elif weighting == "distance":
        weights = _inverse_density(similarity, is_candidate, n_dims)
    else:
        raise ValueError(f"weighting must be one of {NEGATIVE_WEIGHTINGS}, not {weighting!r}")
    # A candidate keeps some weight, however far it is, and others have none.
    cumulative = (weights.clamp(min=1e-6) * is_candidate).cumsum(dim=1)  # (A, B)
    point = torch.rand(len(cumulative), 1, generator=generator, device=cumulative.device)
    index = torch.searchsorted(cumulative, point * cumulative[:, -1:], right=True)  # (A, 1)
    index = index.clamp(max=cumulative.shape[1] - 1)  # a row of zeros ends past its end
    return index.squeeze(1), is_candidate.gather(1, index).squeeze(1)


def _inverse_density(similarity: Tensor, is_candidate: Tensor, n_dims: int) -> Tensor:
    """Weights 1 / q(d), q the density of distances on the unit sphere, largest 1 in each row.

    Distances are clamped to [0.5, sqrt(2)]: below, gradients of too hard negatives are noise (the
    cutoff of Wu et al.); beyond, the density falls again and far songs would weigh more than near
    ones, though they make no loss.
    """
    distance = (2 - 2 * similarity).clamp(min=0).sqrt().clamp(0.5, math.sqrt(2))
    log_density = (n_dims - 2) * distance.log()
    log_density += (n_dims - 3) / 2 * torch.log1p(-distance.square() / 4)
    log_weights = (-log_density).masked_fill(~is_candidate, -math.inf)
    highest = log_weights.amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).min)
    return (log_weights - highest).exp()
