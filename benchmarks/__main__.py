"""Run all benchmarks, one after the other, each in a process of its own.

    python -m benchmarks [--quick]

With --quick at tiny sizes, to see that they run; the times then mean nothing. One that cannot run
here is told with its reason, the others go on, and the exit code is 1.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = [  # module, its arguments, its arguments with --quick
    ("training_step", "", "--repeats 1 --n_songs 200 --n_triplets 256"),
    ("losses", "", "--repeats 1 --n_songs 200 --batch_size 64"),
    ("scoring", "", "--repeats 1 --n_songs 300 --n_tags 5"),
    ("scoring", "--repeats 3 --n_songs 25000 --n_tags 500", ""),
    ("chunk_loading", "", "--repeats 1 --n_songs 4"),
    ("acoustic_step", "", "--repeats 1 --batch_size 2"),
    ("mel_spectrogram", "", "--repeats 2 --n_files 1 --num_workers 1"),
    ("song_features", "", ""),  # fetches the package of musicnn
    ("step3_memory", "2 5 10", "0.01 0.02"),
    (
        "whole_run",
        "--input_type cf",
        "--input_type cf --songs 100 --epochs 2 --reference_steps 1 --triplets_per_epoch 64 "
        "--batch_size 32",
    ),
    (
        "whole_run",
        "--input_type spec",
        "--input_type spec --songs 20 --frames 150 --epochs 2 --reference_steps 1 --num_chunk 1 "
        "--triplets_per_epoch 4 --batch_size 2 --input_length 128",
    ),
    (
        "shared_machine",
        "--input_type cf --is_balanced --is_weighted",
        "--input_type cf --songs 100 --triplets_per_epoch 64 --n_epochs 1 --repeats 1",
    ),
    ("growth", "", "--n_songs 50 --times 1 2"),
    ("search", "", "--n_songs 600 --kind flat --n_queries 10"),
    ("serving", "", "--n_songs 600 --listeners 3 --n_queries 2"),
    (
        "precision",  # on the demo that run.sh makes
        "data/demo --input_type spec --w2v_type music --is_balanced --is_weighted --batch_size 16 "
        "--input_length 128 --num_chunk 2 --anchors_per_song 64 --lr 5e-4 --triplets_per_epoch 480 "
        "--n_epochs 20",
        "",
    ),
]


def run(module: str, arguments: str) -> str:
    """Run a script; return why it could not, '' if it could."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments.split()],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return said[-1] if done.returncode else ""


def main(argv: list[str] | None = None) -> int:
    """Run all; return the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that they run")
    is_quick = parser.parse_args(argv).quick
    failed = 0
    for module, usual, quick in SCRIPTS:
        if is_quick and not quick:
            continue  # another size of what has run, or one that needs data
        command = f"{module} {quick if is_quick else usual}".strip()
        print(f"\n## python -m benchmarks.{command}\n", flush=True)
        why = run(module, quick if is_quick else usual)
        if why:
            failed += 1
            print(f"cannot run here: {why}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
