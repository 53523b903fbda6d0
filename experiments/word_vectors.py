"""Domain-specific word vectors (the paper's Table 3): what is near a tag, and what MAP gains.

    python -m experiments.word_vectors DATA_PATH RESULT_DIR --seeds 0,1,2 [options of main.py]

The sets of word vectors in DATA_PATH, found as step 2 finds them, stand side by side: the ten
nearest neighbours of some tags, musical ones in bold and counted. Then models are trained with each
set that step 2 `run` has written NAME_emb.pkl for, on balanced-weighted triplets; --no_retrieval
leaves that out. Prints the tables and writes them to RESULT_DIR/word_vectors.md, and neighbours and
every run to word_vectors.json. A second start repeats no run that is there.
"""

import argparse
import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from command_line import names_in, run_or_explain
from dataset.files import existing_directory, some, user_path
from errors import UserError
from experiments.runs import (
    BALANCED_WEIGHTED,
    Column,
    command_parser,
    parse_command,
    run_seeds,
    runs_of,
    write_report,
)
from experiments.tables import Found, markdown, paired_tests, results_section
from options import parse_options

WORDS = ("jungle", "house", "country", "metal", "chill", "brazilian", "smooth jazz", "deep house")
TOP = 10
DASH = "–"
RULE = (
    "In bold: musical words, that is neighbours that are in experiments/musical_words.txt as a "
    "whole or in one of their words (lower case, '_' and '-' as blanks). The word that was looked "
    "up does not make its neighbours musical (not country_house near house)."
)
MEAN = "mean over the words that every set has"


# ---------------------------------------------------------------- what is musical


def plain_form(word: str) -> str:
    """Write a word of a vocabulary as in the list: 'Drum_n_Bass' is 'drum n bass'."""
    return " ".join(re.split(r"[\s_-]+", word.lower())).strip()


def read_musical_words() -> set[str]:
    """Read the list: one word or phrase a line, lines with '#' are comments."""
    lines = Path(__file__).with_name("musical_words.txt").read_text("utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def is_musical(neighbour: str, near: str, musical: set[str]) -> bool:
    """Say whether a neighbour of the word `near` is a musical one, by `RULE`."""
    neighbour = plain_form(neighbour)
    return not (musical - {plain_form(near)}).isdisjoint([neighbour, *neighbour.split()])


# ---------------------------------------------------------------- neighbours


def tag_vector_files(data_path: Path, is_subset: bool = False) -> dict[str, Path]:
    """Vectors of tags that models can be trained with: name of the set -> NAME_emb.pkl."""
    return {
        file.name.removesuffix("_emb.pkl").removeprefix("sub_"): file
        for file in sorted(data_path.glob("*_emb.pkl"))
        if is_subset or not file.name.startswith("sub_")
    }


def choose_vectors(data_path: Path, names: list[str] | None) -> dict[str, Path | None]:
    """Sets of word vectors to compare, in the order of `names`, and their files.

    None stands for a set of which only the vectors of tags are there, as in the published splits.

    Raises
    ------
    UserError
        A set is not there, or there are fewer than two.
    """
    from preprocessing.words.word_vectors import find_sources

    sources: dict[str, Path | None] = {name: None for name in tag_vector_files(data_path)}
    sources |= find_sources(data_path)
    names = sorted(sources) if names is None else list(dict.fromkeys(names))
    there = f"{data_path} has {', '.join(sorted(sources)) or 'none'}"
    unknown = [name for name in names if name not in sources]
    if unknown:
        raise UserError(f"--vectors: there are no word vectors {some(unknown)}; {there}")
    if len(names) < 2:
        raise UserError(
            f"two sets of word vectors or more are to be compared; {there}: name them with "
            "--vectors, or add a folder NAME_w2v"
        )
    return {name: sources[name] for name in names}


def compare_neighbours(files: dict[str, Path], words: Sequence[str]) -> dict[str, dict]:
    """Find the neighbours of each word in each set of vectors, and which of them are musical.

    Returns
    -------
    dict of str to dict of str to (dict or None)
        Word -> set -> 'parts', the words whose mean was looked up, if not the word whole;
        'neighbours', with 'word', 'similarity' (cosine) and 'musical', the nearest first;
        'n_musical'. None where a set has no vector for the word.
    """
    from preprocessing.words.neighbours import neighbours_in

    musical = read_musical_words()
    found: dict[str, dict] = {word: {} for word in words}
    for name, file in files.items():
        for word, near in neighbours_in(file, words, TOP).items():
            found[word][name] = near and {"parts": near.parts, **judge(near.nearest, word, musical)}
    return found


def judge(nearest: list[tuple[str, float]], word: str, musical: set[str]) -> dict:
    """Say of each neighbour of `word` whether it is musical, and count them."""
    judged = [
        {"word": neighbour, "similarity": cosine, "musical": is_musical(neighbour, word, musical)}
        for neighbour, cosine in nearest
    ]
    return {"neighbours": judged, "n_musical": sum(one["musical"] for one in judged)}


def mean_musical(found: dict[str, dict]) -> dict[str, float | None]:
    """Mean count of musical neighbours of each set, over the words that every set has."""
    shared = [sets for sets in found.values() if None not in sets.values()]
    return {
        name: statistics.mean(sets[name]["n_musical"] for sets in shared) if shared else None
        for name in next(iter(found.values()))
    }


def neighbours_table(found: dict[str, dict]) -> str:
    """Markdown table: a row a word, a column a set, musical neighbours in bold."""
    sets = list(next(iter(found.values())))
    rows = [["", *sets], ["---"] * (1 + len(sets))]
    rows += [[_escaped(word), *map(_listed, one.values())] for word, one in found.items()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _listed(one: dict | None) -> str:
    """Cell of a word in one set: '(smooth + jazz:) **bebop**, calm'."""
    if one is None:
        return DASH
    words = [(_escaped(near["word"]), near["musical"]) for near in one["neighbours"]]
    parts = f"({_escaped(' + '.join(one['parts']))}:) " if one["parts"] else ""
    return parts + ", ".join(f"**{word}**" if musical else word for word, musical in words)


def _escaped(word: str) -> str:
    r"""Keep Markdown from reading what words hold: 'a|b' is 'a\|b'; blanks stand for '_'."""
    return re.sub(r"([\\`*|<\[])", r"\\\1", word.replace("_", " "))


def counts_table(found: dict[str, dict]) -> str:
    """Markdown table: how many neighbours of each word are musical, and the mean."""
    means = mean_musical(found)
    rows = [
        (_escaped(word), *(DASH if one is None else str(one["n_musical"]) for one in sets.values()))
        for word, sets in found.items()
    ]
    rows.append((MEAN, *(DASH if mean is None else f"{mean:.1f}" for mean in means.values())))
    return markdown((f"musical among {TOP}", *means), rows)


# ---------------------------------------------------------------- retrieval


def compare_retrieval(given: argparse.Namespace, names: Iterable[str]) -> tuple[str, Found]:
    """Train models with each set that has vectors of the tags; return a part of the report."""
    is_subset = parse_options(given.options).get("is_subset", False)
    data_path = user_path(given.data_path)
    ready = tag_vector_files(data_path, is_subset)
    columns = {
        name: Column(["--w2v_type", name], BALANCED_WEIGHTED) for name in names if name in ready
    }
    parts = [
        f"No retrieval with {name}: {data_path / name}_emb.pkl is missing, run step 2 first.\n"
        for name in names
        if name not in ready
    ]
    runs = run_seeds(given, columns)
    if runs:
        parts.append(results_section(runs, given.data_path, given.seeds))
    if len(runs) > 1:
        parts.append(paired_tests(runs))
    return "\n".join(parts), runs


# ---------------------------------------------------------------- the command


def compare_word_vectors(
    given: argparse.Namespace,
    names: list[str] | None = None,
    words: Sequence[str] = WORDS,
    with_retrieval: bool = True,
) -> tuple[str, Found]:
    """Compare sets of word vectors, all by default, by neighbours and retrieval; write the report.

    Returns
    -------
    str, dict of str to list of dict
        The report, and the results of the runs with each set.
    """
    files = choose_vectors(existing_directory(given.data_path), names)
    whole = {name: file for name, file in files.items() if file}
    found = compare_neighbours(whole, words)
    parts = []
    if whole:
        sets = ", ".join(f"{name} ({file.name})" for name, file in whole.items())
        parts += [f"The {TOP} nearest neighbours in {sets}.\n", neighbours_table(found)]
        parts += [f"{RULE}\n", counts_table(found)]
    runs: Found = {}
    if with_retrieval:
        part, runs = compare_retrieval(given, files)
        parts.append(part)
    text = "\n".join(parts)
    in_full = {
        "vectors": {name: file and str(file) for name, file in files.items()},
        "neighbours": found,
        "mean_musical": mean_musical(found),
        "runs": runs_of(runs),
    }
    write_report(given.result_dir, "word_vectors", text, in_full)
    return text, runs


def main() -> None:
    """Read the command line and make the report."""
    parser = command_parser(__doc__)
    parser.add_argument("--vectors", type=names_in, help="sets, with commas between; default: all")
    parser.add_argument("--words", type=names_in, default=WORDS, help="default: the paper's")
    parser.add_argument("--no_retrieval", action="store_true", help="show the neighbours only")
    given = parse_command(parser)
    if not given.words:
        raise UserError("--words names no word: give some with commas between, or leave it out")
    if "w2v_type" in parse_options(given.options):
        raise UserError("--w2v_type is each of the sets in turn: name them with --vectors")
    compare_word_vectors(given, given.vectors, given.words, not given.no_retrieval)


if __name__ == "__main__":
    run_or_explain(main)
