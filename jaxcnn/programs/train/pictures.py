"""Pictures of a trained network: its first kernels, what its layers give for an image,
and where it is wrong.

Each function returns a figure, drawn without pyplot: no display is needed and nothing
is global. An image is drawn with 0 black and 1 white; values outside [0, 1] stretch
that scale.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike
from sklearn import metrics

from jaxcnn.programs.messages import plural

SIGNED = "RdBu_r"  # red above 0, blue below: people with colour-blindness can tell them apart too
MOST_KERNELS = 64
MOST_PAIRS = 4  # inputs and outputs each
MOST_CHANNELS = 8
MOST_MISTAKES = 24
MOST_CLASSES_WITH_COUNTS = 20  # beyond it the cells are too small for numbers


def first_filters(w: ArrayLike, title: str) -> Figure:
    """The kernels of a convolution, all on one scale around 0.

    With one input channel there is a panel for each of the first 64 outputs; with three
    the panel is in colour, grey where the weights are 0; else there are the kernels
    from the first 4 inputs to the first 4 outputs.

    Args:
      w: the kernel, (kh, kw, c, o), as `layers.conv` has it.
      title: the figure's.

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
        figure, axes = _grid(shown, most_columns=8, panel=1.1)
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
        figure, axes = _grid(rows * columns, most_columns=columns, panel=1.5)
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
    _set_title(figure, title, what)
    return figure


def feature_maps(
    image: ArrayLike,
    named_outputs: Sequence[tuple[str, ArrayLike]],
    title: str,
    *,
    caption: str = "",
) -> Figure:
    """What layers give for one image: a row for each layer, its first 8 channels on one
    scale, beside the image.

    Where a layer has negative values its scale is red above 0 and blue below; else it
    is bright from 0 up.

    Args:
      image: (h, w, c) with one or three channels.
      named_outputs: of each layer, in order, its name and its output for the image,
        (h', w', c'). At least one.
      title: the figure's.
      caption: what stands over the image: its class, and what the network takes it for.

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
    grid = figure.add_gridspec(
        len(outputs), 1 + columns + 1, width_ratios=[2.2] + [1] * columns + [0.1]
    )
    panel = figure.add_subplot(grid[:2, 0])
    _show_image(panel, _in_unit_range(np.asarray(image)[None])[0])
    panel.set_title(caption, fontsize="medium")
    for row, (name, output) in enumerate(outputs):
        height, width, channels = output.shape
        if output.min(initial=0) < 0:
            limit = float(np.abs(output).max())
            scale = ScalarMappable(Normalize(-limit, limit), SIGNED)
        else:
            scale = ScalarMappable(Normalize(0, float(output.max(initial=0)) or 1.0), "viridis")
        for channel in range(min(channels, columns)):
            panel = figure.add_subplot(grid[row, 1 + channel])
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
        figure.colorbar(scale, cax=figure.add_subplot(grid[row, -1]))
    _set_title(figure, title)
    return figure


def confusion_matrix(
    labels: ArrayLike, predictions: ArrayLike, class_names: Sequence[str], title: str
) -> Figure:
    """How many images of each class were taken for which, and beside it the recall: the
    share of each class that is right.

    The colours are for the errors alone, each as a share of its class; among the many
    that are right they would not be seen.

    Args:
      labels, predictions: classes, (n,), integers in [0, k).
      class_names: the k names.
      title: the figure's.

    Raises:
      ValueError: if a label or a prediction has no name, or if there is no image.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    count = len(class_names)
    for name, classes in (("labels", labels), ("predictions", predictions)):
        if np.any((classes < 0) | (classes >= count)):
            raise ValueError(
                f"{name} must be in [0, {count}), got {classes.min()} to {classes.max()}"
            )
    matrix = metrics.confusion_matrix(labels, predictions, labels=np.arange(count))
    images, right = matrix.sum(axis=1), np.diag(matrix)
    diagonal = np.eye(count, dtype=bool)
    errors = np.where(diagonal, 0, matrix) / np.maximum(images, 1)[:, None]

    cell = 0.55 if count <= MOST_CLASSES_WITH_COUNTS else 0.25
    figure = Figure(
        figsize=(max(cell * count + 5.5, 7), max(cell * count + 2, 3.5)), layout="constrained"
    )
    axes, recall_axes = figure.subplots(1, 2, sharey=True, width_ratios=(max(cell * count, 2), 2))
    shares = np.ma.masked_array(errors, diagonal)
    drawn = axes.imshow(
        shares, cmap="Oranges", vmin=0, vmax=errors.max(initial=0) or 1.0, aspect="auto"
    )
    axes.set_facecolor("0.9")  # shows through at the diagonal
    if count <= MOST_CLASSES_WITH_COUNTS:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            colour = "white" if errors[row, column] > 0.6 * errors.max() else "black"
            axes.text(
                column, row, f"{matrix[row, column]:,}", ha="center", va="center", color=colour
            )
    slanted = (
        {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        if max(map(len, class_names)) > 3
        else {}
    )
    axes.set_xticks(range(count), class_names, **slanted)
    axes.set_yticks(range(count), class_names)
    axes.set(xlabel="predicted", ylabel="true")
    recall_axes.barh(range(count), right / np.maximum(images, 1), color="#0072B2", alpha=0.35)
    for row in range(count):
        recall = f"{right[row] / images[row]:.1%}" if images[row] else "no images"
        recall_axes.text(0.03, row, recall, va="center")
    recall_axes.set(xlim=(0, 1), xlabel="recall")
    recall_axes.tick_params(left=False, labelleft=False)
    recall_axes.xaxis.set_major_formatter(PercentFormatter(1))
    figure.colorbar(
        drawn, ax=recall_axes, label="errors, share of the true class", format=PercentFormatter(1)
    )
    _set_title(figure, title, f"{right.sum():,} of {images.sum():,} images right")
    return figure


def worst_mistakes(
    x: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike,
    class_names: Sequence[str],
    title: str,
) -> Figure:
    """The 24 wrongly classified images of which the network was surest, each with its
    true class and the predicted one.

    Args:
      x: images, (n, h, w, c) with one or three channels.
      labels: classes, (n,), integers in [0, k).
      probabilities: of each class, (n, k).
      class_names: the k names.
      title: the figure's.

    Raises:
      ValueError: on shapes that do not fit.
    """
    x, labels, probabilities = np.asarray(x), np.asarray(labels), np.asarray(probabilities)
    if labels.shape != (len(x),) or probabilities.shape != (len(x), len(class_names)):
        raise ValueError(
            f"{len(x)} images of {len(class_names)} classes need labels of {(len(x),)} and"
            f" probabilities of {(len(x), len(class_names))}, got {labels.shape} and"
            f" {probabilities.shape}"
        )
    predictions = np.argmax(probabilities, axis=1)
    (wrong,) = np.nonzero(predictions != labels)
    if not len(wrong):
        figure = Figure(figsize=(7, 2), layout="constrained")
        _set_title(figure, title)
        figure.text(
            0.5, 0.4, f"no mistakes among {len(x):,} images", ha="center", fontsize="x-large"
        )
        return figure
    shown = wrong[np.argsort(-probabilities[wrong, predictions[wrong]], kind="stable")][
        :MOST_MISTAKES
    ]
    figure, axes = _grid(len(shown), most_columns=6, panel=1.9)
    for panel, image, index in zip(axes.flat, _in_unit_range(x[shown]), shown, strict=False):
        _show_image(panel, image)
        true, predicted = class_names[labels[index]], class_names[predictions[index]]
        panel.set_title(
            f"{true} → {predicted}\n{probabilities[index, predictions[index]]:.1%}",
            fontsize="medium",
        )
    which = "the only mistake" if len(wrong) == 1 else f"all {len(wrong)} mistakes"
    if len(shown) < len(wrong):
        which = f"the {len(shown)} surest of {len(wrong):,} mistakes"
    _set_title(
        figure, title, f"{which} among {len(x):,} images: true → predicted, and its probability"
    )
    return figure


def _set_title(figure: Figure, *lines: str) -> None:
    """A title of these lines, each broken where it would be wider than the figure."""
    characters = int(11 * figure.get_figwidth())  # so many fit into an inch
    figure.suptitle("\n".join(textwrap.fill(line, characters) for line in lines))


def _grid(count: int, most_columns: int, panel: float) -> tuple[Figure, np.ndarray]:
    """A figure with at least `count` panels of so many inches, those beyond it blank;
    and its axes, (rows, columns)."""
    columns = min(count, most_columns)
    rows = math.ceil(count / columns)
    figure = Figure(
        figsize=(max(panel * columns + 1, 7), panel * 1.1 * rows + 1), layout="constrained"
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    for unused in axes.flat[count:]:
        unused.axis("off")
    return figure, axes


def _kernel_panel(panel: Axes, kernel: np.ndarray, limit: float) -> None:
    panel.imshow(
        kernel, cmap=SIGNED, vmin=-limit, vmax=limit
    )  # matplotlib ignores the scale if the kernel is in colour
    panel.set(xticks=[], yticks=[])


def _show_image(panel: Axes, image: np.ndarray) -> None:
    panel.imshow(image, cmap="gray", vmin=0, vmax=1)
    panel.set(xticks=[], yticks=[])


def _in_unit_range(images: np.ndarray) -> np.ndarray:
    """Images (n, h, w, c), stretched to [0, 1] if they exceed it."""
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            "images must have one or three channels, (h, w, 1) or (h, w, 3), got shape"
            f" {images.shape[1:]}"
        )
    images = images.astype(np.float32)
    low, high = images.min(initial=0), images.max(initial=1)
    return (images - low) / (high - low)
