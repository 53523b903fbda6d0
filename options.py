"""The options of main.py, each said once: for the command line, --help, checkpoints and the docs.

Nothing is imported that takes long: `--help` answers at once.
"""

import argparse
from collections.abc import Callable
from dataclasses import Field, asdict, dataclass, field, fields
from functools import partial
from typing import Any

from command_line import OptionParser
from dataset.files import song_inputs
from errors import UserError
from option_values import (
    SWITCHES,
    fraction,
    input_type_name,
    parse_auto_bool,
    parse_bool,
    positive_float,
    positive_int,
    seed_number,
    two_or_more,
    whole_number,
)

NOT_GIVEN = "."  # what the paper's code takes for an option left out


def _option(
    of_model: bool, default: Any, text: str, parse: Callable = str, choices: tuple = ()
) -> Any:
    about = {"text": text, "parse": parse, "choices": choices or None, "of_model": of_model}
    return field(default=default, metadata=about)


_model = partial(_option, True)  # fixed by a checkpoint: the model depends on it
_run = partial(_option, False)  # of one run of the program


@dataclass(frozen=True)
class Options:
    """All options in force. `--help` and docs/options.md say what each does."""

    mode: str = _run("TRAIN", "train a model, or test a checkpoint", choices=("TRAIN", "TEST"))
    data_path: str = _run(".", "dataset directory")
    input_type: str = _model(
        "spec",
        "what is known of songs: spec (acoustic branch), cf (cultural branch), hybrid (both, as in "
        "the paper), NAME of a file NAME_songs.npy, or several, such as spec+cf",
        input_type_name,
    )
    init: str = _model(
        "none",
        "weights that the acoustic branch starts from: none, or those of musicnn, on spectrograms "
        "of step 4 --mel musicnn; musicnn-last trains its last layers alone",
        choices=("none", "musicnn", "musicnn-last"),
    )
    fusion: str = _model(
        "auto",
        "how several inputs are joined: concat, as in the paper, or masked, whatever is known of a "
        "song; auto: concat for hybrid and with neighbours, else masked",
        choices=("auto", "concat", "masked"),
    )
    heads: str = _model(
        "paper",
        "perceptrons at the end of the branches: as in the paper, or twins: two that share out the "
        "space and are trained apart, twice as wide for songs, without batch norm and dropout for "
        "tags; not with masked fusion or spec alone",
        choices=("paper", "twins"),
    )
    w2v_type: str = _model("google", "word vectors: NAME of a file NAME_emb.pkl")
    loss: str = _model(
        "triplet",
        "the paper's triplet margin loss; or over all tags, of each song of the batch: sigmoid "
        "(SigLIP, Zhai et al. 2023), infonce (softmax both ways, Khosla et al. 2020)",
        choices=("triplet", "sigmoid", "infonce"),
    )
    mixup: bool = _model(
        False,
        "with losses over all tags: mix each song, and its tags, with another of the batch "
        "(Zhang et al. 2018)",
        parse_bool,
    )
    input_dropout: float = _model(
        0.0,
        "share of the numbers of a song's vectors that each step leaves out, which helps with few "
        "songs (Srivastava et al. 2014); not with spec or cf alone",
        fraction,
    )
    soft_tags: bool = _model(
        False,
        "with losses over all tags: how strongly people tagged counts, not only whether; needs "
        "tag_strengths.npy of step 1",
        parse_bool,
    )
    is_balanced: bool = _model(
        False,
        "draw a tag, then one of its songs; else a song, then one of its tags",
        parse_bool,
    )
    is_weighted: bool = _model(False, "draw negatives by weight; otherwise uniformly", parse_bool)
    negative_weighting: str = _model(
        "similarity",
        "with --is_weighted: by (1 + cosine) / 2 as in the authors' code, or by inverse density of "
        "distances (Wu et al. 2017)",
        choices=("similarity", "distance"),
    )
    is_subset: bool = _model(False, "the smaller set, files sub_*", parse_bool)
    batch_size: int = _model(
        128, "triplets a step, shared by the processes; with other losses songs", two_or_more
    )
    anchors_per_song: int = _model(
        1,
        "tags of a song that learn from it in a step, each with a negative of its own; 1 as in the "
        "paper; more cost nothing beside the convolutions",
        positive_int,
    )
    margin: float = _model(0.4, "margin of the triplet loss", positive_float)
    lr: float = _model(1e-4, "learning rate of Adam, whose weight decay is 1e-4", positive_float)
    lr_schedule: str = _model(
        "constant",
        "learning rate as it is, or rising within 20 steps and falling to 0 by the last epoch, "
        "which helps short trainings",
        choices=("constant", "cosine"),
    )
    n_epochs: int = _run(200, "epochs, validation after each", positive_int)
    triplets_per_epoch: int = _model(
        10_000, "triplets between two validations; with other losses songs", two_or_more
    )
    input_length: int = _model(173, "mel frames of a chunk (4 s), at least 128", positive_int)
    num_chunk: int = _run(
        8,
        "chunks of a song in validation and test, from end to end, their embeddings averaged",
        positive_int,
    )
    cache: str = _run(
        "auto",
        "where spectrograms are kept; auto: where they fit first",
        choices=("auto", "gpu", "memory", "disk"),
    )
    num_workers: int = _run(0, "threads that read spectrograms, with --cache disk", whole_number)
    num_threads: int = _run(
        0, "threads that compute on the CPU; 0: OMP_NUM_THREADS, else one a core", whole_number
    )
    n_processes: int = _run(
        1, "processes that share each step on the CPU; on GPUs, see gpu_id", positive_int
    )
    early_stopping: int = _run(
        0, "stop after so many epochs without a better MAP; 0: never", whole_number
    )
    seed: int = _model(
        0,
        "of weights, triplets and dropout: same seed and num_threads, same model on one CPU",
        seed_number,
    )
    precision: str = _run(
        "auto",
        "floating point of the branches; auto: bfloat16 for the acoustic branch where the hardware "
        "computes in it, else 32",
        choices=("auto", "32", "16-mixed", "bf16-mixed"),
    )
    compile: bool | str = _run(
        "auto", "torch.compile the acoustic branch; auto: long trainings, one GPU", parse_auto_bool
    )
    gpu_id: str = _run(
        "0", "GPU 0, several that share each step (0,1), or cpu; without a GPU the CPU is used"
    )
    model_save_path: str = _run(
        "./checkpoints", "folder for best.ckpt (by validation MAP), last.ckpt and logs/"
    )
    resume: bool = _run(
        False, "go on from last.ckpt in --model_save_path, as if never stopped", parse_bool
    )
    model_load_path: str = _run(NOT_GIVEN, "checkpoint to test, or its folder")
    result_path: str = _run(NOT_GIVEN, "file for results; results.json beside the checkpoint")
    wheel: str = _run(
        NOT_GIVEN, "with --init: file of the package of musicnn, where it cannot be fetched"
    )
    neptune_project: str = _run(
        NOT_GIVEN, "log to this Neptune project as well; kept offline when no server answers"
    )
    neptune_api_key: str = _run(NOT_GIVEN, "key of Neptune; never stored")

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the song inputs."""
        return song_inputs(self.input_type)

    @property
    def fusion_in_force(self) -> str:
        """'concat' or 'masked'."""
        if self.fusion != "auto":
            return self.fusion
        is_concat = self.input_type == "hybrid" or "neighbours" in self.inputs
        return "concat" if is_concat else "masked"  # neighbours that are not known are 0, not NaN

    @property
    def any_input(self) -> bool:
        """Whether a song needs only one of several inputs."""
        return len(self.inputs) > 1 and self.fusion_in_force == "masked"

    @property
    def asks_all_tags(self) -> bool:
        """Whether the loss asks each song about all tags, as `losses.LABEL_LOSSES` do."""
        return self.loss != "triplet"

    @property
    def mixes_songs(self) -> bool:
        """Whether the songs of a batch are mixed: triplets are not."""
        return self.mixup and self.asks_all_tags

    @property
    def learns_strengths(self) -> bool:
        """Whether a training learns from the strengths of tags: no test reads them."""
        return self.soft_tags and self.asks_all_tags and self.mode == "TRAIN"

    def to_store(self) -> dict[str, Any]:
        """What checkpoints and results keep: all but the key."""
        return {name: value for name, value in asdict(self).items() if name != "neptune_api_key"}


MODEL_OPTIONS = tuple(one.name for one in fields(Options) if one.metadata["of_model"])
CARRIED_OPTIONS = ("n_epochs", "early_stopping", "precision", "num_chunk")  # unless given anew
OPTIONS_OF_TEST = ("num_chunk", "precision")  # which a test may have otherwise than the training
TRIPLET_OPTIONS = {"is_weighted", "negative_weighting", "anchors_per_song", "margin"}
LABEL_OPTIONS = {"mixup", "soft_tags"}
AUDIO_OPTIONS = {"init", "wheel", "num_workers", "num_chunk", "input_length", "cache", "compile"}
USED_IN_TEST = {"input_type", "fusion", "w2v_type", "is_subset", "input_length"}  # of MODEL_OPTIONS
IDLE_OPTIONS = {  # which do nothing in a mode
    "TRAIN": {"model_load_path", "result_path"},
    "TEST": (set(MODEL_OPTIONS) - USED_IN_TEST)
    | {"n_epochs", "early_stopping", "resume", "model_save_path", "compile", "wheel", "n_processes"}
    | {"neptune_project", "neptune_api_key"},
}


def parse_options(argv: list[str] | None = None) -> dict[str, Any]:
    """Options as given: only those that stand on the command line, or in its `@FILE`."""
    parser = OptionParser(
        description="Train a model on a dataset directory (--mode TRAIN) or test a checkpoint "
        "(--mode TEST).",
        epilog="@FILE stands for the options in a file, such as @recipes/paper.args.",
        argument_default=argparse.SUPPRESS,
        prog="main.py",
    )
    for one in fields(Options):
        parse, text = one.metadata["parse"], one.metadata["text"]
        parser.add_argument(
            f"--{one.name}",
            type=parse,
            choices=one.metadata["choices"],
            help=f"{text} (default: {shown_default(one)})",
            nargs="?" if parse in SWITCHES else None,
            const=True if parse in SWITCHES else None,
        )
    return vars(parser.parse_args(argv))


def shown_default(one: Field) -> str:
    """The default of an option for whoever reads of it."""
    is_none = one.default == NOT_GIVEN and one.name != "data_path"  # of which it is this folder
    return "none" if is_none else str(one.default)


def merge_options(given: dict[str, Any], saved: dict[str, Any] | None = None) -> Options:
    """Options in force: as given, else as saved with a model, else the default.

    Of what is saved only `MODEL_OPTIONS` and `CARRIED_OPTIONS` count.

    Raises
    ------
    UserError
        If an option given contradicts one that the checkpoint fixes.
    """
    if saved is None:
        return Options(**given)
    saved = asdict(Options()) | saved  # what came later is by default what was done before
    for name in MODEL_OPTIONS:
        if given.get(name, saved[name]) != saved[name]:
            raise UserError(
                f"--{name} {given[name]} contradicts the checkpoint, which was trained with "
                f"{saved[name]}: leave the option out"
            )
    return Options(**{name: saved[name] for name in (*MODEL_OPTIONS, *CARRIED_OPTIONS)} | given)


def tell_idle(given: dict[str, Any], options: Options) -> None:
    """Print which of the options given have no effect."""
    for why, idle in (
        (f"--mode {options.mode}", IDLE_OPTIONS[options.mode]),
        (
            f"--input_type {options.input_type}",
            (set() if "spec" in options.inputs else AUDIO_OPTIONS)
            | (set() if len(options.inputs) > 1 else {"fusion"})
            | ({"input_dropout"} if options.input_type in ("spec", "cf") else set()),
        ),
        (f"--loss {options.loss}", TRIPLET_OPTIONS if options.asks_all_tags else LABEL_OPTIONS),
        (
            "masked fusion" if options.any_input else f"--input_type {options.input_type}",
            {"heads"} if options.any_input or options.inputs == ("spec",) else set(),
        ),
        ("--init none", {"wheel"} if options.init == "none" else set()),
        ("--is_weighted False", set() if options.is_weighted else {"negative_weighting"}),
    ):
        named = ", ".join(
            f"--{one.name}" for one in fields(Options) if one.name in idle & given.keys()
        )
        if named:
            print(f"no effect with {why}: {named}")
