"""The paper's own numbers, for the tables that stand beside ours.

Won et al., ICASSP 2021 (arXiv 2010.16030), Tables 1 and 2 and figure 3. MSD100 and MSD50 are its
tag sets on the Million Song Dataset; the columns of one table share data, two tables need not.
"""

from typing import NamedTuple


class Quoted(NamedTuple):
    """A table of the paper: where it stands, and the metrics of each column."""

    source: str
    columns: dict[str, dict[str, float]]


def _columns(names: str, **metrics: tuple[float, ...]) -> dict[str, dict[str, float]]:
    keys = {"map": "map", "p10": "p@10"}
    return {
        name: {keys[key]: values[place] for key, values in metrics.items()}
        for place, name in enumerate(names.split(", "))
    }


SAMPLING = Quoted(
    "its Table 1: acoustic branch, MSD100",
    _columns(
        "random, balanced, balanced-weighted",
        map=(0.1658, 0.1675, 0.1852),
        p10=(0.2990, 0.3160, 0.3500),
    ),
)
MODALITIES = Quoted(
    "its Table 2: MSD100",
    _columns(
        "cultural, acoustic, hybrid", map=(0.1155, 0.1852, 0.1775), p10=(0.3200, 0.3500, 0.3120)
    ),
)
MODALITIES_SUBSET = Quoted(
    "its Table 2: MSD50, listening data of the Echo Nest Taste Profile (Cul-E) or in-house (Cul-I)",
    _columns("Cul-E, Cul-I, acoustic", map=(0.2163, 0.4719, 0.3062), p10=(0.4500, 0.6380, 0.4680)),
)
# MAP by tag category on MSD100, read off its figure by eye.
CATEGORIES = {
    "genre": {"cultural": 0.136, "acoustic": 0.209},
    "mood/character": {"cultural": 0.035, "acoustic": 0.063},
    "location": {"cultural": 0.223, "acoustic": 0.117},
    "language/origin": {"cultural": 0.082, "acoustic": 0.030},
}
