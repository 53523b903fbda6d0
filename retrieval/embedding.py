"""Embedding songs by a trained model: those of its dataset directory, or any folder of audio."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from checkpoint import open_trained
from data_loader import RetrievalData
from dataset.directory import Dataset
from dataset.files import SPLITS, normal_form, read_songs, some
from errors import UserError
from mel_chunks import spread_chunks
from options import Options
from progress import progress
from retrieval.song_index import SongIndex
from solver import Solver
from threads import shared_cores
from trainer import make_trainer


def embed_songs(solver: Solver, options: Options, dataset: Dataset, songs: np.ndarray) -> Tensor:
    """Embed songs of a dataset as `--mode TEST` does.

    Parameters
    ----------
    solver, options, dataset
        As `checkpoint.open_trained` opens them.
    songs : ndarray of int64, shape (n,)
        Indices of songs.

    Returns
    -------
    Tensor of float32, shape (n, 256)
        On the CPU, in the order of `songs`.
    """
    trainer = make_trainer(options, logger=False, enable_checkpointing=False)
    with shared_cores(options.num_threads):
        batches = trainer.predict(solver, datamodule=RetrievalData(dataset, options, songs))
    return torch.cat(batches).float().cpu()


def index_songs(given: dict, audio: Path | None) -> SongIndex:
    """Embed songs and put them into an index.

    Parameters
    ----------
    given : dict
        Options of main.py: `model_load_path`, `data_path`, and others that TEST takes.
    audio : Path, optional
        A folder of audio files to embed; by default the songs of the dataset directory.

    Raises
    ------
    UserError
        As `--mode TEST`; or the model embeds no audio, or no file can be read.
    """
    _, solver, options, dataset = open_trained(given | {"mode": "TEST"})
    if audio is None:
        songs, embeddings, song_tags = _embed_dataset(solver, options, dataset)
    else:
        songs, embeddings = _embed_folder(solver, options, audio)
        song_tags = None
    return SongIndex(
        embeddings=F.normalize(embeddings),
        songs=songs,
        song_tags=song_tags,
        tags=dataset.tags,
        tag_vectors=torch.from_numpy(dataset.tag_vectors),
        tag_branch=solver.cpu().model.tag_branch.state_dict(),
        vectors_file=_vectors_file(dataset.path, options.w2v_type),
    )


def _vectors_file(data_path: Path, name: str) -> str:
    from preprocessing.words.word_vectors import find_sources

    file = find_sources(data_path).get(normal_form(name))
    return str(file.resolve()) if file else ""


def _embed_dataset(
    solver: Solver, options: Options, dataset: Dataset
) -> tuple[list[list[str]], Tensor, Tensor]:
    """Names, embeddings and tags of all songs of the three splits."""
    songs = np.sort(np.concatenate([dataset.splits[part] for part in SPLITS]))
    embeddings = embed_songs(solver, options, dataset, songs)
    names = _names(dataset)
    song_ids = [dataset.song_ids[song] for song in songs]
    rows = [names.get(normal_form(song_id), [song_id, "", "", ""]) for song_id in song_ids]
    return rows, embeddings, torch.from_numpy(dataset.song_tags[songs])


def _names(dataset: Dataset) -> dict[str, list[str]]:
    """Song id -> [song id, artist, title, audio file] as `songs.tsv` has them."""
    from preprocessing.mel.sources import audio_folder

    base = audio_folder(dataset.path).resolve()
    return {
        song.song_id: [*song[:3], str(base / song.audio) if song.audio else ""]
        for song in read_songs(dataset.path)
    }


# ---------------------------------------------------------------- a folder of audio


def _embed_folder(solver: Solver, options: Options, folder: Path) -> tuple[list[list[str]], Tensor]:
    """Names and embeddings of the audio files below a folder; tells which cannot be read."""
    from preprocessing.mel.audio_files import READABLE, find_audio

    if options.input_type != "spec" and not ("spec" in options.inputs and options.any_input):
        raise UserError(
            f"a model of --input_type {options.input_type} needs more than the audio, which is all "
            "that a folder has: give one of --input_type spec, or of spec+... by masked fusion"
        )
    files, passed_over = find_audio(folder)
    if passed_over:
        endings = [
            f"{n} .{name}" if name else f"{n} without ending"
            for name, n in passed_over.most_common()
        ]
        print(
            f"{passed_over.total()} files passed over, which are not named as audio: "
            f"{some(endings, 8)}"
        )
    if not files:
        raise UserError(f"{folder} has no audio file ({', '.join(READABLE)}): give another folder")
    found, reasons = _embed_files(solver, options, files)
    if reasons:
        told = [f"{file} ({why})" for file, why in reasons.items()]
        print(f"{len(reasons)} of {len(files)} files left out: {some(told, 3)}")
    if not found:
        raise UserError(f"none of the {len(files)} audio files in {folder} can be read")
    rows = [[str(file.relative_to(folder)), "", file.stem, str(file.resolve())] for file in found]
    return rows, torch.stack(list(found.values()))


def _embed_files(
    solver: Solver, options: Options, files: list[Path]
) -> tuple[dict[Path, Tensor], dict[Path, str]]:
    """Embeddings (256,) of the files that can be read, and why the others cannot.

    Half of the cores decode, the others embed: threads that wait for each other would crawl if
    there were more of them than cores.
    """
    from preprocessing.mel.mel_spectrogram import song_mel
    from preprocessing.mel.worker_pool import map_in_order, n_cores

    n_decoding = max(1, n_cores() // 2)
    torch.set_num_threads(max(1, n_cores() - n_decoding))
    trainer = make_trainer(options, logger=False, enable_checkpointing=False)
    device = trainer.strategy.root_device
    model = solver.model.to(device).eval()
    found = {}
    reasons = {file: "name is not UTF-8 on one line" for file in files if not _fits_a_table(file)}
    files = [file for file in files if file not in reasons]
    mels = map_in_order(song_mel, files, n_decoding, preload=["preprocessing.mel.mel_spectrogram"])
    mels = progress(mels, "embedding", len(files), unit=" songs")
    for file, mel in zip(files, mels, strict=True):
        if not isinstance(mel, np.ndarray):
            reasons[file] = str(mel)
            continue
        chunks = spread_chunks(mel, options.input_length, options.num_chunk)
        with torch.inference_mode():
            found[file] = model.embed_songs({"spec": chunks[None].to(device)})[0].cpu()
    return found, reasons


def _fits_a_table(file: Path) -> bool:
    """Whether a line of a UTF-8 table can hold the name of a file."""
    # Python puts surrogates for the bytes of a name that are no UTF-8.
    return not any(letter in "\t\r\n" or "\ud800" <= letter <= "\udfff" for letter in str(file))
