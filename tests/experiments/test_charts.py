"""experiments.charts: pictures are drawn."""

import matplotlib.image
import numpy as np

from experiment_results import results
from experiments.charts import category_chart, space_map

BLUE, ORANGE = (31, 119, 180), (255, 127, 14)  # matplotlib's first two colours


def colours(path) -> set:
    picture = (matplotlib.image.imread(path) * 255).round().astype(int)
    return set(map(tuple, picture[..., :3].reshape(-1, 3).tolist()))


def test_category_chart_has_bars_of_each_column(tmp_path):
    both = {"spec": [results(0.75, 0.25), results(0.5, 0.25)], "cf": [results(0.25, 0.5)] * 2}
    category_chart({"spec": both["spec"]}, tmp_path / "one.png")
    category_chart(both, tmp_path / "two.png")
    assert ORANGE in colours(tmp_path / "two.png")
    assert ORANGE not in colours(tmp_path / "one.png")


def test_map_is_drawn_in_colours_of_categories(tmp_path):
    places = np.array([[0.0, 0.0], [1.0, 1.0]])
    space_map({"rock": "genre", "Mali": "location"}, places, places + 0.5, tmp_path / "a.png")
    assert {BLUE, ORANGE} <= colours(tmp_path / "a.png")
