"""What is in a network?  Layer by layer: what it puts out, what it costs, what it sees,
and what computes it.

    jaxcnn summary lenet
    jaxcnn summary vgg16 --input-shape 224 224 3 --classes 1000
    jaxcnn summary runs/pets

A folder that exists is taken for a trained network, which is then shown for its own
images; anything else is the name of a network.

Only shapes are computed, so a large network takes no longer than a small one. The rows
are in the order of computation; branches side by side are followed by their sum. The
receptive field is the number of image positions from the first to the last that an
output sees, padding included. Its stride is the distance between the fields of
neighbouring outputs. Both are given per axis where the axes differ.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.markup import escape

from jaxcnn.layers import Layer
from jaxcnn.models import MODELS, of_any_space
from jaxcnn.programs.cli import parse, run_program
from jaxcnn.programs.messages import times
from jaxcnn.programs.options import (
    LONGEST,
    ConfigError,
    checked_image_shape,
    require,
    require_count,
)
from jaxcnn.programs.runs import read_model
from jaxcnn.programs.summary.rows import Summary, summarize
from jaxcnn.programs.summary.table import fitting_table, notes
from jaxcnn.stored.errors import StoredError


@dataclass(frozen=True)
class Config:
    """Show a network layer by layer: output shapes, parameters, multiply-adds,
    receptive fields, convolution methods.

    Multiply-adds are those of a forward pass of one image: taps * input channels /
    groups for each output value of a convolution, and the number of inputs for each
    output of a dense layer; other layers count 0.
    """

    network: Annotated[
        tyro.conf.Positional[str],
        tyro.conf.arg(
            metavar="MODEL|RUN",
            help=f"The network: {', '.join(MODELS)}. Or a folder that exists: the output of jaxcnn"
            " train, or a model of jaxcnn.save.",
        ),
    ]
    input_shape: tuple[int, ...] | None = None
    """Shape of an image, channels last: height, width, channels. One spatial axis or
    three work too. By default that of the run, or 28 28 1."""
    classes: int | None = None
    """The number of classes, which is the size of the last layer's output; by default
    that of the run, or 10."""
    model: str | None = None
    """For a run of a network of your own: module:function, the function that builds
    it."""


def main(config: Config, console: Console | None = None) -> Summary:
    """Print the table that `config` asks for.

    Raises:
      ConfigError, StoredError: if there is no such network, or it does not take such
        images.
    """
    model, shape, title = chosen(config)
    image = times(shape)
    try:
        summary = summarize(model, shape)
    except ValueError as error:
        where = [note for note in getattr(error, "__notes__", []) if note.startswith("in layer")]
        message = "; ".join([str(error), *where]).replace("\n", " ")
        raise ConfigError(f"{title} does not take images of {image}: {message}") from error
    if console is None:
        console = Console()
        console = console if console.is_terminal else Console(width=140)
    title = escape(f"{title} on images of {image}")
    console.print(fitting_table(title, summary.rows, console))
    for note in notes(summary):
        console.print(note, highlight=False)
    return summary


def chosen(config: Config) -> tuple[Layer, tuple[int, ...], str]:
    """The network, the shape of an image, and a title.

    Raises:
      ConfigError, StoredError: if an option makes no sense, or there is no such
        network.
    """
    if os.path.isdir(config.network):
        require("classes", "left out for a run", config.classes is None, config.classes)
        stored = read_model(Path(config.network), config.model)
        name = stored.name or stored.model.name
        shape = config.input_shape or stored.description.image_shape
        return stored.model, checked_image_shape(shape), f"{name} of {config.network}"
    if config.network not in MODELS:
        raise ConfigError(
            f"MODEL must be one of {', '.join(MODELS)}, or a folder that exists, got"
            f" {config.network[:LONGEST]!r}"
        )
    require("model", "left out without a run", config.model is None, config.model)
    classes = 10 if config.classes is None else config.classes
    require_count("classes", classes)
    shape = checked_image_shape((28, 28, 1) if config.input_shape is None else config.input_shape)
    return of_any_space(MODELS[config.network](classes)), shape, config.network


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""
    name = "jaxcnn summary"

    def body() -> None:
        main(parse(Config, name, arguments))

    return run_program(name, body, refused=(StoredError,))
