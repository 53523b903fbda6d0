"""Songs of the same audio, bit for bit: a model that heard the one in training knows the other."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from dataset.files import SPLITS, alike, normal_form, read_songs, some
from dataset.mel_store import same_audio
from preprocessing.mel.sources import audio_folder, digest_of

PIECE = 2**16  # bytes from the middle of a file that tell nearly all files of one size apart


def number_audio(directory: Path, song_ids: list[str]) -> np.ndarray:
    """Number the audio of each song: songs of the same audio have the same number; (N,) int64.

    Step 4 knows of the files it read; files that are there now are compared here.
    """
    index_of = {song_id: index for index, song_id in enumerate(song_ids)}
    known = [[normal_form(song_id) for song_id in songs] for songs in same_audio(directory)]
    same = [*known, *_same_files(_files(directory, index_of))]
    indices = [[index_of[song] for song in songs if song in index_of] for songs in same]
    pairs = [(songs[0], song) for songs in indices for song in songs[1:]]
    return _components(pairs, len(song_ids))


def join_groups(groups: np.ndarray, audio: np.ndarray) -> np.ndarray:
    """Number the groups (N,) of songs anew, those as one that share audio (N,)."""
    first = np.unique(audio, return_index=True)[1][audio]  # the first song of the same audio
    pairs = np.stack([groups[first], groups], axis=1)[first != np.arange(len(audio))]
    return _components(pairs.tolist(), int(groups.max()) + 1)[groups]


def print_same_audio(song_ids: list[str], audio: np.ndarray, split_of_song: np.ndarray) -> None:
    """Say which songs are the same audio as others, and whether they are in the same part."""
    same = alike(range(len(audio)), lambda song: int(audio[song]))
    if not same:
        return
    examples = some([f"{song_ids[songs[0]]} = {song_ids[songs[1]]}" for songs in same], 3)
    parts = [" and ".join(SPLITS[p] for p in np.unique(split_of_song[songs])) for songs in same]
    counts = [f"{n} in {where}" for where, n in sorted(Counter(parts).items())]
    n_copies = sum(map(len, same)) - len(same)
    print(
        f"{n_copies} of {len(song_ids)} songs are bit for bit the same audio as others "
        f"({examples}); of {len(same)} recordings that songs share, {', '.join(counts)}"
    )


def _components(pairs: list, n: int) -> np.ndarray:
    """Number of the component of each of `n` nodes that `pairs` connect, by first appearance."""
    one, other = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = sp.coo_array((np.ones(len(one)), (one, other)), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


# ---------------------------------------------------------------- comparing files


def _files(directory: Path, wanted: Iterable[str]) -> dict[str, str]:
    """Path of the audio file of each wanted song that has one."""
    folder, wanted = audio_folder(directory), set(wanted)
    songs = [song for song in read_songs(directory) if song.audio and song.song_id in wanted]
    files = {song.song_id: os.path.join(folder, song.audio) for song in songs}
    return {song: file for song, file in files.items() if os.path.isfile(file)}


def _same_files(files: dict[str, str]) -> list[list[str]]:
    """Group songs whose files are the same: by size, then by a piece, then by the whole."""
    groups = [list(files)]
    for key in (os.path.getsize, _piece, digest_of):
        groups = [same for songs in groups for same in _grouped(songs, files, key)]
    return groups


def _grouped(
    songs: list[str], files: dict[str, str], key: Callable[[str], Hashable]
) -> Iterable[list[str]]:
    by_key = defaultdict(list)
    for song in songs:
        try:
            by_key[key(files[song])].append(song)
        except OSError:  # it cannot be read: step 4 will tell
            continue
    return [same for same in by_key.values() if len(same) > 1]


def _piece(file: str) -> bytes:
    with open(file, "rb") as stream:
        stream.seek(max(os.path.getsize(file) // 2 - PIECE // 2, 0))
        return hashlib.blake2b(stream.read(PIECE), digest_size=16).digest()
