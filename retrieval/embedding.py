"""Embedding songs by the model of an index: those of its dataset directory, or audio files."""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from checkpoint import Trained, build_solver, open_trained, read_checkpoint
from data_loader import RetrievalData
from dataset.directory import Dataset
from dataset.files import SPLITS, normal_form, read_songs
from dataset.mel_index import stored_songs
from dataset.mel_store import silence
from errors import UserError
from mel_chunks import spread_chunks
from model import EMBEDDING_SIZE, RetrievalModel
from modules import TwinHeads
from options import Options, merge_options
from released_checkpoint import read_released
from retrieval.audio_folder import Hearing, embed_folder, hear_files
from retrieval.embedded_songs import EmbeddedSongs, no_songs
from retrieval.song_index import IndexedSong, SongIndex, TagModel, earlier_songs, unit_length
from retrieval.untrained import untrained_hearing
from solver import Solver
from threads import shared_cores
from trainer import make_trainer


def embed_songs(trained: Trained, songs: np.ndarray) -> Tensor:
    """Embed songs of a dataset, by their indices (n,), as `--mode TEST` does.

    Returns
    -------
    Tensor of float32, shape (n, 256)
        On the CPU, in the order of `songs`.
    """
    _, solver, options, dataset = trained
    trainer = make_trainer(options, logger=False, enable_checkpointing=False)
    with shared_cores(options.num_threads):
        batches = trainer.predict(solver, datamodule=RetrievalData(dataset, options, songs))
    return torch.cat(batches).float().cpu()


def index_songs(
    given: dict,
    audio: Path | None,
    earlier: SongIndex | None = None,
    times: Mapping[str, str] | None = None,
) -> tuple[TagModel, EmbeddedSongs]:
    """Embed songs for an index: those of a folder of audio files, else of the dataset directory.

    `given` are options of main.py as TEST takes them; songs of an `earlier` index are left out,
    with `times` as for `embed_folder`.

    Raises
    ------
    UserError
        As `--mode TEST`; or the earlier index is of another model, the model embeds no audio, or no
        file can be read.
    """
    trained = open_trained(given)
    model = tag_model(trained)
    known = earlier_songs(earlier, model)
    if audio is None:
        songs = embed_dataset(trained, known)
    elif hears_audio(trained.options):
        songs = embed_folder(hearing_of(trained.solver, trained.options), audio, known, times)
    else:
        raise UserError(
            f"a model of --input_type {trained.options.input_type} needs more than the audio, "
            "which is all that a folder has: give one of --input_type spec, or of spec+... by "
            "masked fusion"
        )
    return model, songs


def tag_model(trained: Trained) -> TagModel:
    """Return the tag branch of a model, and what it was trained on."""
    from preprocessing.words.word_vectors import find_sources

    path, solver, options, dataset = trained
    vectors_file = find_sources(dataset.path).get(normal_form(options.w2v_type))
    return TagModel(
        tags=dataset.tags,
        tag_vectors=dataset.tag_vectors,
        layers=tag_layers(solver.cpu().eval().model),
        vectors_file=str(vectors_file.resolve()) if vectors_file else "",
        checkpoint=str(path.resolve()),
    )


def tag_layers(model: RetrievalModel) -> dict[str, np.ndarray]:
    """Return what embeds tags: the branch, and how the parts of the space are weighed, if it has.

    With masked fusion by its gate; of twins each half counts the same.
    """
    if model.are_twins:
        layers = twin_layers(model.tag_branch)
        layers["gate_weight"] = np.zeros((2, layers["weight1"].shape[1]), np.float32)
        layers["gate_bias"] = np.zeros(2, np.float32)
        return layers | {"gate_widths": np.array([EMBEDDING_SIZE // 2] * 2)}
    layers = plain_layers(model.tag_branch)
    if not model.is_masked:
        return layers
    gate = {"gate_weight": model.fusion.gate.weight, "gate_bias": model.fusion.gate.bias}
    layers |= {name: values.detach().numpy() for name, values in gate.items()}
    return layers | {"gate_widths": np.array(model.fusion.widths)}


def twin_layers(tag_branch: TwinHeads) -> dict[str, np.ndarray]:
    """Return twins as the two layers of one perceptron: each half sees its own hidden units."""
    (first, _, second), (other_first, _, other_second) = tag_branch.heads
    layers = {
        "weight1": torch.cat([first.weight, other_first.weight]),
        "bias1": torch.cat([first.bias, other_first.bias]),
        "weight2": torch.block_diag(second.weight, other_second.weight),
        "bias2": torch.cat([second.bias, other_second.bias]),
    }
    return {name: values.detach().numpy() for name, values in layers.items()}


def plain_layers(tag_branch: nn.Sequential) -> dict[str, np.ndarray]:
    """Return a tag branch as the two layers that it is in evaluation: the norm is in the first."""
    first, norm, _, _, second = tag_branch
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()  # (H,)
    layers = {
        "weight1": first.weight * scale[:, None],
        "bias1": (first.bias - norm.running_mean) * scale + norm.bias,
        "weight2": second.weight,
        "bias2": second.bias,
    }
    return {name: values.detach().numpy() for name, values in layers.items()}


def embed_dataset(trained: Trained, known: Iterable[IndexedSong] = ()) -> EmbeddedSongs:
    """Embed all songs of the three splits that are not known yet."""
    dataset = trained.dataset
    songs = np.sort(np.concatenate([dataset.splits[part] for part in SPLITS]))
    has = {normal_form(song.song_id) for song in known}
    songs = np.array(
        [one for one in songs if normal_form(dataset.song_ids[one]) not in has], dtype=np.int64
    )
    if not len(songs):
        print(f"the index has every song of {dataset.path}: there is nothing to add")
        return no_songs()
    embeddings = unit_length(embed_songs(trained, songs).numpy())
    names = _names(dataset)
    song_ids = [dataset.song_ids[song] for song in songs]
    rows = [names.get(normal_form(song_id), IndexedSong(song_id)) for song_id in song_ids]
    return EmbeddedSongs(embeddings, rows, dataset.song_tags[songs])


def _names(dataset: Dataset) -> dict[str, IndexedSong]:
    """Song id -> names, audio file and its digest, as `songs.tsv` and the mel store have them."""
    from preprocessing.mel.sources import audio_folder

    base = audio_folder(dataset.path).resolve()
    stored = stored_songs(dataset.path).values()
    digests = {normal_form(song.song_id): song.digest for song in stored}
    return {
        song.song_id: IndexedSong(
            *song[:3], str(base / song.audio) if song.audio else "", digests.get(song.song_id, "")
        )
        for song in read_songs(dataset.path)
    }


# ---------------------------------------------------------------- audio files


def hears_audio(options: Options) -> bool:
    """Whether a model embeds a song of which the audio alone is known."""
    return options.input_type == "spec" or ("spec" in options.inputs and options.any_input)


def hearing_of(solver: Solver, options: Options) -> Hearing:
    """How a model that hears audio embeds a file.

    Half of the cores decode, the others embed: threads that wait for each other would crawl if
    there were more of them than cores.
    """
    from preprocessing.mel.mel_spectrogram import mel_and_note
    from preprocessing.mel.worker_pool import n_cores

    n_decoding = max(1, n_cores() // 2)
    torch.set_num_threads(max(1, n_cores() - n_decoding))
    trainer = make_trainer(options, logger=False, enable_checkpointing=False)
    device = trainer.strategy.root_device
    model, settings = solver.model.to(device).eval(), solver.hparams.mel_settings

    @torch.inference_mode()
    def embed(mel: np.ndarray) -> np.ndarray:
        past_end = silence(settings)
        chunks = spread_chunks(mel, options.input_length, options.num_chunk, past_end)
        return model.embed_songs({"spec": chunks[None].to(device)})[0].cpu().numpy()

    decode = functools.partial(mel_and_note, settings=settings)
    return Hearing(decode, embed, n_decoding, "preprocessing.mel.mel_spectrogram")


def embed_file(model: TagModel, file: Path) -> tuple[IndexedSong, np.ndarray]:
    """Embed one audio file by the model of an index.

    Returns
    -------
    IndexedSong, ndarray of float32, shape (E,)
        Its names and its place.

    Raises
    ------
    UserError
        The model is not there or another one, hears no audio, or the file cannot be read.
    """
    path = Path(model.checkpoint)
    if not path.is_file():
        raise UserError(
            f"{file} is not in the index, and {path}, which would embed it, is missing: bring that "
            "back, or give --like a song id of the index"
        )
    hearing = untrained_hearing(path) if model.is_untrained else _hearing_again(model, path, file)
    heard = hear_files(hearing, [file])
    if heard.reasons:
        raise UserError(f"{file} cannot be read ({heard.reasons[file]}): give --like another file")
    song, vector = heard.found[file]
    song = song._replace(song_id=file.name, title=song.title or file.stem)
    return song, unit_length(vector[None])[0]


def _hearing_again(model: TagModel, path: Path, file: Path) -> Hearing:
    """How the checkpoint of an index embeds a file; `UserError` if it is another one now."""
    released = read_released(path, merge_options({}).to_store())
    solver = build_solver(released or read_checkpoint(path), path)
    layers = tag_layers(solver.model)
    if not all(np.array_equal(model.layers.get(name), one) for name, one in layers.items()):
        raise UserError(f"{path} is no longer the model of the index: make the index anew")
    options = merge_options({"gpu_id": "cpu"}, solver.hparams.options)
    if not hears_audio(options):
        raise UserError(
            f"{file} is not in the index, whose model of --input_type {options.input_type} cannot "
            "embed audio alone: give --like a song id of the index"
        )
    return hearing_of(solver, options)
