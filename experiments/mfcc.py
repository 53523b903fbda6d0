"""The acoustic branch against a simple baseline: MFCC statistics and logistic regression.

    python -m experiments.mfcc DATA_PATH RESULT_DIR --seeds 0,1,2 [options of main.py]

The baseline describes a song by mean and standard deviation of 20 MFCC over time and learns each
tag by a logistic regression of its own, whose regularisation is chosen on the validation split.
Both are trained on the same training songs and tested on the same test songs. Prints the table and
writes it to RESULT_DIR/mfcc.md, and every run to mfcc.json.
"""

from pathlib import Path

import numpy as np

from checkpoint import open_asked
from command_line import run_or_explain
from dataset.directory import Dataset
from dataset.files import SPLITS
from dataset.mel_store import MEL_SETTINGS
from experiments.runs import command_parser, parse_command, run_seeds, write_results
from metrics import mean_over_tags, score_tags
from options import Options, merge_options, parse_options
from progress import progress
from results import collect_results, provenance

STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # inverse of the regularisation


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


def run_baseline(dataset: Dataset, options: Options) -> dict:
    """Train the baseline, choose its strength on the validation split, score the test split."""
    from preprocessing.mel.sources import audio_sources

    sources = audio_sources(dataset.path, audio_path=None)
    files = {source.song_id: source.file for source in sources}
    ids = {part: [dataset.song_ids[song] for song in dataset.splits[part]] for part in SPLITS}
    features = {
        part: np.stack(
            [mfcc_statistics(files[song_id]) for song_id in progress(names, f"MFCC, {part}")]
        )
        for part, names in ids.items()
    }
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
    return {**results, "made_by": {**made_by, "baseline": {"mfcc": 20, "strength": best}}}


def main() -> None:
    """Run baseline and acoustic branch and print the table."""
    given = parse_command(command_parser(__doc__))
    given.options += ["--input_type", "spec"]
    asked = merge_options(parse_options([*given.options, "--data_path", given.data_path]))
    baseline = run_baseline(open_asked(asked), asked)
    found = {"MFCC + logistic regression": [baseline], **run_seeds(given, {"acoustic branch": []})}
    write_results(given, "mfcc", found)


if __name__ == "__main__":
    run_or_explain(main)
