"""Loaded by Python as it starts: ends the process at the n-th call that changes the disk.

FAULT_AT is n; FAULT_COUNT names a file that gets the number of calls of a whole run. FAULT_CLOCK
makes time.time() jump by years, back and forth, from call to call.
"""

import atexit
import os
import pathlib
import random
import signal
import time

# Taken away: processes that this one starts are not meant.
_at = int(os.environ.pop("FAULT_AT", 0))
_count_file = os.environ.pop("FAULT_COUNT", "")
_calls = 0


def _counted(function):
    def call(*arguments, **named):
        global _calls
        _calls += 1
        if _calls == _at:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)

    return call


if _at or _count_file:
    for _name in ("replace", "rename", "fsync", "unlink", "mkdir", "rmdir", "truncate"):
        setattr(os, _name, _counted(getattr(os, _name)))
if _count_file:
    atexit.register(lambda: pathlib.Path(_count_file).write_text(str(_calls)))

if os.environ.get("FAULT_CLOCK"):
    _true_time, _rng = time.time, random.Random(0)
    time.time = lambda: _true_time() + _rng.uniform(-3e8, 3e8)
