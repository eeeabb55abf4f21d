"""A picture of a training run: loss and accuracy of each epoch, on the training and on
the test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Two colours that people with colour-blindness can tell apart too (Okabe and Ito 2008);
# the line style says it once more.
_CURVES = (
    ("train", "training, mean over the epoch", "#0072B2", "-"),
    ("test", "test, after the epoch", "#D55E00", "--"),
)
_ACCURACY_TICKS = (0.0, 0.25, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)


def learning_curves(
    rows: Sequence[Mapping[str, float]], title: str, *, least_loss: float = 0.0
) -> Figure:
    """The figure, from rows as in metrics.jsonl. It is drawn without pyplot: no display
    is needed and nothing is global.

    Args:
      rows: of each epoch: epoch, train_loss, train_accuracy, test_loss, test_accuracy.
      title: the figure's.
      least_loss: what the loss of a perfect prediction is; drawn as a line if it is not
        0.
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
        if (
            len(rows) == 1
        ):  # else the axis would be a twelfth of an epoch wide, with ticks where there is none
            axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
            axes.set_xticks(epochs)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.suptitle(title)
    return figure


# The accuracies that matter lie close to 1: a scale that is logarithmic in the error,
# but for 1 % so that it has an end.


def _stretch(accuracy):
    return -np.log(1.01 - np.minimum(accuracy, 1.005))


def _unstretch(position):
    return 1.01 - np.exp(-np.asarray(position))
