"""Step 4: mel spectrograms of the songs, to the packed store `mel.npy`.

python -u step4_mel_spectrogram.py run DATA_PATH [AUDIO_PATH]
python -u step4_mel_spectrogram.py pack DATA_PATH
"""

from command_line import fire_commands, flag, one_of, whole_number
from dataset.files import existing_directory, user_path


def run(
    data_path: str,
    audio_path: str | None = None,
    strict: bool = False,
    num_workers: int | None = None,
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
    mel : str
        own: 128 bands in dB. musicnn: as that network was trained, for main.py --init musicnn.
    """
    from dataset.mel_store import SETTINGS
    from preprocessing.mel.mel_writing import write_from_audio
    from preprocessing.mel.worker_pool import n_cores
    from preprocessing.next_step import print_next

    audio = None if audio_path is None else user_path(audio_path)
    directory = existing_directory(data_path)
    form = one_of("--mel", mel, tuple(SETTINGS))
    n_workers = whole_number("--num_workers", n_cores() if num_workers is None else num_workers, 1)
    write_from_audio(directory, audio, n_workers, flag("--strict", strict), form)
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
