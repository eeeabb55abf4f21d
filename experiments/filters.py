"""What a filter answers to, and what flipping a kernel changes: in numbers, and in a
picture.

    python -m experiments.filters
    python -m experiments.filters --output runs/somewhere

The filter is the 45 degree edge filter of the document "Deep Learning - CNN Basics",
section "Filters". What is said of it there holds: of all patches with values in [0, 1]
it answers highest, 9, to the one that is bright where its taps are positive, and
lowest, -3, to the opposite one. But its sum is 6, not 0. A flat patch of brightness b
gives 6 b, so the inside of a bright shape answers too. Subtract from each response that
of a flat patch of the same mean brightness: what is left is the response of the filter
minus its own mean, 2/3, which is 0 wherever the image is flat.

Section "Cross Correlation vs Convolution" says that a flipped kernel gives negative
responses to a slope. The kernel there, [1, 0], does not: it copies the left pixel, and
flipped the right one, and no response to [3, 2, 1, 0] is negative. With the difference
[1, -1], which does detect a slope, the flip changes the sign.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports
    from jaxcnn.programs.interruption import end_at_once

    end_at_once("filters")

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits

from jaxcnn import conv, convolve
from jaxcnn.programs.cli import run_program
from jaxcnn.programs.files import write_whole
from jaxcnn.programs.interruption import leave
from jaxcnn.programs.options import ConfigError, require_paths
from jaxcnn.programs.output import claimed
from jaxcnn.programs.train.panels import SIGNED

EDGE = np.array([[-1, -1, 2], [-1, 2, 1], [2, 1, 1]], np.float32)
FILTERS = {"the filter": EDGE, "its opposite": -EDGE, "minus its mean": EDGE - EDGE.mean()}
PATCHES = {
    "the filter itself": EDGE,
    "its opposite": -EDGE,
    "flat, all 1": np.ones((3, 3), np.float32),
    "bright where positive": np.array([[0, 0, 1], [0, 1, 1], [1, 1, 1]], np.float32),
    "bright where negative": np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], np.float32),
}


@dataclass(frozen=True)
class Config:
    """Print and draw what an edge filter answers to, and how convolution differs from
    cross-correlation. Writes filters.png."""

    output: Path = Path("runs/filters")
    """Folder of the picture, made if it is not there. An earlier picture is replaced.
    """


class Example(NamedTuple):
    """One input and kernel, and what `conv` and `convolve` give: vectors or
    matrices."""

    name: str
    signal: np.ndarray
    kernel: np.ndarray
    cross_correlation: np.ndarray
    convolution: np.ndarray


def main(config: Config, console: Console | None = None) -> Path:
    """Print the tables and draw the picture; its path.

    Raises:
      ConfigError, OSError: if it cannot be written.
    """
    console = console or Console()
    require_paths(config)
    with claimed(config.output) as output:
        console.print(_patch_table())
        console.print(_example_table(examples()))
        path = output / "filters.png"
        write_whole(path, lambda partial: picture().savefig(partial, format="png", dpi=120))
        console.print(f"picture in {path}", soft_wrap=True)
    return path


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status."""

    def body() -> None:
        config = tyro.cli(Config, prog="python -m experiments.filters", args=arguments)
        try:
            main(config)
        except OSError as error:
            message = (
                f"--output must be a folder that can be written: {config.output}:"
                f" {error.strerror or error}"
            )
            raise ConfigError(message) from error

    return run_program("filters", body)


# The numbers.


def responses(images: np.ndarray, padding: Literal["same", "valid"] = "same") -> np.ndarray:
    """What the three `FILTERS` give for images (n, h, w), as (n, h', w', 3)."""
    kernel = np.stack(list(FILTERS.values()), axis=-1)[:, :, None]
    return np.asarray(conv(images[..., None], kernel, padding=padding))


def examples() -> list[Example]:
    """Those of the document, and the difference that does what it says of a slope."""
    impulse_image = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    slope = np.array([3, 2, 1, 0])
    return [
        _example("impulse, 2-D", impulse_image, np.array([[1, 2], [3, 4]]), "valid"),
        _example("impulse, 1-D", np.array([1, 0, 0]), np.array([1, 2, 3]), "full"),
        _example("slope", slope, np.array([1, 0]), "valid"),
        _example("slope", slope, np.array([1, -1]), "valid"),
    ]


def _example(name: str, signal: np.ndarray, kernel: np.ndarray, padding: str) -> Example:
    def through(operation: Callable) -> np.ndarray:
        x, w = signal.astype(np.float32), kernel.astype(np.float32)
        return np.asarray(operation(x[None, ..., None], w[..., None, None], padding=padding))[
            0, ..., 0
        ]

    return Example(name, signal, kernel, through(conv), through(convolve))


def edge_images() -> dict[str, np.ndarray]:
    """Images (h, w) in [0, 1] by name, with edges in all directions. All are dark at
    the border, so that its pads are no edge."""
    rows, columns = np.mgrid[-13.5:14, -13.5:14]
    rising, falling = rows + columns, rows - columns  # what is constant along /, and along \
    digit = load_digits().images[0] / 16
    images = {
        "disc": np.hypot(rows, columns) < 10,
        "rising bar": (abs(rising) <= 5) & (abs(falling) <= 16),
        "falling bar": (abs(falling) <= 5) & (abs(rising) <= 16),
        "level bar": (abs(rows) <= 3) & (abs(columns) <= 11),
        "upright bar": (abs(columns) <= 3) & (abs(rows) <= 11),
        "a handwritten digit": np.pad(digit, 1),
    }
    return {name: image.astype(np.float32) for name, image in images.items()}


def _patch_table() -> Table:
    table = Table(
        "patch", *FILTERS, title="Response of the 45 degree edge filter to a patch of 3x3"
    )
    for name, row in zip(
        PATCHES, responses(np.stack(list(PATCHES.values())), "valid").reshape(-1, 3), strict=True
    ):
        table.add_row(name, *(str(round(float(value))) for value in row))
    return table


def _example_table(examples: list[Example]) -> Table:
    table = Table(
        "",
        "signal",
        "kernel",
        "cross-correlation",
        "convolution",
        title="Cross-correlation and convolution",
    )
    for name, *arrays in examples:
        table.add_row(name, *(str(array.astype(int)) for array in arrays))
    return table


# The picture.


def picture() -> Figure:
    """Edges and responses above, cross-correlation and convolution below."""
    figure = Figure(figsize=(14, 15), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(10, 6), hspace=0.05)
    _draw_responses(above)
    _draw_examples(below, examples())
    return figure


def _draw_responses(figure: SubFigure) -> None:
    images = edge_images()
    axes = figure.subplots(1 + len(FILTERS), 1 + len(images))
    axes[0, 0].axis("off")
    scales = [
        Normalize(-limit, limit) for limit in (9, 9, 5)
    ]  # the largest response to values in [0, 1]
    for column, (name, image) in enumerate(images.items(), start=1):
        axes[0, column].imshow(image, cmap="gray", vmin=0, vmax=1)
        axes[0, column].set_title(name)
        for panel, response, scale in zip(
            axes[1:, column], np.moveaxis(responses(image[None])[0], -1, 0), scales, strict=True
        ):
            panel.imshow(response, cmap=SIGNED, norm=scale)
    for panel, (name, kernel) in zip(axes[1:, 0], FILTERS.items(), strict=True):
        _draw_matrix(panel, kernel, 4)
        panel.set_title(f"{name}\n(sum {round(float(kernel.sum()))})")
    for panel in axes.flat:
        panel.set(xticks=[], yticks=[])
    figure.colorbar(
        ScalarMappable(scales[0], SIGNED),
        ax=axes[1:3],
        label="response",
        shrink=0.6,
        ticks=range(-9, 10, 3),
    )
    figure.colorbar(
        ScalarMappable(scales[2], SIGNED), ax=axes[3], label="response", ticks=(-5, 0, 5)
    )
    figure.suptitle(
        "An edge filter answers to edges that look like it, but also, as its sum is not 0, to"
        " brightness\n",
        fontsize="x-large",
    )


def _draw_examples(figure: SubFigure, examples: list[Example]) -> None:
    axes = figure.subplots(3, len(examples))
    for column, example in zip(axes.T, examples, strict=True):
        rows = (
            (example.signal, "0.5"),
            (example.cross_correlation, "#0072B2"),
            (example.convolution, "#D55E00"),
        )
        for panel, (values, colour) in zip(column, rows, strict=True):
            panel.set(xticks=[], yticks=[])
            if values.ndim == 2:
                _draw_matrix(panel, values, 8)
            else:
                panel.bar_label(panel.bar(range(len(values)), values, color=colour), fmt="%d")
                panel.axhline(0, color="black", linewidth=0.8)
                panel.use_sticky_edges = (
                    False  # else no room for the numbers below the last panel's bars
                )
                panel.margins(y=0.2)
                panel.set_xlim(-0.6, max(len(example.signal), len(example.convolution)) - 0.4)
        column[0].set_title(f"{example.name}\nkernel {example.kernel.tolist()}")
    for panel, name in zip(axes[:, 0], ("signal", "cross-correlation", "convolution"), strict=True):
        panel.set_ylabel(name)
    figure.suptitle(
        "Cross-correlation slides the kernel as it is, convolution slides it flipped\n",
        fontsize="x-large",
    )


def _draw_matrix(panel: Axes, values: np.ndarray, limit: float) -> None:
    panel.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit)
    for (row, column), value in np.ndenumerate(values):
        panel.text(
            column,
            row,
            np.format_float_positional(value, precision=2, trim="-"),
            ha="center",
            va="center",
        )


if __name__ == "__main__":
    leave(command_line())
