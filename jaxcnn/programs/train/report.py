"""What a finished run shows: its pictures, and the table on the console."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from jaxcnn import layers
from jaxcnn.programs.data.dataset import scaled
from jaxcnn.programs.messages import plural
from jaxcnn.programs.train.config import Config
from jaxcnn.programs.train.epochs import Done
from jaxcnn.programs.train.layer_pictures import feature_maps, first_filters
from jaxcnn.programs.train.learning_curves import learning_curves
from jaxcnn.programs.train.mistake_pictures import confusion_matrix, worst_mistakes
from jaxcnn.programs.train.run import Run
from jaxcnn.stored.inference import normalised

MOST_MAPS = 12
"""Layers in the picture of feature maps."""


def pictures(config: Config, run: Run, done: Done) -> Iterator[tuple[str, Figure]]:
    """The file's name and the figure of each picture, in the order of
    `run_files.PICTURES`."""
    dataset, rows, predictions = run.dataset, done.rows, done.logits.argmax(axis=1)
    right = f"{rows[-1]['test_accuracy']:.2%} of {len(dataset.test):,} test images right"
    title = f"{_title(config)}: {right} after {plural(config.epochs, 'epoch')}"
    least = label_entropy(config.label_smoothing, len(dataset.classes))
    yield "learning_curves.png", learning_curves(rows, title, least_loss=least)

    params, _ = run.state.eval_params()
    kernels = [params[entry]["w"] for entry, part in run.model.parts if part.name == "conv"]
    if kernels:  # a network of one's own may keep its parts to itself
        title = f"{_title(config)}: kernels of the first layer"
        yield "first_filters.png", first_filters(kernels[0], title)
    true, predicted = (dataset.classes[c[0]] for c in (dataset.test.labels, predictions))
    first = dataset.test.images[:1]
    maps = _spread(_maps(run, first), MOST_MAPS)
    if maps:
        yield (
            "feature_maps.png",
            feature_maps(
                scaled(first)[0],
                maps,
                f"{_title(config)}: what the layers give for one image",
                caption=f"true: {true}\npredicted: {predicted}",
            ),
        )
    yield (
        "confusion_matrix.png",
        confusion_matrix(dataset.test.labels, predictions, dataset.classes, _title(config)),
    )
    yield (
        "worst_mistakes.png",
        worst_mistakes(
            dataset.test.images,
            dataset.test.labels,
            done.probabilities,
            dataset.classes,
            _title(config),
        ),
    )


def _maps(run: Run, x: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Path and output of each layer that gives maps, for the one uint8 image in x; the
    shortcuts of residual blocks are left out."""
    outputs = jax.jit(partial(layers.outputs, run.model, ops=run.ops))
    x = np.asarray(normalised(jnp.asarray(x), run.about.normalisation))
    return [
        (path, np.asarray(y[0]))
        for path, y in outputs(*run.state.eval_params(), x).items()
        if y.ndim == 4 and not path.endswith("shortcut")
    ]


def _spread(maps: list[tuple[str, np.ndarray]], most: int) -> list[tuple[str, np.ndarray]]:
    """At most `most` of them, evenly spaced from the first to the last."""
    return [
        maps[round(position)] for position in np.linspace(0, len(maps) - 1, min(most, len(maps)))
    ]


def label_entropy(smoothing: float, classes: int) -> float:
    """The cross-entropy of a perfect prediction, which is above 0 where labels are
    smoothed.

    >>> round(label_entropy(0.1, 10), 4)
    0.5003
    """
    labels = np.full(classes, smoothing / classes)
    labels[0] += 1 - smoothing
    return float(-np.sum(labels * np.log(labels, where=labels > 0, out=np.zeros(classes))))


def table(config: Config, run: Run, done: Done, output: str, seconds: float) -> Table:
    """The run in a dozen lines.

    Args:
      output: the run's folder.
      seconds: how long all of it took.
    """
    last = done.rows[-1]
    found = Table(title=_title(config), show_header=False)
    for name, value in (
        ("test accuracy", f"{last['test_accuracy']:.2%}"),
        ("test loss", f"{last['test_loss']:.4f}"),
        (
            "least possible test loss, labels smoothed",
            f"{label_entropy(config.label_smoothing, len(run.dataset.classes)):.4f}",
        ),
        ("train accuracy (as trained)", f"{last['train_accuracy']:.2%}"),
        ("train loss (as trained)", f"{last['train_loss']:.4f}"),
        ("epochs", f"{config.epochs}"),
        ("parameters", f"{sum(p.size for p in jax.tree.leaves(run.state.params)):,}"),
        ("devices", f"{run.mesh.devices.size}"),
        ("training speed", f"{done.speed[1]:,.0f} images/s"),
        ("time, with compilation", f"{seconds:.1f} s"),
        ("files in", output),
    ):
        if config.label_smoothing or "smoothed" not in name:
            found.add_row(name, value)
    return found


def _title(config: Config) -> str:
    return f"{config.model} on {config.dataset}, {config.gradients} gradients, seed {config.seed}"
