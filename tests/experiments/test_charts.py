"""experiments.charts: pictures are drawn."""

import matplotlib.image
import numpy as np
from matplotlib.figure import Figure

from experiment_results import results
from experiments.charts import category_chart, set_apart, space_map

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


def test_labels_of_the_map_do_not_cover_each_other():
    rng = np.random.default_rng(0)
    places = rng.normal(size=(15, 2)).repeat(2, axis=0)  # two tags at each place
    figure = Figure(figsize=(12, 9), layout="constrained")
    axes = figure.subplots()
    axes.scatter(*places.T)
    texts = [axes.text(*place, f"tag number {row}", fontsize=8) for row, place in enumerate(places)]
    assert n_covered(texts) > 10
    set_apart(texts, places, figure)
    shown = [text for text in texts if text.get_visible()]
    assert n_covered(shown) == 0 and len(shown) > 25


def n_covered(texts) -> int:
    boxes = [text.get_window_extent() for text in texts]
    return sum(a.overlaps(b) for number, a in enumerate(boxes) for b in boxes[:number])
