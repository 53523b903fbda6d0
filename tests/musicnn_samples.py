"""A musicnn package with weights of noise, written as TensorFlow does; and musicnn in plain NumPy.

The NumPy version says what `musicnn/models.py` of the package says, in TensorFlow's layout: time
before bands, channels last.
"""

import struct
import zipfile
from pathlib import Path

import numpy as np

from encoders.musicnn_package import ENCODERS

FRONT = {"conv2d": (7, 38, 204), "conv2d_1": (7, 67, 204)} | {
    "conv2d_2": (128, 1, 51),
    "conv2d_3": (64, 1, 51),
    "conv2d_4": (32, 1, 51),
}
WIDE = 753  # channels before pooling
SHAPES = {f"{name}/kernel": (high, wide, 1, out) for name, (high, wide, out) in FRONT.items()} | {
    "conv2d_5/kernel": (7, 561, 1, 64),
    "conv2d_6/kernel": (7, 64, 1, 64),
    "conv2d_7/kernel": (7, 64, 1, 64),
    "dense/kernel": (2 * WIDE, 200),
    "dense_1/kernel": (200, 50),
}
NORMED = (1, 204, 204, 51, 51, 51, 64, 64, 64, 2 * WIDE, 200)

Tensors = dict[str, np.ndarray]


def random_tensors(seed: int) -> Tensors:
    """Weights with which no output is tiny or huge; some batch norms turn the sign."""
    rng = np.random.default_rng(seed)
    tensors = {
        name: rng.normal(scale=np.prod(shape[:-1]) ** -0.5, size=shape)
        for name, shape in SHAPES.items()
    }
    tensors |= {
        name.replace("kernel", "bias"): rng.normal(size=SHAPES[name][-1]) for name in SHAPES
    }
    for number, size in enumerate(NORMED):
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        tensors[f"{name}/gamma"] = rng.normal(size=size)
        tensors[f"{name}/beta"] = rng.normal(size=size)
        tensors[f"{name}/moving_mean"] = rng.normal(size=size)
        tensors[f"{name}/moving_variance"] = rng.uniform(0.5, 2, size=size)
        tensors[f"{name}/gamma/Adam"] = rng.normal(size=size)  # not wanted
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def write_wheel(file: Path, seed: int = 0) -> Path:
    """Write a package with another noise for each encoder."""
    with zipfile.ZipFile(file, "w") as package:
        for number, folder in enumerate(ENCODERS.values()):
            index, numbers = bundle(random_tensors(seed + number))
            package.writestr(f"musicnn/{folder}/.index", index)
            package.writestr(f"musicnn/{folder}/.data-00000-of-00001", numbers)
    return file


# ---------------------------------------------------------------- a checkpoint as TensorFlow writes


def bundle(tensors: Tensors, per_block: int = 7) -> tuple[bytes, bytes]:
    """Index and numbers of a checkpoint."""
    numbers, entries = b"", [(b"", b"\x08\x01\x1a\x02\x08\x01")]
    for name in sorted(tensors):
        tensor = tensors[name]
        dims = [b"\x08" + varint(size) for size in tensor.shape]
        shape = b"".join(b"\x12" + varint(len(dim)) + dim for dim in dims)
        place = b"\x20" + varint(len(numbers)) if numbers else b""  # a 0 is left out
        message = b"\x08\x01\x12" + varint(len(shape)) + shape + place
        entries.append((name.encode(), message + b"\x28" + varint(tensor.nbytes) + b"\x35abcd"))
        numbers += tensor.tobytes()
    table, places = b"", []
    for start in range(0, len(entries), per_block):
        content = block(entries[start : start + per_block])
        places.append((entries[start][0], varint(len(table)) + varint(len(content))))
        table += content + b"\0crc4"
    footer = [varint(len(table)), varint(len(block([])))]  # of the meta index
    table += block([]) + b"\0crc4"
    footer += [varint(len(table)), varint(len(block(places)))]
    table += block(places) + b"\0crc4"
    return table + b"".join(footer).ljust(40, b"\0") + bytes.fromhex("57fb808b247547db"), numbers


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """A block of a LevelDB table: of each key only what is new, one restart."""
    content, before = b"", b""
    for key, value in entries:
        same = next(
            n for n in range(len(key), -1, -1) if before[:n] == key[:n] and n <= len(before)
        )
        content += varint(same) + varint(len(key) - same) + varint(len(value)) + key[same:] + value
        before = key
    return content + struct.pack("<II", 0, 1)


def varint(number: int) -> bytes:
    if number < 128:
        return bytes([number])
    return bytes([number & 127 | 128]) + varint(number >> 7)


# ---------------------------------------------------------------- the network, said plainly


def musicnn_in_numpy(x: np.ndarray, tensors: Tensors) -> dict[str, np.ndarray]:
    """Layers of one window (T, 96), float64: channels last."""
    normed = norm(x[:, :, None], tensors, 0)
    front = []
    for number, (name, (high, wide, _)) in enumerate(FRONT.items(), start=1):
        # timbral: zeros before and after; temporal: 'same', the odd one of the zeros at the end
        padded = np.pad(normed[:, :, 0], ((0, 0), (0, 0)))
        before = (high - 1) // 2
        padded = np.pad(padded, ((before, high - 1 - before), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (high, wide))
        kernel = tensors[f"{name}/kernel"][:, :, 0].astype(np.float64)
        conv = np.einsum("tfij,ijo->tfo", windows, kernel, optimize=True)
        rectified = np.maximum(conv + tensors[f"{name}/bias"], 0)
        front.append(norm(rectified, tensors, number).max(axis=1))
    layers = {"timbral": np.hstack(front[:2]), "temporal": np.hstack(front[2:])}
    features, sums = [np.hstack(front)], 0.0
    for number in (5, 6, 7):
        kernel = tensors[f"conv2d_{number}/kernel"][:, :, 0].astype(np.float64)
        padded = np.pad(features[-1], ((3, 3), (0, 0)))
        conv = np.stack([np.tensordot(padded[t : t + 7], kernel, 2) for t in range(len(x))])
        rectified = np.maximum(conv + tensors[f"conv2d_{number}/bias"], 0)
        sums = norm(rectified, tensors, number + 1) + sums
        features.append(sums)
        layers[f"cnn{number - 4}"] = sums
    over_time = np.hstack(features)
    layers |= {"max_pool": over_time.max(axis=0), "mean_pool": over_time.mean(axis=0)}
    pooled = np.stack([layers["max_pool"], layers["mean_pool"]], axis=1).ravel()
    dense = norm(pooled, tensors, 9) @ tensors["dense/kernel"] + tensors["dense/bias"]
    layers["penultimate"] = norm(np.maximum(dense, 0), tensors, 10)
    output = layers["penultimate"] @ tensors["dense_1/kernel"] + tensors["dense_1/bias"]
    return layers | {"logits": output}


def norm(x: np.ndarray, tensors: Tensors, number: int) -> np.ndarray:
    name = f"batch_normalization_{number}" if number else "batch_normalization"
    gamma, beta, mean, variance = (
        tensors[f"{name}/{end}"].astype(np.float64)
        for end in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
