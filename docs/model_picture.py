"""Draw the picture of the model in README.md: python docs/model_picture.py writes docs/model.png.

Above, how triplets train; below, the branches that embed tags and songs. One unit is one pixel.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Circle, FancyBboxPatch

WIDTH, HEIGHT, DPI = 1600, 1200, 100
CHANNELS = (128, 128, 256, 256, 256, 256, 512)  # of the seven blocks
MEL_BANDS, FRAMES = 128, 173

INK, GREY, PANEL = "#22262b", "#646c75", "#f4f5f7"
TAG, CULTURAL, ACOUSTIC, HYBRID = "#b5541c", "#5f7a12", "#2b62a8", "#6a4a9c"
POSITIVE, NEGATIVE = "#10807f", "#b3262e"
SMALL, NORMAL, LARGE = 12.5, 14, 16  # points
OUTPUT, HIDDEN = (120, 76), (290, 76)  # width and height of boxes


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


def output(axes: Axes, y: float, right: float, colour: str) -> None:
    """Draw the end of a branch, an embedding, against the right edge."""
    x = right - OUTPUT[0] / 2
    box(axes, (x, y), OUTPUT, "", colour)
    write(axes, (x, y + 12), "256", fontsize=LARGE, fontweight="bold", color=colour)
    write(axes, (x, y - 17), "embedding", fontsize=SMALL, color=colour)


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
    panel(axes, 20, 760, 720, 1180)
    title(axes, (44, 1150), "A triplet", INK)
    rows = (
        (1070, "anchor tag\n“smooth jazz”", "tag branch", TAG),
        (945, "positive song\nbears the tag", "song branch", POSITIVE),
        (820, "negative song\ndoes not", "song branch", NEGATIVE),
    )
    for y, what, branch, colour in rows:
        box(axes, (144, y), (200, 84), what, colour)
        box(axes, (410, y), (190, 84), branch, GREY)
        output(axes, y, 696, colour)
        arrow(axes, (244, y), (315, y))
        arrow(axes, (505, y), (576, y))
    axes.plot((410, 410), (862, 903), color=GREY, linewidth=2, linestyle="dotted")
    write(axes, (424, 882.5), "same weights", ha="left", fontsize=SMALL, color=GREY)


def draw_space(axes: Axes) -> None:
    """Draw the shared space as a circle with a triplet on it."""
    panel(axes, 740, 760, 1580, 1180)
    title(axes, (764, 1150), "One space for tags and songs", INK)
    centre, radius = np.array([1000.0, 955.0]), 145
    axes.add_patch(Circle(centre, radius, facecolor="white", edgecolor=GREY, linewidth=1.2))
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
    write(axes, (1000, 784), "similarity: cosine of the angle", fontsize=SMALL, color=GREY)
    draw_loss(axes, 1404)


def draw_loss(axes: Axes, x: float) -> None:
    """Write the loss and what the space is for."""
    box(axes, (x, 1015), (304, 150), "", GREY)
    write(axes, (x, 1060), "triplet margin loss", fontweight="bold")
    write(axes, (x, 1015), "max(0, margin − s₊ + s₋)", fontsize=LARGE)
    write(axes, (x, 970), "margin 0.4, mean over the batch", fontsize=SMALL, color=GREY)
    left = x - 152
    write(axes, (left, 900), "s₊ = cos(tag, positive song)", ha="left", color=POSITIVE)
    write(axes, (left, 865), "s₋ = cos(tag, negative song)", ha="left", color=NEGATIVE)
    use = "Search ranks songs by their\ncosine with the tag."
    write(axes, (left, 803), use, ha="left", linespacing=1.35)


# ---------------------------------------------------------------- below: branches


def draw_head(axes: Axes, left: float, y: float, given: str, colour: str) -> None:
    """Draw a two-layer branch: a vector, the hidden layer, the embedding."""
    box(axes, (left + 85, y), (170, 76), given, colour)
    arrow(axes, (left + 170, y), (left + 218, y))
    draw_layers(axes, left + 218, y, left + 722, colour)


def draw_layers(axes: Axes, left: float, y: float, right: float, colour: str) -> None:
    """Draw hidden and last layer of a head between two edges."""
    text = "linear → 512\nbatch norm, ReLU, dropout"
    box(axes, (left + HIDDEN[0] / 2, y), HIDDEN, text, colour)
    start, end = left + HIDDEN[0], right - OUTPUT[0]
    arrow(axes, (start, y), (end, y))
    write(axes, ((start + end) / 2 - 3, y + 18), "linear", fontsize=SMALL, color=GREY)
    output(axes, y, right, colour)


def draw_mel(axes: Axes, left: float, low: float) -> None:
    """Draw a chunk of a mel spectrogram, a pixel a value: notes with harmonics that fade."""
    band, frame = np.mgrid[0:MEL_BANDS, 0:FRAMES]
    picture = 0.3 * (1 - band / MEL_BANDS)
    for start, pitch in ((0, 14), (40, 19), (75, 11), (120, 24)):
        loud = np.exp(-np.clip(frame - start, 0, None) / 45) * (frame >= start)
        for harmonic in range(1, 7):
            line = np.exp(-(((band - pitch * harmonic**0.8) / 1.6) ** 2))
            picture = picture + loud * line / harmonic**0.5
    extent = (left, left + FRAMES, low, low + MEL_BANDS)
    axes.imshow(picture, origin="lower", extent=extent, cmap="Blues", aspect="auto", zorder=2)


def draw_blocks(axes: Axes, left: float, y: float, right: float) -> None:
    """Draw the seven blocks, sizes of their feature maps above, channels below."""
    bands, frames = MEL_BANDS, FRAMES
    widths = [{128: 26, 256: 36, 512: 48}[channels] for channels in CHANNELS]
    gap = (right - left - sum(widths)) / len(widths)
    end = left
    for number, (channels, width) in enumerate(zip(CHANNELS, widths, strict=True)):
        bands, frames = bands // 2, frames // 2
        arrow(axes, (end, y), (end + gap, y))
        middle, end = end + gap + width / 2, end + gap + width
        box(axes, (middle, y), (width, MEL_BANDS - 13 * number), "", ACOUSTIC)
        write(axes, (middle, y + 84), f"{bands} × {frames}", fontsize=SMALL, color=GREY)
        write(axes, (middle, y - 86), str(channels))
    text = "seven blocks: 3 × 3 convolution, batch norm, 2 × 2 max pooling, ReLU; channels as above"
    write(axes, ((left + gap + right) / 2, y - 118), text, fontsize=SMALL, color=GREY)


def draw_acoustic(axes: Axes, y: float) -> None:
    """Draw the short-chunk CNN."""
    draw_mel(axes, 44, y - MEL_BANDS / 2)
    write(axes, (44 + FRAMES / 2, y - 86), "mel chunk, 4 s")
    size = f"{MEL_BANDS} × {FRAMES}"
    write(axes, (44 + FRAMES / 2, y + 84), size, fontsize=SMALL, color=GREY)
    draw_blocks(axes, 44 + FRAMES, y, 860)
    arrow(axes, (860, y), (915, y))
    box(axes, (1015, y), (200, 76), "1 × 1 convolution\nbatch norm, ReLU", ACOUSTIC)
    arrow(axes, (1115, y), (1190, y))
    box(axes, (1270, y), (160, 76), "maximum\nover time", ACOUSTIC)
    arrow(axes, (1350, y), (1436, y))
    output(axes, y, 1556, ACOUSTIC)


def draw_hybrid(axes: Axes, y: float) -> None:
    """Draw the fusion by concatenation."""
    above, below = y + 40, y - 40
    box(axes, (144, above), (200, 60), "mel chunk", ACOUSTIC)
    box(axes, (144, below), (200, 60), "CF vector, 200", CULTURAL)
    arrow(axes, (244, above), (304, above))
    box(axes, (429, above), (250, 60), "short-chunk CNN → 200", ACOUSTIC)
    arrow(axes, (554, above), (600, above), (600, y + 16), (650, y + 16))
    arrow(axes, (244, below), (600, below), (600, y - 16), (650, y - 16))
    box(axes, (755, y), (210, 76), "concatenate → 400\nbatch norm", HYBRID)
    arrow(axes, (860, y), (932, y))
    draw_layers(axes, 932, y, 1556, HYBRID)


def draw_branches(axes: Axes) -> None:
    """Draw the branches, each in a part of its own."""
    panel(axes, 20, 585, 790, 740)
    title(axes, (44, 712), "Tag branch", TAG)
    draw_head(axes, 44, 640, "word vector\n300", TAG)
    panel(axes, 810, 585, 1580, 740)
    title(axes, (834, 712), "Song branch: cultural", CULTURAL)
    draw_head(axes, 834, 640, "CF vector\n200", CULTURAL)
    panel(axes, 20, 255, 1580, 565)
    title(axes, (44, 537), "Song branch: acoustic", ACOUSTIC)
    draw_acoustic(axes, 402)
    panel(axes, 20, 20, 1580, 235)
    title(axes, (44, 207), "Song branch: hybrid", HYBRID)
    draw_hybrid(axes, 108)


def make_figure() -> Figure:
    """Draw the whole picture, `WIDTH` by `HEIGHT` pixels."""
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    draw_triplet(axes)
    draw_space(axes)
    draw_branches(axes)
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.axis("off")
    return figure


def draw_picture(path: Path) -> None:
    """Draw the whole picture into a PNG file."""
    make_figure().savefig(path, dpi=DPI)


if __name__ == "__main__":
    draw_picture(Path(__file__).with_name("model.png"))
