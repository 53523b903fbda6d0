"""main.py --mode TRAIN without dropout, and with the CNN in double precision, in all its processes.

What is left is no chance: in single precision Adam's first steps follow the sign of gradients that
are rounding and nothing else.
"""

import importlib
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

modules = importlib.import_module("modules")
modules.HalfDropout.forward = lambda self, x: x


class DoubleCNN(modules.ShortChunkCNN):
    def __init__(self, n_outputs: int):
        super().__init__(n_outputs)
        self.double()

    def forward(self, spec):
        return super().forward(spec.double()).float()


importlib.import_module("model").ACOUSTIC["short-chunk"] = DoubleCNN

if __name__ == "__main__":
    from command_line import run_or_explain
    from options import parse_options
    from train_test import train

    run_or_explain(lambda: train(parse_options()))
