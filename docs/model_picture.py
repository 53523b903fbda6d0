"""Draw the picture of the model in README.md: python docs/model_picture.py writes docs/model.png.

Above, how triplets train; below, the branches that embed tags and songs. One unit is one pixel.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Circle, FancyBboxPatch

WIDTH, HEIGHT, DPI = 1600, 1180, 100
CHANNELS = (128, 128, 256, 256, 256, 256, 512)  # of the seven blocks
MEL_BANDS, FRAMES = 128, 173

INK, GREY, PANEL = "#22262b", "#646c75", "#f4f5f7"
TAG, CULTURAL, ACOUSTIC, HYBRID = "#b5541c", "#2e7d4f", "#2b62a8", "#6a4a9c"
POSITIVE, NEGATIVE = "#2e7d4f", "#b3262e"
SMALL, NORMAL, LARGE = 12.5, 14, 16  # points


def tint(colour: str, share: float = 0.14) -> tuple[float, ...]:
    """Mix a colour with white: `share` of it."""
    parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return tuple(1 - share * (1 - part) for part in parts)


def write(axes: Axes, place: tuple[float, float], text: str, **style) -> None:
    """Write text centred on a place."""
    default = {"ha": "center", "va": "center", "fontsize": NORMAL, "color": INK}
    axes.text(*place, text, **(default | style))


def box(axes: Axes, centre: tuple[float, float], size: tuple[float, float], text: str, colour: str):
    """Draw a box with rounded corners and text in it."""
    (x, y), (width, height) = centre, size
    shape = FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=10",
        facecolor=tint(colour),
        edgecolor=colour,
        linewidth=1.6,
    )
    axes.add_patch(shape)
    write(axes, centre, text, linespacing=1.35)


def output(axes: Axes, centre: tuple[float, float], colour: str) -> None:
    """Draw the end of a branch: an embedding."""
    box(axes, centre, (96, 76), "", colour)
    write(axes, centre, "256", fontsize=LARGE, fontweight="bold", color=colour)


def arrow(axes: Axes, *points: tuple[float, float]) -> None:
    """Draw an arrow along points."""
    axes.plot(*zip(*points, strict=True), color=GREY, linewidth=1.6, solid_joinstyle="round")
    style = {"arrowstyle": "-|>,head_width=0.3,head_length=0.55", "color": GREY, "shrinkB": 0}
    axes.annotate("", points[-1], points[-2], arrowprops={**style, "shrinkA": 0, "linewidth": 1.6})


def panel(axes: Axes, left: float, low: float, right: float, high: float) -> None:
    """Draw the ground of a part of the picture."""
    shape = FancyBboxPatch(
        (left, low),
        right - left,
        high - low,
        boxstyle="round,pad=0,rounding_size=16",
        facecolor=PANEL,
        edgecolor="none",
        zorder=0,
    )
    axes.add_patch(shape)


def title(axes: Axes, place: tuple[float, float], text: str, colour: str) -> None:
    """Write the name of a part, beginning at a place."""
    write(axes, place, text, ha="left", fontsize=LARGE, fontweight="bold", color=colour)


# ---------------------------------------------------------------- above: triplets


def draw_triplet(axes: Axes) -> None:
    """Draw the three of a triplet, and the branches that embed them."""
    panel(axes, 20, 740, 720, 1160)
    title(axes, (44, 1130), "A triplet", INK)
    rows = (
        (1050, "anchor tag\n“smooth jazz”", "tag branch", TAG),
        (925, "positive song\nbears the tag", "song branch", POSITIVE),
        (800, "negative song\ndoes not", "song branch", NEGATIVE),
    )
    for y, what, branch, colour in rows:
        box(axes, (144, y), (200, 84), what, colour)
        box(axes, (424, y), (200, 84), branch, TAG if branch == "tag branch" else INK)
        output(axes, (644, y), colour)
        arrow(axes, (244, y), (324, y))
        arrow(axes, (524, y), (596, y))
    axes.plot((424, 424), (842, 883), color=INK, linewidth=1.6, linestyle="dotted")
    write(axes, (436, 862.5), "same weights", ha="left", fontsize=SMALL, color=GREY)


def draw_space(axes: Axes) -> None:
    """Draw the shared space as a circle with the triplet on it, and the loss."""
    panel(axes, 740, 740, 1580, 1160)
    title(axes, (764, 1130), "One space for tags and songs", INK)
    centre, radius = np.array([960.0, 925.0]), 150
    axes.add_patch(Circle(centre, radius, fill=False, edgecolor=GREY, linewidth=1.2))
    for angle, name, colour in (
        (65, "tag", TAG),
        (22, "positive", POSITIVE),
        (205, "negative", NEGATIVE),
    ):
        direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        end = centre + radius * direction
        axes.plot(*zip(centre, end, strict=True), color=colour, linewidth=2.2)
        axes.plot(*end, "o", color=colour, markersize=11)
        side = "left" if direction[0] > 0 else "right"
        write(axes, centre + (radius + 16) * direction, name, ha=side, color=colour)
    for size, start, stop, colour in ((130, 22, 65, POSITIVE), (76, 65, 205, NEGATIVE)):
        arc = Arc(centre, size, size, theta1=start, theta2=stop, color=colour, linewidth=2)
        axes.add_patch(arc)
    write(axes, (960, 758), "similarity = cosine of the angle", fontsize=SMALL, color=GREY)
    box(axes, (1400, 985), (330, 150), "", INK)
    write(axes, (1400, 1030), "triplet margin loss", fontweight="bold")
    write(axes, (1400, 985), "max(0, margin − s₊ + s₋)", fontsize=LARGE)
    write(axes, (1400, 940), "margin 0.4, mean over the batch", fontsize=SMALL, color=GREY)
    for y, sign, song, colour in (
        (870, "s₊", "positive", POSITIVE),
        (835, "s₋", "negative", NEGATIVE),
    ):
        write(axes, (1245, y), f"{sign}  cosine of tag and {song} song", ha="left", color=colour)
    write(
        axes,
        (1245, 790),
        "search: songs ranked by their\ncosine with the tag",
        ha="left",
        color=GREY,
    )


# ---------------------------------------------------------------- below: branches


def draw_head(axes: Axes, left: float, y: float, given: str, colour: str) -> None:
    """Draw a two-layer branch: a vector, the hidden layer, the embedding."""
    box(axes, (left + 85, y), (170, 76), given, colour)
    draw_hidden(axes, left + 345, y, colour)
    output(axes, (left + 636, y), colour)
    arrow(axes, (left + 170, y), (left + 220, y))
    arrow(axes, (left + 470, y), (left + 588, y))
    write(axes, (left + 525, y + 18), "linear", fontsize=SMALL, color=GREY)


def draw_hidden(axes: Axes, x: float, y: float, colour: str) -> None:
    """Draw the hidden layer of a head."""
    box(axes, (x, y), (250, 76), "linear → 512\nbatch norm, ReLU, dropout", colour)


def draw_mel(axes: Axes, left: float, low: float, size: tuple[float, float]) -> None:
    """Draw a chunk of a mel spectrogram: some notes with harmonics that fade."""
    band, frame = np.mgrid[0:MEL_BANDS, 0:FRAMES]
    picture = 0.25 * (1 - band / MEL_BANDS)
    for start, pitch in ((0, 14), (40, 19), (75, 11), (120, 24)):
        since = np.clip(frame - start, 0, None)
        loud = np.exp(-since / 45) * (frame >= start)
        for harmonic in range(1, 6):
            line = np.exp(-(((band - pitch * harmonic**0.8) / 1.6) ** 2))
            picture = picture + loud * line / harmonic**0.5
    extent = (left, left + size[0], low, low + size[1])
    axes.imshow(picture, origin="lower", extent=extent, cmap="Blues", aspect="auto", zorder=2)


def draw_acoustic(axes: Axes, y: float) -> None:
    """Draw the short-chunk CNN with the sizes of its feature maps."""
    draw_mel(axes, 44, y - 64, (173, 128))
    write(axes, (130, y - 88), "mel chunk", fontsize=NORMAL)
    write(axes, (130, y + 84), f"{MEL_BANDS} × {FRAMES}", fontsize=SMALL, color=GREY)
    arrow(axes, (217, y), (262, y))
    bands, frames, x = MEL_BANDS, FRAMES, 300
    for number, channels in enumerate(CHANNELS):
        bands, frames = bands // 2, frames // 2
        height, width = 132 - 13 * number, 26 + 14 * (channels // 128 - 1) ** 0.7
        box(axes, (x, y), (width, height), "", ACOUSTIC)
        write(axes, (x, y + 84), f"{bands} × {frames}", fontsize=SMALL, color=GREY)
        write(axes, (x, y - 88), str(channels), fontsize=NORMAL)
        arrow(axes, (x + width / 2, y), (x + 84 - 20 if number < 6 else x + 76, y))
        x += 84
    text = "7 blocks: 3 × 3 convolution to so many channels, batch norm, 2 × 2 max pooling, ReLU"
    write(axes, (552, y - 120), text, fontsize=SMALL, color=GREY)
    box(axes, (980, y), (190, 76), "1 × 1 convolution\nbatch norm, ReLU", ACOUSTIC)
    box(axes, (1230, y), (170, 76), "maximum\nover time", ACOUSTIC)
    output(axes, (1500, y), ACOUSTIC)
    arrow(axes, (1075, y), (1145, y))
    arrow(axes, (1315, y), (1452, y))


def draw_hybrid(axes: Axes, y: float) -> None:
    """Draw the fusion by concatenation."""
    above, below = y + 42, y - 42
    box(axes, (144, above), (200, 64), "mel chunk", ACOUSTIC)
    box(axes, (144, below), (200, 64), "CF vector, 200", CULTURAL)
    box(axes, (424, above), (240, 64), "short-chunk CNN → 200", ACOUSTIC)
    box(axes, (740, y), (200, 76), "concatenate → 400\nbatch norm", HYBRID)
    draw_hidden(axes, 1085, y, HYBRID)
    output(axes, (1500, y), HYBRID)
    arrow(axes, (244, above), (304, above))
    arrow(axes, (544, above), (592, above), (592, y + 14), (640, y + 14))
    arrow(axes, (244, below), (592, below), (592, y - 14), (640, y - 14))
    arrow(axes, (840, y), (960, y))
    arrow(axes, (1210, y), (1452, y))
    write(axes, (1330, y + 18), "linear", fontsize=SMALL, color=GREY)


def draw_branches(axes: Axes) -> None:
    """Draw the branches, each in a part of its own."""
    panel(axes, 20, 565, 790, 720)
    title(axes, (44, 692), "Tag branch", TAG)
    draw_head(axes, 44, 622, "word vector\n300", TAG)
    panel(axes, 810, 565, 1580, 720)
    title(axes, (834, 692), "Cultural branch", CULTURAL)
    draw_head(axes, 834, 622, "CF vector\n200", CULTURAL)
    panel(axes, 20, 240, 1580, 545)
    title(axes, (44, 517), "Acoustic branch", ACOUSTIC)
    draw_acoustic(axes, 388)
    panel(axes, 20, 20, 1580, 220)
    title(axes, (44, 193), "Hybrid", HYBRID)
    draw_hybrid(axes, 100)


def draw_picture(path: Path) -> None:
    """Draw the whole picture into a PNG file, `WIDTH` by `HEIGHT` pixels."""
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    draw_triplet(axes)
    draw_space(axes)
    draw_branches(axes)
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
    axes.axis("off")
    figure.savefig(path, dpi=DPI)


if __name__ == "__main__":
    draw_picture(Path(__file__).with_name("model.png"))
