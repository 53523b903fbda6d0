"""The paper's own numbers, for the tables that stand beside ours.

Won et al., ICASSP 2021 (arXiv 2010.16030), Tables 1 and 2 and figure 3. MSD100 and MSD50 are its
tag sets on the Million Song Dataset; the columns of one table share data, two tables need not.
"""

from typing import NamedTuple

METRICS = ("map", "p@10")  # of each column, in this order


class Quoted(NamedTuple):
    """A table of the paper: where it stands, and the metrics of each column."""

    source: str
    columns: dict[str, tuple[float, float]]


SAMPLING = Quoted(
    "its Table 1: acoustic branch, MSD100",
    {
        "random": (0.1658, 0.2990),
        "balanced": (0.1675, 0.3160),
        "balanced-weighted": (0.1852, 0.3500),
    },
)
MODALITIES = Quoted(
    "its Table 2: MSD100",
    {"cultural": (0.1155, 0.3200), "acoustic": (0.1852, 0.3500), "hybrid": (0.1775, 0.3120)},
)
MODALITIES_SUBSET = Quoted(
    "its Table 2: MSD50, listening data of the Echo Nest Taste Profile (Cul-E) or in-house (Cul-I)",
    {"Cul-E": (0.2163, 0.4500), "Cul-I": (0.4719, 0.6380), "acoustic": (0.3062, 0.4680)},
)
# MAP by tag category on MSD100, read off its figure by eye.
CATEGORIES = {
    "genre": {"cultural": 0.136, "acoustic": 0.209},
    "mood/character": {"cultural": 0.035, "acoustic": 0.063},
    "location": {"cultural": 0.223, "acoustic": 0.117},
    "language/origin": {"cultural": 0.082, "acoustic": 0.030},
}
