"""The house: no file imports from a floor above its own; training imports no tool of the steps."""

import ast
from pathlib import Path

import pytest

from commands import ROOT, run_command

FLOORS = [
    {"errors", "losses", "metrics", "sampler", "modules", "dataset", "command_line", "progress"}
    | {"interrupts", "encoders", "fusion", "processes", "graphed_step", "fused_block"}
    | {"option_values"},
    {"model", "mel_chunks", "preprocessing", "neptune_logger", "results", "options", "threads"},
    {"solver", "data_loader", "released_checkpoint", "training_lines"},
    {"checkpoint", "trainer"},
    {"train_test", "retrieval"},
    {"main", "retrieve", "step0_dataset", "step1_data_split", "step2_word_embedding"}
    | {"step3_taste_profile", "step4_mel_spectrogram", "step5_song_features"},
    {"experiments", "benchmarks"},
]
FLOOR = {name: number for number, floor in enumerate(FLOORS) for name in floor}
STEP_TOOLS = ("gensim", "librosa", "implicit", "pandas", "fire", "neptune", "faiss")
STEP_TOOLS += ("soundfile", "soxr", "torchaudio", "sklearn")


def project_files() -> list[Path]:
    top = [path for path in ROOT.glob("*.py")]
    return sorted(top + [path for name in FLOOR for path in (ROOT / name).rglob("*.py")])


def imported(path: Path) -> set[str]:
    """Modules that a file imports, and the rooms that they are in."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
    return names | {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", project_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_come_from_floors_below(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert room in FLOOR, f"{room} has no floor"
    for name in imported(path) & set(FLOOR):
        same_package = name == room
        assert FLOOR[name] < FLOOR[room] or same_package or FLOOR[name] == FLOOR[room] == 0, (
            f"{path} imports {name}"
        )


def test_progress_is_shown_in_one_way():
    for path in project_files():
        assert path.name == "progress.py" or "tqdm" not in imported(path), path


def test_nothing_imports_main():
    assert not [path for path in project_files() if "main" in imported(path)]


@pytest.mark.parametrize(
    ("room", "stranger"),
    [
        ("model", "pytorch_lightning"),
        ("sampler", "dataset"),
        ("losses", "dataset"),
        ("metrics", "dataset"),
    ],
)
def test_rooms_stay_ignorant(room, stranger):
    assert stranger not in imported(ROOT / f"{room}.py")


def test_preprocessing_knows_nothing_of_models():
    """Except the encoders that step 5 runs; and tensors are where numbers are computed alone."""
    for path in (ROOT / "preprocessing").rglob("*.py"):
        assert not imported(path) & {"model", "modules", "sampler", "losses"}
        assert path.parent.name == "features" or "encoders" not in imported(path)
        is_free = path.name in ("mel_spectrogram.py", "song_layers.py")
        assert is_free or not imported(path) & {"torch", "torchaudio"}


def test_training_pulls_in_no_tool_of_the_steps(tmp_path):
    script = tmp_path / "look.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import train_test; "
        f"print([name for name in {STEP_TOOLS} if name in sys.modules])"
    )
    done = run_command(script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_help_pulls_in_no_torch(tmp_path):
    script = tmp_path / "look.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import main, options; "
        "options.parse_options([]); print('torch' in sys.modules)"
    )
    assert run_command(script).stdout.strip() == "False"
