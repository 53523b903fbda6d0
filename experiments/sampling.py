"""Sampling matters (the paper's Table 1): random, balanced, balanced-weighted over seeds.

    python -m experiments.sampling DATA_PATH RESULT_DIR --seeds 0,1,2 [options of main.py]

Prints the table and writes it to RESULT_DIR/sampling.md; `experiments/runs.py` says what a second
start does.
"""

from dataset_files import staged
from errors import run_or_explain
from experiments.runs import as_table, parse_command, run_seeds

SAMPLINGS = {
    "random": [],
    "balanced": ["--is_balanced"],
    "balanced-weighted": ["--is_balanced", "--is_weighted"],
}


def main() -> None:
    """Run all samplings with all seeds and print the table."""
    given, options = parse_command(__doc__)
    found = run_seeds(given.data_path, given.result_dir, SAMPLINGS, given.seeds, options)
    table = as_table(found, given.data_path, given.seeds)
    with staged(given.result_dir) as stage:
        (stage / "sampling.md").write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    run_or_explain(main)
