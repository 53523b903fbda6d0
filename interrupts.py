"""Ctrl-C while a command still loads what it needs ends it as later, see `run_or_explain`.

Imported before all else. Nothing is begun by then, so that the process may end at once; an
exception would come out of an import as a traceback or as another error, or be lost in it.
"""

import os
import signal
import sys
from os.path import dirname, realpath


def _starts_a_command() -> bool:
    """Whether Python starts one of the commands; tests and notebooks import them as well."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    is_script = bool(script) and dirname(realpath(script)) == dirname(realpath(__file__))
    return is_script or sys.argv[:1] == ["-m"]  # so it is until the module to be run is loaded


def _end(_signal_number: int, _frame) -> None:
    os.write(2, b"interrupted\n")
    os._exit(130)


if _starts_a_command():
    signal.signal(signal.SIGINT, _end)
