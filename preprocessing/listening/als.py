"""Song vectors from play counts by alternating least squares, in the memory of this machine."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares
from implicit.recommender_base import ModelFitError
from threadpoolctl import threadpool_limits

from errors import UserError
from preprocessing.listening.triplets import Plays
from progress import progress


@dataclass(frozen=True)
class Factors:
    """Vectors of songs by the ids of the listening data: `vectors` (S, C), a row per `song_ids`."""

    song_ids: list[str]
    vectors: np.ndarray


@dataclass(frozen=True)
class AlsOptions:
    """How the listening data is factorised: see `learn_factors`."""

    factors: int  # length of a vector
    iterations: int
    regularization: float  # weight of the L2 penalty
    alpha: float
    seed: int


def learn_factors(plays: Plays, options: AlsOptions) -> Factors:
    """Learn song vectors from play counts by implicit-feedback matrix factorisation.

    Alternating least squares of Hu, Koren and Volinsky, Collaborative Filtering for Implicit
    Feedback Datasets (ICDM 2008). Play counts are heavy-tailed (1 to 300,000 in lastfm-2k), hence
    the logarithmic confidence of their equation 6 with epsilon = 1: a song played r times weighs
    1 + alpha * log(1 + r) in the loss, a song not played weighs 1.

    Parameters
    ----------
    plays : Plays
        Its matrix is overwritten with the confidences, to need the memory once.
    options : AlsOptions
        Length of the vectors, alternations, weight of the L2 penalty, alpha, and seed.

    Returns
    -------
    Factors
        float32 vectors of Euclidean length 1 (0 for a song with a zero factor), see `unit_length`.

    Raises
    ------
    UserError
        Alpha or the penalty is so large that float32 does not hold what comes of it.
    """
    confidence = plays.user_song
    np.log1p(confidence.data, out=confidence.data)
    with np.errstate(over="ignore"):  # told below
        confidence.data *= options.alpha
    confidence.data += 1
    return Factors(list(plays.song_ids), unit_length(_item_factors(confidence, options)))


def _item_factors(confidence: sp.csr_array, options: AlsOptions) -> np.ndarray:
    """The factors (S, C) of the songs, of any length."""
    bar = progress(None, "factors", options.iterations, unit=" iterations")
    # implicit has threads of its own, one a song
    with threadpool_limits(1, "blas"), np.errstate(all="ignore"), bar:
        model = AlternatingLeastSquares(
            factors=options.factors,
            regularization=options.regularization,
            iterations=options.iterations,
            random_state=options.seed,
            use_gpu=False,
        )
        try:
            plays = sp.csr_matrix(confidence)
            model.fit(plays, show_progress=False, callback=lambda *_: bar.update(1))
        except ModelFitError:
            raise UserError(
                f"with --alpha={options.alpha:g} and --regularization={options.regularization:g} "
                "the factors are too large or small for float32: give lower ones"
            ) from None
    return model.item_factors


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Bring factors (S, C) to Euclidean length 1, in place; zero stays zero.

    The length of a raw factor tells how much a song is played rather than what it is, and with a
    weak penalty it is so small that the batch normalisation of a network drowns it in its epsilon:
    a linear probe from vectors to the tags of lastfm-2k did better without it in every setting
    tried.
    """
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors
