"""What a rule that drops annotations leaves: printed, and noted for `dataset.json`."""

import pandas as pd

Report = list[dict]  # for each rule its name and the rows, songs and tags that it left


def leaves(report: Report, rule: str, table: pd.DataFrame) -> pd.DataFrame:
    """Note in `report` what `rule` has left, print it beside what was there, return the table.

    Parameters
    ----------
    report : list of dict
        The rules so far; the first entry says what there was to begin with, and is not printed.
    rule : str
        What the rule keeps.
    table : DataFrame
        Annotations with a column song, and tag, lemma or cleaned: tags are counted by the most
        finished of their forms.
    """
    form = next(column for column in ("cleaned", "lemma", "tag") if column in table)
    left = {"rows": len(table), "songs": table["song"].nunique(), "tags": table[form].nunique()}
    if report:
        changes = [f"{name} {report[-1][name]} -> {number}" for name, number in left.items()]
        print(f"{rule}: {', '.join(changes)}")
    report.append({"rule": rule, **left})
    return table
