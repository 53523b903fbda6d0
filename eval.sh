#!/usr/bin/env bash
# Test a checkpoint:  DATA_PATH=directory MODEL_LOAD_PATH=checkpoint bash eval.sh [OPTIONS of main.py]
cd "$(dirname "$0")"
. ./environment.sh
exec .venv/bin/python -u main.py --mode TEST --data_path "${DATA_PATH:-data/demo}" \
    --model_load_path "${MODEL_LOAD_PATH:-checkpoints/demo}" "$@"
