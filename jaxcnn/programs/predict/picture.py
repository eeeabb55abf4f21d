"""The picture of an explanation: the image, its gradient, and its places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from jaxcnn.programs.figures import ORANGE
from jaxcnn.programs.picture_names import picture_names
from jaxcnn.programs.predict.explaining import Explanation
from jaxcnn.stored.files import write_whole

DENSEST = 0.85  # of the shade over the image
WIDTH = 3.2  # inches of a panel
SHARE = 99.5  # the percentile of a gradient that is drawn as the brightest


def picture(
    image: np.ndarray,
    explanation: Explanation,
    file: str,
    answer: int,
    classes: Sequence[str],
    probability: float,
) -> Figure:
    """The image, and beside it what drove the answer.

    Args:
      image: (h, w, c), uint8, as the model saw it.
      explanation: of the answer.
      file: the name of the image.
      answer: the number of the class, with this probability.
      classes: the names of all. Where no font has the name, the number is shown.
    """
    panels = 2 if explanation.places is None else 3
    height, width = image.shape[:2]
    tall = min(max(height / width, 0.5), 2.0)
    figure = Figure(figsize=(WIDTH * panels, WIDTH * tall + 1.1), layout="constrained")
    axes = figure.subplots(1, panels)
    _show(axes[0], image, "as the network saw it")
    bright = max(float(np.percentile(explanation.gradient, SHARE)), 1e-30)
    axes[1].imshow(explanation.gradient, cmap="magma", vmin=0, vmax=bright)
    axes[1].set_title("input gradient", fontsize="medium")
    if explanation.places is not None:
        grey = image.astype(np.float32).mean(axis=2, keepdims=True)
        _show(axes[2], grey, f"{explanation.method}, {explanation.layer}")
        _shade(axes[2], explanation.places, (height, width))
    for panel in axes:
        panel.set(xticks=[], yticks=[], xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    names = picture_names([*classes, Path(file).name], most=60)
    title = f"{names.names[-1]}\n{names.names[answer]}, {probability:.1%}"
    figure.suptitle(title, fontsize="medium", **names.style)
    return figure


def write_picture(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all.

    Raises:
      OSError: with the name of `path`, if it cannot be written.
    """
    write_whole(path, lambda partial: figure.savefig(partial, format="png", dpi=110))


def _show(panel: Axes, image: np.ndarray, title: str) -> None:
    channels = image if image.shape[2] == 3 else image[..., :1]
    panel.imshow(channels, cmap="gray", vmin=0, vmax=255)
    panel.set_title(title, fontsize="medium")


def _shade(panel: Axes, places: np.ndarray, size: tuple[int, int]) -> None:
    """Orange over the image, the denser the more a place spoke for the answer."""
    height, width = size
    shade = np.empty((*places.shape, 4), np.float32)
    shade[..., :3] = to_rgb(ORANGE)
    shade[..., 3] = DENSEST * places / (float(places.max()) or 1.0)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    panel.imshow(shade, extent=extent, interpolation="bilinear")
