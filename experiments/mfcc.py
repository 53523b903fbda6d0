r"""The branches of a model against a simple baseline: song features and logistic regression.

    python -m experiments.mfcc DATA_PATH RESULT_DIR --seeds 0,1,2 [options of main.py]
    python -m experiments.mfcc DATA_PATH RESULT_DIR --features mfcc,musicnn \
        --input_types musicnn,spec+musicnn --losses triplet,sigmoid,infonce

The baseline describes a song by mean and standard deviation of 20 MFCC over time, or by the vectors
of step 5, and learns each tag by a logistic regression of its own, whose regularisation is chosen
on the validation split. A model is trained for each input type with each loss. All are trained on
the same training songs and tested on the same test songs. Prints the table and writes it to
RESULT_DIR/mfcc.md, and every run to mfcc.json.
"""

import argparse
from pathlib import Path

import numpy as np

from checkpoint import open_asked
from command_line import existing_file, names_in, run_or_explain
from dataset.directory import Dataset
from dataset.files import SPLITS, song_inputs
from dataset.mel_store import MEL_SETTINGS
from errors import UserError
from experiments.finished import Job, check_same_test, contents
from experiments.runs import Column, command_parser, parse_command, run_seeds, write_results
from metrics import mean_over_tags, score_tags
from options import Options, merge_options, parse_options
from progress import progress
from results import collect_results, provenance

STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.1, 1.0, 10.0)  # inverse of the regularisation
AUDIO_THERE = "the audio must be where step 0 noted it, see songs.tsv"


def mfcc_statistics(file: Path) -> np.ndarray:
    """Mean and standard deviation over time of 20 MFCC of an audio file, (40,) float."""
    import librosa

    from preprocessing.mel.audio_files import read_audio

    sample_rate = MEL_SETTINGS["sample_rate"]
    samples, _ = read_audio(file, sample_rate, lambda blocks: np.concatenate(list(blocks)))
    mfcc = librosa.feature.mfcc(y=samples, sr=sample_rate, n_mfcc=20)  # (20, frames)
    return np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)])


def baseline_scores(features: dict[str, np.ndarray], train_tags: np.ndarray, strength: float):
    """Fit one classifier a tag on the training songs: split -> scores (T, songs of the split).

    A tag that all or none of the training songs bear scores all songs alike.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores = {part: np.zeros((train_tags.shape[1], len(features[part]))) for part in SPLITS}
    for tag in np.flatnonzero(train_tags.any(axis=0) & ~train_tags.all(axis=0)):
        classifier = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
        model = make_pipeline(StandardScaler(), classifier)
        model.fit(features["train"], train_tags[:, tag])
        for part in SPLITS:
            scores[part][tag] = model.decision_function(features[part])
    return scores


def song_features(dataset: Dataset, name: str) -> dict[str, np.ndarray]:
    """Features (songs, F) of each split: 'mfcc', or the vectors of that name."""
    if name in dataset.vectors:
        return {part: dataset.vectors[name][songs] for part, songs in dataset.splits.items()}
    from preprocessing.mel.sources import audio_sources

    sources = audio_sources(dataset.path, audio_path=None)
    files = {source.song_id: source.file for source in sources}
    ids = {part: [dataset.song_ids[song] for song in dataset.splits[part]] for part in SPLITS}
    return {
        part: np.stack(
            [mfcc_of(song_id, files[song_id]) for song_id in progress(names, f"MFCC, {part}")]
        )
        for part, names in ids.items()
    }


def mfcc_of(song_id: str, file: Path | None) -> np.ndarray:
    """`mfcc_statistics` of a song; `UserError` if its audio is not there or cannot be read."""
    from preprocessing.mel.audio_files import AudioError

    try:
        return mfcc_statistics(existing_file(file or song_id, AUDIO_THERE))
    except AudioError as error:
        raise UserError(f"{file} cannot be read ({error}): {AUDIO_THERE}") from None


def run_baseline(dataset: Dataset, options: Options, name: str) -> dict:
    """Train the baseline, choose its strength on the validation split, score the test split."""
    features = song_features(dataset, name)
    truth = {part: dataset.song_tags[songs] for part, songs in dataset.splits.items()}
    tried = {
        strength: baseline_scores(features, truth["train"], strength) for strength in STRENGTHS
    }

    def validation_map(strength: float) -> float:
        per_tag = score_tags(tried[strength]["valid"], truth["valid"].T)
        return mean_over_tags(per_tag)["map"]

    best = max(STRENGTHS, key=validation_map)
    results = collect_results(score_tags(tried[best]["test"], truth["test"].T), dataset, "test")
    made_by = provenance(options.to_store(), dataset)
    return {**results, "made_by": {**made_by, "baseline": {"features": name, "strength": best}}}


def models(input_types: list[str], losses: list[str]) -> dict[str, Column]:
    """Columns of the models."""
    acoustic = {("spec", "triplet"): "acoustic branch"}
    return {
        acoustic.get((kind, loss), f"{kind}, {loss}"): Column(
            ["--input_type", kind, "--loss", loss]
        )
        for kind in input_types
        for loss in losses
    }


def feature_names(text: str) -> list[str]:
    """Names of features in a list; `UserError` for a song input that is no vectors of one kind."""
    names = list(dict.fromkeys(names_in(text)))
    for name in names:
        if len(song_inputs(name)) > 1 or name == "spec":
            raise UserError(
                f"--features {name} has no vectors of its own: give mfcc for the sound, cf, or "
                "NAME of a file NAME_songs.npy, with commas between"
            )
    return names


def baselines(names: list[str], kinds: list[str], given: argparse.Namespace) -> dict[str, Job]:
    """Features -> the column of their baseline, by the options that its data is opened with."""
    asked = parse_options([*given.options, "--data_path", given.data_path])
    of_mfcc = {"input_type": kinds[0]} if kinds else {}  # the songs of the first model
    return {
        name: Job(
            f"{'MFCC' if name == 'mfcc' else name} + logistic regression",
            given.result_dir,
            asked | (of_mfcc if name == "mfcc" else {"input_type": name}),
        )
        for name in names
    }


def main() -> None:
    """Run baselines and models and print the table."""
    parser = command_parser(__doc__)
    parser.add_argument("--features", default="mfcc", help="mfcc, musicnn, ...; with commas")
    parser.add_argument("--input_types", default="spec", help="of the models, with commas")
    parser.add_argument("--losses", default="triplet", help="of the models, with commas")
    given = parse_command(parser)
    kinds = names_in(given.input_types)
    columns = models(kinds, names_in(given.losses))
    compared = baselines(feature_names(given.features), kinds, given)
    jobs = [*compared.values()]
    jobs += [column.job(name, given, given.seeds[0]) for name, column in columns.items()]
    if not jobs:
        raise UserError("--features and --input_types name nothing: give such as --features mfcc")
    check_same_test(jobs, contents(jobs))  # before anything is computed
    found = {}
    for name, job in compared.items():
        options = merge_options(job.given)
        found[job.column] = [run_baseline(open_asked(options), options, name)]
    found |= run_seeds(given, columns)
    write_results(given, "mfcc", found)


if __name__ == "__main__":
    run_or_explain(main)
