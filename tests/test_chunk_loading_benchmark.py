"""The benchmark of the caches: what a process reads and takes, and where a group ends it."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import chunk_loading
from dataset.mel_index import FRAMES

pytestmark = pytest.mark.slow
has_groups = os.geteuid() == 0 and os.access("/sys/fs/cgroup/memory/cgroup.procs", os.W_OK)


def test_a_process_tells_what_it_reads_and_how_much_it_takes(tmp_path):
    assert chunk_loading.write_store(tmp_path, 3 * 2**20) == 9
    call = f"read_chunks({str(tmp_path)!r}, 9, 'disk', 2)"
    found = chunk_loading.in_own_process(call)
    assert found["chunks_a_second"] > 0 and 50 < found["own_memory_mb"] < 1000
    if has_groups:
        with chunk_loading.memory_group(60) as group:
            assert chunk_loading.in_own_process(call, group)["killed"] == -9


def test_pages_of_a_file_are_forgotten_and_its_content_is_not(tmp_path):
    chunk_loading.write_store(tmp_path, 3 * 2**20)
    before = np.load(tmp_path / FRAMES)
    chunk_loading.forget_pages(Path(tmp_path) / FRAMES)
    np.testing.assert_array_equal(np.load(tmp_path / FRAMES), before)
