"""A tiny dataset directory with a planted answer, in the published format."""

from pathlib import Path

import numpy as np

from dataset.files import CATEGORIES
from dataset.mel_store import MEL_SETTINGS, N_MELS
from dataset.writing import staged, write_about, write_pickle, write_split, write_tsv

MEL_BANDS, LOUD, SOFT = 16, -20.0, -70.0  # of each tag, and dB


def write_planted(directory: Path, n_songs: int = 300, with_answer: bool = True) -> Path:
    """Write a directory in which the CF vector of a song tells its tags, or (broken) does not.

    Eight tags with random word vectors; a song bears one tag, and often a second one; its CF
    vector is the sum of directions of its tags, with noise. `write_planted_mels` adds audio.
    """
    rng = np.random.default_rng(0)
    tags = [f"tag {letter}" for letter in "abcdefgh"]
    first, second = rng.integers(len(tags), size=(2, n_songs))
    song_tags = np.zeros((n_songs, len(tags)), dtype=bool)
    song_tags[np.arange(n_songs), first] = True
    song_tags[np.arange(n_songs), second] |= rng.random(n_songs) < 0.5
    cf = song_tags @ rng.normal(size=(len(tags), 16)) + 0.3 * rng.normal(size=(n_songs, 16))
    if not with_answer:
        cf = rng.permutation(cf)
    order = rng.permutation(n_songs)
    cuts = [int(n_songs * 0.6), int(n_songs * 0.8)]
    splits = dict(zip(("train", "valid", "test"), np.split(order, cuts), strict=True))
    with staged(directory) as stage:
        ids = [f"TRAAA{n:05d}" for n in range(n_songs)]
        write_split(stage, tags, ids, song_tags, splits)
        np.save(stage / "ix_to_cf.npy", cf.astype(np.float32))
        for name in ("google", "music"):
            vectors = rng.normal(size=(len(tags), 20)).astype(np.float32)
            write_pickle(stage / f"{name}_emb.pkl", dict(zip(tags, vectors, strict=True)))
        kinds = ("genre", "mood")
        write_tsv(stage / CATEGORIES, ((tag, kinds[i % 2]) for i, tag in enumerate(tags)))
        write_about(stage, directory, "planted", {"n_songs": n_songs})
    return directory


def write_planted_mels(directory: Path, skipped: int = 0, shortest: int = 60) -> Path:
    """Add a packed store in which each tag of a song sounds in 16 of the 128 mel bands.

    Songs have `shortest` to 400 frames; the first `skipped` songs stand in the report instead.
    """
    rng = np.random.default_rng(1)
    song_tags = np.load(directory / "binaries.npy") == 1
    song_ids = np.load(directory / "existing_ids.npy").tolist()
    songs, rows, end = [], [], 0
    for song in range(skipped, len(song_ids)):
        n_frames = int(rng.integers(shortest, 400))
        level = np.where(np.repeat(song_tags[song], MEL_BANDS), LOUD, SOFT)  # (128,)
        songs.append(level + rng.normal(scale=5, size=(n_frames, N_MELS)))
        rows.append((song_ids[song], end, n_frames, 0))
        end += n_frames
    with staged(directory) as stage:
        np.save(stage / "mel.npy", np.concatenate(songs).astype(np.float16))
        write_tsv(stage / "mel_songs.tsv", rows)
        report = [(song_id, "a.mp3", "is silent") for song_id in song_ids[:skipped]]
        write_tsv(stage / "mel_skipped.tsv", report)
        write_about(stage, directory, "step4", {"mel_settings": MEL_SETTINGS})
    return directory


def write_planted_strengths(directory: Path) -> np.ndarray:
    """Add `tag_strengths.npy`, which is returned: of the tags borne, and of a tenth of the others.

    Those of the others are below a half.
    """
    rng = np.random.default_rng(2)
    song_tags = np.load(directory / "binaries.npy") == 1
    strong, weak = rng.uniform(0.5, 1, song_tags.shape), rng.uniform(0.1, 0.5, song_tags.shape)
    strengths = np.where(song_tags, strong, weak * (rng.random(song_tags.shape) < 0.1))
    np.save(directory / "tag_strengths.npy", strengths.astype(np.float32))
    return strengths.astype(np.float32)
