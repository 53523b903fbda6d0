"""The options: how they are read, the paper's defaults, and what a checkpoint fixes."""

import pytest

from errors import UserError
from options import MODEL_OPTIONS, merge_options, parse_options, tell_idle


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ([], False),
        (["--is_balanced"], True),
        (["--is_balanced", "True"], True),
        (["--is_balanced", "true"], True),
        (["--is_balanced", "False"], False),
        (["--is_balanced=False"], False),
    ],
)
def test_booleans_mean_what_they_say(words, value):
    assert merge_options(parse_options(words))["is_balanced"] is value


def test_defaults_are_those_of_the_papers_code():
    defaults = merge_options({})
    published = {"num_workers": 0, "mode": "TRAIN", "batch_size": 128, "num_chunk": 8}
    published |= {"input_length": 173, "margin": 0.4, "input_type": "spec", "w2v_type": "google"}
    published |= {"is_balanced": False, "is_weighted": False, "is_subset": False}
    published |= {"n_epochs": 200, "gpu_id": "0", "lr": 1e-4, "model_save_path": "./checkpoints"}
    published |= {"model_load_path": ".", "data_path": "."}
    published |= {"neptune_project": ".", "neptune_api_key": "."}
    assert {name: defaults[name] for name in published} == published


def test_what_a_checkpoint_fixes_cannot_be_changed():
    saved = merge_options({"lr": 1e-3, "n_epochs": 5})
    assert merge_options({}, saved)["lr"] == 1e-3
    assert merge_options({"n_epochs": 7, "num_workers": 2}, saved)["n_epochs"] == 7
    assert merge_options({}, saved | {"num_workers": 9})["num_workers"] == 0  # of the new run
    for name in MODEL_OPTIONS:
        with pytest.raises(UserError, match=f"--{name} other contradicts the checkpoint"):
            merge_options({name: "other"}, saved)


def test_an_option_that_a_checkpoint_does_not_know_yet_has_its_default():
    older = merge_options({"lr": 1e-3})
    del older["lr_schedule"], older["num_chunk"]
    assert merge_options({}, older) == merge_options({"lr": 1e-3})
    with pytest.raises(UserError, match="trained with constant"):
        merge_options({"lr_schedule": "cosine"}, older)


def test_only_what_was_given_is_told_as_idle(capsys):
    tell_idle({"num_chunk": 2, "lr": 0.1}, merge_options({"input_type": "cf", "mode": "TEST"}))
    assert capsys.readouterr().out.splitlines() == [
        "no effect with --mode TEST: --lr",
        "no effect with --input_type cf: --num_chunk",
    ]
