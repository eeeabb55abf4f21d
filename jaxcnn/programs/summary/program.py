"""What is in a network?  Layer by layer: what it puts out, what it costs, what it sees,
and what computes it.

    jaxcnn summary lenet
    jaxcnn summary vgg16 --input-shape 224 224 3 --classes 1000

Only shapes are computed, so a large network takes no longer than a small one. The rows
are in the order of computation; branches side by side are followed by their sum. The
receptive field is the number of image positions from the first to the last that an
output sees, padding included. Its stride is the distance between the fields of
neighbouring outputs. Both are given per axis where the axes differ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.console import Console

from jaxcnn.models import MODELS, of_any_space
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.messages import times
from jaxcnn.programs.options import LONGEST, ConfigError, require, require_count, shown
from jaxcnn.programs.summary.rows import Summary, summarize
from jaxcnn.programs.summary.table import fitting_table, notes


@dataclass(frozen=True)
class Config:
    """Show a network layer by layer: output shapes, parameters, multiply-adds,
    receptive fields, convolution methods.

    Multiply-adds are those of a forward pass of one image: taps * input channels /
    groups for each output value of a convolution, and the number of inputs for each
    output of a dense layer; other layers count 0.
    """

    model: Annotated[
        tyro.conf.Positional[str],
        tyro.conf.arg(metavar="MODEL", help=f"The network: {', '.join(MODELS)}."),
    ]
    input_shape: tuple[int, ...] = (28, 28, 1)
    """Shape of an image, channels last: height, width, channels. One spatial axis or
    three work too."""
    classes: int = 10
    """The number of classes, which is the size of the last layer's output."""


MOST_VALUES = 2**31 - 1
"""Of an image, and most classes: JAX counts no further."""
MOST_POSITIONS = 1_000_000
"""Along an axis of an image: the method of a convolution depends on each of them."""


def main(config: Config, console: Console | None = None) -> Summary:
    """Print the table that `config` asks for.

    Raises:
      ConfigError: if there is no such model, or it does not take such images.
    """
    if config.model not in MODELS:
        raise ConfigError(
            f"MODEL must be one of {', '.join(MODELS)}, got {config.model[:LONGEST]!r}"
        )
    require_count("classes", config.classes, most=MOST_VALUES)
    image = times(config.input_shape)
    if len(config.input_shape) < 2 or min(config.input_shape) < 1:
        raise ConfigError(
            "--input-shape must be positive sizes of space, then the channels, such as 28 28 1;"
            f" got {shown(image) or 'none'}"
        )
    require(
        "input_shape",
        f"sizes of at most {MOST_POSITIONS:,} each",
        max(config.input_shape) <= MOST_POSITIONS,
        image,
    )
    require(
        "input_shape",
        f"of at most {MOST_VALUES:,} values in all",
        math.prod(config.input_shape) <= MOST_VALUES,
        image,
    )
    try:
        summary = summarize(of_any_space(MODELS[config.model](config.classes)), config.input_shape)
    except ValueError as error:
        where = [note for note in getattr(error, "__notes__", []) if note.startswith("in layer")]
        message = "; ".join([str(error), *where]).replace("\n", " ")
        raise ConfigError(f"{config.model} does not take images of {image}: {message}") from error
    if console is None:
        console = Console()
        console = console if console.is_terminal else Console(width=140)
    console.print(fitting_table(f"{config.model} on images of {image}", summary.rows, console))
    for note in notes(summary):
        console.print(note, highlight=False)
    return summary


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""
    name = "jaxcnn summary"

    def body() -> None:
        main(parse(Config, name, arguments))

    return run_program(name, body)
