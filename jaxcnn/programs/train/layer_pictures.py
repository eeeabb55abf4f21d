"""Pictures of what a network computes: its first kernels, and its layers' outputs for
an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from jaxcnn.programs.messages import plural
from jaxcnn.programs.picture_names import picture_names
from jaxcnn.programs.train.panels import SIGNED, grid, in_unit_range, set_title, show_image

MOST_KERNELS = 64
MOST_PAIRS = 4  # inputs and outputs each
MOST_CHANNELS = 8


def first_filters(w: ArrayLike, title: str) -> Figure:
    """The kernels of a convolution, all on one scale around 0.

    With one input channel or three there is a panel for each of the first 64 outputs;
    for three it is in colour, and grey where the weights are 0. Otherwise there are the
    kernels from the first 4 inputs to the first 4 outputs.

    Args:
      w: the kernel, (kh, kw, c, o), as `layers.conv` has it.
      title: of the figure.

    Raises:
      ValueError: if w has another number of axes.
    """
    w = np.asarray(w, np.float32)
    if w.ndim != 4:
        raise ValueError(
            f"w must be the kernel of a convolution of images, (kh, kw, c, o), got shape {w.shape}"
        )
    inputs, outputs = w.shape[2:]
    limit = float(np.abs(w).max()) or 1.0
    if inputs in (1, 3):
        shown = min(outputs, MOST_KERNELS)
        figure, axes = grid(shown, most_columns=8, panel=1.1)
        for output in range(shown):
            kernel = w[:, :, 0, output] if inputs == 1 else 0.5 + w[..., output] / (2 * limit)
            _kernel_panel(axes.flat[output], kernel, limit)
        what = (
            f"the first {shown} of {outputs} kernels"
            if shown < outputs
            else plural(outputs, "kernel")
        )
    else:
        rows, columns = min(inputs, MOST_PAIRS), min(outputs, MOST_PAIRS)
        figure, axes = grid(rows * columns, most_columns=columns, panel=1.5)
        for (row, column), panel in np.ndenumerate(axes):
            _kernel_panel(panel, w[:, :, row, column], limit)
            if row == 0:
                panel.set_title(f"output {column}")
            if column == 0:
                panel.set_ylabel(f"input {row}")
        what = f"{rows * columns} of the kernels from {inputs} inputs to {outputs} outputs"
    what += f" of {w.shape[0]}x{w.shape[1]}"
    if inputs == 3:
        what += f", in colour: grey is 0, black {-limit:.2g}, white {limit:.2g}"
    else:
        figure.colorbar(ScalarMappable(Normalize(-limit, limit), SIGNED), ax=axes, label="weight")
    set_title(figure, title, what)
    return figure


def feature_maps(
    image: ArrayLike,
    named_outputs: Sequence[tuple[str, ArrayLike]],
    title: str,
    *,
    caption: str = "",
) -> Figure:
    """The outputs of layers for one image: a row for each layer, its first 8 channels
    on one scale, beside the image.

    A layer with negative values has a scale that is red above 0 and blue below; any
    other grows brighter from 0.

    Args:
      image: (h, w, c) with one or three channels.
      named_outputs: name and output (h', w', c') of each layer, in order. At least one.
      title: of the figure.
      caption: over the image, such as its class and the predicted one.

    Raises:
      ValueError: if there is no layer, or on shapes that do not fit.
    """
    outputs = [(name, np.asarray(output, np.float32)) for name, output in named_outputs]
    if not outputs:
        raise ValueError("named_outputs must have at least one layer's output")
    for name, output in outputs:
        if output.ndim != 3:
            raise ValueError(
                f"the output of {name} must be one image's maps, (h, w, c), got shape"
                f" {output.shape}"
            )
    columns = min(MOST_CHANNELS, max(output.shape[-1] for _, output in outputs))
    figure = Figure(
        figsize=(1.3 * columns + 5, max(1.3 * len(outputs) + 0.8, 3)), layout="constrained"
    )
    cells = figure.add_gridspec(
        len(outputs), 1 + columns + 1, width_ratios=[2.2] + [1] * columns + [0.1]
    )
    panel = figure.add_subplot(cells[:2, 0])
    show_image(panel, in_unit_range(np.asarray(image)[None])[0])
    lines = picture_names(caption.splitlines(), most=32)
    panel.set_title("\n".join(lines.names), fontsize="medium", **lines.style)
    for row, (name, output) in enumerate(outputs):
        height, width, channels = output.shape
        if output.min(initial=0) < 0:
            limit = float(np.abs(output).max())
            scale = ScalarMappable(Normalize(-limit, limit), SIGNED)
        else:
            scale = ScalarMappable(Normalize(0, float(output.max(initial=0)) or 1.0), "viridis")
        for channel in range(min(channels, columns)):
            panel = figure.add_subplot(cells[row, 1 + channel])
            panel.imshow(scale.to_rgba(output[..., channel]))
            panel.set(xticks=[], yticks=[])
            if channel == 0:
                more = f"\nfirst {columns} channels" if channels > columns else ""
                panel.set_ylabel(
                    f"{name}\n{height}x{width}x{channels}{more}",
                    rotation=0,
                    ha="right",
                    va="center",
                )
        figure.colorbar(scale, cax=figure.add_subplot(cells[row, -1]))
    set_title(figure, title)
    return figure


def _kernel_panel(panel: Axes, kernel: np.ndarray, limit: float) -> None:
    panel.imshow(
        kernel, cmap=SIGNED, vmin=-limit, vmax=limit
    )  # matplotlib ignores the scale if the kernel is in colour
    panel.set(xticks=[], yticks=[])
