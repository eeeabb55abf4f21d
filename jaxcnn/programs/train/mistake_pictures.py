"""Pictures of where a network is wrong: which classes it confuses, and its worst
mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike
from sklearn import metrics

from jaxcnn.programs.figures import BLUE
from jaxcnn.programs.train.panels import grid, in_unit_range, set_title, show_image

MOST_MISTAKES = 24
MOST_CLASSES_WITH_COUNTS = 20  # beyond it the cells are too small for numbers


def confusion_matrix(
    labels: ArrayLike, predictions: ArrayLike, class_names: Sequence[str], title: str
) -> Figure:
    """How many images of each class were taken for which class, and beside it the
    recall: the share of each class that is right.

    Only the errors are coloured, each by its share of its class. On one scale with the
    images that are right they would all look alike.

    Args:
      labels, predictions: classes, (n,), integers in [0, k).
      class_names: the k names.
      title: of the figure.

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
    recall_axes.barh(range(count), right / np.maximum(images, 1), color=BLUE, alpha=0.35)
    for row in range(count):
        recall = f"{right[row] / images[row]:.1%}" if images[row] else "no images"
        recall_axes.text(0.03, row, recall, va="center")
    recall_axes.set(xlim=(0, 1), xlabel="recall")
    recall_axes.tick_params(left=False, labelleft=False)
    recall_axes.xaxis.set_major_formatter(PercentFormatter(1))
    figure.colorbar(
        drawn, ax=recall_axes, label="errors, share of the true class", format=PercentFormatter(1)
    )
    set_title(figure, title, f"{right.sum():,} of {images.sum():,} images right")
    return figure


def worst_mistakes(
    x: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike,
    class_names: Sequence[str],
    title: str,
) -> Figure:
    """The wrongly classified images of which the network was surest, at most 24, each
    with its true class and the predicted one.

    Args:
      x: images, (n, h, w, c) with one or three channels.
      labels: classes, (n,), integers in [0, k).
      probabilities: of each class, (n, k).
      class_names: the k names.
      title: of the figure.

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
        set_title(figure, title)
        figure.text(
            0.5, 0.4, f"no mistakes among {len(x):,} images", ha="center", fontsize="x-large"
        )
        return figure
    shown = wrong[np.argsort(-probabilities[wrong, predictions[wrong]], kind="stable")][
        :MOST_MISTAKES
    ]
    figure, axes = grid(len(shown), most_columns=6, panel=1.9)
    for panel, image, index in zip(axes.flat, in_unit_range(x[shown]), shown, strict=False):
        show_image(panel, image)
        true, predicted = class_names[labels[index]], class_names[predictions[index]]
        panel.set_title(
            f"{true} → {predicted}\n{probabilities[index, predictions[index]]:.1%}",
            fontsize="medium",
        )
    which = "the only mistake" if len(wrong) == 1 else f"all {len(wrong)} mistakes"
    if len(shown) < len(wrong):
        which = f"the {len(shown)} surest of {len(wrong):,} mistakes"
    set_title(
        figure, title, f"{which} among {len(x):,} images: true → predicted, and its probability"
    )
    return figure
