#!/usr/bin/env bash
# Without DATA_PATH: make the demo data set, run the steps on it, train and test
# the paper's three models and one on musicnn's vectors.
# With DATA_PATH=directory: train the paper's best configuration on that dataset directory, or with
# RECIPE=name the options in recipes/name.args, such as cultural.
# Options of main.py pass through:  DATA_PATH=... bash run.sh --w2v_type music --seed 1
set -eu
root=$(cd "$(dirname "$0")" && pwd)
(cd "$root" && . ./environment.sh requirements.txt)
python=$root/.venv/bin/python

if [ -n "${DATA_PATH:-}" ]; then  # its path, and those in options, from where the user stands
    exec "$python" -u "$root/main.py" "@$root/recipes/${RECIPE:-paper}.args" --mode TRAIN \
        --data_path "$DATA_PATH" "$@"
fi

cd "$root"
data=data/demo
save=checkpoints/demo
$python -u step0_dataset.py demo $data
$python -u step1_data_split.py run $data 40 4
$python -u step2_word_embedding.py train $data $data/corpus.txt --sample 0.01
$python -u step2_word_embedding.py run $data
$python -u step3_taste_profile.py train $data $data/triplets.tsv --factors 32
$python -u step4_mel_spectrogram.py run $data

train_and_test() {  # INPUT_TYPE OPTIONS...
    input_type=$1
    shift
    $python -u main.py @recipes/paper.args --mode TRAIN --input_type "$input_type" \
        --w2v_type music "$@" --data_path $data --model_save_path $save/"$input_type"
    $python -u main.py --mode TEST --data_path $data --model_load_path $save/"$input_type"
}
train_and_test cf --lr 1e-3 --n_epochs 5 "$@"
train_and_test spec @recipes/small_cpu.args --n_epochs 6 "$@"
train_and_test hybrid @recipes/small_cpu.args --n_epochs 4 "$@"
models="$save/spec $save/cf $save/hybrid"
if $python -u step5_song_features.py run $data; then  # fetches musicnn: without a network no column
    train_and_test musicnn @recipes/cultural.args "$@"
    models="$models $save/musicnn"
fi
$python -u -m experiments.compare $models --to $save
