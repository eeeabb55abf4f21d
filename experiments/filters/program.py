"""What a filter answers to, and what flipping a kernel changes: in numbers, and in a
picture.

    python -m experiments.filters
    python -m experiments.filters --output runs/somewhere

The filter is the 45 degree edge filter of the document "Deep Learning - CNN Basics",
section "Filters". Its claims hold. Of all patches with values in [0, 1], the filter
answers highest, 9, to the patch that is bright where its taps are positive, and lowest,
-3, to the opposite patch. But its sum is 6, not 0. A flat patch of brightness b gives
6 b, so the inside of a bright shape answers too. Subtracting from each response the
response to a flat patch of the same mean brightness leaves that of the filter minus its
own mean, 2/3, which is 0 wherever the image is flat.

Section "Cross Correlation vs Convolution" says that a flipped kernel gives negative
responses to a slope. The kernel there, [1, 0], does not. It copies the left pixel, or
flipped the right one, and no response to [3, 2, 1, 0] is negative. With the difference
[1, -1], which does detect a slope, the flip changes the sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.filters.picture import picture
from experiments.filters.responses import FILTERS, PATCHES, Example, examples, responses
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.options import ConfigError, require_paths
from jaxcnn.programs.output import claimed
from jaxcnn.stored.files import write_whole


@dataclass(frozen=True)
class Config:
    """Print and draw what an edge filter answers to, and how convolution differs from
    cross-correlation. Writes filters.png."""

    output: Path = Path("runs/filters")
    """Folder of the picture, made if it is not there. An earlier picture is replaced.
    """


def main(config: Config, console: Console | None = None) -> Path:
    """Print the tables and draw the picture; its path.

    Raises:
      ConfigError, OSError: if the picture cannot be written.
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
        config = parse(Config, "python -m experiments.filters", arguments)
        try:
            main(config)
        except OSError as error:
            message = (
                f"--output must be a folder that can be written: {config.output}:"
                f" {error.strerror or error}"
            )
            raise ConfigError(message) from error

    return run_program("filters", body)


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
