"""The picture: edges and responses above, cross-correlation and convolution below."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure

from experiments.filters.responses import FILTERS, Example, edge_images, examples, responses
from jaxcnn.programs.train.panels import SIGNED


def picture() -> Figure:
    """Edges and responses above, cross-correlation and convolution below."""
    figure = Figure(figsize=(14, 15), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(10, 6), hspace=0.05)
    _draw_responses(above)
    _draw_examples(below, examples())
    return figure


def _draw_responses(figure: SubFigure) -> None:
    images = edge_images()
    axes = figure.subplots(1 + len(FILTERS), 1 + len(images))
    axes[0, 0].axis("off")
    scales = [
        Normalize(-limit, limit) for limit in (9, 9, 5)
    ]  # the largest response to values in [0, 1]
    for column, (name, image) in enumerate(images.items(), start=1):
        axes[0, column].imshow(image, cmap="gray", vmin=0, vmax=1)
        axes[0, column].set_title(name)
        for panel, response, scale in zip(
            axes[1:, column], np.moveaxis(responses(image[None])[0], -1, 0), scales, strict=True
        ):
            panel.imshow(response, cmap=SIGNED, norm=scale)
    for panel, (name, kernel) in zip(axes[1:, 0], FILTERS.items(), strict=True):
        _draw_matrix(panel, kernel, 4)
        panel.set_title(f"{name}\n(sum {round(float(kernel.sum()))})")
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    figure.colorbar(
        ScalarMappable(scales[0], SIGNED),
        ax=axes[1:3],
        label="response",
        shrink=0.6,
        ticks=range(-9, 10, 3),
    )
    figure.colorbar(
        ScalarMappable(scales[2], SIGNED), ax=axes[3], label="response", ticks=(-5, 0, 5)
    )
    figure.suptitle(
        "An edge filter answers to edges that look like it, but also, as its sum is not 0, to"
        " brightness\n",
        fontsize="x-large",
    )


def _draw_examples(figure: SubFigure, examples: list[Example]) -> None:
    axes = figure.subplots(3, len(examples))
    for column, example in zip(axes.T, examples, strict=True):
        rows = (
            (example.signal, "0.5"),
            (example.cross_correlation, "#0072B2"),
            (example.convolution, "#D55E00"),
        )
        for panel, (values, colour) in zip(column, rows, strict=True):
            panel.set(xticks=[], yticks=[])
            if values.ndim == 2:
                _draw_matrix(panel, values, 8)
            else:
                panel.bar_label(panel.bar(range(len(values)), values, color=colour), fmt="%d")
                panel.axhline(0, color="black", linewidth=0.8)
                panel.use_sticky_edges = (
                    False  # else no room for the numbers below the last panel's bars
                )
                panel.margins(y=0.2)
                panel.set_xlim(-0.6, max(len(example.signal), len(example.convolution)) - 0.4)
        column[0].set_title(f"{example.name}\nkernel {example.kernel.tolist()}")
    for panel, name in zip(axes[:, 0], ("signal", "cross-correlation", "convolution"), strict=True):
        panel.set_ylabel(name)
    figure.suptitle(
        "Cross-correlation slides the kernel as it is, convolution slides it flipped\n",
        fontsize="x-large",
    )


def _draw_matrix(panel: Axes, values: np.ndarray, limit: float) -> None:
    panel.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit)
    for (row, column), value in np.ndenumerate(values):
        panel.text(
            column,
            row,
            np.format_float_positional(value, precision=2, trim="-"),
            ha="center",
            va="center",
        )
