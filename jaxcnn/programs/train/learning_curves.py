"""A picture of a training run: loss and accuracy of each epoch, on training and test
images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxcnn.programs.figures import BLUE, RED
from jaxcnn.programs.train.panels import set_title

# Two colours that colour-blind readers can tell apart (Okabe and Ito 2008); the line
# style says it once more.
_CURVES = (
    ("train", "training, mean over the epoch", BLUE, "-"),
    ("test", "test, after the epoch", RED, "--"),
)
_ACCURACY_TICKS = (0.0, 0.25, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)


def learning_curves(
    rows: Sequence[Mapping[str, float]], title: str, *, least_loss: float = 0.0
) -> Figure:
    """Loss and accuracy by epoch, drawn without pyplot, so that no display is needed
    and nothing global changes.

    Args:
      rows: the metrics of each epoch as in metrics.jsonl: epoch, train_loss,
        train_accuracy, test_loss, test_accuracy.
      title: of the figure.
      least_loss: the loss of a perfect prediction; drawn as a line if it is not 0.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    for split, label, colour, style in _CURVES:
        for axes, metric in ((loss_axes, "loss"), (accuracy_axes, "accuracy")):
            values = [row[f"{split}_{metric}"] for row in rows]
            axes.plot(
                epochs,
                values,
                style,
                color=colour,
                marker="." if len(rows) > 1 else "o",
                label=label,
            )
    if least_loss:
        loss_axes.axhline(
            least_loss,
            color="grey",
            linestyle=":",
            label=f"least possible with smoothed labels, {least_loss:.3f}",
        )
    loss_axes.set(xlabel="epoch", ylabel="cross-entropy")
    accuracy_axes.set(xlabel="epoch", ylabel="accuracy (scale stretched towards 100 %)")
    accuracy_axes.set_yscale("function", functions=(_stretch, _unstretch))
    lowest = min(row[f"{split}_accuracy"] for row in rows for split in ("train", "test"))
    accuracy_axes.set_ylim(max(0, lowest - 0.05), 1.002)
    ticks = [tick for tick in _ACCURACY_TICKS if tick > lowest - 0.05]
    accuracy_axes.set_yticks(ticks, [f"{tick:.0%}" for tick in ticks])
    for axes in (loss_axes, accuracy_axes):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        if len(rows) == 1:
            # Or the axis would be a twelfth of an epoch wide, its ticks between epochs.
            axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
            axes.set_xticks(epochs)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    set_title(figure, title)
    return figure


# The accuracies that matter are close to 1, so the scale is logarithmic in the error;
# 1 % is added to the error so that the scale ends.


def _stretch(accuracy):
    return -np.log(1.01 - np.minimum(accuracy, 1.005))


def _unstretch(position):
    return 1.01 - np.exp(-np.asarray(position))
