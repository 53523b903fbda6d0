"""The options: how they are read, the paper's defaults, and what a checkpoint fixes."""

import runpy
from dataclasses import asdict, fields

import pytest

from commands import ROOT
from errors import UserError
from losses import LABEL_LOSSES
from options import MODEL_OPTIONS, Options, merge_options, parse_options, tell_idle
from sampler import NEGATIVE_WEIGHTINGS


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
    assert merge_options(parse_options(words)).is_balanced is value


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ([], "auto"),
        (["--compile"], True),
        (["--compile", "false"], False),
        (["--compile", "Auto"], "auto"),
    ],
)
def test_compile_is_a_switch_that_may_choose_by_itself(words, value):
    assert merge_options(parse_options(words)).compile == value


@pytest.mark.parametrize("share", ["-0.1", "1", "nan", "half"])
def test_a_share_is_at_least_0_and_below_1(share):
    assert parse_options(["--input_dropout", "0"]) == {"input_dropout": 0.0}
    with pytest.raises(UserError, match=rf"at least 0 and below 1, not '{share}'"):
        parse_options([f"--input_dropout={share}"])


def test_defaults_are_those_of_the_papers_code():
    defaults = merge_options({})
    published = {"num_workers": 0, "mode": "TRAIN", "batch_size": 128, "num_chunk": 8}
    published |= {"input_length": 173, "margin": 0.4, "input_type": "spec", "w2v_type": "google"}
    published |= {"is_balanced": False, "is_weighted": False, "is_subset": False}
    published |= {"n_epochs": 200, "gpu_id": "0", "lr": 1e-4, "model_save_path": "./checkpoints"}
    published |= {"model_load_path": ".", "data_path": "."}
    published |= {"neptune_project": ".", "neptune_api_key": "."}
    assert published.items() <= asdict(defaults).items()


def test_what_a_checkpoint_fixes_cannot_be_changed():
    saved = asdict(merge_options({"lr": 1e-3, "n_epochs": 5}))
    assert merge_options({}, saved).lr == 1e-3
    assert merge_options({"n_epochs": 7, "num_workers": 2}, saved).n_epochs == 7
    assert merge_options({}, saved | {"num_workers": 9}).num_workers == 0  # of the new run
    for name in MODEL_OPTIONS:
        with pytest.raises(UserError, match=f"--{name} other contradicts the checkpoint"):
            merge_options({name: "other"}, saved)


def test_an_option_that_a_checkpoint_does_not_know_yet_has_its_default():
    older = asdict(merge_options({"lr": 1e-3}))
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
    for input_type, is_idle in (
        ("cf", True),
        ("spec", True),
        ("musicnn", False),
        ("hybrid", False),
    ):
        tell_idle({"input_dropout": 0.5}, merge_options({"input_type": input_type}))
        assert ("no effect" in capsys.readouterr().out) == is_idle


def test_strengths_are_learnt_from_with_losses_over_all_tags_alone():
    for loss, mode in ((a, b) for a in choices("loss") for b in choices("mode")):
        soft = merge_options({"loss": loss, "mode": mode, "soft_tags": True})
        assert soft.learns_strengths == (loss != "triplet" and mode == "TRAIN")
        assert not merge_options({"loss": loss, "mode": mode}).learns_strengths


def test_more_options_are_read_from_a_file(tmp_path):
    recipe = tmp_path / "mine.args"
    recipe.write_text(
        "# for a test\n--lr 0.01 --is_balanced  # and more\n\n--w2v_type 'my words'\n"
    )
    given = parse_options([f"@{recipe}", "--lr", "0.5"])
    assert given == {"lr": 0.5, "is_balanced": True, "w2v_type": "my words"}


@pytest.mark.parametrize("content", [None, b"--lr 0.1 # \xff", b"--w2v_type 'my words"])
def test_a_file_that_holds_no_options_is_refused(tmp_path, content):
    file = tmp_path / "mine.args"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=r"mine\.args cannot be read .*recipes/paper\.args"):
        parse_options([f"@{file}"])


def test_a_file_of_options_without_a_name_is_refused():
    with pytest.raises(UserError, match=r"^@ cannot be read"):
        parse_options(["@"])


def test_choices_are_what_the_model_knows():
    assert set(choices("negative_weighting")) == set(NEGATIVE_WEIGHTINGS) - {"uniform"}
    assert set(choices("loss")) == {"triplet", *LABEL_LOSSES}


def choices(name: str) -> tuple[str, ...]:
    return next(one.metadata["choices"] for one in fields(Options) if one.name == name)


def test_the_page_of_options_is_up_to_date():
    page = runpy.run_path(str(ROOT / "docs" / "options_page.py"))["options_page"]()
    assert (ROOT / "docs" / "options.md").read_text(encoding="utf-8") == page
