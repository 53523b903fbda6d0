"""Tags of songs as text that word vectors are learnt from, of training songs alone."""

from collections import Counter
from pathlib import Path
from typing import TextIO

import numpy as np

from dataset.files import RAW_TAGS, normal_form, read_strings, read_tsv, require_file, subset_prefix
from dataset.moving import remove_with
from preprocessing.words.tag_lookup import spellings
from preprocessing.words.vector_files import FOLDER_SUFFIX

SONGS_READ = "songs_read.txt"  # beside the vectors: the songs whose tags they read, one a line


def read_training_tags(data_path: Path) -> dict[str, list[str]]:
    """Tags of each training song as people typed them, before any clean-up, in lower case.

    A song that the split or the subset's holds out is no training song.

    Raises
    ------
    UserError
        The directory has no raw tags, or no split yet: the songs of the other parts must stay out.
    """
    rows = read_tsv(require_file(data_path / RAW_TAGS), 2)
    training = _songs_of(data_path / "train_ids.npy")
    for is_subset in (False, True):
        training -= held_out(data_path, is_subset)
    tags: dict[str, dict[str, None]] = {}
    for song, tag in rows:
        if song in training and (words := normal_form(tag).lower().split()):
            tags.setdefault(song, {})[" ".join(words)] = None
    return {song: list(of_song) for song, of_song in tags.items()}


def held_out(data_path: Path, is_subset: bool) -> set[str]:
    """Validation and test songs of the split; none where there is no split."""
    files = (data_path / f"{subset_prefix(is_subset)}{part}_ids.npy" for part in ("valid", "test"))
    return {song for file in files if file.is_file() for song in _songs_of(file)}


def read_of(folder: Path, songs: set[str]) -> int:
    """Of how many of the songs the vectors in a folder have read the tags."""
    file = folder / SONGS_READ
    read = file.read_text(encoding="utf-8").split("\n") if file.is_file() else []
    return len(songs.intersection(read))


def remove_leaking(stage: Path, data_path: Path, is_subset: bool, held: set[str]) -> list[str]:
    """Let vectors go that have read tags of songs which the split in `stage` holds out; say which.

    They go as the split comes into place.
    """
    lines = []
    for folder in sorted(data_path.glob(f"*{FOLDER_SUFFIX}")):
        name = folder.name.removesuffix(FOLDER_SUFFIX)
        vectors = f"{subset_prefix(is_subset)}{name}_emb.pkl"
        if (n_read := read_of(folder, held)) and remove_with(stage, vectors):
            lines.append(
                f"removed {vectors}, for {folder.name} has read the tags of {n_read} songs "
                "that are held out now: run step 2 train with --song_tags N and "
                f"--name={name} again, then run"
            )
    return lines


def _songs_of(file: Path) -> set[str]:
    return {line.partition("//")[2] for line in read_strings(file)}


def write_tags(
    songs: list[list[str]],
    stream: TextIO,
    counts: Counter[str],
    *,
    min_count: int,
    times: int,
    seed: int,
) -> None:
    """Write a sentence of the tags of each song, `times` over, each time in another order.

    A tag is written as the text writes it, with '_' between its words where the text has it not;
    tags of fewer than `min_count` songs are left out. What is written is added to `counts`.
    """
    n_songs = Counter(tag for tags in songs for tag in tags)
    words = {
        tag: next((form for form in spellings(tag) if form in counts), "_".join(tag.split()))
        for tag, n in n_songs.items()
        if n >= min_count
    }
    rng = np.random.default_rng(seed)
    for _ in range(times):
        for tags in songs:
            sentence = [words[tag] for tag in tags if tag in words]
            rng.shuffle(sentence)
            if sentence:
                stream.write(" ".join(sentence) + "\n")
                counts.update(sentence)
