"""What a rule that drops annotations leaves, printed and noted; and rules that two steps have."""

from collections.abc import Iterable

import pandas as pd

# For each rule its name and the rows, songs and tags that it left, as `dataset.json` has it.
Report = list[dict]


def leaves(report: Report, rule: str, table: pd.DataFrame) -> pd.DataFrame:
    """Note in `report` what `rule` has left, print it beside what was there, return the table.

    The first entry of a report says what there was to begin with, and is not printed. Tags are
    counted by the most finished of their forms that is a column: cleaned, lemma or tag.
    """
    form = next(column for column in ("cleaned", "lemma", "tag") if column in table)
    left = {"rows": len(table), "songs": table["song"].nunique(), "tags": table[form].nunique()}
    if report:
        changes = [f"{name} {report[-1][name]} -> {number}" for name, number in left.items()]
        print(f"{rule}: {', '.join(changes)}")
    report.append({"rule": rule, **left})
    return table


def of_songs(annotations: pd.DataFrame, songs: Iterable[str]) -> pd.DataFrame:
    """Keep the annotations of these songs."""
    return annotations[annotations["song"].isin(set(songs))]


def scored(annotations: pd.DataFrame, min_score: float) -> pd.DataFrame:
    """Keep annotations with a tag score of at least `min_score` (0 to 100)."""
    return annotations[annotations["score"] >= min_score]
