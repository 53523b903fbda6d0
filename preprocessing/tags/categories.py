"""Which category a tag has, where annotations name one; `tag_categories.tsv`."""

from pathlib import Path

import pandas as pd

from dataset.files import CATEGORIES, normal_form, read_tsv
from dataset.writing import write_tsv
from errors import UserError


def most_common_categories(annotations: pd.DataFrame) -> dict[str, str]:
    """Category that a tag has most often, of equally frequent ones the first by code point.

    Of `annotations` the columns tag and category count; tags whose category is '' are left out.
    """
    named = annotations[annotations["category"] != ""]
    counts = named.groupby(["tag", "category"]).size().to_dict()
    ordered = sorted(counts, key=lambda pair: (-counts[pair], pair))
    return {tag: category for tag, category in reversed(ordered)}


def add_categories(
    stage: Path, directory: Path, tags: list[str], annotations: pd.DataFrame
) -> None:
    """Write to `stage` the `tag_categories.tsv` of `directory` with the tags that it lacks.

    What it holds stays as it is.

    Raises
    ------
    UserError
        A tag or a category has a line break within: it was written by hand or by another program.
    """
    file = directory / CATEGORIES
    rows = read_tsv(file, 2) if file.is_file() else []
    rows = [[normal_form(tag), category] for tag, category in rows]
    known = {tag for tag, category in rows if category}
    category_of = most_common_categories(annotations)
    added = {tag: category_of[tag] for tag in tags if tag in category_of and tag not in known}
    if added:
        rows = [row for row in rows if row[0] not in added] + [*map(list, added.items())]
        broken = [name for row in rows for name in row if "\r" in name]
        if broken:  # written by hand or by another program
            raise UserError(
                f"{directory} has {broken[0]!r} as a tag or a category, with a line break within: "
                "run step 0 again, or correct its tables"
            )
        write_tsv(stage / CATEGORIES, rows)
