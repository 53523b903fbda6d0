"""main.py --mode TRAIN without dropout and with the branches in double precision, in each process.

What is left is no chance: in single precision Adam's first steps follow the sign of gradients that
are rounding and nothing else.
"""

import importlib
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

fusion, model, modules = map(importlib.import_module, ("fusion", "model", "modules"))
modules.HalfDropout.forward = lambda self, x: x


def in_double(make):
    """`make`, of whose network the inputs are brought to double precision, and the output back."""

    def make_double(*sizes):
        network = make(*sizes).double()
        network.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
        network.register_forward_hook(lambda _, inputs, out: out.float())
        return network

    return make_double


model.song_head = fusion.song_head = in_double(modules.song_head)
model.tag_head = in_double(modules.tag_head)
fusion.projection_head = in_double(modules.projection_head)
model.ACOUSTIC["short-chunk"] = in_double(modules.ShortChunkCNN)

if __name__ == "__main__":
    from command_line import run_or_explain
    from options import parse_options
    from train_test import train

    run_or_explain(lambda: train(parse_options()))
