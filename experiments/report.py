"""All of the paper's experiments on one dataset directory, assembled into report.md.

    python -m experiments.report DATA_PATH RESULT_DIR --seeds 0,1,2 [options of main.py]

Runs what the directory's files allow: the samplings (on CF vectors where there are some, else on
spectrograms; --input_type decides otherwise), the modalities, the sets of word vectors. RESULT_DIR
gets report.md with all tables, the chart by category, a map of tags and test songs in the learnt
space, the best and the worst tags, and the options behind each row. A second start repeats nothing
that is there.
"""

import argparse
import copy
import statistics

import torch

from command_line import run_or_explain
from dataset.files import existing_directory
from dataset.writing import staged
from experiments.charts import space_map
from experiments.modalities import INPUT_TYPES, choose_columns, compare_modalities
from experiments.runs import command_parser, open_model, parse_command
from experiments.sampling import compare_samplings
from experiments.tables import Found, average_precisions, markdown
from experiments.word_vectors import compare_word_vectors, tag_vector_files
from options import MODEL_OPTIONS, Options, merge_options, parse_options
from retrieval.embedding import embed_songs
from retrieval.song_map import flatten

N_EXTREMES = 10
BEYOND_MODEL = ("n_epochs", "early_stopping", "num_chunk")  # options that change a result, too


def best_column(found: Found) -> tuple[str, list[dict]]:
    """Column with the highest mean MAP, and its runs."""
    return max(found.items(), key=lambda item: statistics.mean(one["map"] for one in item[1]))


def draw_space(run: dict, given: argparse.Namespace) -> str:
    """Draw the map of a run's tags and test songs to space.png; return its part of the report."""
    trained = open_model(run, given)
    _, solver, options, dataset = trained
    songs = embed_songs(trained, dataset.splits["test"])  # (n, 256)
    with torch.inference_mode():
        tags = solver.cpu().model.embed_tags(torch.from_numpy(dataset.tag_vectors))  # (T, 256)
    places = flatten(tags.numpy(), songs.numpy(), given.seeds[0])
    with staged(given.result_dir) as stage:
        categories = {tag: dataset.categories.get(tag, "") for tag in dataset.tags}
        space_map(categories, *places, stage / "space.png")
    return (
        f"Tags and the {len(songs)} test songs, embedded by the model with --input_type "
        f"{options.input_type}, seed {options.seed}, brought to two dimensions by t-SNE of "
        "cosine distances.\n\n![Map of tags and songs](space.png)\n"
    )


def extremes_table(column: str, runs: list[dict]) -> str:
    """Best and worst tags of a column by average precision, the mean over seeds."""
    by_tag = average_precisions(runs)
    ranked = sorted(by_tag, key=by_tag.get, reverse=True)
    n_shown = min(N_EXTREMES, len(ranked) // 2)
    about, n_songs = runs[0]["tags"], runs[0]["n_songs"]

    def row(tag: str) -> tuple[str, ...]:
        n_positive = about[tag]["n_positive"]
        return tag, f"{by_tag[tag]:.4f}", str(n_positive), f"{n_positive / n_songs:.4f}"

    header = ("average precision", "test songs", "their share")
    best, worst = map(row, ranked[:n_shown]), map(row, ranked[len(ranked) - n_shown :])
    tables = markdown(("best tags", *header), [*best]), markdown(("worst tags", *header), [*worst])
    return f"By the column `{column}`:\n\n" + "\n".join(tables)


def options_table(experiments: dict[str, Found]) -> str:
    """Options behind each column that are not the defaults, with seeds, time and program."""
    rows = []
    for experiment, found in experiments.items():
        for column, runs in found.items():
            made_by = [one["made_by"] for one in runs]
            options = merge_options({}, made_by[0]["options"])
            changed = (
                f"--{name} {value}"
                for name in (*MODEL_OPTIONS, *BEYOND_MODEL)
                if name != "seed" and (value := getattr(options, name)) != getattr(Options, name)
            )
            minutes = statistics.mean(one["train_seconds"] for one in made_by) / 60
            revisions = sorted({(one["git_revision"] or "?")[:12] for one in made_by})
            rows.append(
                (
                    f"{experiment}: {column}",
                    " ".join(changed),
                    ", ".join(str(one["seed"]) for one in made_by),
                    f"{minutes:.1f}",
                    ", ".join(revisions),
                )
            )
    header = ("row", "options beside the defaults", "seeds", "minutes to the best epoch", "program")
    return markdown(header, rows, n_words=2)


def make_report(given: argparse.Namespace) -> None:
    """Run everything that the directory allows and write report.md."""
    from preprocessing.words.word_vectors import find_sources

    data_path = existing_directory(given.data_path)
    asked = parse_options(given.options)
    columns = choose_columns(None, data_path, asked.get("is_subset", False))
    one_input = copy.copy(given)
    if "input_type" not in asked:
        one_input.options = [*given.options, "--input_type", INPUT_TYPES[columns[0]]]
    parts, experiments = {}, {}
    parts["Sampling"], experiments["sampling"] = compare_samplings(one_input)
    parts["Modalities"], experiments["modalities"] = compare_modalities(given)
    if len({*find_sources(data_path), *tag_vector_files(data_path)}) > 1:
        parts["Word vectors"], experiments["word vectors"] = compare_word_vectors(one_input)
    else:
        print(f"{data_path} has no two sets of word vectors to compare: left out (step 2 makes it)")
    column, runs = best_column(experiments["modalities"])
    parts["The learnt space"] = draw_space(runs[0], given)
    parts["Best and worst tags"] = extremes_table(column, runs)
    parts["What made each row"] = options_table(experiments)
    text = "\n".join(f"## {title}\n\n{part}" for title, part in parts.items())
    with staged(given.result_dir) as stage:
        (stage / "report.md").write_text(f"# Report on {given.data_path}\n\n{text}", "utf-8")
    print(f"\nthe report is {given.result_dir / 'report.md'}")


def main() -> None:
    """Read the command line and make the report."""
    make_report(parse_command(command_parser(__doc__)))


if __name__ == "__main__":
    run_or_explain(main)
