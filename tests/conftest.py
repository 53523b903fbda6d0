"""Dataset directories and models that tests start from."""

from pathlib import Path

import pytest
from hypothesis import settings

from main_runs import AUDIO_OPTIONS, train
from planted import write_planted, write_planted_mels

settings.register_profile("any machine", deadline=None)  # a busy one takes its time
settings.load_profile("any machine")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are named by their number: gzip writes the time into them, where processes differ."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and len(val) > 16 else None


@pytest.fixture
def dataset_dir(tmp_path: Path) -> Path:
    """A directory that a test may change."""
    return write_planted(tmp_path / "data")


@pytest.fixture(scope="session")
def shared_dataset_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that tests only read."""
    return write_planted(tmp_path_factory.mktemp("shared") / "data")


@pytest.fixture(scope="session")
def audio_dataset_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small directory with spectrograms that tests only read."""
    return write_planted_mels(write_planted(tmp_path_factory.mktemp("audio") / "data", 60))


@pytest.fixture(scope="session")
def trained(shared_dataset_dir, tmp_path_factory) -> Path:
    """A folder with the checkpoints of two epochs."""
    folder = tmp_path_factory.mktemp("trained")
    train(shared_dataset_dir, folder, n_epochs=2)
    return folder


@pytest.fixture(scope="session")
def trained_on_audio(audio_dataset_dir, tmp_path_factory) -> Path:
    """A folder with the checkpoints of an acoustic branch that has learnt something."""
    folder = tmp_path_factory.mktemp("audio")
    changed = {"input_type": "spec", "n_epochs": 3, "is_balanced": True} | AUDIO_OPTIONS
    # With these it finds 2.4 to 2.9 times chance, whatever the seed and number of threads.
    changed |= {"anchors_per_song": 16, "lr_schedule": "cosine"}
    train(audio_dataset_dir, folder, **changed)
    return folder
