r"""Songs like a song: of the ten nearest to a test song, how many share a tag with it.

    python -m experiments.similar_songs DATA_PATH RESULT_DIR --input_type cf [options of main.py]
    python -m experiments.similar_songs DATA_PATH RESULT_DIR --input_type musicnn \
        --features musicnn,mfcc [options of main.py]

A model is trained with each recipe, the paper's triplets and recipes/cultural.args, or with each
`--variant "NAME=OPTIONS"`, as experiments.variants takes them. Its embeddings stand beside the
cosine of the features themselves (all but `cf` brought to mean 0 and deviation 1 over the training
songs) and chance. Answers are all songs, as in an index, or the test songs alone; never those of
the query's artist. Prints the tables and writes them to RESULT_DIR/similar_songs.md, and every run
to similar_songs.json.
"""

import argparse
from typing import Any

import numpy as np

from command_line import run_or_explain
from dataset.directory import Dataset, open_dataset
from dataset.files import SPLITS, normal_form, read_songs
from experiments.mfcc import feature_names, song_features
from experiments.runs import (
    BALANCED_WEIGHTED,
    CULTURAL,
    Column,
    command_parser,
    open_model,
    parse_command,
    run_seeds,
    runs_of,
    write_report,
)
from experiments.tables import CHANCE, budgets, markdown, mean_and_deviation
from experiments.variants import VARIANT, variant_columns
from options import Options, merge_options, parse_options
from results import provenance
from retrieval.embedding import embed_songs
from retrieval.song_index import unit_length

N_ANSWERS = 10
RECIPES = {
    "paper": Column(["--loss", "triplet", *BALANCED_WEIGHTED]),
    "cultural": Column(["--loss", "sigmoid"], CULTURAL),
}
ANSWERS = {"all songs": SPLITS, "test songs": ("test",)}


class Questions:
    """Test songs as queries, and the songs of the splits `parts`, which may answer them."""

    def __init__(self, dataset: Dataset, parts: tuple[str, ...]):
        self.queries = dataset.splits["test"]  # indices of songs (Q,)
        self.answers = np.concatenate([dataset.splits[part] for part in parts])  # (N,)
        known = {song.song_id: song.artist for song in read_songs(dataset.path)}
        ids = [normal_form(song_id) for song_id in dataset.song_ids]
        artists = np.array([known.get(one) or f"\t{one}" for one in ids])  # not known: its own
        # (Q, N): an answer is another song than the query, and of another artist as far as known
        self.is_apart = artists[self.queries, None] != artists[self.answers]
        self.is_apart &= self.queries[:, None] != self.answers
        kinds = np.array([dataset.categories.get(tag, "") for tag in dataset.tags])
        columns = {"any tag": np.ones(len(kinds), dtype=bool)}
        columns |= {kind: kinds == kind for kind in sorted({*kinds} - {""})}
        tags = dataset.song_tags.astype(np.float32)
        asked, answers = tags[self.queries], tags[self.answers]
        self.shares = {  # (Q, N): query and answer share a tag of the category
            name: asked[:, chosen] @ answers[:, chosen].T > 0 for name, chosen in columns.items()
        }
        # (Q,): the query bears a tag of it
        self.has_tag = {name: asked[:, chosen].any(axis=1) for name, chosen in columns.items()}

    def precision(self, vectors: np.ndarray) -> dict[str, float | None]:
        """Mean precision at 10 of the nearest songs, by what is shared.

        By vectors of every song of the dataset, (songs, E), over the queries that bear a tag of the
        category; None where none does.
        """
        places = unit_length(vectors)
        cosine = places[self.queries] @ places[self.answers].T
        cosine[~self.is_apart] = -np.inf
        nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :N_ANSWERS]
        right = {
            name: np.take_along_axis(shares & self.is_apart, nearest, axis=1).mean(axis=1)
            for name, shares in self.shares.items()
        }
        return self._means(right)

    def chance(self) -> dict[str, float | None]:
        """What answers at random reach on average."""
        n_apart = np.maximum(self.is_apart.sum(axis=1), 1)
        return self._means(
            {name: (one & self.is_apart).sum(axis=1) / n_apart for name, one in self.shares.items()}
        )

    def _means(self, of_queries: dict[str, np.ndarray]) -> dict[str, float | None]:
        return {
            name: float(values[self.has_tag[name]].mean()) if self.has_tag[name].any() else None
            for name, values in of_queries.items()
        }


def feature_vectors(dataset: Dataset, name: str) -> np.ndarray:
    """Features of every song (songs, F); zeros for songs of no split."""
    of_part = song_features(dataset, name)
    vectors = np.zeros((len(dataset.song_ids), of_part["test"].shape[1]), dtype=np.float32)
    mean, deviation = (
        (0, 1) if name == "cf" else (of_part["train"].mean(0), of_part["train"].std(0) + 1e-9)
    )
    for part, songs in dataset.splits.items():
        vectors[songs] = (of_part[part] - mean) / deviation
    return vectors


def model_vectors(run: dict, dataset: Dataset, given: argparse.Namespace) -> np.ndarray:
    """Embeddings of every song (songs, 256) by the model of a run; zeros for songs of no split."""
    trained = open_model(run, given)
    songs = np.concatenate([dataset.splits[part] for part in SPLITS])
    places = embed_songs(trained, songs).numpy()
    vectors = np.zeros((len(dataset.song_ids), places.shape[1]), dtype=np.float32)
    vectors[songs] = places
    return vectors


def tables(found: dict[str, list[dict]], questions: dict[str, Questions]) -> str:
    """One table for each set of answers: what is shared by column, mean ± deviation over seeds."""
    text = ""
    for label, asked in questions.items():
        chance, rows = asked.chance(), []
        for name in asked.shares:
            cells = [
                mean_and_deviation([one[label][name] for one in runs]) for runs in found.values()
            ]
            count = int(asked.has_tag[name].sum())
            rows.append([f"{name} ({count})", *cells, mean_and_deviation([chance[name]])])
        text += f"\nAnswers among {len(asked.answers)}, {label}:\n\n"
        text += markdown(["shared (queries)", *found, CHANCE], rows)
    return text


def compare_similar(
    given: argparse.Namespace, features: list[str], recipes: dict[str, Column]
) -> None:
    """Train by each recipe, compare, and write the report."""
    asked = merge_options(parse_options([*given.options, "--data_path", given.data_path]))
    dataset = _open(asked, features, [column.options(given) for column in recipes.values()])
    questions = {label: Questions(dataset, parts) for label, parts in ANSWERS.items()}

    def judge(vectors: np.ndarray, made_by: dict) -> dict:
        answered = {label: one.precision(vectors) for label, one in questions.items()}
        return {**answered, "made_by": made_by}

    made_by = provenance(asked.to_store(), dataset)
    found = {
        f"{'MFCC' if name == 'mfcc' else name}, cosine": [
            judge(feature_vectors(dataset, name), made_by)
        ]
        for name in features
    }
    trained = {
        f"model, {name} recipe": [
            judge(model_vectors(run, dataset, given), run["made_by"]) for run in runs
        ]
        for name, runs in run_seeds(given, recipes).items()
    }
    found |= trained
    head = f"Measured on {given.data_path}, seeds {', '.join(map(str, given.seeds))}: precision at "
    head += f"{N_ANSWERS}, where an answer counts if it shares a tag of the kind with the query.\n"
    text = head + tables(found, questions) + budgets(trained)
    write_report(given.result_dir, "similar_songs", text, runs_of(found))


def _open(asked: Options, features: list[str], of_models: list[dict[str, Any]]) -> Dataset:
    """Open the data with all that is compared, and the songs that have it."""
    inputs = [name for options in of_models for name in merge_options(options).inputs]
    names = dict.fromkeys((*inputs, *(name for name in features if name != "mfcc")))
    return open_dataset(asked.data_path, asked.w2v_type, asked.is_subset, "+".join(names))


def main() -> None:
    """Read the command line and make the report."""
    parser = command_parser(__doc__)
    parser.add_argument("--features", default="cf", help="cf, musicnn, mfcc, ...; with commas")
    parser.add_argument("--variant", **VARIANT)
    given = parse_command(parser)
    recipes = variant_columns(given.variants) if given.variants else RECIPES
    compare_similar(given, feature_names(given.features), recipes)


if __name__ == "__main__":
    run_or_explain(main)
