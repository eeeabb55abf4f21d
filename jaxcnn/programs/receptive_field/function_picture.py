"""The picture of a function: what its centre output sees, and what its centre input
reaches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from jaxcnn.programs.figures import BLUE, ORANGE, RED
from jaxcnn.programs.messages import times
from jaxcnn.programs.receptive_field.function_table import centre
from jaxcnn.seen import Seen

BLANK = "0.93"


def function_picture(title: str, seen: Seen) -> Figure:
    """On the left the input with what the centre output sees, on the right the outputs
    with what the centre input reaches. A single axis is a row; of three, a pixel stands
    for all positions of the first axis."""
    j, i = centre(seen.output_size), centre(seen.input_size)
    figure = Figure(figsize=(10, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    output = f"output {_text(j)}" if j else "the output"
    sees, reached = seen.sees(j), seen.reached_by(i)
    _draw(left, sees, BLUE, f"{output} sees {int(sees.sum()):,} of {_sizes(seen.input_size)}")
    _draw(
        right,
        reached,
        ORANGE,
        f"input {_text(i)} reaches {int(reached.sum()):,} of {_sizes(seen.output_size)}",
    )
    _mark(left, i, "o", f"input {_text(i)}")
    if j:
        _mark(right, j, "s", f"output {_text(j)}")
    exact = "exact" if seen.exact else "not exact: at most"
    figure.suptitle(f"What {title} sees, and what reaches where ({exact})")
    return figure


def _draw(panel: Axes, where: np.ndarray, colour: str, title: str) -> None:
    flat = _flat(where)
    panel.imshow(flat, cmap=ListedColormap([BLANK, colour]), vmin=0, vmax=1, aspect="equal")
    places = np.argwhere(flat)
    if len(places):
        (top, first), (bottom, last) = places.min(axis=0), places.max(axis=0)
        outline = Rectangle(
            (first - 0.5, top - 0.5), last - first + 1, bottom - top + 1, fill=False, linewidth=1.5
        )
        panel.add_patch(outline)
    panel.set_title(title, fontsize="medium")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    if flat.shape[0] == 1:
        panel.set_yticks([])


def _flat(where: np.ndarray) -> np.ndarray:
    """Two axes of one, two or three; of three, what there is in any plane."""
    return np.atleast_2d(where.any(axis=0) if where.ndim > 2 else where)


def _mark(panel: Axes, position: Sequence[int], marker: str, label: str) -> None:
    *_, row, column = (0, *position)
    panel.plot(column, row, marker, color=RED, markersize=6, fillstyle="none", label=label)
    panel.legend(loc="upper left", bbox_to_anchor=(0, -0.1), frameon=False, fontsize="small")


def _text(position: Sequence[int]) -> str:
    return ", ".join(map(str, position))


def _sizes(sizes: Sequence[int]) -> str:
    return times(sizes) or "1"
