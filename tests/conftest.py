"""Dataset directories that tests start from."""

from pathlib import Path

import pytest

from planted import write_planted, write_planted_mels


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
