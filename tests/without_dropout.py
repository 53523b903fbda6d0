"""main.py --mode TRAIN without dropout, in all its processes: what is left is no chance."""

import importlib
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

importlib.import_module("modules").HalfDropout.forward = lambda self, x: x

if __name__ == "__main__":
    from command_line import run_or_explain
    from options import parse_options
    from train_test import train

    run_or_explain(lambda: train(parse_options()))
