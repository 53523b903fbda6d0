#!/usr/bin/env bash
# Test a checkpoint:  DATA_PATH=directory MODEL_LOAD_PATH=checkpoint bash eval.sh [OPTIONS of main.py]
# Without DATA_PATH: the acoustic model that run.sh trained on the demo data set.
set -eu
root=$(cd "$(dirname "$0")" && pwd)
(cd "$root" && . ./environment.sh requirements.txt)
if [ -z "${DATA_PATH:-}" ]; then
    DATA_PATH=$root/data/demo
    MODEL_LOAD_PATH=${MODEL_LOAD_PATH:-$root/checkpoints/demo/spec}
fi
exec "$root/.venv/bin/python" -u "$root/main.py" --mode TEST --data_path "$DATA_PATH" \
    --model_load_path "${MODEL_LOAD_PATH:-checkpoints}" "$@"
