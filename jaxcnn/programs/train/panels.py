"""What the pictures of a run share: panels, titles, and how an image is drawn.

A figure is drawn without pyplot, so that it needs no display and changes nothing
global. An image is drawn with 0 black and 1 white, or 255 if it is of bytes; floats
outside [0, 1] stretch that scale.
"""

from __future__ import annotations

import math
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SIGNED = "RdBu_r"
"""Colours of values with a sign, red above 0 and blue below: colour-blind readers can
tell them apart too."""


def set_title(figure: Figure, *lines: str) -> None:
    """A title of these lines, each broken where it would be wider than the figure."""
    characters = int(11 * figure.get_figwidth())  # 11 characters fit into an inch
    figure.suptitle("\n".join(textwrap.fill(line, characters) for line in lines), parse_math=False)


def grid(count: int, most_columns: int, panel: float) -> tuple[Figure, np.ndarray]:
    """A figure with at least `count` panels, each `panel` inches wide, those beyond
    `count` blank; and its axes, (rows, columns)."""
    columns = min(count, most_columns)
    rows = math.ceil(count / columns)
    figure = Figure(
        figsize=(max(panel * columns + 1, 7), panel * 1.1 * rows + 1), layout="constrained"
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    for unused in axes.flat[count:]:
        unused.axis("off")
    return figure, axes


def show_image(panel: Axes, image: np.ndarray) -> None:
    panel.imshow(image, cmap="gray", vmin=0, vmax=1)
    panel.set(xticks=[], yticks=[])


def in_unit_range(images: np.ndarray) -> np.ndarray:
    """Images (n, h, w, c) in [0, 1]: bytes divided by 255, floats stretched if they
    exceed it."""
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            "images must have one or three channels, (h, w, 1) or (h, w, 3), got shape"
            f" {images.shape[1:]}"
        )
    if images.dtype == np.uint8:
        return images.astype(np.float32) / 255
    images = images.astype(np.float32)
    low, high = images.min(initial=0), images.max(initial=1)
    return (images - low) / (high - low)
