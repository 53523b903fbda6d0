"""A bar where somebody watches; in a log file a few plain lines, in steps and in training."""

import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from commands import ROOT, run_command

LOOP = """
import sys, time
sys.path.insert(0, {root!r})
import progress
progress.LINE_EVERY = {every}
for _ in progress.progress(range(50), "songs", unit=" songs"):
    time.sleep(0.01)
with progress.progress(None, "rows", unit=" rows", leave=False) as bar:
    for _ in range(50):
        bar.update(1000)
        time.sleep(0.01)
"""
TRAIN = ("main.py", "--input_type", "cf", "--w2v_type", "google", "--n_epochs", "3")
TRAIN += ("--triplets_per_epoch", "64", "--batch_size", "32", "--gpu_id", "cpu")
TRAIN += ("--num_threads", "2")


def loop(folder: Path, every: float) -> Path:
    script = folder / "loop.py"
    script.write_text(LOOP.format(root=str(ROOT), every=every))
    return script


def on_a_terminal(*arguments: str | Path) -> str:
    """What a command shows on a terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    command = [sys.executable, *map(str, arguments)]
    shown = b""
    with subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # so Linux says that nobody writes any more
            pass
    os.close(ours)
    assert running.returncode == 0, shown
    return shown.decode().replace("\r\n", "\n")


def test_a_log_file_gets_a_plain_line_now_and_then(tmp_path):
    done = run_command(loop(tmp_path, every=0.2))
    assert done.returncode == 0, done.stderr
    assert "\r" not in done.stderr and "\x1b" not in done.stderr
    lines = done.stderr.splitlines()
    songs = [line for line in lines if line.startswith("songs: ")]
    rows = [line for line in lines if line.startswith("rows: ")]
    assert sorted(songs + rows) == sorted(lines)
    assert 2 <= len(songs) <= 12 and "of 50 [" in songs[0]
    assert songs[-1].startswith("songs: 50 of 50 [")
    assert 1 <= len(rows) <= 12


def test_what_is_soon_over_says_nothing_in_a_log_file(tmp_path):
    assert run_command(loop(tmp_path, every=30)).stderr == ""


def test_a_terminal_shows_a_bar(tmp_path):
    shown = on_a_terminal(loop(tmp_path, every=30))
    assert shown.count("\rsongs: ") > 3
    assert "songs: 100%|█" in shown


@pytest.fixture(scope="module")
def trained(shared_dataset_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    done = run_command(*TRAIN, "--data_path", shared_dataset_dir, "--model_save_path", folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_training_into_a_log_file_tells_of_each_epoch_once(trained):
    _, done = trained
    assert "\r" not in done.stderr + done.stdout
    told = [line for line in done.stderr.splitlines() if line.startswith("epoch ")]
    assert [line.partition(":")[0] for line in told] == [f"epoch {n} of 3" for n in (1, 2, 3)]
    for line in told:
        numbers = line.partition(": loss ")[2].split(", validation MAP ")
        assert [0 < float(number) < 1 for number in numbers] == [True, True], line


def test_training_says_how_its_threads_wait(trained):
    assert trained[1].stdout.count("2 threads on the CPU, which wait ") == 1


@pytest.mark.slow
def test_testing_into_a_log_file_draws_nothing(trained, shared_dataset_dir):
    folder, _ = trained
    arguments = ("--data_path", shared_dataset_dir, "--model_load_path", folder)
    done = run_command("main.py", "--mode", "TEST", *arguments, "--gpu_id", "cpu")
    assert done.returncode == 0, done.stderr
    assert "\r" not in done.stderr + done.stdout and "Testing" not in done.stderr + done.stdout


def test_training_on_a_terminal_shows_a_bar(shared_dataset_dir, tmp_path):
    shown = on_a_terminal(*TRAIN, "--data_path", shared_dataset_dir, "--model_save_path", tmp_path)
    assert "\rEpoch 2: 100%" in shown
    assert "epoch 1 of 3" not in shown


def test_a_long_epoch_tells_how_far_it_is(monkeypatch, capsys):
    from types import SimpleNamespace

    import training_lines

    clock = iter([0.0, 10.0, 31.0, 31.0, 40.0, 62.0, 62.0])
    monkeypatch.setattr(training_lines.time, "monotonic", lambda: next(clock))
    lines = training_lines.TrainingLines()
    trainer = SimpleNamespace(
        current_epoch=4, max_epochs=9, num_training_batches=7, num_test_batches=[8]
    )
    for batch_idx in range(3):
        lines.on_train_batch_end(trainer, None, None, None, batch_idx)
    lines.on_test_batch_end(trainer, None, None, None, 5)
    assert capsys.readouterr().err == "epoch 5 of 9: batch 2 of 7\ntest: batch 6 of 8\n"
