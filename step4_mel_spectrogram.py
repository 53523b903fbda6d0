"""Step 4: mel spectrograms of the songs, to the packed store `mel.npy`.

python -u step4_mel_spectrogram.py run DATA_PATH [AUDIO_PATH]
python -u step4_mel_spectrogram.py pack DATA_PATH
"""

from command_line import fire_commands, flag, one_of
from dataset.files import existing_directory, user_path


def run(
    data_path: str,
    audio_path: str | None = None,
    strict: bool = False,
    num_workers: int | None = None,
    engine: str = "processes",
    spark: str = "local[*]",
    mel: str = "own",
) -> None:
    """Compute the mel spectrogram of each song that has none yet.

    Stopped at any moment and started again, it goes on where it was. Songs that cannot be read
    are left out and listed with the reason in mel_skipped.tsv.

    Parameters
    ----------
    data_path : str
        The dataset directory: songs.tsv names the audio files; after step 1, only the songs of the
        split are computed.
    audio_path : str, optional
        Folder where relative paths of audio files start; by default as step 0 noted.
    strict : bool
        Stop with an error at a song that cannot be read.
    num_workers : int, optional
        Number of processes; by default one for each core.
    engine : str
        processes of this machine, or spark: then all machines need this folder, the dataset
        directory and the audio files at the same paths, and each writes parts of the store.
    spark : str
        Address of the Spark master: local[2] for two cores of this machine, spark://HOST:7077, ...
    mel : str
        own: 128 bands in dB. musicnn: as that network was trained, for main.py --init musicnn.
    """
    from dataset.mel_store import SETTINGS
    from preprocessing.mel.mel_writing import write_from_audio
    from preprocessing.mel.worker_pool import task_map
    from preprocessing.next_step import print_next

    audio = None if audio_path is None else user_path(audio_path)
    directory = existing_directory(data_path)
    form = one_of("--mel", mel, tuple(SETTINGS))
    map_tasks = task_map(engine, spark, num_workers)
    in_parts = engine == "spark"
    write_from_audio(directory, audio, map_tasks, flag("--strict", strict), form, in_parts)
    print_next(directory, "step4")


def pack(data_path: str) -> None:
    """Convert spectrograms of the published layout (spec/.../<id>.npy) to the packed store.

    Parameters
    ----------
    data_path : str
        The dataset directory that holds spec/, which stays as it is.
    """
    from preprocessing.mel.mel_writing import write_from_published
    from preprocessing.next_step import print_next

    directory = existing_directory(data_path)
    write_from_published(directory)
    print_next(directory, "step4")


if __name__ == "__main__":
    fire_commands({"run": run, "pack": pack})
