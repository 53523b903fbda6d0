"""The network of the paper's authors by the names of its weights, and files as they left them."""

import argparse
import enum
import functools
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

N_WORD, N_CF = 20, 16  # as the planted data set has them


class Released(nn.Module):
    """The released network, by the names of its weights; blocks are conv, norm, ReLU, pooling."""

    def __init__(self, input_type: str, has_last_norm: bool = True):
        super().__init__()
        self.input_type = input_type
        heads = {"": N_WORD}
        if input_type == "cf":
            heads["cf_"] = N_CF
        else:
            self.spec_bn = nn.BatchNorm2d(1)
            widths = [1, 128, 128, 256, 256, 256, 256, 512, 200 if input_type == "hybrid" else 256]
            for number in range(1, 9):
                n_in, n_out = widths[number - 1], widths[number]
                block = nn.Module()
                block.conv = nn.Conv2d(n_in, n_out, *((3, 1, 1) if number < 8 else (1,)))
                if number < 8 or has_last_norm:
                    block.bn = nn.BatchNorm2d(n_out)
                setattr(self, f"layer{number}", block)
        if input_type == "hybrid":
            heads["cat_"] = 200 + N_CF
        for prefix, n_inputs in heads.items():
            setattr(self, f"{prefix}fc1", nn.Linear(n_inputs, 512))
            setattr(self, f"{prefix}bn1", nn.BatchNorm1d(512))
            setattr(self, f"{prefix}fc2", nn.Linear(512, 256))
        self.learn_statistics()

    def learn_statistics(self) -> None:
        """Leave the norms as training does: statistics of data, weights that are not one."""
        norms = (nn.BatchNorm1d, nn.BatchNorm2d)
        for norm in (module for module in self.modules() if isinstance(module, norms)):
            norm.momentum = 0.9
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, std=0.2)
        with torch.no_grad():
            self.embed_tags(torch.randn(8, N_WORD))
            self.embed_songs(10 * torch.randn(8, 128, 128) - 40, torch.randn(8, N_CF))
        self.eval().requires_grad_(False)

    def head(self, prefix: str, x: Tensor) -> Tensor:
        fc1, bn1, fc2 = (getattr(self, prefix + part) for part in ("fc1", "bn1", "fc2"))
        return fc2(torch.relu(bn1(fc1(x))))

    def embed_tags(self, tag_vectors: Tensor) -> Tensor:
        return self.head("", tag_vectors)

    def embed_songs(self, spec: Tensor | None, cf: Tensor | None) -> Tensor:
        if self.input_type == "cf":
            return self.head("cf_", cf)
        x = self.spec_bn(spec[:, None])
        for number in range(1, 9):
            block = getattr(self, f"layer{number}")
            x = block.conv(x)
            x = torch.relu(block.bn(x) if hasattr(block, "bn") else x)
            x = nn.functional.max_pool2d(x, 2) if number < 8 else x
        x = x.flatten(2).max(dim=2).values
        return x if self.input_type == "spec" else self.head("cat_", torch.cat([x, cf], dim=1))


class AttributeDict(dict):
    """As Lightning keeps hyper-parameters in."""


class Mode(enum.Enum):
    MAX = "max"


def lightning_file(weights: dict[str, Tensor], **more) -> dict:
    """What such a file holds beside its weights: strangers as values, in values, and as a key."""
    callback = {"best_model_score": torch.tensor(0.5), "mode": Mode.MAX, "seen": {1, 2}}
    parameters = AttributeDict(lr=1e-4)
    parameters.kept = np.float64(0.25)
    return {
        "epoch": 3,
        "pytorch-lightning_version": "0.9.0",
        "callbacks": {AttributeDict: callback, Mode.MAX: functools.partial(print, "never")},
        "hyper_parameters": argparse.Namespace(input_type="not told", data_path="/home/somebody"),
        "hparams": parameters,
        "state_dict": OrderedDict((f"model.{name}", weight) for name, weight in weights.items()),
        **more,
    }


def save(path: Path, content: dict, is_zip: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    return path
