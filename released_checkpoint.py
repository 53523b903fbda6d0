"""Weights that the paper's authors give out, read as a checkpoint of this program.

Their code (https://github.com/minzwon/tag-based-music-retrieval) leaves files of PyTorch Lightning
0.8 to 1.x: a `state_dict` with names such as `model.layer1.conv.weight`, and beside it pickled
objects of all kinds. A bare `state_dict` is taken as well, with or without `model.` in its names.

Such a file says neither its options nor its tags nor how its spectrograms were made. Options come
from the command line; tags and vectors are whatever the dataset directory holds. Spectrograms are
assumed to be made by `dataset.mel_store.MEL_SETTINGS`: the authors tell 22,050 Hz, a Hann window of
1024 samples, a hop of 512 and 128 bands; that they are in dB on librosa's mel scale is a guess.
Chunks of a song are spread from end to end as in every test here, theirs end before the end of the
song.
"""

import hashlib
import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from dataset.bounded import memory_bounded_by
from dataset.files import song_inputs
from dataset.mel_store import MEL_SETTINGS
from errors import UserError
from model import RetrievalModel

_HEADS = {"tag_branch": "", "cultural_branch": "cf_", "fusion.head": "cat_"}
_BLOCKS = {f"acoustic_branch.blocks.{n}": f"layer{n + 1}" for n in range(7)}
_BLOCKS["acoustic_branch.project"] = "layer8"
_THEIRS = {  # our module -> theirs
    "acoustic_branch.input_norm": "spec_bn",
    **{f"{ours}.0": f"{layer}.conv" for ours, layer in _BLOCKS.items()},
    **{f"{ours}.1": f"{layer}.bn" for ours, layer in _BLOCKS.items()},
    **{f"{ours}.0": f"{prefix}fc1" for ours, prefix in _HEADS.items()},
    **{f"{ours}.1": f"{prefix}bn1" for ours, prefix in _HEADS.items()},
    **{f"{ours}.4": f"{prefix}fc2" for ours, prefix in _HEADS.items()},
}
_FIRST_PARTS = {theirs.partition(".")[0] for theirs in _THEIRS.values()}
_MAYBE = "layer8.bn"  # one revision of their code has no norm there
_USED_IN_TEST = ("input_type", "w2v_type", "is_subset", "input_length", "num_chunk")


def read_released(path: Path, options: dict) -> dict | None:
    """Read a released checkpoint; nothing in it is executed.

    Parameters
    ----------
    path : Path
        A file.
    options : dict
        All options of main.py in force. `input_type` is told by the weights instead.

    Returns
    -------
    dict or None
        What `solver.build_solver` takes, without tags, and None as the training time. A norm that
        only our model has stays as it is made: mean 0, variance 1. None for any other file, such as
        a checkpoint of this program.

    Raises
    ------
    UserError
        A weight is missing, ill-shaped, or not of the released model; the first is named.
    """
    content = path.read_bytes()
    with memory_bounded_by(path):
        weights = _released_weights(content)
    if weights is None:
        return None
    input_type = _input_type(weights)
    inputs: dict[str, int | None] = dict.fromkeys(song_inputs(input_type))
    if input_type == "cf":
        inputs["cf"] = _columns(weights, "cf_fc1.weight", path)
    elif input_type == "hybrid":
        both = _columns(weights, "cat_fc1.weight", path)
        inputs["cf"] = max(1, both - RetrievalModel.CONCAT_ACOUSTIC_SIZE)  # others are told below
    tag_dim = _columns(weights, "fc1.weight", path)
    state = _renamed(weights, RetrievalModel(tag_dim, inputs).state_dict(), path)
    options = options | {"input_type": input_type}
    origin = {"file": path.name, "sha256": hashlib.sha256(content).hexdigest()}
    used = {name: options[name] for name in _USED_IN_TEST}
    hyper_parameters = {
        "options": options,
        "tags": [],
        "tag_dim": tag_dim,
        "inputs": inputs,
        "mel_settings": None if input_type == "cf" else MEL_SETTINGS,
        "made_by": {"released_checkpoint": origin, "options": used},
    }
    state = {f"model.{name}": weight for name, weight in state.items()}
    return {"hyper_parameters": hyper_parameters, "state_dict": state, "train_seconds": None}


def _released_weights(content: bytes) -> dict[str, Tensor] | None:
    """Weights of a file by their names without `model.`; None if it is none of the authors'."""
    try:
        found = _read(content)
        weights = found.get("state_dict", found)
        weights = {name.removeprefix("model."): weight for name, weight in weights.items()}
    except Exception:  # a file that is damaged, or something else, raises nearly anything
        return None
    is_released = any(name.partition(".")[0] in _FIRST_PARTS for name in weights)
    return weights if is_released else None


def _input_type(weights: dict[str, Tensor]) -> str:
    for prefix, input_type in (("cat_", "hybrid"), ("cf_", "cf")):
        if any(name.startswith(prefix) for name in weights):
            return input_type
    return "spec"


def _columns(weights: dict[str, Tensor], name: str, path: Path) -> int:
    """Length of the vectors that a linear layer takes."""
    weight = weights.get(name)
    if not isinstance(weight, Tensor) or weight.dim() != 2:
        raise _not_released(path, f"has no matrix {name}")
    return weight.shape[1]


def _renamed(weights: dict[str, Tensor], state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return `state`, that of a new model of ours, with the released weights in their places."""
    left = dict(weights)
    has_maybe = any(name.startswith(_MAYBE) for name in weights)
    for name, new in state.items():
        module, _, kind = name.rpartition(".")
        theirs = f"{_THEIRS.get(module)}.{kind}"
        if module not in _THEIRS or (theirs.startswith(_MAYBE) and not has_maybe):
            continue
        weight = left.pop(theirs, None)
        if weight is None:
            raise _not_released(path, f"has no {theirs}")
        shape = tuple(weight.shape) if isinstance(weight, Tensor) else None
        if shape != tuple(new.shape):
            raise _not_released(path, f"has {theirs} of shape {shape}, not {tuple(new.shape)}")
        state[name] = weight
    if left:
        raise _not_released(path, f"has {next(iter(left))}, which the model has not")
    return state


def _not_released(path: Path, why: str) -> UserError:
    return UserError(
        f"{path} looks like weights of the paper's authors, but {why}: give the file as they "
        "made it, or a checkpoint that --mode TRAIN wrote"
    )


# ---------------------------------------------------------------- reading without running


class _Stranger:
    """Stands for all that a file names beside tensors and containers; takes anything, does nothing.

    The class stands for classes, too, and its instances may be called and filled.
    """

    def __init__(self, *_arguments, **_named):
        pass

    __call__ = __setstate__ = __setitem__ = append = extend = __init__


def _tensor(storage: Tensor, offset: int, size: tuple, stride: tuple, *_more) -> Tensor:
    return storage.as_strided(size, stride, offset)  # torch checks the bounds


_STANDS_FOR = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}


class _Unpickler(pickle.Unpickler):
    """Unpickler that calls nothing of what a file names; `storages` are to be filled after it."""

    def __init__(self, stream: BinaryIO):
        super().__init__(stream)
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str):
        return _STANDS_FOR.get(f"{module}.{name}", _Stranger)

    def persistent_load(self, saved: tuple) -> Tensor:
        _, dtype, key, _, n_values, *view = saved
        if any(view):
            raise pickle.UnpicklingError("a part of a storage, as torch before 0.4 wrote it")
        if key not in self.storages:
            self.storages[key] = torch.zeros(n_values, dtype=dtype)
        return self.storages[key]


def _read(content: bytes) -> dict:
    """Read what torch.save wrote, in its form since torch 1.6 (a zip archive) or the older one.

    torch.load will not do. Trusting, it lets a file choose what to run. With weights_only=True it
    refuses strangers: stand-ins given to torch.serialization.safe_globals may have no items set, as
    in Lightning's own hyper-parameters, and names of `os` are refused beside any stand-in.
    """
    stream = io.BytesIO(content)
    if not content.startswith(b"PK"):
        return _read_older(stream)
    with zipfile.ZipFile(stream) as archive:
        home = next(name for name in archive.namelist() if name.endswith("/data.pkl"))[:-4]
        unpickler = _Unpickler(io.BytesIO(archive.read(f"{home}.pkl")))
        found = unpickler.load()
        for key, storage in unpickler.storages.items():
            _fill(storage, archive.read(f"{home}/{key}"))
    return found


def _read_older(stream: BinaryIO) -> dict:
    """Read pickles one after the other: three of no interest, the object, and keys of storages.

    The numbers of each storage follow. Lightning 0.9 wrote this form with torch 1.6, too.
    """
    for _ in ("magic number", "version", "system"):
        _Unpickler(stream).load()
    unpickler = _Unpickler(stream)
    found = unpickler.load()
    for key in _Unpickler(stream).load():
        storage = unpickler.storages[key]
        n_values = int.from_bytes(stream.read(8), "little")
        _fill(storage, stream.read(n_values * storage.element_size()))
    return found


def _fill(storage: Tensor, content: bytes) -> None:
    if len(storage):  # torch makes no tensor of no bytes
        storage.copy_(torch.frombuffer(bytearray(content), dtype=storage.dtype))
