"""What a test found: collected with what produced it, printed as tables, written as JSON."""

import json
import math
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy as np

from dataset.directory import Dataset, fingerprint
from dataset.files import some
from dataset.writing import json_text, staged
from errors import UserError
from metrics import METRICS, chance_map, mean_over_tags

_PACKAGES = ("torch", "pytorch-lightning", "numpy", "scikit-learn")
# Numbers that results have, or None where undefined.
_OF_A_TAG = {"n_positive", *METRICS}
_OF_TAGS = {"n_tags", "chance_map", *METRICS}
_OF_A_TEST = {"n_songs", *_OF_TAGS}


def collect_results(per_tag: dict[str, np.ndarray], dataset: Dataset, split: str) -> dict:
    """Metrics over tags, by tag and by tag category.

    Parameters
    ----------
    per_tag : dict of ndarray, shape (T,)
        As `metrics.score_tags` gives them.
    dataset : Dataset
        What was scored.
    split : str
        'valid' or 'test'.

    Returns
    -------
    dict
        Each of `metrics.METRICS` over the tags with a positive song; 'chance_map', what ranking at
        random reaches on average; 'n_songs', 'n_tags'; 'n_left_out', songs of the split without an
        input, which are not scored; 'categories', the same by tag category;
        'tags', the metrics by tag; 'tags_without_positive'. Undefined values are None.
    """
    song_tags = dataset.song_tags[dataset.splits[split]]  # (n, T)
    n_positive = song_tags.sum(axis=0)
    scored = np.flatnonzero(n_positive)
    tags = {}
    for column, tag in enumerate(dataset.tags):
        tags[tag] = {name: _json_number(per_tag[name][column]) for name in METRICS}
        tags[tag]["n_positive"] = int(n_positive[column])
    members: dict[str, list[int]] = {}
    for column in scored.tolist():
        category = dataset.categories.get(dataset.tags[column])
        if category:
            members.setdefault(category, []).append(column)

    def means(columns) -> dict[str, float | None]:
        found = mean_over_tags(per_tag, columns)
        found["chance_map"] = chance_map(len(song_tags), n_positive[columns])
        return {name: _json_number(value) for name, value in found.items()}

    return {
        **means(scored),
        "n_songs": len(song_tags),
        "n_left_out": dataset.left_out.get(split, 0),
        "n_tags": len(scored),
        "split": split,
        "tags_without_positive": [dataset.tags[i] for i in np.flatnonzero(n_positive == 0)],
        "categories": {
            category: {**means(columns), "n_tags": len(columns)}
            for category, columns in sorted(members.items())
        },
        "tags": tags,
    }


def provenance(options: dict, dataset: Dataset) -> dict:
    """What a model is made by: options, seed, versions, git revision, data set.

    The data set is told by its `dataset.json` and by the `dataset.fingerprint` of its arrays.
    """
    return {
        "options": options,
        "seed": options["seed"],
        "versions": versions(),
        "git_revision": git_revision(),
        "dataset": dataset.about,
        "fingerprint": fingerprint(dataset),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), **{p: version(p) for p in _PACKAGES}}


def git_revision() -> str | None:
    """Revision of this program's checkout, with '-dirty' if changed; None outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None


def write_results(path: Path, results: dict) -> None:
    """Write results as JSON, whole or not at all."""
    with staged(path.parent) as stage:
        text = json_text(results, allow_nan=False)
        (stage / path.name).write_text(text, encoding="utf-8")


def read_results(folder: Path) -> dict:
    """Read the results.json of a folder, or raise `UserError`."""
    file = folder / "results.json"
    if not file.is_file():
        raise UserError(f"{file} is missing: python main.py --mode TEST writes it")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        parts = [(found, _OF_A_TEST)]
        parts += [(one, _OF_TAGS) for one in found["categories"].values()]
        parts += [(one, _OF_A_TAG) for one in found["tags"].values()]
        numbers = [one[name] for one, names in parts for name in names]
        are_numbers = all(one is None or isinstance(one, (int, float)) for one in numbers)
        if not (are_numbers and "split" in found and isinstance(found["made_by"], dict)):
            raise ValueError
    except (ValueError, AttributeError, KeyError, TypeError):
        raise UserError(
            f"{file} does not hold the results of a test: remove it and test again"
        ) from None
    return found


def format_results(results: dict, n_extremes: int = 5) -> str:
    """Text tables: over tags, by category, and the best and worst `n_extremes` tags by MAP."""
    n_left_out = results["n_left_out"]
    lines = [
        f"{results['n_tags']} tags, {results['n_songs']} songs of the {results['split']} split"
        + (f", {n_left_out} left out, for they lack an input" if n_left_out else ""),
        "",
        _row("", *METRICS),
        _row("all tags", *(results[name] for name in METRICS)),
        _row("at random", results["chance_map"]),
    ]
    if results["categories"]:
        lines += ["", _row("category (tags)", *METRICS)]
        for category, means in results["categories"].items():
            label = f"{category} ({means['n_tags']})"
            lines.append(_row(label, *(means[name] for name in METRICS)))
    scored = [(tag, one) for tag, one in results["tags"].items() if one["n_positive"]]
    ranked = sorted(scored, key=lambda item: -item[1]["map"])
    n_shown = min(n_extremes, len(ranked) // 2)
    for title, chosen in (
        ("best tags (positives)", ranked[:n_shown]),
        ("worst tags (positives)", ranked[len(ranked) - n_shown :]),
    ):
        lines += ["", _row(title, *METRICS)] if chosen else []
        for tag, one in chosen:
            lines.append(_row(f"{tag} ({one['n_positive']})", *(one[name] for name in METRICS)))
    if results["tags_without_positive"]:
        named = some(results["tags_without_positive"], most=20)
        lines += ["", f"without positive song, left out of the means: {named}"]
    return "\n".join(lines)


def _row(label: str, *values: str | float | None) -> str:
    cells = (f"{value:.4f}" if isinstance(value, float) else value or "-" for value in values)
    return f"{label:<32}" + "".join(f"{cell:>10}" for cell in cells).rstrip()


def _json_number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
