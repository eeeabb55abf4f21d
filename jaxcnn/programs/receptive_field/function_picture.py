"""The picture of a function: what its centre output sees, what its centre input
reaches, and how much the output depends on each position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from jaxcnn.programs.figures import BLUE, ORANGE, RED, SKY
from jaxcnn.programs.messages import plural, times
from jaxcnn.programs.receptive_field.function_table import centre
from jaxcnn.programs.receptive_field.gradients import Effective
from jaxcnn.programs.receptive_field.spread import sd
from jaxcnn.programs.receptive_field.tables import pixels
from jaxcnn.seen import Seen

BLANK = "0.93"


def function_picture(title: str, seen: Seen, found: Effective | None = None) -> Figure:
    """The input with what the centre output sees, the outputs with what the centre
    input reaches, and how much the centre output depends on each position. A single
    axis is a row; of three, a pixel stands for all positions of the first axis."""
    j, i = centre(seen.output_size), centre(seen.input_size)
    panels = 2 if found is None else 3
    figure = Figure(figsize=(5 * panels, 5), layout="constrained")
    left, right, *more = figure.subplots(1, panels)
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
    if found is not None:
        _draw_effective(more[0], found, sees, output)
    exact = "exact" if seen.exact else "not exact: at most"
    figure.suptitle(f"What {title} sees, and what reaches where ({exact})")
    return figure


def _draw(panel: Axes, where: np.ndarray, colour: str, title: str) -> None:
    flat = _flat(where)
    panel.imshow(flat, cmap=ListedColormap([BLANK, colour]), vmin=0, vmax=1, aspect="equal")
    _outline(panel, flat, "black")
    _finish(panel, flat, title)


def _draw_effective(panel: Axes, found: Effective, sees: np.ndarray, output: str) -> None:
    flat = _flat(found.field)
    most = float(flat.max()) or 1.0
    drawn = panel.imshow(flat, cmap="magma", vmin=0, vmax=most, aspect="equal")
    _outline(panel, _flat(sees), SKY)
    bar: dict[str, Any] = {"location": "bottom", "shrink": 0.6, "ticks": MaxNLocator(3)}
    panel.figure.colorbar(drawn, ax=panel, label="share of the gradient", **bar)
    inputs = plural(found.inputs, "input")
    spread = f"sd {pixels(sd(found.field))}" if found.field.any() else "0 everywhere"
    _finish(panel, flat, f"gradient of {output}, {inputs}: {spread}")


def _outline(panel: Axes, flat: np.ndarray, colour: str) -> None:
    places = np.argwhere(flat)
    if len(places):
        (top, first), (bottom, last) = places.min(axis=0), places.max(axis=0)
        corner, sizes = (first - 0.5, top - 0.5), (last - first + 1, bottom - top + 1)
        panel.add_patch(Rectangle(corner, *sizes, fill=False, linewidth=1.5, edgecolor=colour))


def _finish(panel: Axes, flat: np.ndarray, title: str) -> None:
    panel.set_title(title, fontsize="medium")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    if flat.shape[0] == 1:
        panel.set_yticks([])


def _flat(where: np.ndarray) -> np.ndarray:
    """Two axes of one, two or three; of three, what there is in any plane, or the sum
    over the planes."""
    if where.ndim < 3:
        return np.atleast_2d(where)
    return np.asarray(where.any(axis=0) if where.dtype == bool else where.sum(axis=0))


def _mark(panel: Axes, position: Sequence[int], marker: str, label: str) -> None:
    *_, row, column = (0, *position)
    panel.plot(column, row, marker, color=RED, markersize=6, fillstyle="none", label=label)
    panel.legend(loc="upper left", bbox_to_anchor=(0, -0.1), frameon=False, fontsize="small")


def _text(position: Sequence[int]) -> str:
    return ", ".join(map(str, position))


def _sizes(sizes: Sequence[int]) -> str:
    return times(sizes) or "1"
