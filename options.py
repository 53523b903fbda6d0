"""The options of main.py: what they are, how they are read, what a checkpoint says about them."""

import argparse

from errors import UserError
from mel_chunks import CACHES
from model import INPUT_TYPES

DESCRIPTION = (
    "Train a model on a dataset directory (--mode TRAIN) or test a checkpoint (--mode TEST)."
)
NOT_GIVEN = "."  # what the paper's code takes for an option left out


def parse_bool(text: str) -> bool:
    """Read True or False, in any case."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"give True or False, not {text!r}")
    return text.lower() == "true"


def positive_int(text: str) -> int:
    """Read a whole number of at least 1."""
    return _at_least(1, text)


def two_or_more(text: str) -> int:
    """Read a whole number of at least 2."""
    return _at_least(2, text)


def whole_number(text: str) -> int:
    """Read a whole number of at least 0."""
    return _at_least(0, text)


def seed_number(text: str) -> int:
    """Read a whole number that numpy and torch take as a seed."""
    if _at_least(0, text) >= 2**32:
        raise argparse.ArgumentTypeError(f"give a number below 2**32, not {text}")
    return int(text)


def _at_least(least: int, text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise argparse.ArgumentTypeError(f"give a whole number of at least {least}, not {text!r}")
    return int(text)


def positive_float(text: str) -> float:
    """Read a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"give a number above 0, not {text!r}")
    return value


PRECISIONS = ("auto", "32", "16-mixed", "bf16-mixed")
# name: (type, default, choices, what it does). Those of MODEL_OPTIONS are fixed by a checkpoint.
MODEL_OPTIONS = {
    "batch_size": (two_or_more, 128, None, "triplets a step, on each device"),
    "input_length": (positive_int, 173, None, "mel frames of a chunk"),
    "margin": (positive_float, 0.4, None, "margin of the triplet loss"),
    "input_type": (str, "spec", INPUT_TYPES, "acoustic branch, cultural branch or both"),
    "w2v_type": (str, "google", None, "word vectors: NAME of a file NAME_emb.pkl"),
    "is_balanced": (parse_bool, False, None, "draw a tag, then a song, not a song, then a tag"),
    "anchors_per_song": (positive_int, 1, None, "tags of a song that learn from it in a step"),
    "is_weighted": (parse_bool, False, None, "draw negatives by weight, not uniformly"),
    "negative_weighting": (
        str,
        "similarity",
        ("similarity", "distance"),
        "with --is_weighted: by (1 + cosine) / 2, or by inverse density of distances",
    ),
    "is_subset": (parse_bool, False, None, "the smaller set, files sub_*"),
    "lr": (positive_float, 1e-4, None, "learning rate of Adam"),
    "lr_schedule": (
        str,
        "constant",
        ("constant", "cosine"),
        "learning rate as it is, or rising within 20 steps and falling to 0 by the last epoch",
    ),
    "triplets_per_epoch": (two_or_more, 10_000, None, "triplets between two validations"),
    "seed": (seed_number, 0, None, "seed of weights, triplets and dropout"),
}
RUN_OPTIONS = {
    "mode": (str, "TRAIN", ("TRAIN", "TEST"), "train a model, or test a checkpoint"),
    "num_workers": (whole_number, 0, None, "processes that read spectrograms, with --cache disk"),
    "cache": (str, "auto", CACHES, "where spectrograms are kept; auto: where they fit first"),
    "num_chunk": (positive_int, 8, None, "chunks of a song averaged in validation and test"),
    "n_epochs": (positive_int, 200, None, "epochs, validation after each"),
    "early_stopping": (
        whole_number,
        0,
        None,
        "stop after so many epochs without better MAP; 0: no",
    ),
    "gpu_id": (str, "0", None, "GPU 0, several (0,1), or cpu"),
    "precision": (str, "auto", PRECISIONS, "floating point of the branches; auto: what is fastest"),
    "compile": (
        str,
        "auto",
        ("auto", "True", "False"),
        "torch.compile for the acoustic branch; auto: on CPUs with bfloat16, in long trainings",
    ),
    "resume": (parse_bool, False, None, "go on from last.ckpt in --model_save_path"),
    "model_save_path": (str, "./checkpoints", None, "folder for checkpoints and logs"),
    "model_load_path": (str, NOT_GIVEN, None, "checkpoint to test, or its folder"),
    "result_path": (str, NOT_GIVEN, None, "file for results; results.json beside the checkpoint"),
    "data_path": (str, ".", None, "dataset directory"),
    "neptune_project": (str, NOT_GIVEN, None, "log to this Neptune project as well"),
    "neptune_api_key": (str, NOT_GIVEN, None, "key of Neptune"),
}
ALL_OPTIONS = {**MODEL_OPTIONS, **RUN_OPTIONS}
CARRIED_OPTIONS = ("n_epochs", "early_stopping", "precision", "num_chunk")  # unless given anew
AUDIO_OPTIONS = {"num_workers", "num_chunk", "input_length", "cache", "compile"}
USED_IN_TEST = {"input_type", "w2v_type", "is_subset", "input_length"}  # of MODEL_OPTIONS
IDLE_OPTIONS = {  # which do nothing in a mode
    "TRAIN": {"model_load_path", "result_path"},
    "TEST": (MODEL_OPTIONS.keys() - USED_IN_TEST)
    | {"n_epochs", "early_stopping", "resume", "model_save_path", "compile"}
    | {"neptune_project", "neptune_api_key"},
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise UserError(f"{message} (python main.py --help lists the options)")


def parse_options(argv: list[str] | None = None) -> dict:
    """Options as given: only those that stand on the command line."""
    parser = _Parser(
        description=DESCRIPTION,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        prog="main.py",
    )
    for name, (kind, default, choices, text) in ALL_OPTIONS.items():
        bare = {"nargs": "?", "const": True} if kind is parse_bool else {}
        parser.add_argument(
            f"--{name}", type=kind, choices=choices, help=f"{text} (default: {default})", **bare
        )
    return vars(parser.parse_args(argv))


def merge_options(given: dict, saved: dict | None = None) -> dict:
    """Options in force: as given, else as saved in the checkpoint, else the default.

    Raises
    ------
    UserError
        If an option given contradicts one that the checkpoint fixes.
    """
    options = {name: default for name, (_, default, _, _) in ALL_OPTIONS.items()}
    if saved is not None:
        saved = options | saved  # an option that came later is by default what was done before
        for name in MODEL_OPTIONS:
            if given.get(name, saved[name]) != saved[name]:
                raise UserError(
                    f"--{name} {given[name]} contradicts the checkpoint, which was trained with "
                    f"{saved[name]}: leave the option out"
                )
            options[name] = saved[name]
        options |= {name: saved[name] for name in CARRIED_OPTIONS}
    return {**options, **given}


def tell_idle(given: dict, options: dict) -> None:
    """Print which of the options given have no effect."""
    for why, idle in (
        (f"--mode {options['mode']}", IDLE_OPTIONS[options["mode"]]),
        ("--input_type cf", AUDIO_OPTIONS if options["input_type"] == "cf" else set()),
        ("--is_weighted False", set() if options["is_weighted"] else {"negative_weighting"}),
    ):
        named = ", ".join(f"--{name}" for name in ALL_OPTIONS if name in idle & given.keys())
        if named:
            print(f"no effect with {why}: {named}")
