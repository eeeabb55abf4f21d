"""The pictures of the lessons: whom a tie in a max pool sends its gradient, and what a
step does to five numbers before a batch normalisation.

    python -m experiments.lessons
    python -m experiments.lessons --output docs/tutorials

The lessons are docs/tutorials/pooling.md and docs/tutorials/batch-norm.md.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports
    from jaxcnn.programs.interruption import end_at_once

    end_at_once("lessons")

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from matplotlib.figure import Figure
from rich.console import Console
from sklearn.datasets import load_digits

import jaxcnn
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.figures import BLUE
from jaxcnn.programs.interruption import leave
from jaxcnn.programs.options import require_paths
from jaxcnn.programs.output import claimed
from jaxcnn.stored.files import write_whole

NUMBERS = np.array([1.0, 3, 4, 5, 7], np.float32)
DY = np.array([0.0, 0, 0, 0, 10], np.float32)
STEP = 0.2


@dataclass(frozen=True)
class Config:
    """Draw the pictures of the lessons: ties.png and batch-norm.png."""

    output: Path = Path("runs/lessons")
    """Folder of the pictures, made if it is not there. Earlier ones are replaced."""


def of_ties(image: np.ndarray) -> dict[str, np.ndarray]:
    """The gradient of the sum of all maxima of 2x2, to an image (h, w) of even sizes,
    by who gets that of a tie."""
    height, width = image.shape

    def in_shares(x: jax.Array) -> jax.Array:
        return jnp.max(x.reshape(height // 2, 2, width // 2, 2), axis=(1, 3))

    shares = jax.grad(lambda x: in_shares(x).sum())(jnp.asarray(image))
    first = jax.grad(lambda x: jaxcnn.max_pool(x[None, :, :, None], 2).sum())(jnp.asarray(image))
    return {
        "the first (jaxcnn, lax)": np.asarray(first),
        "in equal shares (jnp.max)": np.asarray(shares),
        "all that are equal: wrong": (np.asarray(shares) > 0).astype(np.float32),
    }


def of_forgotten_means() -> dict[str, np.ndarray]:
    """The gradient of `NUMBERS`, normalised, by which terms it has."""

    def kept(value: jax.Array) -> jax.Array:
        return value

    def gradient(of_mean: Callable, of_var: Callable) -> np.ndarray:
        def normalised(x: jax.Array) -> jax.Array:
            mean = x.mean()
            var = ((x - mean) ** 2).mean()
            return (x - of_mean(mean)) / jnp.sqrt(of_var(var))

        return np.asarray(jax.vjp(normalised, jnp.asarray(NUMBERS))[1](jnp.asarray(DY))[0])

    stopped = lax.stop_gradient
    return {
        "all three terms": gradient(kept, kept),
        "without the first mean": gradient(stopped, kept),
        "without the second": gradient(kept, stopped),
        "without both": gradient(stopped, stopped),
    }


def draw_ties() -> Figure:
    """A digit, and the three gradients beside it."""
    image = load_digits().images[0].astype(np.float32)
    gradients = of_ties(image)
    figure = Figure(figsize=(6.4, 7), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    panels[0].imshow(image, cmap="gray")
    panels[0].set_title("a digit,\n16 windows of 2x2")
    for (row, column), value in np.ndenumerate(image.astype(int)):
        colour = "black" if value > 8 else "white"
        panels[0].text(column, row, str(value), ha="center", va="center", color=colour, size=8)
    for panel, (name, gradient) in zip(panels[1:], gradients.items(), strict=True):
        panel.imshow(gradient, cmap="Blues", vmin=0, vmax=1.3)
        panel.set_title(f"{name}\nin sum {gradient.sum():g}")
        for (row, column), value in np.ndenumerate(gradient):
            if value:
                words = {0.25: "¼", 0.5: "½", 1.0: "1"}.get(float(value), f"{value:.2g}")
                panel.text(column, row, words, ha="center", va="center", size=9)
    for panel in panels:
        panel.set(xticks=[], yticks=[])
        for border in (1.5, 3.5, 5.5):
            panel.axhline(border, color="0.6", linewidth=0.8)
            panel.axvline(border, color="0.6", linewidth=0.8)
    return figure


def draw_forgotten_means() -> Figure:
    """The numbers before and after a step, a row for each gradient."""
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    panels = figure.subplots(4, 1, sharex=True)
    for panel, (name, dx) in zip(panels, of_forgotten_means().items(), strict=True):
        after = NUMBERS - STEP * dx
        for height, values, colour in ((1, NUMBERS, "0.45"), (0, after, BLUE)):
            mean, std = values.mean(), values.std()
            panel.barh(height, 2 * std, left=mean - std, height=0.5, color=colour, alpha=0.25)
            panel.vlines(mean, height - 0.25, height + 0.25, color=colour)
            panel.plot(values, [height] * len(values), "o", color=colour)
        for start, end in zip(NUMBERS, after, strict=True):
            arrow = {"arrowstyle": "->", "color": "0.6", "shrinkA": 5, "shrinkB": 5}
            panel.annotate("", (end, 0), (start, 1), arrowprops=arrow)
        panel.set_title(
            f"{name}: mean {after.mean():.1f}, standard deviation {after.std():.1f}", loc="left"
        )
        panel.set(yticks=[1, 0], yticklabels=["before", "after"], ylim=(-0.5, 1.5))
        panel.spines[["top", "right"]].set_visible(False)
    return figure


PICTURES = {"ties.png": draw_ties, "batch-norm.png": draw_forgotten_means}


def main(config: Config, console: Console | None = None) -> None:
    """Draw the pictures, and print where they are.

    Raises:
      ConfigError: if they cannot be written.
    """
    require_paths(config)
    console = console or Console()
    with claimed(config.output) as output:
        for name, draw in PICTURES.items():
            figure = draw()
            write_whole(output / name, lambda to, f=figure: f.savefig(to, format="png", dpi=110))
            console.print(f"picture in {output / name}", soft_wrap=True, highlight=False)


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status."""

    def body() -> None:
        main(parse(Config, "python -m experiments.lessons", arguments))

    return run_program("lessons", body)


if __name__ == "__main__":
    leave(command_line())
