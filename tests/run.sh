#!/usr/bin/env bash
# Set up .venv and run the tests; arguments pass to pytest:  bash tests/run.sh tests/test_sampler.py
cd "$(dirname "$0")/.."
. ./environment.sh tests/requirements.txt
# Two processes with one thread each: the models in the tests are too small for more threads.
export OMP_NUM_THREADS=1
exec .venv/bin/python -m pytest -n 2 "$@"
