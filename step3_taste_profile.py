"""Step 3: collaborative-filtering vectors of the songs, to `ix_to_cf.npy`, and what goes with them.

python -u step3_taste_profile.py run DATA_PATH
python -u step3_taste_profile.py train DATA_PATH TRIPLETS
python -u step3_taste_profile.py neighbours DATA_PATH [TRIPLETS]
"""

from command_line import fire_commands, flag, number, one_of, whole_number
from dataset.files import existing_directory
from dataset.moving import alone


def run(data_path: str, is_subset: bool = False) -> None:
    """Take published factors: item_factors_MSD.npy and items_index_MSD.tsv of DATA_PATH.

    Parameters
    ----------
    data_path : str
        The dataset directory, after step 1.
    is_subset : bool
        Write for the songs of the smaller set (sub_*).
    """
    from preprocessing.listening.taste_profile import write_published

    directory = existing_directory(data_path)
    with alone(directory):
        write_published(directory, flag("--is_subset", is_subset))


def train(
    data_path: str,
    triplets: str,
    factors: int = 200,
    min_song_users: int = 1,
    min_user_songs: int = 1,
    seed: int = 0,
    iterations: int = 15,
    regularization: float = 10.0,
    alpha: float = 10.0,
    id_map: str | None = None,
    is_subset: bool = False,
    engine: str = "implicit",
    spark: str = "local[*]",
) -> None:
    """Learn factors from listening data by alternating least squares (Hu et al. 2008).

    All songs in TRIPLETS are learnt from, the dataset's are written.

    Parameters
    ----------
    data_path : str
        The dataset directory, after step 1.
    triplets : str
        File of user, song, count rows, tab-separated, no header, plain or .gz, .bz2, .xz, .zip:
        such as DATA_PATH/triplets.tsv, or train_triplets.txt of the Echo Nest Taste Profile.
    factors : int
        Length of a vector.
    min_song_users : int
        Leave out songs with fewer listeners.
    min_user_songs : int
        Leave out users with fewer songs.
    seed : int
        Of the initial vectors.
    iterations : int
        Alternations of the least squares.
    regularization : float
        Weight of the L2 penalty on the vectors.
    alpha : float
        Confidence in a play count r: 1 + alpha * log(1 + r).
    id_map : str, optional
        TSV without header: a song id of TRIPLETS, then the song ids of the dataset that share its
        listening data, such as taste_profile_song_to_tracks.txt.
    is_subset : bool
        Write for the songs of the smaller set (sub_*).
    engine : str
        implicit, in the memory of this machine, or spark, for more than fits there. With spark
        TRIPLETS is any address that it reads, of a file or folder of such rows (plain, .gz, .bz2),
        or one whose name ends in .parquet, of columns user, song, count.
    spark : str
        Address of the Spark master: local[2] for two cores of this machine, spark://HOST:7077, ...
    """
    from preprocessing.listening.als import AlsOptions
    from preprocessing.listening.taste_profile import Listening, write_learnt

    is_on_spark = one_of("--engine", engine, ("implicit", "spark")) == "spark"
    listening = Listening(
        triplets=triplets,
        min_song_users=whole_number("--min_song_users", min_song_users, 1),
        min_user_songs=whole_number("--min_user_songs", min_user_songs, 1),
    )
    options = AlsOptions(
        factors=whole_number("--factors", factors, 1),
        iterations=whole_number("--iterations", iterations, 1),
        regularization=number("--regularization", regularization, 0.0),
        alpha=number("--alpha", alpha, 1e-6),
        seed=whole_number("--seed", seed, 0),
    )
    is_subset, master = flag("--is_subset", is_subset), spark if is_on_spark else None
    directory = existing_directory(data_path)
    with alone(directory):
        write_learnt(directory, listening, options, id_map, is_subset, master)


def neighbours(
    data_path: str, triplets: str | None = None, id_map: str | None = None, is_subset: bool = False
) -> None:
    """Write what the songs around a song tell of it, to `neighbours_songs.npy`.

    The mean of the factors of its artist's songs, where artists have several; with TRIPLETS, how
    much it is played, and which tags the other training songs of its listeners bear. To be used
    beside the factors: --input_type cf+neighbours.

    Parameters
    ----------
    data_path : str
        The dataset directory, after step 3 run or train.
    triplets : str, optional
        File of user, song, count rows, as `train` takes it.
    id_map : str, optional
        As `train` takes it.
    is_subset : bool
        Write for the songs of the smaller set (sub_*).
    """
    from preprocessing.listening.neighbours import write_neighbours

    is_subset = flag("--is_subset", is_subset)
    directory = existing_directory(data_path)
    with alone(directory):
        write_neighbours(directory, triplets, id_map, is_subset)


if __name__ == "__main__":
    fire_commands({"run": run, "train": train, "neighbours": neighbours})
