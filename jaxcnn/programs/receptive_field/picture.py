"""The picture: fields of outputs on an image, and how much the centre output depends
on each pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from jaxcnn.fields import ReceptiveField
from jaxcnn.programs.figures import COLOURS, SKY
from jaxcnn.programs.messages import times
from jaxcnn.programs.receptive_field.spread import Position, centre_output, sd
from jaxcnn.programs.receptive_field.tables import pixels
from jaxcnn.programs.receptive_field.view import View

PADDING_GREY = "0.8"


def picture(views: Sequence[View], image: np.ndarray, title: str) -> Figure:
    """A row for each layer: on the left the fields of the chosen outputs on an image
    (h, w, c), on the right the effective field of the centre output."""
    legend_lines = math.ceil(max(len(view.positions) for view in views) / 2)
    figure = Figure(
        figsize=(10, (4.2 + 0.2 * legend_lines) * len(views) + 0.8), layout="constrained"
    )
    axes = figure.subplots(len(views), 2, squeeze=False)
    for (left, right), view in zip(axes, views, strict=True):
        _draw_theory(left, view, image)
        _draw_effective(right, view)
        left.set_ylabel(view.path, fontsize="large", fontweight="bold")
        for panel in (left, right):
            _frame(panel, view)
            # Were the legend in the layout, it would shrink a panel that is narrower.
            # The layout learns of its height alone, from the empty x label.
            options = {
                "ncols": 2,
                "frameon": False,
                "fontsize": "small",
                "borderaxespad": 0,
                "columnspacing": 1,
                "handletextpad": 0.4,
            }
            panel.legend(loc="upper left", bbox_to_anchor=(0, -0.08), **options).set_in_layout(
                False
            )
            panel.set_xlabel("\n" * legend_lines)
    figure.suptitle(
        f"What an output sees of the image, and how much it depends on each pixel\n{title}"
    )
    return figure


def _draw_theory(panel: Axes, view: View, image: np.ndarray) -> None:
    panel.imshow(image, cmap="gray", vmin=0, vmax=1)
    for position, colour in zip(view.positions, cycle(COLOURS), strict=False):
        clipped = view.field.clipped(position)
        if clipped is not None:
            panel.add_patch(_rectangle(clipped, facecolor=colour, alpha=0.25))
        _draw_field(panel, view.field, position, colour)
    field = view.field
    aligned = "aligned" if field.aligned else "not aligned"
    panel.set_title(
        f"receptive field {times(field.size)}, effective stride {times(field.stride)}, {aligned}",
        fontsize="medium",
    )


def _draw_effective(panel: Axes, view: View) -> None:
    drawn = panel.imshow(
        view.effective, cmap="magma", vmin=0, vmax=float(view.effective.max()) or 1.0
    )
    centre = centre_output(view.field)
    colour = dict(zip(view.positions, cycle(COLOURS), strict=False)).get(
        centre, "black"
    )  # as on the image, if it is there
    panel.add_patch(_rectangle(view.field.interval(centre), **_OUTLINE, edgecolor=colour))
    measured = sd(view.effective)
    title = f"gradient of output {centre}: 0 for every image"
    if not math.isnan(measured[0]):
        title = f"gradient of output {centre}: sd {pixels(measured)} pixels"
        mean = [
            float(view.effective.sum(axis=1 - axis) @ np.arange(n))
            for axis, n in enumerate(view.effective.shape)
        ]
        panel.add_patch(_ellipse(mean, measured, "solid", "2 sd as trained"))
    panel.add_patch(
        _ellipse(
            view.field.centre(centre),
            view.theory,
            "dashed",
            f"2 sd of equal weights, {pixels(view.theory)}",
        )
    )
    panel.set_title(title, fontsize="medium")
    panel.figure.colorbar(drawn, ax=panel, label="share of the gradient", shrink=0.8)


def _draw_field(panel: Axes, field: ReceptiveField, position: Position, colour: str) -> None:
    panel.add_patch(_rectangle(field.interval(position), **_OUTLINE, edgecolor=colour))
    row, column = field.centre(position)
    effects = [withStroke(linewidth=4, foreground="white")]
    label = f"output {position}, centre {row:g}, {column:g}"
    panel.plot(
        column,
        row,
        "+",
        color=colour,
        markersize=11,
        markeredgewidth=2,
        zorder=4,
        path_effects=effects,
        label=label,
    )


_OUTLINE = {
    "fill": False,
    "linewidth": 2,
    "path_effects": [withStroke(linewidth=4, foreground="white")],
    "zorder": 3,
}


def _rectangle(interval: Sequence[tuple[int, int]], **style: Any) -> Rectangle:
    """The rectangle around the pixels of an interval of rows and one of columns; pixel
    i reaches from i - 1/2 to i + 1/2."""
    (top, bottom), (first, last) = interval
    return Rectangle((first - 0.5, top - 0.5), last - first + 1, bottom - top + 1, **style)


def _ellipse(
    centre: Sequence[float], deviations: Sequence[float], line: str, label: str
) -> Ellipse:
    (row, column), (rows, columns) = centre, deviations
    style: dict[str, Any] = {
        "fill": False,
        "edgecolor": SKY,
        "linewidth": 1.6,
        "linestyle": line,
        "label": label,
    }
    return Ellipse((column, row), 4 * columns, 4 * rows, **style)


def _frame(panel: Axes, view: View) -> None:
    """Show the image, and in grey the padding around it that the outputs see."""
    h, w = view.field.input_size
    shown = [
        ((0, h - 1), (0, w - 1)),
        *(
            view.field.interval(position)
            for position in (*view.positions, centre_output(view.field))
        ),
    ]
    (top, bottom), (left, right) = (
        (min(interval[axis][0] for interval in shown), max(interval[axis][1] for interval in shown))
        for axis in (0, 1)
    )
    margin = 0.5 + 0.03 * max(bottom - top, right - left)
    panel.set(
        xlim=(left - margin, right + margin),
        ylim=(bottom + margin, top - margin),
        facecolor=PADDING_GREY,
    )
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    panel.add_patch(
        _rectangle(((0, h - 1), (0, w - 1)), fill=False, edgecolor="black", linewidth=0.8)
    )
