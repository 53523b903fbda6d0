"""experiments.finished: which runs still count, on directories that are as they were or changed."""

import json
import shutil

import numpy as np
import pytest

from commands import run_main
from dataset.directory import open_dataset
from dataset.writing import write_split
from errors import UserError
from experiment_results import results
from experiments import finished
from experiments.finished import (
    N_TESTED,
    TAGS_TESTED,
    TESTED,
    Job,
    check_finished,
    check_machine_for,
    check_same_test,
    contents,
)
from main_runs import train
from metrics import METRICS
from options import merge_options
from planted import write_planted

REVISION = "0123456789abcdef0123"
EARLIER = ("split", "tag vectors", "CF vectors", "spectrograms")  # told by models since longer


@pytest.fixture(autouse=True)
def revision(monkeypatch):
    monkeypatch.setattr(finished, "git_revision", lambda: REVISION)


def job(data, folder, **given) -> Job:
    return Job("a column", folder, {"data_path": str(data), "input_type": "cf"} | given)


def finish(one: Job, **made_by) -> Job:
    """Leave the results of a run on its data as it is."""
    (holds,) = contents([one])
    of_a_tag = dict.fromkeys(METRICS, 0.5)
    tags = {tag: of_a_tag | {"n_positive": n} for tag, n in holds[TAGS_TESTED].items()}
    hashes = {name: holds[name] for name in holds if name not in (N_TESTED, TAGS_TESTED)}
    told = {"fingerprint": hashes, "git_revision": REVISION} | made_by
    told |= {"tested_by": {"test songs": holds[TESTED]}}
    told = {"options": merge_options(one.given).to_store()} | told
    found = results(0.5, 0.5) | {"n_songs": holds[N_TESTED], "tags": tags, "made_by": told}
    one.folder.mkdir(parents=True)
    one.results.write_text(json.dumps(found))
    return one


def check(*jobs: Job) -> None:
    check_finished(jobs, contents(jobs))


def test_what_is_as_it_was_counts_however_the_directory_is_written(dataset_dir, tmp_path, capsys):
    done = finish(job(dataset_dir, tmp_path / "run"))
    copy = shutil.copytree(dataset_dir, tmp_path / "copy")
    for same in (dataset_dir, f"{dataset_dir}/", dataset_dir / ".." / dataset_dir.name, copy):
        check(done._replace(given=done.given | {"data_path": str(same)}))
    assert capsys.readouterr().out == ""


def noise(data) -> None:
    cf = np.load(data / "ix_to_cf.npy")
    np.save(data / "ix_to_cf.npy", np.random.default_rng(1).normal(size=cf.shape).astype("f4"))


def split_anew(data) -> None:
    dataset = open_dataset(data)
    order = np.random.default_rng(1).permutation(len(dataset.song_ids))
    splits = dict(zip(("train", "valid", "test"), np.split(order, [180, 240]), strict=True))
    write_split(data, dataset.tags, dataset.song_ids, dataset.song_tags, splits)


def fewer_test_songs(data) -> None:
    np.save(data / "test_ids.npy", np.load(data / "test_ids.npy")[:-1])


def another_tag_of_a_test_song(data) -> None:
    song_tags = np.load(data / "binaries.npy")
    song = open_dataset(data).splits["test"][0]
    song_tags[song] = ~song_tags[song].astype(bool)
    np.save(data / "binaries.npy", song_tags)


def other_tags(data, part: str) -> None:
    """Exchange the tags of two songs of a split, so that all counts stay."""
    song_tags = np.load(data / "binaries.npy")
    songs = open_dataset(data).splits[part]
    first = songs[0]
    other = next(one for one in songs if (song_tags[one] != song_tags[first]).any())
    song_tags[[first, other]] = song_tags[[other, first]]
    np.save(data / "binaries.npy", song_tags)
    (data / "train_tag_to_ix.pkl").unlink()


def other_tags_of_training_songs(data) -> None:
    other_tags(data, "train")


def other_tags_of_validation_songs(data) -> None:
    other_tags(data, "valid")


def other_tags_of_test_songs(data) -> None:
    other_tags(data, "test")


def validate_by_test_songs(data) -> None:
    valid, test = (np.load(data / f"{name}_ids.npy") for name in ("valid", "test"))
    np.save(data / "valid_ids.npy", test)
    np.save(data / "test_ids.npy", valid)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (other_tags_of_training_songs, "set of tags of training songs"),
        (other_tags_of_validation_songs, "set of tags of validation songs"),
        (other_tags_of_test_songs, "set of test songs, or of the tags of each,"),
        (validate_by_test_songs, "validation split"),
        (noise, "CF vectors"),
        (split_anew, "split"),
        (fewer_test_songs, "number of test songs"),
        (another_tag_of_a_test_song, "set of tags of test songs"),
    ],
)
def test_what_has_changed_in_the_data_is_told(dataset_dir, tmp_path, change, what):
    done = finish(job(dataset_dir, tmp_path / "run"))
    change(dataset_dir)
    with pytest.raises(UserError, match=f"another {what} than {dataset_dir} holds now: give an"):
        check(job(dataset_dir, tmp_path / "not run yet"), done)


@pytest.mark.parametrize(
    ("name", "value"), [("lr", 0.5), ("n_epochs", 3), ("num_chunk", 2), ("early_stopping", 4)]
)
def test_other_options_are_told(shared_dataset_dir, tmp_path, name, value):
    done = finish(job(shared_dataset_dir, tmp_path / "run", **{name: value}))
    check(done)
    other = done._replace(given=done.given | {name: 1})
    with pytest.raises(UserError, match=f"--{name} {value}, not 1: give another RESULT_DIR"):
        check(other)


@pytest.mark.parametrize(
    ("model", "how", "told"),
    [
        ("best.ckpt", ["--num_chunk", "2"], "is from a test with --num_chunk 2, not 8: remove it"),
        (
            "best.ckpt",
            ["--precision", "bf16-mixed"],
            "a test with --precision bf16-mixed, not auto",
        ),
        ("last.ckpt", [], r"is from a test of last\.ckpt, not of best\.ckpt: remove it"),
    ],
)
def test_a_model_tested_by_hand_in_another_way_is_told(
    shared_dataset_dir, tmp_path, model, how, told
):
    """The table would hold numbers that its options do not give."""
    given = {"n_epochs": 1, "triplets_per_epoch": 64, "lr": 1e-3}
    train(shared_dataset_dir, tmp_path, **given)
    one = job(shared_dataset_dir, tmp_path, **given)
    where = ("--mode", "TEST", "--data_path", shared_dataset_dir, "--model_load_path")
    run_main(*where, tmp_path / model, *how)
    with pytest.raises(UserError, match=told):
        check(one)
    run_main(*where, tmp_path)
    check(one)


def test_results_of_before_they_told_their_data_count_by_what_was_tested(
    dataset_dir, tmp_path, capsys
):
    done = finish(job(dataset_dir, tmp_path / "run"))
    found = json.loads(done.results.read_text())
    del found["made_by"]["fingerprint"], found["made_by"]["git_revision"]
    done.results.write_text(json.dumps(found))
    check(done)
    assert "1 of 1 runs are there, made by revision unknown of the code" in capsys.readouterr().out
    fewer_test_songs(dataset_dir)
    with pytest.raises(UserError, match="another number of test songs"):
        check(done)


def test_results_of_before_they_told_their_tags_and_validation_songs_count(
    dataset_dir, tmp_path, capsys
):
    done = finish(job(dataset_dir, tmp_path / "run"))
    found = json.loads(done.results.read_text())
    told = found["made_by"]["fingerprint"]
    found["made_by"]["fingerprint"] = {name: told[name] for name in EARLIER}
    del found["made_by"]["tested_by"]
    done.results.write_text(json.dumps(found))
    other_tags(dataset_dir, "train")
    check(done)
    assert capsys.readouterr().out == ""
    noise(dataset_dir)
    with pytest.raises(UserError, match="another CF vectors"):
        check(done)


@pytest.mark.parametrize(
    ("change", "more", "what"),
    [
        (other_tags_of_training_songs, {}, "another set of tags of training songs than"),
        (lambda data: None, {"lr": 0.5}, "--lr 0.001, not 0.5: give another RESULT_DIR"),
    ],
)
def test_a_stopped_run_is_told_before_any_training(dataset_dir, tmp_path, change, more, what):
    begun = {"n_epochs": 1, "lr": 1e-3, "triplets_per_epoch": 64}
    train(dataset_dir, tmp_path / "run", **begun)
    stopped = job(dataset_dir, tmp_path / "run", **begun)
    check(stopped)
    change(dataset_dir)
    with pytest.raises(UserError, match=rf"last\.ckpt is from a run with {what}"):
        check(stopped._replace(given=stopped.given | more))


def test_other_code_is_said_once_for_all_its_runs(shared_dataset_dir, tmp_path, capsys):
    jobs = [
        finish(job(shared_dataset_dir, tmp_path / str(number)), git_revision=made_by)
        for number, made_by in enumerate([REVISION, "fedcba98765432", "fedcba98765432"])
    ]
    check(*jobs, job(shared_dataset_dir, tmp_path / "not run yet"))
    assert capsys.readouterr().out == (
        "2 of 4 runs are there, made by revision fedcba987654 of the code, which is 0123456789ab "
        "now: another RESULT_DIR trains them anew\n"
    )


def test_changed_code_may_have_changed_again(shared_dataset_dir, tmp_path, capsys, monkeypatch):
    dirty = f"{REVISION}-dirty"
    done = finish(job(shared_dataset_dir, tmp_path / "run"), git_revision=dirty)
    monkeypatch.setattr(finished, "git_revision", lambda: dirty)
    check(done)
    assert "revision 0123456789ab-dirty of the code, which is 0123456789ab-dirty" in (
        capsys.readouterr().out
    )


def test_data_is_opened_once_for_all_runs_that_read_the_same(
    shared_dataset_dir, tmp_path, monkeypatch
):
    opened = []

    def open_and_count(asked):
        opened.append(asked.w2v_type)
        return open_dataset(asked.data_path, asked.w2v_type, input_type=asked.input_type)

    monkeypatch.setattr(finished, "open_asked", open_and_count)
    kinds = ("google", "music") * 3
    jobs = [
        job(shared_dataset_dir, tmp_path / str(seed), w2v_type=kind, seed=seed, lr=0.1 + seed)
        for seed, kind in enumerate(kinds)
    ]
    google, music, *others = contents(jobs)
    assert opened == ["google", "music"]
    assert google["tag vectors"] != music["tag vectors"]
    assert others == [google, music] * 2


def test_a_column_that_cannot_be_made_is_named(shared_dataset_dir, audio_dataset_dir, tmp_path):
    with pytest.raises(UserError, match=r"^a column: .*none_emb\.pkl"):
        contents([job(shared_dataset_dir, tmp_path, w2v_type="none")])
    with pytest.raises(UserError, match=r"^a column: --input_length 9 is too short"):
        contents([job(audio_dataset_dir, tmp_path, input_type="spec", input_length=9)])


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"gpu_id": "one"}, "--gpu_id one is not a GPU number"),
        ({"gpu_id": "cpu", "precision": "16-mixed"}, "--precision 16-mixed needs a GPU"),
        ({"gpu_id": "cpu", "cache": "gpu", "input_type": "spec"}, "--cache gpu needs a GPU"),
        ({"gpu_id": "cpu", "num_threads": 10**6}, "--num_threads 1000000 is too many"),
    ],
)
def test_what_the_machine_has_not_is_told_of_all_columns(
    shared_dataset_dir, tmp_path, capsys, asked, what
):
    possible = job(shared_dataset_dir, tmp_path / "one", gpu_id="cpu", cache="gpu")  # of no audio
    other = job(shared_dataset_dir, tmp_path / "other", **asked)._replace(column="another")
    check_machine_for([possible])
    with pytest.raises(UserError, match=f"^another: {what}"):
        check_machine_for([possible, other])
    other.folder.mkdir()
    other.results.touch()  # made on a machine that has it
    check_machine_for([possible, other])
    assert capsys.readouterr().out == ""


def test_columns_of_different_tests_are_told(tmp_path):
    jobs = [job(write_planted(tmp_path / str(n), n), tmp_path / "run") for n in (300, 280)]
    check_same_test(jobs[:1] * 2, contents(jobs[:1] * 2))
    with pytest.raises(UserError, match="would be tested on different songs or tags"):
        check_same_test(jobs, contents(jobs))
