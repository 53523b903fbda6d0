"""The benchmarks run at tiny sizes, and compute right; nothing here looks at how long they take."""

import dataclasses
import json
import logging
import re
import statistics
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from benchmarks import __main__ as all_benchmarks
from benchmarks import growth, precision, shared_machine, whole_run
from benchmarks.flops import forward_flops
from benchmarks.synthetic import make_dataset, with_noise
from benchmarks.training_step import RowByRow
from errors import UserError
from options import merge_options

OWN_TESTS = ("growth", "shared_machine", "step3_memory", "search", "serving")
QUICK = [(module, quick) for module, _, quick in all_benchmarks.SCRIPTS if quick]


class Recorded:
    """A function that remembers what it was called with and what it returned."""

    def __init__(self, function):
        self.function, self.calls, self.results = function, [], []

    def __call__(self, *arguments):
        self.calls.append(arguments)
        self.results.append(self.function(*arguments))
        return self.results[-1]


@pytest.fixture(autouse=True)
def lightning_logs():
    """Leave Lightning's logger as it was: the scripts silence it."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    yield
    logger.setLevel(level)


# ---------------------------------------------------------------- arithmetic


def test_flops_of_a_chunk_are_those_counted_by_hand():
    """Seven blocks at the resolution of their input, halved and rounded down, then the 1x1."""
    blocks = [  # channels in and out, bands, frames
        (1, 128, 128, 173),
        (128, 128, 64, 86),
        (128, 256, 32, 43),
        (256, 256, 16, 21),
        (256, 256, 8, 10),
        (256, 256, 4, 5),
        (256, 512, 2, 2),
    ]
    by_hand = sum(2 * 9 * n_in * n_out * height * width for n_in, n_out, height, width in blocks)
    by_hand += 2 * 512 * 256
    tag, chunk = forward_flops("spec", 173)
    assert chunk == by_hand
    assert tag == 2 * (300 * 512 + 512 * 256)


def test_flops_of_an_epoch():
    """Three times forward for each triplet; every chunk of the validation songs, and the tags."""
    a_tag, a_chunk = forward_flops("spec", 173)
    options = merge_options({"triplets_per_epoch": 10, "num_chunk": 8, "anchors_per_song": 2})
    assert whole_run.epoch_flops(options, n_valid=5, n_tags=7) == (
        3 * 10 * (a_chunk + 2 * a_tag),
        5 * 8 * a_chunk + 7 * a_tag,
    )
    a_vector = 2 * (200 * 512 + 512 * 256)
    options = dataclasses.replace(options, input_type="cf")  # of which a song has one, not eight
    assert whole_run.epoch_flops(options, 5, 7)[1] == 5 * a_vector + 7 * a_tag


def test_a_whole_run_is_the_first_epoch_and_the_median_of_the_later_ones():
    assert whole_run.run_seconds([10.0, 2.0, 9.0, 3.0], 200) == 10 + 199 * 3
    assert whole_run.run_seconds([10.0, 2.0], 1) == 10


def test_growth_exponents():
    sizes = [2000, 20_000, 200_000]
    squares = [size**2 for size in sizes]
    np.testing.assert_allclose(growth.growth_exponents(sizes, squares), [2, 2])
    np.testing.assert_allclose(growth.growth_exponents(sizes, [5, 5, 50]), [0, 1])
    np.testing.assert_allclose(growth.growth_exponents([1, 4], [6, 3]), [-0.5])


def test_reading_on_follows_a_line_or_a_power_whichever_is_higher():
    sizes = [10, 20]
    assert growth.read_on(sizes, [100 + 3 * 10, 100 + 3 * 20], 100) == pytest.approx(400)
    assert growth.read_on(sizes, [10**2, 20**2], 100) == pytest.approx(100**2)
    assert growth.read_on(sizes, [5, 4], 100) == 4


def test_growth_table():
    found = [{"time, s": 0.01, "peak MB": 500.0}, {"time, s": 0.1, "peak MB": 600.0}]
    assert growth.table([10_000, 100_000], found).splitlines() == [
        "|  | 10,000 songs | 100,000 songs | exponents | 1,000,000 songs |",
        "| --- | --- | --- | --- | --- |",
        "| time, s | 0.0100 | 0.100 | 1.00 | ~ 1.00 |",
        "| peak MB | 500 | 600 | 0.08 | ~ 1,600 |",
    ]


def test_what_the_precision_changes_and_what_the_seed():
    """Three seeds: the curves of one curve kind are 0, 3, 6; the other precision adds 1 or -1."""
    plain = np.zeros((3, 2, 1)) + np.array([0.0, 3.0, 6.0])[:, None, None]
    other = plain + np.array([1.0, -1.0])[:, None]
    by_precision, by_seed, shift = precision.differences(plain, other)
    np.testing.assert_allclose(by_precision, [1])
    np.testing.assert_allclose(by_seed, [np.sqrt((9 + 9 + 36) / 3)])
    np.testing.assert_allclose(shift, [0])
    np.testing.assert_allclose(precision.differences(plain, plain + 0.5)[2], [0.5])


# ---------------------------------------------------------------- the data and the reference


def test_paper_size(tmp_path):
    """115,000 songs of 1292 frames in float16, 38 GB, and the options of the paper."""
    sizes, options = whole_run.read_arguments(["--paper_size", "--input_type", "spec"])
    dataset = with_noise(make_dataset(sizes["songs"], 2), sizes["frames"], tmp_path / "n.npy")
    parts = {part: len(songs) for part, songs in dataset.splits.items()}
    assert parts == {"train": 80_500, "valid": 17_250, "test": 17_250}
    assert dataset.mel.n_frames.sum() * 128 * 2 == 115_000 * 1292 * 128 * 2
    expected = {"triplets_per_epoch": 10_000, "batch_size": 128, "num_chunk": 8, "n_epochs": 200}
    assert expected.items() <= options.to_store().items()


def test_options_of_main_are_taken_and_sizes_checked():
    given = ["--input_type", "spec", "--songs", "30", "--triplets_per_epoch", "6", "--lr", "0.5"]
    sizes, options = whole_run.read_arguments(given)
    assert (sizes["songs"], options.triplets_per_epoch, options.lr) == (30, 6, 0.5)
    for wrong, part in (
        (["--input_type", "hybrid"], "hybrid"),
        (["--input_type", "spec", "--frames", "150"], "--input_length 173"),
        (["--input_type", "spec", "--input_length", "100"], "--input_length 100"),
        (["--song", "30"], "--song"),
    ):
        with pytest.raises(UserError, match=part):
            whole_run.read_arguments(wrong)


def test_noise_is_whole_songs_that_differ(tmp_path):
    store = with_noise(make_dataset(5), 200, tmp_path / "n.npy").mel
    whole = np.stack([store.song(row) for row in range(5)])
    assert whole.dtype == np.float16 and whole.shape == (5, 200, 128)
    assert -45 < whole.astype(float).mean() < -35 and 19 < whole.astype(float).std() < 21
    assert len(np.unique(whole[:, 0, 0])) == 5


def test_rows_of_the_reference_are_pairs_of_the_training_split():
    dataset = make_dataset(60, n_tags=10)
    rows = RowByRow(dataset, 40, lambda song: song)
    assert len(rows) == 40
    for index in range(40):
        tag_vector, song, one_hot, song_tags = rows[index]
        tag = int(one_hot.argmax())
        assert song in dataset.splits["train"] and dataset.song_tags[song, tag]
        np.testing.assert_array_equal(tag_vector, dataset.tag_vectors[tag])
        np.testing.assert_array_equal(song_tags, dataset.song_tags[song])


def test_the_reference_reads_whole_songs_and_crops_them(tmp_path):
    dataset = with_noise(make_dataset(4), 130, tmp_path / "n.npy")
    read = whole_run.crop_reader(dataset, 128, tmp_path)
    assert len(list(tmp_path.glob("spec/**/*.npy"))) == 4
    songs = [dataset.mel.song(row) for row in range(4)]
    starts = set()
    for _ in range(60):
        crop = read(2)
        starts |= {n for n in range(3) if np.array_equal(crop, songs[2][n : n + 128].T)}
        assert crop.shape == (128, 128)
    assert starts == {0, 1, 2}


# ---------------------------------------------------------------- they run


def test_clock_takes_every_epoch_and_validation():
    options = merge_options(
        {"input_type": "cf", "triplets_per_epoch": 64, "batch_size": 32, "gpu_id": "cpu"}
    )
    clock, trainer = whole_run.train_epochs(make_dataset(100), options, 3)
    assert len(clock.epochs) == len(clock.validations) == trainer.current_epoch == 3
    assert trainer.num_training_batches == 2
    assert clock.start > 0
    for epoch, validation in zip(clock.epochs, clock.validations, strict=True):
        assert 0 < validation < epoch


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "arguments"), [one for one in QUICK if one[0] not in OWN_TESTS], ids=str
)
def test_prints_a_ratio(module, arguments, monkeypatch, capsys):
    if module == "mel_spectrogram":
        pytest.importorskip("soundfile")
    monkeypatch.setattr(sys, "argv", [module, *arguments.split()])
    import_module(f"benchmarks.{module}").main()
    out = capsys.readouterr().out
    ratio = re.search(r"^ +ratio\b\D*([\d.]+)", out, flags=re.MULTILINE)
    assert ratio and float(ratio[1]) > 0, out


def test_search_finds_what_an_exact_search_finds(monkeypatch, capsys):
    (quick,) = [arguments for module, arguments in QUICK if module == "search"]
    monkeypatch.setattr(sys, "argv", ["search", *quick.split()])
    import_module("benchmarks.search").main()
    out = capsys.readouterr().out
    recall = re.search(r"recall_at_10 +([\d.]+)", out)
    assert recall and float(recall[1]) > 0.99, out


def test_whole_run_table_holds_together(monkeypatch, capsys):
    """Extrapolation, step, rate and ratio follow from the times; other columns are as they are."""
    clock = whole_run.EpochClock()
    clock._epochs = [0.0, 10.0, 16.0, 22.0, 32.0]  # epochs 10, 6, 6, 10
    clock._validations = [8.0, 10.0, 14.0, 16.0, 20.0, 22.0, 30.0, 32.0]  # 2 each
    trainer = whole_run.make_trainer(merge_options({"gpu_id": "cpu"}), logger=False)
    trainer.fit_loop.max_batches = 4
    monkeypatch.setattr(whole_run, "train_epochs", lambda *_: (clock, trainer))
    monkeypatch.setattr(whole_run, "plain_seconds", lambda *_: [5.0, 7.0, 6.0])
    monkeypatch.setattr(whole_run, "epoch_flops", lambda *_: (8e12, 4e12))
    whole_run.main(["--songs", "100", "--gpu_id", "cpu"])
    out = capsys.readouterr().out
    later, training, validation = 6.0, 4.0, 2.0
    assert statistics.median(clock.epochs[1:]) == later
    assert f"200 epochs of this size: {(10 + 199 * later) / 60:.1f} min" in out
    assert f"training: {8e3 / training:.0f} GFLOP/s" in out
    assert f"validation: {4e3 / validation:.0f} GFLOP/s" in out
    assert f"ratio of the medians: {6.0 / (training / 4):.2f}" in out


def test_precision_reads_the_curves_of_every_run(shared_dataset_dir, monkeypatch, capsys):
    """Two seeds in each of two precisions, as the table says."""
    monkeypatch.setattr(precision, "train", once := Recorded(precision.train))
    few = "--input_type cf --n_epochs 2 --triplets_per_epoch 512"
    precision.main([str(shared_dataset_dir), *few.split()])
    table = capsys.readouterr().out
    seeds, given = zip(*((seed, options[-1]) for _, seed, options in once.calls), strict=True)
    assert seeds == (0, 1, 0, 1) and given == ("False", "False", "bf16-mixed", "bf16-mixed")
    curves = np.array(once.results)
    assert curves.shape == (4, 2, 2) and (curves > 0).all()
    first = [f"{value:.4f}" for value in curves.reshape(2, 2, 2, 2).mean(1)[:, 0].T.flatten()]
    assert re.search(r"^ +1 +" + r"\s+".join(first), table, flags=re.MULTILINE), table
    with pytest.raises(UserError, match="--seed is set here"):
        precision.main([str(shared_dataset_dir), "--seed", "3"])
    changed = np.sqrt(np.square(curves[2:] - curves[:2]).mean((0, 1)))
    assert f"loss: another precision changes {changed[0]:.4f}" in table


def test_shared_machine_trains_in_every_setting(monkeypatch, capsys):
    """Beside busy programs, which end with it."""
    programs, met = [], []
    start, train = subprocess.Popen, shared_machine.train_seconds

    def started(command, **more):
        program = start(command, **more)
        if command[-1] == "while True: pass":
            programs.append(program)
        return program

    def trained(dataset, options, setting):
        met.append((setting, [one.poll() for one in programs]))
        return train(dataset, options, setting)

    monkeypatch.setattr(shared_machine.subprocess, "Popen", started)
    monkeypatch.setattr(shared_machine, "train_seconds", trained)
    shared_machine.main([*dict(QUICK)["shared_machine"].split(), "--programs", "1"])
    last = capsys.readouterr().out.splitlines()[-1]
    cells = r"(\| \d+\.\d\d s \([\d.]+ to [\d.]+\) ){3}"
    assert re.fullmatch(rf"\| 1 {cells}\| \d+\.\d\d \|", last), last
    assert met[1:] == [(setting, [None]) for setting in shared_machine.SETTINGS.values()]
    assert programs[0].poll() is not None


def test_shared_machine_compares_the_choice_with_the_better_one():
    seconds = {"awake": [4.0, 9.0, 5.0], "asleep": [2.0, 1.0, 3.0], "chosen": [2.5, 2.2, 7.0]}
    row = shared_machine.row(2, seconds)
    assert row.startswith("| 2 | 5.00 s (4.00 to 9.00) | 2.00 s (1.00 to 3.00) | 2.50 s ")
    assert row.endswith(" | 1.25 |")


def test_growth_measures_every_size(monkeypatch, capsys):
    """In this process: what starts the others is tested below."""
    monkeypatch.setattr(growth, "EPOCHS", 2)
    monkeypatch.setattr(growth, "in_own_process", lambda name, arg: getattr(growth, name)(arg))
    growth.main(["--n_songs", "20", "--times", "2", "1", "--rows_per_song", "130"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert lines[0].split(" | ")[1:3] == ["20 songs", "40 songs"]
    assert len(lines) == 2 + 5
    for line in lines[2:]:
        values = line.strip("| ").split(" | ")[1:3]
        assert all(float(value.replace(",", "")) > 0 for value in values), line


def test_growth_in_a_process_of_its_own_tells_why_it_fails(tmp_path):
    growth.write_listening_data(tmp_path, 30, 130)
    found = growth.in_own_process("measure_step3", str(tmp_path))
    assert found["step 3 train, s"] > 0 and found["step 3 train, peak MB"] > 10
    assert np.load(tmp_path / "ix_to_cf.npy").shape[1] == 200
    with pytest.raises(SystemExit, match="nowhere is not a directory"):
        growth.in_own_process("measure_step3", "nowhere")


def test_all_go_on_when_one_cannot_run(monkeypatch, capfd):
    quick = dict(QUICK)["step3_memory"]
    scripts = [("no_such_script", "", "--repeats 1"), ("step3_memory", "", quick)]
    monkeypatch.setattr(all_benchmarks, "SCRIPTS", scripts)
    assert all_benchmarks.main(["--quick"]) == 1
    first, second = capfd.readouterr().out.split("## python -m benchmarks.")[1:]
    assert re.search(r"cannot run here: .*no_such_script", first)
    assert second.startswith(f"step3_memory {quick}") and "MB per million rows" in second
    monkeypatch.setattr(all_benchmarks, "SCRIPTS", scripts[1:])
    assert all_benchmarks.main(["--quick"]) == 0


def test_every_script_is_in_the_command_for_all():
    folder = all_benchmarks.ROOT / "benchmarks"
    has_command = {file.stem for file in folder.glob("*.py") if "def main(" in file.read_text()}
    assert {module for module, _, _ in all_benchmarks.SCRIPTS} == has_command - {"__main__"}


@pytest.mark.slow
def test_serving_answers_all_listeners(monkeypatch, capsys, tmp_path):
    (quick,) = [arguments for module, arguments in QUICK if module == "serving"]
    kept = tmp_path / "serving.json"
    monkeypatch.setattr(sys, "argv", ["serving", *quick.split(), "--to", str(kept)])
    import_module("benchmarks.serving").main()
    found = json.loads(kept.read_text())
    assert 0 < found["p50_ms"] <= found["p95_ms"] <= found["most_ms"]
    assert f"p95 {found['p95_ms']} ms" in capsys.readouterr().out
