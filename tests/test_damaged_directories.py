"""Damaged dataset directories, checkpoints, indexes and results: a sentence and code 2, or an end.

TAG_RETRIEVAL_FUZZ=2000 in the environment makes so many examples of each kind.
"""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands import ROOT, run_here
from index_samples import train
from planted import write_planted, write_planted_mels, write_planted_strengths

EXAMPLES = int(os.environ.get("TAG_RETRIEVAL_FUZZ", 12))
PIECES = [
    b"",
    b"\0",
    b"\xff\xff\xff\xff",
    b"\n",
    b"\t",
    b"nan",
    b"-1",
    b"9" * 11,
    b"{",
    b'"',
    b"[]",
]
LONGEST = 600  # letters of a sentence, with the path of a temporary folder

MAIN, SMALL = ROOT / "main.py", ["--batch_size", "4", "--triplets_per_epoch", "8"]
INPUTS = ["--input_type", "spec+cf", "--input_length", "128", "--num_chunk", "2"]
TRAIN = [MAIN, "--mode", "TRAIN", "--gpu_id", "cpu", *SMALL, *INPUTS]
TEST = [MAIN, "--mode", "TEST", "--gpu_id", "cpu"]
RETRIEVE = ROOT / "retrieve.py"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A dataset directory, a model of it with its results, and an index."""
    folder = tmp_path_factory.mktemp("whole")
    data, run = folder / "data", folder / "run"
    write_planted_mels(write_planted(data, 60))
    write_planted_strengths(data)
    train(data, run, input_type="spec+cf", input_length=128)
    assert run_here(*TEST, "--data_path", data, "--model_load_path", run).returncode == 0
    made = run_here(RETRIEVE, "index", run, data, folder / "index", "--gpu_id", "cpu")
    assert made.returncode == 0, made.stderr
    return folder


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """Bytes of which a few are others, are gone or have come, mostly near the beginning."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)) | st.integers(0, min(len(content), 200)))
        n_gone = draw(st.integers(0, 12))
        piece = draw(st.sampled_from(PIECES) | st.binary(min_size=n_gone, max_size=n_gone))
        content = content[:at] + piece + content[at + n_gone :]
    is_cut = draw(st.integers(0, 9)) == 0
    return content[: draw(st.integers(0, len(content)))] if is_cut else content


def ends_well(*command: str | Path) -> None:
    """The command ends, or says in one sentence why it does not."""
    done = run_here(*command)
    assert done.returncode in (0, 2), done.stderr
    if done.returncode:
        (told,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
        assert len(told) < LONGEST


def readers(kind: str, folder: Path) -> list[list]:
    """The commands that read the files of a kind, in a copy of `whole`."""
    data, run, index = (folder / name for name in ("data", "run", "index"))
    test = [*TEST, "--data_path", data, "--model_load_path", run]
    training = [*TRAIN, "--data_path", data]
    anew = ["--model_save_path", folder / "new", "--loss", "sigmoid", "--soft_tags"]
    going_on = ["--model_save_path", run, "--resume", "--n_epochs", "2"]
    return {
        "data": [test, [*training, *anew, "--n_epochs", "1"]],
        "run": [test, [*training, *going_on]],
        "index": [
            [RETRIEVE, "search", index, "tag a", "--like", "TRAAA00001"],
            [RETRIEVE, "merge", index],
            [RETRIEVE, "index", run, data, index, "--add", "--gpu_id", "cpu"],
        ],
        "results": [["-m", "experiments.compare", run, "--to", folder / "compared"]],
    }[kind]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("data", "data/*.*"),
        ("run", "run/*.ckpt"),
        ("index", "index/**/*.*"),
        ("results", "run/results.json"),
    ],
)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.data())
def test_a_damaged_file(whole, kind, files, drawn):
    work = whole.parent / "damaged"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(whole, work)
    file = drawn.draw(st.sampled_from(sorted(work.glob(files))), label="file")
    file.write_bytes(drawn.draw(damaged(file.read_bytes()), label="content"))
    for command in readers(kind, work):
        ends_well(*command)
