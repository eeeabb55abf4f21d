"""What is a network made of?  Layer by layer: what it gives, what it costs, what it
sees, and what computes it.

    jaxcnn summary lenet
    jaxcnn summary vgg16 --input-shape 224 224 3 --classes 1000

Only shapes are computed, so that a large network takes no longer than a small one. The
rows are in the order of computation; branches side by side are followed by their sum.
The receptive field is how many positions of the image an output sees from the first to
the last, padding included, and how far those of neighbouring outputs are apart, per
axis where the axes differ.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports
    from jaxcnn.programs.interruption import end_at_once

    end_at_once("summary")

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from jaxcnn.layers import Layer, outputs
from jaxcnn.models import MODELS, of_any_space
from jaxcnn.ops.convolution.methods import ConvSpec
from jaxcnn.ops.convolution.methods.auto import Choice, explain
from jaxcnn.programs.messages import times
from jaxcnn.programs.options import LONGEST, ConfigError, require, require_count, shown
from jaxcnn.programs.program import leave, run_program
from jaxcnn.receptive import ReceptiveField, receptive_fields


@dataclass(frozen=True)
class Config:
    """Show a network layer by layer: output shapes, parameters, multiply-adds,
    receptive fields, convolution methods.

    Multiply-adds are those of a forward pass of one image: taps * input channels /
    groups for each output value of a convolution, the number of inputs for each output
    of a dense layer; other layers count 0.
    """

    model: Annotated[
        tyro.conf.Positional[str],
        tyro.conf.arg(metavar="MODEL", help=f"The network: {', '.join(MODELS)}."),
    ]
    input_shape: tuple[int, ...] = (28, 28, 1)
    """Shape of an image, channels last: height, width, channels; one axis of space or
    three are possible too."""
    classes: int = 10
    """The number of classes."""


BATCH = 32
"""Images, for which the methods of convolutions are told."""
MOST_VALUES = 2**31 - 1
"""Of an image, and classes: beyond it JAX does not count."""
MOST_POSITIONS = 1_000_000
"""Along an axis: how a convolution is computed depends on each of them."""


class Row(NamedTuple):
    """A layer. `shape` is without the batch; `choices` says what computes a
    convolution's maps on this platform."""

    path: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    field: ReceptiveField
    choices: dict[str, Choice] | None


class Summary(NamedTuple):
    """The rows of a model, in the order of computation, and how many values its state
    has, such as running statistics."""

    rows: list[Row]
    state_size: int


def summarize(model: Layer, input_shape: Sequence[int]) -> Summary:
    """A model for images of `input_shape`, (*space, c), by shapes alone.

    Raises:
      ValueError: if the model does not take such images, with notes that name the
        layers.
    """
    x = jax.ShapeDtypeStruct((1, *input_shape), jnp.result_type(float))
    params, state = jax.eval_shape(lambda: model.init(jax.random.key(0), x.shape))
    shapes = {
        path: y.shape
        for path, y in jax.eval_shape(partial(outputs, model), params, state, x).items()
    }
    fields = receptive_fields(model, x.shape[1:-1])
    rows = [
        Row(
            path=path,
            shape=shapes[path][1:],
            parameters=_size(leaf_params),
            multiply_adds=_multiply_adds(layer, leaf_params, shapes[path]),
            field=fields[path],
            choices=_choices(layer, leaf_params, x_shape),
        )
        for path, layer, leaf_params, x_shape in _walk(model, params, x.shape, shapes)
    ]
    return Summary(rows, _size(state))


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
        notes = [note for note in getattr(error, "__notes__", []) if note.startswith("in layer")]
        message = "; ".join([str(error), *notes]).replace("\n", " ")
        raise ConfigError(f"{config.model} does not take images of {image}: {message}") from error
    if console is None:
        console = Console()
        console = console if console.is_terminal else Console(width=140)
    console.print(_table(f"{config.model} on images of {image}", summary.rows))
    for note in _notes(summary):
        console.print(note, highlight=False)
    return summary


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run `main` with the options of the command line; the exit status. What goes wrong
    is told in one line on stderr."""

    def body() -> None:
        main(tyro.cli(Config, prog="jaxcnn summary", args=arguments))

    return run_program("summary", body)


# What a layer comes to.


def _walk(
    layer: Layer,
    params: dict,
    x_shape: tuple[int, ...],
    shapes: Mapping[str, tuple[int, ...]],
    path: str = "",
) -> Iterator[tuple[str, Layer, dict, tuple[int, ...]]]:
    """The path, layer, parameters of its own and input shape of what `outputs` gives,
    in the same order."""
    part_x_shape = x_shape
    for entry, part in layer.parts:
        for inside in _walk(
            part, params.get(entry, {}), part_x_shape, shapes, f"{path}/{entry}" if path else entry
        ):
            yield inside
        if not layer.parallel:
            part_x_shape = shapes[inside[0]]
    if layer.parallel or not layer.parts:
        yield path, layer, {} if layer.parts else params, x_shape


def _size(tree: dict) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def _multiply_adds(layer: Layer, params: dict, y_shape: tuple[int, ...]) -> int:
    """Each weight of a kernel has one for every position of the output."""
    return (
        math.prod(params["w"].shape) * math.prod(y_shape[1:-1])
        if layer.name in ("conv", "dense")
        else 0
    )


def _choices(layer: Layer, params: dict, x_shape: tuple[int, ...]) -> dict[str, Choice] | None:
    if layer.name != "conv" or layer.window is None:
        return None
    spec = ConvSpec(layer.window(x_shape[1:-1]), x_shape[-1] // params["w"].shape[-2])
    by_map = explain(spec, (BATCH, *x_shape[1:]), params["w"].shape)
    return {
        name: choices.get(jax.default_backend(), choices["default"])
        for name, choices in by_map.items()
    }


# How it is shown.


def _per_axis(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else times(values)


def _names(choices: dict[str, Choice]) -> str:
    """One name where one method computes all maps, else one for each."""
    names = [choice.name for choice in choices.values()]
    return names[0] if len(set(names)) == 1 else "/".join(names)


def _table(title: str, rows: Sequence[Row]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_footer=True, padding=0)
    totals = {
        "param-\neters": sum(row.parameters for row in rows),
        "multiply-\nadds": sum(row.multiply_adds for row in rows),
    }
    table.add_column("layer", "total", overflow="fold")
    table.add_column("output", no_wrap=True)
    for name, total in totals.items():
        table.add_column(name, f"{total:,}", justify="right", no_wrap=True)
    table.add_column("recep.\nfield", justify="right", no_wrap=True)
    table.add_column("its\nstride", justify="right", no_wrap=True)
    table.add_column("method", no_wrap=True)
    for row in rows:
        field = row.field
        table.add_row(
            row.path,
            times(row.shape),
            f"{row.parameters:,}" if row.parameters else "",
            f"{row.multiply_adds:,}" if row.multiply_adds else "",
            _per_axis(field.size) + ("" if field.aligned else "*"),
            (
                "" if set(field.output_size) == {1} else _per_axis(field.stride)
            ),  # one output has no neighbour
            "" if row.choices is None else _names(row.choices),
        )
    return table


def _notes(summary: Summary) -> list[str]:
    notes = []
    if summary.state_size:
        notes.append(
            f"State, such as running statistics, which no optimizer changes: {summary.state_size:,}"
            " values."
        )
    if not all(row.field.aligned for row in summary.rows):
        notes.append("* Branches met whose outputs see the image around different centres.")
    reasons = dict.fromkeys(
        (c.name, c.reason) for row in summary.rows if row.choices for c in row.choices.values()
    )
    if reasons:
        notes.append(
            f"Methods compute forward/input gradient/kernel gradient of {BATCH} images on"
            f" {jax.default_backend()}:"
        )
    notes += [f"  {name}: {reason}." for name, reason in reasons]
    return notes


if __name__ == "__main__":
    leave(command_line())
