"""The tag branch and the song branches joined: one metric space for tags and songs.

Plain PyTorch: knows nothing of Lightning, files or sampling.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from fusion import ConcatFusion, MaskedFusion, is_known, project_known
from modules import (
    EMBEDDING_SIZE,
    MusicnnBranch,
    ShortChunkCNN,
    TwinHeads,
    VectorHead,
    song_head,
    tag_head,
)

FUSIONS = ("concat", "masked")
ACOUSTIC: dict[str, Any] = {"short-chunk": ShortChunkCNN, "musicnn": MusicnnBranch}

# What is known of a batch of B songs, by the name of the song input, floats on one device. 'spec':
# chunks of mel spectrogram, (B, F, L), or (B, chunks, F, L), whose embeddings are averaged;
# 'cf', or any other name: vectors (B, C). Masked fusion takes what is not there, or a row of NaN,
# for not known.
SongInputs = dict[str, Tensor]


class RetrievalModel(nn.Module):
    """Tag branch and song branches, each ending in a 256-dimensional embedding.

    Parameters
    ----------
    tag_dim : int
        Length D of the word vectors.
    inputs : dict of str to int or None
        Song input -> length of its vectors; None for 'spec', which has no vectors. One input has a
        branch of its own: acoustic for 'spec', cultural for 'cf', or that of the vectors.
    fusion : {'concat', 'masked'}
        How several inputs are joined: all of them side by side, as in the paper, or whatever is
        known of a song.
    acoustic : str
        The network of the acoustic branch, one of `ACOUSTIC`.
    are_twins : bool
        Whether tags, and songs behind their vectors or the concatenation, have two heads each
        (`modules.TwinHeads`); without effect with masked fusion or chunks alone, which have heads
        of theirs.
    input_dropout : float
        Probability, at least 0 and below 1, with which training leaves out a value of a song's
        vectors; not with 'spec' or 'cf' alone.
    """

    CONCAT_ACOUSTIC_SIZE = 200  # as the paper's CF vectors, so that both weigh the same

    def __init__(
        self,
        tag_dim: int,
        inputs: dict[str, int | None],
        fusion: str = "concat",
        acoustic: str = "short-chunk",
        are_twins: bool = False,
        input_dropout: float = 0.0,
    ):
        super().__init__()
        if fusion not in FUSIONS or not inputs:
            raise ValueError(f"one input at least, and fusion one of {FUSIONS}, not {fusion!r}")
        if any((size is None) != (name == "spec") for name, size in inputs.items()):
            raise ValueError(f"every input but 'spec' has vectors of a length, unlike {inputs}")
        self.names = list(inputs)
        self.acoustic_branch = self.cultural_branch = self.vector_branch = self.fusion = None
        self.is_masked = len(inputs) > 1 and fusion == "masked"
        is_concat = len(inputs) > 1 and not self.is_masked
        self.are_twins = are_twins and not self.is_masked and self.names != ["spec"]
        self.tag_branch = tag_head(tag_dim, self.are_twins)
        acoustic_size = self.CONCAT_ACOUSTIC_SIZE if is_concat else EMBEDDING_SIZE
        if "spec" in inputs:
            self.acoustic_branch = ACOUSTIC[acoustic](acoustic_size)
        if len(inputs) > 1:
            sizes = {name: size or acoustic_size for name, size in inputs.items()}
            concat = ConcatFusion(sizes, self.are_twins, input_dropout) if is_concat else None
            self.fusion = concat or MaskedFusion(sizes, tag_dim, input_dropout)
        elif "cf" in inputs:  # as in the paper, without the norm that vectors of any scale need
            self.cultural_branch = song_head(inputs["cf"], self.are_twins)
        elif "spec" not in inputs:
            size = inputs[self.names[0]]
            head = song_head(size, self.are_twins)
            self.vector_branch = VectorHead(size, head, input_dropout)

    def embed_tags(self, tag_vectors: Tensor) -> Tensor:
        """Embed word vectors: float (B, D) -> float (B, 256)."""
        tags = self.tag_branch(tag_vectors)
        if self.is_masked:
            return self.fusion.weigh(tags, tag_vectors)
        return tags

    def embed_songs(self, songs: SongInputs) -> Tensor:
        """Embed songs: the inputs that the branches need -> float (B, 256)."""
        if self.is_masked:
            known = {"spec": self._known_chunks(songs["spec"])} if "spec" in songs else {}
            return self.fusion(songs | known)
        if self.fusion is not None:
            spec = {"spec": self._embed_chunks(songs["spec"])} if "spec" in self.names else {}
            return self.fusion(songs | spec)
        if self.acoustic_branch is not None:
            return self._embed_chunks(songs["spec"])
        return (self.cultural_branch or self.vector_branch)(songs[self.names[0]])

    def embed_ways(self, songs: SongInputs) -> list[Tensor]:
        """Embed songs in every way that training asks for: each float (B, 256).

        With masked fusion by all that is known, then by each input alone, so that one of them does
        not rest while another explains the tags, and each does without the others; 0 for a song
        that lacks it. Else there is one way.
        """
        whole = self.embed_songs(songs)
        return [whole, *self.fusion.each_alone(whole)] if self.is_masked else [whole]

    def apart(self, tags: Tensor, songs: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Tags (A, 256) and songs (B, 256) as they are trained: together, or each twin's half."""
        if not self.are_twins:
            return [(tags, songs)]
        return list(zip(TwinHeads.halves(tags), TwinHeads.halves(songs), strict=True))

    def fit_gate(
        self, tag_vectors: Tensor, songs: Tensor, truth: Tensor, kinds: Sequence[str]
    ) -> None:
        """Learn which input tells which tag from songs that the branches were not trained on.

        Songs (V, 256) are as `embed_songs` gives them, and all else as `MaskedFusion.fit_gate`
        takes it.
        """
        if self.is_masked:
            self.fusion.fit_gate(self.tag_branch(tag_vectors), tag_vectors, songs, truth, kinds)

    def _known_chunks(self, spec: Tensor) -> Tensor:
        network, project = self.acoustic_branch, self._embed_chunks
        vectors = project_known(network, spec, EMBEDDING_SIZE, project)
        return vectors.masked_fill(~is_known(spec)[:, None], float("nan"))

    def _embed_chunks(self, spec: Tensor) -> Tensor:
        if spec.dim() == 3:
            return self.acoustic_branch(spec)
        chunks = self.acoustic_branch(spec.flatten(0, 1))  # (B, chunks, F, L) -> (B * chunks, E)
        return chunks.unflatten(0, spec.shape[:2]).mean(dim=1)  # -> (B, E)
