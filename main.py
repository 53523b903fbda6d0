"""Train a model on a dataset directory (--mode TRAIN) or test a checkpoint (--mode TEST)."""

from command_line import run_or_explain
from options import parse_options


def main() -> None:
    """Parse the command line and run the mode."""
    given = parse_options()
    from train_test import test, train  # torch takes seconds: not for --help, nor for a misspelling

    {"TRAIN": train, "TEST": test}[given.get("mode", "TRAIN")](given)


if __name__ == "__main__":
    run_or_explain(main)
