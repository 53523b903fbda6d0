"""The nearest songs of a part: a look at all of them, or by faiss where there are many.

- flat: all are compared, exactly.
- hnsw: a graph of neighbours (Malkov and Yashunin 2018, arXiv 1603.09320), in memory.
- ivfpq: lists around centres, of which a few are read, with the vectors shortened to 32 bytes
  (Jegou, Douze and Schmid 2011); only these are in memory.

Whatever finds the candidates, `search.py` ranks them by their embeddings, exactly.
"""

import threading
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path

import numpy as np

from errors import UserError
from retrieval.song_index import NEAREST, Part

KINDS = ("auto", "flat", "hnsw", "ivfpq")
MOST_FLAT = 100_000  # songs of a part that are all compared: within 10 ms on one core
SAID = {
    "flat": "all songs are compared, exactly",
    "hnsw": "neighbours are looked up in a graph (HNSW, faiss)",
    "ivfpq": "neighbours are looked up in lists of short codes (IVF-PQ, faiss)",
}
HNSW_LINKS, HNSW_EFFORT, HNSW_LOOK = 16, 100, 128
PROBES, SUBVECTORS = 64, 32  # lists that a query reads; bytes of a code
USUAL = 100  # answers that these lists are enough for; for more, more are read
PER_ANSWER, LEAST = 20, 200  # candidates that are ranked exactly
MOST_CANDIDATES = 1 / 4  # of a part: to read more costs what a look at all songs does
ENOUGH = 0.8  # of the candidates: with fewer left, those that are near may lie elsewhere
BLOCK = 2**16  # songs that are brought to float32 at once
ROUNDING = 1e-6  # within which two similarities are the same


def build_nearest(
    embeddings: np.ndarray, file: Path, kind: str = "auto", learnt: Path | None = None
) -> str:
    """Write what finds neighbours among embeddings, float16 (n, 256); return which kind it is.

    Nothing is written for 'flat', which 'auto' takes up to `MOST_FLAT` songs; beyond it takes
    'ivfpq'. Its centres and codes are those of `learnt`, the file of another part, if there are as
    many: learning them takes longer than all else.
    """
    if kind == "auto":
        kind = "flat" if len(embeddings) <= MOST_FLAT else "ivfpq"
    if kind == "flat":
        return kind
    if kind == "ivfpq" and len(embeddings) < 2**8:  # codes are learnt from as many songs
        raise UserError("--index ivfpq needs 256 songs or more: leave --index out")
    import faiss

    n, size = embeddings.shape
    inner = faiss.METRIC_INNER_PRODUCT
    if kind == "hnsw":
        graph = faiss.IndexHNSWSQ(size, faiss.ScalarQuantizer.QT_fp16, HNSW_LINKS, inner)
        graph.hnsw.efConstruction = HNSW_EFFORT
    else:
        n_lists = max(1, min(4096, n // 40, int(4 * n**0.5)))
        # "np": no polysemous codes, which are not used here and take a minute to learn
        graph = faiss.index_factory(size, f"IVF{n_lists},PQ{SUBVECTORS}np", inner)
        graph.cp.seed, graph.cp.niter, graph.cp.max_points_per_centroid = 0, 8, 50
        graph.cp.min_points_per_centroid = graph.pq.cp.min_points_per_centroid = 1  # no warnings
    other = faiss.read_index(str(learnt)) if learnt and kind == "ivfpq" else None
    if other and getattr(other, "nlist", 0) == graph.nlist:
        other.reset()
        graph = other
    else:
        sample = np.random.default_rng(0).permutation(n)[: 50 * 4096]
        graph.train(embeddings[np.sort(sample)].astype(np.float32))
    for first in range(0, n, BLOCK):
        graph.add(embeddings[first : first + BLOCK].astype(np.float32))
    faiss.write_index(graph, str(file))
    return kind


def n_candidates(n: int) -> int:
    """How many candidates are ranked exactly for n answers."""
    return max(PER_ANSWER * n, LEAST)


def is_best(scores: np.ndarray, n: int) -> np.ndarray:
    """Which are the n highest scores, and all that tie with the last of them."""
    if n >= len(scores):
        return np.ones(len(scores), dtype=bool)
    return scores >= np.partition(scores, -n)[-n] - ROUNDING


class Product:
    """Multiplies a matrix by vectors; those that threads ask for at once, in one go.

    To read the matrix takes longer than to compute: thirty vectors cost about four times as much
    as one.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n, E)
        Rows to be multiplied.
    """

    def __init__(self, matrix: np.ndarray):
        self.matrix = matrix
        self._waiting: list[tuple[np.ndarray, Future[np.ndarray]]] = []
        self._computing = threading.Lock()

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        """Return the products of the rows with a vector: float32 (E,) -> float32 (n,)."""
        mine: Future[np.ndarray] = Future()
        self._waiting.append((vector, mine))
        with self._computing:  # whoever comes next computes for all that have come meanwhile
            if not mine.done():
                batch = list(self._waiting)
                del self._waiting[: len(batch)]
                self._compute(batch)
        return mine.result()

    def _compute(self, batch: list[tuple[np.ndarray, Future[np.ndarray]]]) -> None:
        try:
            products = np.stack([vector for vector, _ in batch]) @ self.matrix.T
        except MemoryError as error:
            for _, its in batch:
                its.set_exception(error)
            return
        for (_, its), product in zip(batch, products, strict=True):
            its.set_result(product)


class Nearest:
    """Finds candidates among the songs of one part."""

    def __init__(self, part: Part):
        self.part = part

    @cached_property
    def _scores(self) -> "Product":
        # As float16 a look at all embeddings takes five times as long.
        return Product(np.asarray(self.part.embeddings, dtype=np.float32))

    @cached_property
    def _faiss(self):
        import faiss

        try:
            return faiss.read_index(str(self.part.folder / NEAREST))
        except RuntimeError:
            raise UserError(
                f"{self.part.folder / NEAREST} is damaged: make it with retrieve.py index"
            ) from None

    def find(
        self, vector: np.ndarray, n: int, among: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find at least the n nearest songs, in no order; fewer only if there are no more.

        Parameters
        ----------
        vector : ndarray of float32, shape (256,)
            What they are to be near.
        n : int
            How many.
        among : ndarray of int64, optional
            Rows to choose from; these are all compared.

        Returns
        -------
        rows : ndarray of int64
        scores : ndarray of float32
            Their similarity, by faiss as far as its codes tell.
        """
        found = self._by_faiss(vector, n) if among is None else None
        if found is not None:
            return found
        rows, scores = self._kept(*self._compared(vector, among))
        best = is_best(scores, n)
        return rows[best], scores[best]

    def _by_faiss(self, vector: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Candidates by faiss, looking wider as long as they are few; None to compare all songs.

        They are few where lists are short, or where the songs around were taken out.
        """
        n_all = 0 if self.part.about["kind"] == "flat" else len(self.part)
        n_left = n_all - len(self.part.removed)
        while n_candidates(n) <= MOST_CANDIDATES * n_left:
            rows, scores = self._kept(*self._look(vector, n_candidates(n) * n_all // n_left))
            if len(rows) >= ENOUGH * n_candidates(n):
                return rows, scores
            n *= 4
        return None

    def _look(self, vector: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and scores by faiss, songs taken out among them; row -1 for what is not found."""
        import faiss

        if self.part.about["kind"] == "hnsw":
            look = faiss.SearchParametersHNSW(efSearch=max(HNSW_LOOK, wanted))
        else:
            n_lists = max(PROBES, PROBES * wanted // n_candidates(USUAL))
            look = faiss.SearchParametersIVF(nprobe=n_lists)
        scores, rows = (one[0] for one in self._faiss.search(vector[None], wanted, params=look))
        return rows, scores

    def _compared(
        self, vector: np.ndarray, among: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows, all of them without `among`, and their similarity."""
        rows = np.arange(len(self.part)) if among is None else among
        if among is None and self.part.about["kind"] == "flat":
            return rows, self._scores(vector)
        blocks = np.array_split(rows, 1 + len(rows) // BLOCK)
        scores = [self.part.vectors(block).astype(np.float32) @ vector for block in blocks]
        return rows, np.concatenate(scores)

    def _kept(self, rows: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of songs that are there, and were not taken out."""
        kept = (rows >= 0) & ~np.isin(rows, self.part.removed)
        return rows[kept], scores[kept]
