"""Step 5: vectors of the songs by an encoder that others have trained, to `musicnn_songs.npy`.

python -u step5_song_features.py run DATA_PATH [AUDIO_PATH] [--encoder msd-musicnn]
"""

import re

from command_line import fire_commands, flag, one_of
from dataset.files import existing_directory, user_path
from errors import UserError

TAKEN = ("spec", "cf", "hybrid", "neighbours", "mel", "True")  # inputs and files of other steps


def run(
    data_path: str,
    audio_path: str | None = None,
    encoder: str = "msd-musicnn",
    name: str = "musicnn",
    wheel: str | None = None,
    strict: bool = False,
    num_workers: int | None = None,
    engine: str = "processes",
    spark: str = "local[*]",
) -> None:
    """Compute the vector of each song that has none yet: float32 (N, 200), in the songs' order.

    Songs that cannot be read have a row of NaN and are listed with the reason in
    musicnn_skipped.tsv. Stopped at any moment and started again, it goes on where it was.

    Parameters
    ----------
    data_path : str
        The dataset directory: songs.tsv names the audio files; after step 1, only the songs of the
        split are computed.
    audio_path : str, optional
        Folder where relative paths of audio files start; by default as step 0 noted.
    encoder : str
        musicnn (Pons and Serra, 2019) as trained on the Million Song Dataset, msd-musicnn, or on
        MagnaTagATune, mtt-musicnn.
    name : str
        NAME of the file NAME_songs.npy, and of --input_type, so that several can be used together.
    wheel : str, optional
        The package with its weights, musicnn-0.1.0-py3-none-any.whl; by default it is fetched from
        PyPI, once, 29 MB.
    strict : bool
        Stop with an error at a song that cannot be read.
    num_workers : int, optional
        Number of processes; by default one for each core.
    engine : str
        As for step 4, processes or spark; with spark the package with the weights must be at the
        same path on all machines too.
    spark : str
        Address of the Spark master, as for step 4.
    """
    from dataset.wheels import fetch_wheel
    from encoders.musicnn_package import ENCODERS, WHEEL
    from preprocessing.features.musicnn_songs import Chosen, write_musicnn
    from preprocessing.mel.worker_pool import task_map
    from preprocessing.next_step import print_next

    audio = None if audio_path is None else user_path(audio_path)
    directory = existing_directory(data_path)
    one_of("--encoder", encoder, tuple(ENCODERS))
    if not re.fullmatch(r"[\w.-]+", name) or name in TAKEN:
        raise UserError(
            f"--name {name} must be letters, digits, '.', '-' or '_', and not spec, cf, hybrid, "
            "neighbours or mel, which mean something else, nor left out"
        )
    map_tasks = task_map(engine, spark, num_workers)
    is_strict = flag("--strict", strict)
    package = fetch_wheel(*WHEEL, given=wheel)
    write_musicnn(directory, audio, Chosen(encoder, package, name), map_tasks, is_strict)
    print_next(directory, "step5", features=name)


if __name__ == "__main__":
    fire_commands({"run": run})
