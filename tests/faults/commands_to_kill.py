"""The commands that are killed: what each starts from, how it is typed, what it leaves."""

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_samples import write_music
from checkpoint import read_checkpoint
from dataset.files import existing_directory
from dataset.mel_index import INDEX
from dataset.mel_store import open_mel_store
from planted import write_planted
from retrieval.song_index import ABOUT, read_index

TABLE = "file,tags,artist,category\n" + "".join(
    f"audio/{n}.wav,{'rock|pop' if n % 2 else 'rock'},Artist {n},genre\n" for n in range(24)
)
PLAYS = "".join(
    f"user{n}\taudio/{song}.wav\t{n + 1}\n" for n in range(9) for song in range(24) if song % 5 != n
)
SENTENCES = "rock and pop are music\nrock music is loud\npop music is sweet\n" * 40
OPTIONS = "--input_type cf --is_balanced --is_weighted --num_threads 1"
TRAINING = f"{OPTIONS} --triplets_per_epoch 2000 --n_epochs 4"
A_SHORT_ONE = f"{OPTIONS} --triplets_per_epoch 256 --n_epochs 2"  # an experiment has six


def write_start(work: Path) -> None:
    """What step 0 begins with, 24 short songs; and a planted set that a training begins with."""
    work.mkdir()
    write_music(work / "music", 24, seconds=0.3)
    (work / "music/songs.csv").write_text(TABLE, encoding="utf-8")
    (work / "music/plays.tsv").write_text(PLAYS, encoding="utf-8")
    (work / "music/text.txt").write_text(SENTENCES, encoding="utf-8")
    write_planted(work / "planted", 120)


# ---------------------------------------------------------------- what must be the same


def digests(work: Path) -> dict[str, str]:
    """Name -> digest of all files; what a kill left half-written is none of them."""
    return {
        str(file.relative_to(work)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(work.rglob("*"))
        if file.is_file() and not any(part.startswith(".writing-") for part in file.parts)
    }


def weights(work: Path) -> dict[str, object]:
    """Parameters of both checkpoints of a training, and the best validation MAP."""
    found: dict[str, object] = {}
    for name in ("best.ckpt", "last.ckpt"):
        checkpoint = read_checkpoint(work / "run" / name)
        for key, tensor in checkpoint["state_dict"].items():
            found[f"{name} {key}"] = tensor.numpy().tobytes()
        kept = [one for key, one in checkpoint["callbacks"].items() if "ModelCheckpoint" in key]
        found[f"{name} map"] = [float(one["best_model_score"]) for one in kept if one["monitor"]]
    return found


def metrics(work: Path) -> list[tuple[str, float, float]]:
    """Metrics of the runs of an experiment."""
    runs = json.loads((work / "results/sampling.json").read_text(encoding="utf-8"))
    return [(run["column"], run["map"], run["roc_auc"]) for run in runs]


# ---------------------------------------------------------------- what may be there after a kill


def songs_of_index(work: Path) -> list[tuple]:
    """Songs of an index, with their tags and the embeddings that they have."""
    index = read_index(work / "index")
    rows = range(len(index))
    return [(*index.song(row), *index.tags_of(row), *index.vectors([row])[0]) for row in rows]


def has_whole_index(work: Path, _before: Path, after: Path) -> bool:
    """Whether the index is not there yet, or whole."""
    has_begun = (work / "index" / ABOUT).is_file()
    return not has_begun or songs_of_index(work) == songs_of_index(after)


def is_old_or_new(work: Path, before: Path, after: Path) -> bool:
    """Whether the files are all those of before or all those of the end."""
    for folder in (work / "data", work):
        if folder.is_dir():
            existing_directory(folder)  # as whoever opens it next does
    return digests(work) in (digests(before), digests(after))


def has_whole_songs(work: Path, _before: Path, after: Path) -> bool:
    """Whether all songs of the mel store, if there are some, are as they are in the end."""
    index = work / "data" / INDEX
    if not index.is_file() or b"\n" not in index.read_bytes():
        return True
    ours, right = (open_mel_store(folder / "data", []) for folder in (work, after))
    return all(
        np.array_equal(ours.song(row), right.song(right.rows_of([song])[0]))
        for row, song in enumerate(ours.song_ids)
    )


def has_whole_vectors(work: Path, _before: Path, after: Path) -> bool:
    """Whether all songs that have a vector have the one of the end."""
    existing_directory(work / "data")
    if not (work / "data/musicnn_songs.npy").is_file():
        return True
    ours, right = (np.load(folder / "data/musicnn_songs.npy") for folder in (work, after))
    return np.array_equal(ours[~np.isnan(ours).all(axis=1)], right[~np.isnan(ours).all(axis=1)])


def has_whole_checkpoints(work: Path, _before: Path, _after: Path) -> bool:
    """Whether all checkpoints and results that are there can be read."""
    for file in work.rglob("*.ckpt"):
        if ".writing-" not in str(file):
            read_checkpoint(file)
    for file in work.rglob("results.json"):
        if ".writing-" not in str(file):
            json.loads(file.read_text(encoding="utf-8"))
    return True


# ---------------------------------------------------------------- the commands


@dataclass(frozen=True)
class ToKill:
    """A command, in a folder `work`.

    Attributes
    ----------
    words : str
        The command, {work} standing for the folder.
    looks_right : callable
        Of the folder after a kill, of one before, of one at the end: whether what opens is right.
    outcome : callable
        Of the folder: what must be the same in the end.
    before : tuple of str
        Names of the commands that the folder needs first.
    """

    words: str
    looks_right: Callable[[Path, Path, Path], bool] = is_old_or_new
    outcome: Callable[[Path], object] = digests
    before: tuple[str, ...] = ()

    def command(self, work: Path) -> list[str]:
        """How it is started; a training goes on where there is something to go on with."""
        words = self.words.format(work=work).split()
        if "TRAIN" in words and (work / "run/last.ckpt").is_file():
            words.append("--resume")
        return [sys.executable, "-u", *words]


_TABLE = "step0_dataset.py table {work}/music/songs.csv {work}/data"
_SPLIT = ("step 0", "step 1")
COMMANDS = {
    "step 0": ToKill(f"{_TABLE} --listeners={{work}}/music/plays.tsv"),
    # over an earlier one, of which no file may stay beside a new one
    "step 0 again": ToKill(_TABLE, before=("step 0",)),
    "step 1": ToKill("step1_data_split.py run {work}/data 2 2", before=("step 0",)),
    "step 1 again": ToKill("step1_data_split.py run {work}/data 2 2 --seed=1", before=_SPLIT),
    "step 2": ToKill(
        "step2_word_embedding.py train {work}/data {work}/music/text.txt --dimensions=8 --epochs=2",
        before=_SPLIT,
    ),
    "step 3": ToKill(
        "step3_taste_profile.py train {work}/data {work}/data/triplets.tsv --factors=4",
        before=_SPLIT,
    ),
    "step 4": ToKill(
        "step4_mel_spectrogram.py run {work}/data --num_workers=1",
        looks_right=has_whole_songs,
        before=_SPLIT,
    ),
    "step 5": ToKill(  # fetches musicnn's package once
        "step5_song_features.py run {work}/data --num_workers=1",
        looks_right=has_whole_vectors,
        before=_SPLIT,
    ),
    "TRAIN": ToKill(
        f"main.py --mode TRAIN {TRAINING} --data_path {{work}}/planted "
        "--model_save_path {work}/run",
        looks_right=has_whole_checkpoints,
        outcome=weights,
    ),
    "experiments": ToKill(
        f"-m experiments.sampling {{work}}/planted {{work}}/results --seeds 0 {A_SHORT_ONE}",
        looks_right=has_whole_checkpoints,
        outcome=metrics,
    ),
    "index": ToKill(
        "retrieve.py index {work}/run {work}/planted {work}/index",
        looks_right=has_whole_index,
        outcome=songs_of_index,
        before=("TRAIN",),
    ),
}
