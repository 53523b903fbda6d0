"""Pictures of results: MAP by tag category as bars, and the learnt space as a map."""

import statistics
from pathlib import Path

from adjustText import adjust_text
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from experiments.tables import CHANCE, Found, first_run


def category_chart(found: Found, path: Path) -> None:
    """Draw bars of MAP by tag category, one for each column, with the level of chance as a line.

    Of several runs the mean, with whiskers of one standard deviation to either side.
    """
    first = first_run(found)["categories"]
    categories = list(first)
    figure = Figure(figsize=(1.5 + 1.3 * len(categories), 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(found)
    for number, (name, runs) in enumerate(found.items()):
        left = [place - 0.4 + width * (number + 0.5) for place in range(len(categories))]
        maps = [[one["categories"][kind]["map"] for one in runs] for kind in categories]
        spread = [statistics.stdev(values) for values in maps] if len(runs) > 1 else None
        heights = [statistics.mean(values) for values in maps]
        axes.bar(left, heights, width * 0.92, yerr=spread, capsize=2, label=name)
    chances = [first[kind]["chance_map"] for kind in categories]
    places = range(len(categories))
    ends = ([place - 0.42 for place in places], [place + 0.42 for place in places])
    axes.hlines(chances, *ends, colors="black", linestyles="dashed", label=CHANCE)
    axes.set_xticks(
        list(places), [f"{kind}\n({first[kind]['n_tags']} tags)" for kind in categories]
    )
    axes.set_ylabel("mean average precision")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(found) + 1, frameon=False)
    figure.savefig(path, dpi=150)


def space_map(tags: dict[str, str], tag_places, song_places, path: Path) -> None:
    """Draw songs as grey dots and tags by name, in the colour of their category.

    Parameters
    ----------
    tags : dict of str to str
        Tag -> category, '' if unknown; in the order of `tag_places`.
    tag_places, song_places : ndarray of float, shapes (T, 2) and (N, 2)
        As `flatten` gives them.
    path : Path
        PNG to write.
    """
    figure = Figure(figsize=(12, 9), layout="constrained")
    axes = figure.subplots()
    axes.scatter(song_places[:, 0], song_places[:, 1], s=5, color="0.8", label="song", zorder=1)
    kinds = sorted(set(tags.values()))
    texts = []
    for number, kind in enumerate(kinds):
        chosen = [row for row, of_tag in enumerate(tags.values()) if of_tag == kind]
        label, colour = kind or "tag", f"C{number % 10}"
        places = tag_places[chosen]
        axes.scatter(places[:, 0], places[:, 1], s=18, color=colour, label=label, zorder=2)
        for row in chosen:
            x, y = tag_places[row]
            texts.append(axes.text(x, y, list(tags)[row], color=colour, fontsize=8, zorder=3))
    axes.set_axis_off()
    figure.legend(loc="outside lower center", ncols=len(kinds) + 1, frameon=False)
    set_apart(texts, tag_places, figure)
    figure.savefig(path, dpi=120)


def set_apart(texts: list[Text], places, figure: Figure) -> None:
    """Move labels off each other and off the places (T, 2), with a line back to their own.

    A label that finds no room is left out.
    """
    FigureCanvasAgg(figure)  # which knows how large a text is
    figure.draw_without_rendering()  # which settles the layout
    line = {"arrowstyle": "-", "color": "0.6", "lw": 0.5}
    adjust_text(texts, *places.T, ax=figure.axes[0], iter_lim=200, arrowprops=line)
    boxes: list[Bbox] = []
    for text in texts:
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in boxes):
            text.set_visible(False)
        else:
            boxes.append(box)
