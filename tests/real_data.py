"""Real data sets, where they are: below TAG_RETRIEVAL_DATA, or beside the project."""

import os
from pathlib import Path

import pytest

from commands import ROOT

REAL = Path(os.environ.get("TAG_RETRIEVAL_DATA", ROOT.parent / "shared" / "data"))


def real_data(name: str) -> Path:
    """Path of a real data set, a folder or file; skip the test where it is missing."""
    if not (REAL / name).exists():
        pytest.skip(f"{name} is not in {REAL} (set TAG_RETRIEVAL_DATA to the folder that has it)")
    return REAL / name
