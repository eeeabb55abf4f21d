"""The picture of training runs: losses, and how far they are apart. The line style
tells the runs apart too, for those who see no colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxcnn.programs.certify.network.curves import LossCurves
from jaxcnn.programs.figures import BLUE, ORANGE, PURPLE
from jaxcnn.programs.messages import plural


def figure(curves: LossCurves) -> Figure:
    """The losses on the left, their distance from autodiff's on the right.

    The figure is small, so that its words are large: at 140 dots per inch it is 900
    pixels wide. It is drawn without pyplot, which needs a display and is global.
    """
    seeds, steps = curves.autodiff.shape
    drawn = Figure(figsize=(6.43, 4.2), layout="constrained")
    loss_axes, distance_axes = drawn.subplots(1, 2)
    explicit_style: dict[str, Any] = {
        "label": "explicit",
        "color": BLUE,
        "linestyle": (0, (3, 2)),
    }
    _band(loss_axes, curves.autodiff, np.mean, label="autodiff", color=ORANGE, linewidth=3.5)
    _band(loss_axes, curves.explicit, np.mean, **explicit_style)
    loss_axes.set_title("loss of the batch,\nmean and range over seeds", fontsize="medium")
    ulp = np.spacing(curves.autodiff.astype(np.float32))
    explicit, nudged = (
        np.maximum(distance, ulp) for distance in curves.distances()
    )  # 0 has no place on a logarithmic axis
    _band(
        distance_axes,
        nudged,
        np.median,
        label="autodiff from nudged parameters",
        color=PURPLE,
        linewidth=2.5,
    )
    _band(distance_axes, explicit, np.median, **explicit_style)
    distance_axes.set_title(
        "its distance from autodiff's,\nmedian and range over seeds", fontsize="medium"
    )
    distance_axes.set_yscale("log")
    for axes in (loss_axes, distance_axes):
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.grid(alpha=0.3)
    handles = {
        line.get_label(): line for axes in (loss_axes, distance_axes) for line in axes.get_lines()
    }
    drawn.legend(
        handles.values(),
        handles,
        loc="outside lower center",
        ncols=3,
        frameon=False,
        columnspacing=1,
        handlelength=1.7,
    )
    drawn.suptitle(f"{curves.name} on digits: {plural(steps, 'step')} from {plural(seeds, 'seed')}")
    return drawn


def _band(
    axes: Axes, values: np.ndarray, middle: Callable[..., np.ndarray], *, color: str, **style: Any
) -> None:
    """The middle of the seeds, and from the least to the largest of them."""
    step = np.arange(1, values.shape[1] + 1)
    axes.fill_between(
        step, values.min(axis=0), values.max(axis=0), color=color, alpha=0.25, linewidth=0
    )
    axes.plot(step, middle(values, axis=0), color=color, **style)
