"""The tag branch and the song branches joined: one metric space for tags and songs.

Plain PyTorch: knows nothing of Lightning, files or sampling.
"""

from typing import NamedTuple

from torch import Tensor, nn

from modules import ConcatFusion, ShortChunkCNN, projection_head

INPUT_TYPES = ("spec", "cf", "hybrid")
EMBEDDING_SIZE = 256


class SongInputs(NamedTuple):
    """What is known of a batch of songs.

    Attributes
    ----------
    spec : Tensor of float, shape (B, F, L) or (B, chunks, F, L), or None
        Mel spectrogram chunks in dB; several chunks of a song are averaged.
    cf : Tensor of float, shape (B, C), or None
        Collaborative-filtering vectors.
    """

    spec: Tensor | None = None
    cf: Tensor | None = None


class RetrievalModel(nn.Module):
    """Tag branch and song branches, each ending in a 256-dimensional embedding.

    Parameters
    ----------
    input_type : {'spec', 'cf', 'hybrid'}
        Which song branches there are: acoustic, cultural, or both fused.
    tag_dim : int
        Length D of the word vectors.
    cf_dim : int, optional
        Length C of the CF vectors, for 'cf' and 'hybrid'.
    """

    HYBRID_ACOUSTIC_SIZE = 200  # as the paper's CF vectors, so that both weigh the same

    def __init__(self, input_type: str, tag_dim: int, cf_dim: int | None = None):
        super().__init__()
        if input_type not in INPUT_TYPES:
            raise ValueError(f"input_type must be one of {INPUT_TYPES}, not {input_type!r}")
        if (cf_dim is None) != (input_type == "spec"):
            raise ValueError("cf_dim belongs to the input types 'cf' and 'hybrid', and only there")
        self.tag_branch = projection_head(tag_dim, EMBEDDING_SIZE)
        self.acoustic_branch = self.cultural_branch = self.fusion = None
        if input_type == "spec":
            self.acoustic_branch = ShortChunkCNN(EMBEDDING_SIZE)
        elif input_type == "cf":
            self.cultural_branch = projection_head(cf_dim, EMBEDDING_SIZE)
        else:
            self.acoustic_branch = ShortChunkCNN(self.HYBRID_ACOUSTIC_SIZE)
            self.fusion = ConcatFusion(self.HYBRID_ACOUSTIC_SIZE, cf_dim)

    def embed_tags(self, tag_vectors: Tensor) -> Tensor:
        """Embed word vectors: float (B, D) -> float (B, 256)."""
        return self.tag_branch(tag_vectors)

    def embed_songs(self, songs: SongInputs) -> Tensor:
        """Embed songs: the inputs that the branches need -> float (B, 256)."""
        if self.cultural_branch is not None:
            return self.cultural_branch(songs.cf)
        acoustic = self._embed_chunks(songs.spec)
        return acoustic if self.fusion is None else self.fusion(acoustic, songs.cf)

    def _embed_chunks(self, spec: Tensor) -> Tensor:
        if spec.dim() == 3:
            return self.acoustic_branch(spec)
        chunks = self.acoustic_branch(spec.flatten(0, 1))  # (B, chunks, F, L) -> (B * chunks, E)
        return chunks.unflatten(0, spec.shape[:2]).mean(dim=1)  # -> (B, E)
