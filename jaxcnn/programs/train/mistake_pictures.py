"""Pictures of where a network is wrong: which classes it confuses, and its worst
mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike
from sklearn import metrics

from jaxcnn.programs.figures import BLUE
from jaxcnn.programs.picture_names import picture_names, width
from jaxcnn.programs.train.panels import grid, in_unit_range, set_title, show_image

MOST_MISTAKES = 24
MOST_CLASSES_WITH_COUNTS = 20  # beyond it the cells are too small for numbers
MOST_CLASSES_WITH_NAMES = 150  # and beyond this one for names
LARGEST = 15.0  # inches that the cells take together
CAPTION = 18  # characters over a mistake


class Images(Protocol):
    """Images that are read where they are indexed."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any, /) -> Any: ...


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

    cell = 0.55 if count <= MOST_CLASSES_WITH_COUNTS else min(0.25, LARGEST / count)
    size = {"fontsize": min(10.0, 0.8 * 72 * cell)}  # of words, at most a cell high
    figure = Figure(
        figsize=(max(cell * count + 5.5, 7), max(cell * count + 2, 3.5)), layout="constrained"
    )
    axes, recall_axes = figure.subplots(1, 2, sharey=True, width_ratios=(max(cell * count, 2), 2))
    shares = np.ma.masked_array(errors, diagonal)
    # By the square root, so that one class that is always wrong does not hide the rest.
    scale = PowerNorm(0.5, 0, errors.max(initial=0) or 1.0)
    drawn = axes.imshow(shares, cmap="Oranges", norm=scale, aspect="auto")
    axes.set_facecolor("0.9")  # shows through at the diagonal
    if count <= MOST_CLASSES_WITH_COUNTS:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            colour = "white" if scale(errors[row, column]) > 0.6 else "black"
            axes.text(
                column, row, f"{matrix[row, column]:,}", ha="center", va="center", color=colour
            )
    recall_axes.barh(range(count), right / np.maximum(images, 1), color=BLUE, alpha=0.35)
    note = ""
    if count <= MOST_CLASSES_WITH_NAMES:
        given = picture_names(class_names)
        note = given.note
        turned: dict[str, Any] = {}
        if count > MOST_CLASSES_WITH_COUNTS:
            turned = {"rotation": 90}
        elif max(map(width, given.names)) > 3:
            turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(count), given.names, **turned, **size, **given.style)
        axes.set_yticks(range(count), given.names, **size, **given.style)
        for row in range(count):
            recall = f"{right[row] / images[row]:.1%}" if images[row] else "no images"
            recall_axes.text(0.03, row, recall, va="center", **size)
    else:
        note = "classes by their numbers, from 0"
    axes.set(xlabel="predicted", ylabel="true")
    recall_axes.set(xlim=(0, 1), xlabel="recall")
    recall_axes.tick_params(left=False, labelleft=False)
    recall_axes.xaxis.set_major_formatter(PercentFormatter(1))
    figure.colorbar(
        drawn, ax=recall_axes, label="errors, share of the true class", format=PercentFormatter(1)
    )
    words = [f"{right.sum():,} of {images.sum():,} images right", *([note] if note else [])]
    set_title(figure, title, *words)
    return figure


def worst_mistakes(
    x: Images,
    labels: ArrayLike,
    probabilities: ArrayLike,
    class_names: Sequence[str],
    title: str,
) -> Figure:
    """The wrongly classified images of which the network was surest, at most 24, each
    with its true class and the predicted one.

    Args:
      x: images, (n, h, w, c) with one or three channels; floats in [0, 1], or uint8.
        Only those shown are read.
      labels: classes, (n,), integers in [0, k).
      probabilities: of each class, (n, k).
      class_names: the k names.
      title: of the figure.

    Raises:
      ValueError: on shapes that do not fit.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    count = len(x)
    if labels.shape != (count,) or probabilities.shape != (count, len(class_names)):
        raise ValueError(
            f"{count} images of {len(class_names)} classes need labels of {(count,)} and"
            f" probabilities of {(count, len(class_names))}, got {labels.shape} and"
            f" {probabilities.shape}"
        )
    predictions = np.argmax(probabilities, axis=1)
    (wrong,) = np.nonzero(predictions != labels)
    if not len(wrong):
        figure = Figure(figsize=(7, 2), layout="constrained")
        set_title(figure, title)
        figure.text(
            0.5, 0.4, f"no mistakes among {count:,} images", ha="center", fontsize="x-large"
        )
        return figure
    shown = wrong[np.argsort(-probabilities[wrong, predictions[wrong]], kind="stable")][
        :MOST_MISTAKES
    ]
    given = picture_names(class_names, CAPTION)
    figure, axes = grid(len(shown), most_columns=6, panel=1.9)
    chosen = in_unit_range(np.asarray(x[shown]))
    for panel, image, index in zip(axes.flat, chosen, shown, strict=False):
        show_image(panel, image)
        true, predicted = given.names[labels[index]], given.names[predictions[index]]
        words = f"{true} → {predicted}"
        if width(words) > CAPTION + 2:
            words = f"{true}\n→ {predicted}"
        words += f"\n{probabilities[index, predictions[index]]:.1%}"
        panel.set_title(words, fontsize="medium", **given.style)
    which = "the only mistake" if len(wrong) == 1 else f"all {len(wrong)} mistakes"
    if len(shown) < len(wrong):
        which = f"the {len(shown)} surest of {len(wrong):,} mistakes"
    words = f"{which} among {count:,} images: true → predicted, and its probability"
    set_title(figure, title, words, *([given.note] if given.note else []))
    return figure
