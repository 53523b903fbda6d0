"""Songs of the same audio, bit for bit: a model that heard the one in training knows the other."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from dataset.files import normal_form, read_songs, some
from dataset.mel_store import same_audio
from preprocessing.mel.mel_writing import audio_folder

PIECE = 2**16  # bytes from the middle of a file that tell nearly all files of one size apart


def join_same_audio(directory: Path, song_ids: list[str], groups: np.ndarray) -> np.ndarray:
    """Join groups of songs that share audio files of the same content, and say so.

    Step 4 knows of the files it read; files that are there now are compared here.

    Parameters
    ----------
    directory : Path
        The dataset directory.
    song_ids : list of str
        The N songs.
    groups : ndarray of int64, shape (N,)
        Number of each song's group.

    Returns
    -------
    ndarray of int64, shape (N,)
        Numbers of the joined groups, 0 to G - 1; `groups` where no audio is the same.
    """
    index_of = {song_id: index for index, song_id in enumerate(song_ids)}
    known = [[normal_form(song_id) for song_id in songs] for songs in same_audio(directory)]
    same = [*known, *_same_files(_files(directory, index_of))]
    alike = [[index_of[song] for song in songs if song in index_of] for songs in same]
    pairs = [(songs[0], song) for songs in alike for song in songs[1:]]
    if not pairs:
        return groups
    one, other = np.array(pairs).T
    n_copies = len(song_ids) - _components(one, other, len(song_ids)).max() - 1
    examples = [f"{song_ids[first]} = {song_ids[second]}" for first, second in pairs]
    print(
        f"{n_copies} of {len(song_ids)} songs are bit for bit the same audio as others "
        f"({some(examples, 3)}): a split of our own keeps them in one part"
    )
    return _components(groups[one], groups[other], groups.max() + 1)[groups]


def _components(one: np.ndarray, other: np.ndarray, n: int) -> np.ndarray:
    """Number of the component of each of `n` nodes, in a graph of edges `one` to `other`."""
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
    for key in (os.path.getsize, _piece, _content):
        groups = [alike for songs in groups for alike in _grouped(songs, files, key)]
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
    return [alike for alike in by_key.values() if len(alike) > 1]


def _piece(file: str) -> bytes:
    with open(file, "rb") as stream:
        stream.seek(max(os.path.getsize(file) // 2 - PIECE // 2, 0))
        return hashlib.blake2b(stream.read(PIECE), digest_size=16).digest()


def _content(file: str) -> bytes:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
