"""What a user sees of a mistake; when a step starts."""

import os
import signal
import subprocess
import sys

import pytest

from command_line import MOST, fire_commands, run_or_explain, whole_number
from commands import ROOT
from errors import UserError


def test_a_users_mistake_is_one_line_and_exit_code_2(capsys):
    def command():
        raise UserError("tags.npy is missing: run step 1")

    with pytest.raises(SystemExit) as leave:
        run_or_explain(command)
    assert leave.value.code == 2
    output = capsys.readouterr()
    assert output.err == "error: tags.npy is missing: run step 1\n"
    assert output.out == ""


@pytest.mark.parametrize(
    ("sent", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_ends_with_its_code_and_a_word(capsys, sent, code, word):
    before = signal.getsignal(sent)
    with pytest.raises(SystemExit) as leave:
        run_or_explain(lambda: os.kill(os.getpid(), sent))
    assert leave.value.code == code
    assert capsys.readouterr().err == f"{word}\n"
    assert signal.getsignal(sent) is before


def test_a_command_within_another_says_once_that_it_was_stopped(capsys):
    with pytest.raises(SystemExit) as leave:
        run_or_explain(lambda: run_or_explain(lambda: os.kill(os.getpid(), signal.SIGTERM)))
    assert (leave.value.code, capsys.readouterr().err) == (143, "terminated\n")


def test_a_sentence_is_one_line_and_steers_no_terminal(capsys):
    def command():
        raise UserError("two\nlines\x1b[31m.mp3\u2028 is missing")

    with pytest.raises(SystemExit):
        run_or_explain(command)
    assert capsys.readouterr().err == "error: two\\nlines\\x1b[31m.mp3\\u2028 is missing\n"


def test_whole_numbers_have_bounds():
    assert [whole_number("--top", value, 1) for value in (1, MOST)] == [1, MOST]
    for value, says in {0: "of at least 1", MOST + 1: f"from 1 to {MOST}, not {MOST + 1}"}.items():
        with pytest.raises(UserError, match=f"^--top must be a whole number {says}"):
            whole_number("--top", value, 1)


def test_a_fault_of_the_program_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run_or_explain(lambda: 1 / 0)


def test_success_is_silent(capsys):
    run_or_explain(lambda: None)
    assert capsys.readouterr() == ("", "")


class Steps:
    """Two commands that note how they were called."""

    def __init__(self):
        self.calls: list[tuple] = []

    def run(self, arguments: str) -> None:
        calls = self.calls

        def run(data_path, top_n, *words, seed=0, vectors="", is_subset=False):
            """Choose tags."""
            calls.append(("run", data_path, top_n, words, seed, vectors, is_subset))

        def fail(data_path):
            calls.append(("fail", data_path))
            raise UserError(f"{data_path} is not a directory")

        fire_commands({"run": run, "fail": fail}, argv=arguments.split())


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        ("run data 100", ("run", "data", 100, (), 0, "", False)),
        ("run data 2.5", ("run", "data", 2.5, (), 0, "", False)),
        ("run data 100 --seed 3", ("run", "data", 100, (), 3, "", False)),
        ("run data 100 --seed=-3", ("run", "data", 100, (), -3, "", False)),
        ("run data ten", ("run", "data", "ten", (), 0, "", False)),
        ("run data 1 jazz soul", ("run", "data", 1, ("jazz", "soul"), 0, "", False)),
        ("run data 1 --is_subset", ("run", "data", 1, (), 0, "", True)),
        ("run data 1 --is-subset", ("run", "data", 1, (), 0, "", True)),
        ("run data 1 --is_subset False", ("run", "data", 1, (), 0, "", False)),
        ("run data 1 --vectors a,b", ("run", "data", 1, (), 0, ("a", "b"), False)),
        ("run --top_n 5 --data_path d", ("run", "d", 5, (), 0, "", False)),
    ],
)
def test_understood_arguments_arrive_as_python_values(steps, capsys, arguments, call):
    steps.run(arguments)
    assert steps.calls == [call]
    assert type(steps.calls[0][2]) is type(call[2])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("run data 100 --sed 3", "--sed is not understood"),
        ("run data 100 --bogus", "--bogus"),
        ("run data", "top_n is missing"),
        ("run", "data_path is missing"),
        ("run data --seed 1", "top_n"),
        ("fail data stray", "stray is not understood"),
        ("fail data - run data 1", "'-' is not understood"),
        ("fail data -- --interactive", "'--' is not understood"),
        ("walk data", "no command walk: the commands are run, fail"),
    ],
)
def test_nothing_runs_before_all_arguments_are_understood(steps, capsys, arguments, complaint):
    with pytest.raises(SystemExit) as leave:
        steps.run(arguments)
    assert leave.value.code == 2
    assert steps.calls == []
    errors = capsys.readouterr().err
    assert complaint in errors.splitlines()[0] and "Traceback" not in errors


@pytest.mark.parametrize(
    "arguments", ["run --help", "run data 1 --help", "--help", "fail -- --help"]
)
def test_help_runs_nothing(steps, capsys, arguments):
    with pytest.raises(SystemExit) as leave:
        steps.run(arguments)
    assert leave.value.code == 0
    assert steps.calls == []


def test_help_shows_what_the_function_says(steps, capsys):
    with pytest.raises(SystemExit):
        steps.run("run --help")
    shown, errors = capsys.readouterr()  # on standard output, for `| less`
    for part in ("Choose tags.", "DATA_PATH", "TOP_N", "--seed", "--is_subset"):
        assert part in shown
    assert shown.startswith("NAME\n") and errors == ""
    assert "GROUP" not in shown and "FIRE" not in shown


def test_no_command_lists_the_commands(steps, capsys):
    steps.run("")
    shown = "".join(capsys.readouterr())
    assert "run" in shown and "fail" in shown
    assert steps.calls == []


def test_a_mistake_inside_a_step_is_explained(steps, capsys):
    with pytest.raises(SystemExit) as leave:
        steps.run("fail nowhere")
    assert leave.value.code == 2
    assert steps.calls == [("fail", "nowhere")]
    assert capsys.readouterr().err == "error: nowhere is not a directory\n"


def test_arguments_come_from_the_command_line_by_default(tmp_path):
    script = tmp_path / "step.py"
    script.write_text(
        "from command_line import fire_commands\n"
        "from errors import UserError\n"
        "def run(n):\n"
        "    print(repr(n), flush=True)\n"
        "    raise UserError('no')\n"
        "fire_commands({'run': run})\n"
    )

    def call(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, str(script), *arguments]
        environment = {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    done = call("run", "7")
    assert (done.returncode, done.stdout, done.stderr) == (2, "7\n", "error: no\n")
    done = call("run", "7", "--verbose")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_a_text_argument_stays_a_text():
    calls = []

    def run(data_path: str, top_n: int, vectors: str = "", id_map: str | None = None) -> None:
        calls.append((data_path, top_n, vectors, id_map))

    fire_commands({"run": run}, ["run", "1_000", "1_000", "--vectors=a,b", "--id_map", "2024"])
    fire_commands({"run": run}, ["run", "[x]", "7"])
    assert calls == [("1_000", 1000, "a,b", "2024"), ("[x]", 7, "", None)]


@pytest.mark.parametrize(
    ("arguments", "bare"),
    [
        ("run data --name", "--name"),
        ("run data --name --seed 1", "--name"),
        ("run data -n -s 1", "-n"),
        ("run --data-path --seed 1", "--data-path"),
        ("run data --id_map", "--id_map"),
    ],
)
def test_a_text_option_without_a_value_is_told(capsys, arguments, bare):
    """Fire would take the text 'True' for it."""
    calls = []

    def run(data_path: str, name: str = "", seed: int = 0, id_map: str | None = None) -> None:
        calls.append((data_path, name, seed, id_map))

    with pytest.raises(SystemExit) as leave:
        fire_commands({"run": run}, arguments.split())
    errors = capsys.readouterr().err
    assert (leave.value.code, calls) == (2, [])
    assert errors == f"error: {bare} needs a value: give it, or leave that out\n"
    fire_commands({"run": run}, ["run", "data", "--name", "-1", "--seed", "2", "--id_map="])
    assert calls == [("data", "-1", 2, "")]


def test_words_stay_words():
    calls = []

    def search(index: str, *words: str, top: int = 10) -> None:
        calls.append((index, words, top))

    words = ["sad,", "1980", "1_000", "[jazz]", "a,b", "True"]
    fire_commands({"search": search}, ["search", "2024", *words, "--top", "3"])
    assert calls == [("2024", tuple(words), 3)]
