"""Tables of results in Markdown: columns of runs, rows of metrics and tag categories.

`Found` is what the tables are made of: the name of a column -> the results of its runs, as
`results.collect_results` gives them, one for each seed.
"""

import re
import statistics
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from dataset.files import counted
from errors import UserError
from experiments import paper
from metrics import METRICS
from options import merge_options

Found = dict[str, list[dict]]
CHANCE = "at random"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], n_words: int = 1) -> str:
    """Markdown table with columns wide enough to be read as it stands.

    The first `n_words` columns hold words and are set to the left, numbers to the right. A `|` in a
    cell, as tags and categories may have it, is escaped unless it is already.
    """
    table = [[re.sub(r"(?<!\\)\|", r"\|", cell) for cell in row] for row in (header, *rows)]
    columns = list(zip(*table, strict=True))
    widths = [max(3, *map(len, column)) for column in columns]
    pads: list[Any] = [str.ljust] * n_words + [str.rjust] * (len(columns) - n_words)
    rule = ["-" * width for width in widths[:n_words]]
    rule += ["-" * (width - 1) + ":" for width in widths[n_words:]]
    lines = []
    for row in (table[0], rule, *table[1:]):
        cells = (pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def mean_and_deviation(values: Sequence[float | None]) -> str:
    """Write the mean and, of several values, the standard deviation: '0.3691 ± 0.0013'."""
    if None in values:  # undefined, such as ROC-AUC of tags that all songs bear
        return ""
    spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{spread}"


def first_run(found: Found) -> dict:
    """Results of the first run of the first column, which tell of the test songs and the tags."""
    return next(iter(found.values()))[0]


def n_positive(results: dict) -> dict[str, int]:
    """How many test songs bear each tag."""
    return {tag: one["n_positive"] for tag, one in results["tags"].items()}


def digest_told(results: dict) -> str | None:
    """SHA-256 of the test songs and their tags, which older results do not tell."""
    return results["made_by"].get("tested_by", {}).get("test songs")


def check_comparable(found: Found) -> None:
    """Raise `UserError` unless all were tested on the same songs with the same tags."""
    (first, (ours, *_)), *_ = found.items()
    for name, runs in found.items():
        for theirs in runs:
            same = all(ours[key] == theirs[key] for key in ("n_songs", "n_tags", "chance_map"))
            if not same or n_positive(ours) != n_positive(theirs):
                raise UserError(f"{first} and {name} are from different test songs or tags")
            if ours["categories"].keys() != theirs["categories"].keys():
                raise UserError(
                    f"the tags of {first} and {name} have different categories: test both with one "
                    "tag_categories.tsv"
                )


def results_table(found: Found) -> str:
    """Mean ± deviation over the runs of each column: metrics, then MAP by category; and chance."""
    check_comparable(found)
    first = first_run(found)
    rows = []
    for metric, label in METRICS.items():
        cells = [mean_and_deviation([one[metric] for one in runs]) for runs in found.values()]
        rows.append((label, *cells, f"{first['chance_map']:.4f}" if metric == "map" else ""))
    for category, about in first["categories"].items():
        cells = [
            mean_and_deviation([one["categories"][category]["map"] for one in runs])
            for runs in found.values()
        ]
        label = f"MAP {category} ({about['n_tags']})"
        rows.append((label, *cells, f"{about['chance_map']:.4f}"))
    return markdown(("", *found, CHANCE), rows) + budgets(found)


def budgets(found: Found) -> str:
    """Line below a table that says how long each column was trained; '' if all as long.

    A baseline beside the models is trained in no epochs.
    """
    of_budget: dict[str, list[str]] = {}
    for name, (run, *_) in found.items():
        if "baseline" not in run["made_by"]:
            ran = merge_options({}, run["made_by"].get("options", {}))
            is_songs = ran.asks_all_tags or ran.anchors_per_song > 1
            drawn = f"{ran.triplets_per_epoch:,} {'songs' if is_songs else 'triplets'}"
            budget = f"{counted(ran.n_epochs, 'epoch')} of {drawn}"
            of_budget.setdefault(budget, []).append(name)
    if len(of_budget) < 2:
        return ""
    said = "; ".join(f"{', '.join(names)}: {budget}" for budget, names in of_budget.items())
    return f"\nTrainings differ: {said}.\n"


def results_section(found: Found, data_path: str, seeds: Sequence[int]) -> str:
    """A line that says what was measured on which data, and the `results_table`."""
    first = first_run(found)
    plural = "seed" if len(seeds) == 1 else "seeds"
    spread = "; mean ± standard deviation over seeds" if len(seeds) > 1 else ""
    return (
        f"Measured on {data_path}: {first['n_tags']} tags, {first['n_songs']} test songs, "
        f"{plural} {', '.join(map(str, seeds))}{spread}.\n\n{results_table(found)}"
    )


def quoted_table(quoted: paper.Quoted) -> str:
    """The paper's own numbers, said to be quoted."""
    metrics = zip(*quoted.columns.values(), strict=True)
    rows = [
        (METRICS[name], *(f"{value:.4f}" for value in values))
        for name, values in zip(paper.METRICS, metrics, strict=True)
    ]
    return (
        f"Quoted from the paper, not measured here, on other data ({quoted.source}):\n\n"
        + markdown(("the paper's", *quoted.columns), rows)
    )


def average_precisions(runs: list[dict]) -> dict[str, float]:
    """Average precision of every tag with a positive song, the mean over the runs."""
    tags = [tag for tag, one in runs[0]["tags"].items() if one["n_positive"]]
    return {tag: statistics.mean(one["tags"][tag]["map"] for one in runs) for tag in tags}


def paired_tests(found: Found) -> str:
    """Section that compares all columns two by two, tag by tag.

    The average precision of a tag is the mean over seeds; Wilcoxon's signed-rank test (two-sided)
    asks whether the differences lie around zero. Tags stand for all tags that there could be; the
    p-values are not corrected for the number of comparisons.
    """
    from scipy.stats import wilcoxon

    by_tag = {name: average_precisions(runs) for name, runs in found.items()}
    rows = []
    for low, high in combinations(found, 2):
        gains = np.array([by_tag[high][tag] - by_tag[low][tag] for tag in by_tag[low]])
        p = wilcoxon(gains).pvalue if gains.any() else 1.0
        better, worse = int((gains > 0).sum()), int((gains < 0).sum())
        rows.append((f"{high} - {low}", f"{gains.mean():+.4f}", f"{better} : {worse}", f"{p:.2g}"))
    header = ("difference", "MAP", "tags better : worse", "p (Wilcoxon, paired)")
    return f"Tag by tag, average precision as the mean over seeds:\n\n{markdown(header, rows)}"
