r"""What any function of JAX sees of its input, by `jaxcnn.seen`.

    jaxcnn receptive-field mine:segment --shapes 1x64x64x3
    jaxcnn receptive-field mine:layer --shapes 1x64x64x3 3x3x3x8 --axes 1 2
    jaxcnn receptive-field mine:make_network --build --shapes 1x224x224x3

    jaxcnn receptive-field mine:segment --shapes 1x64x64x3 --inputs images.npy

The program prints size, stride and padding per axis, says whether running the function
agrees, and draws what the centre output sees and what the centre input reaches. For a
function of one array that has a gradient, it draws how much the centre output depends
on each position too, `gradients.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from jaxcnn.programs.loading import in_one_line, load, quoted
from jaxcnn.programs.messages import plural, times
from jaxcnn.programs.options import ConfigError, require, require_count
from jaxcnn.programs.output import claimed
from jaxcnn.programs.receptive_field.config import MODELS, Config
from jaxcnn.programs.receptive_field.function_picture import function_picture
from jaxcnn.programs.receptive_field.function_table import centre, function_table
from jaxcnn.programs.receptive_field.gradients import (
    Effective,
    drawn_inputs,
    effective,
    most_of_it,
    read_inputs,
)
from jaxcnn.programs.receptive_field.spread import sd
from jaxcnn.programs.receptive_field.tables import pixels
from jaxcnn.seen import Seen, Verification, fields_of, verify
from jaxcnn.stored.files import write_whole

PICTURE = "receptive_field.png"
OF_NETWORKS = ("layer", "positions", "dataset", "data_dir", "run", "epochs", "images")
OF_FUNCTIONS = ("shapes", "axes", "output_axes", "build", "probes", "gradients", "inputs")
MOST_AXES = 3


def of_function(config: Config) -> bool:
    """Whether the options name a function, not a network by its name.

    Raises:
      ConfigError: if they name neither, or have options of the other one.
    """
    own = ":" in config.model
    if not own and config.model not in MODELS:
        likely = get_close_matches(config.model, MODELS, n=1)
        slip = f": did you mean {likely[0]}?" if likely else ""
        raise ConfigError(
            f"the network must be one of {', '.join(MODELS)}, or module:function, got"
            f" {quoted(config.model)}{slip}"
        )
    defaults = {field.name: field.default for field in fields(Config)}
    for name in OF_NETWORKS if own else OF_FUNCTIONS:
        if getattr(config, name) != defaults[name]:
            of = "a network by its name" if own else "module:function"
            option = name.replace("_", "-")
            raise ConfigError(f"--{option} is for {of}, not for {quoted(config.model)}")
    return own


def draw_function(config: Config, console: Console) -> Path:
    """Print the table and draw the picture; its path.

    Raises:
      ConfigError: if an option makes no sense, or the function does not take arrays of
        these shapes.
    """
    require_count("probes", config.probes, least=0)
    require_count("gradients", config.gradients, least=0)
    shapes = [_shape(text) for text in config.shapes]
    if not shapes:
        raise ConfigError(
            f"{quoted(config.model)} needs --shapes, the shape of its input, such as"
            " --shapes 1x32x32x3"
        )
    inputs = _inputs(config, shapes)
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    name = config.model.replace(":", "-")
    with claimed(config.output or Path("runs") / f"receptive_field-{name}") as output:
        function = _function(config)
        seen, checked = _followed(config, function, arguments)
        if len(seen.input_size) > MOST_AXES:
            raise ConfigError(
                f"--axes must be at most {MOST_AXES}, got {len(seen.input_size)} of"
                f" {times(shapes[0])}"
            )
        console.print(function_table(config.model, seen))
        for line in _said(seen, checked):
            console.print(line, highlight=False, soft_wrap=True)
        found, line = _depends(config, function, inputs, seen)
        if line:
            console.print(line, highlight=False, soft_wrap=True)
        figure = function_picture(config.model, seen, found)
        write_whole(
            output / PICTURE, lambda partial: figure.savefig(partial, format="png", dpi=110)
        )
    console.print(f"picture in {output / PICTURE}", soft_wrap=True)
    return output / PICTURE


def _shape(text: str) -> tuple[int, ...]:
    sizes = text.lower().split("x")
    if not all(size.isdecimal() and size.isascii() and 0 < int(size) < 2**31 for size in sizes):
        slip = ": write 1x32x32x3, without brackets or commas" if set(text) & set("(,[") else ""
        raise ConfigError(
            f"--shapes must be sizes of at least 1 with x between them, such as 1x32x32x3, got"
            f" {quoted(text)}{slip}"
        )
    return tuple(map(int, sizes))


def _inputs(config: Config, shapes: Sequence[tuple[int, ...]]) -> np.ndarray | None:
    """What the gradient is averaged over; None if it is not asked for, or there are
    several arguments."""
    if config.inputs is not None:
        one = len(shapes) == 1
        require("inputs", "left out for a function of several arrays", one, config.inputs)
        require("inputs", "left out with --gradients 0", config.gradients > 0, config.inputs)
        return read_inputs(config.inputs, shapes[0], config.gradients)
    if len(shapes) > 1 or not config.gradients:
        return None
    return drawn_inputs(shapes[0], config.gradients)


def _function(config: Config) -> Callable[..., Any]:
    """The function of --model, or what it builds."""
    function = load("the function", config.model)
    if not config.build:
        return function
    try:
        made = function()
    except Exception as error:  # whatever the person's function raises
        raise ConfigError(
            f"{quoted(config.model)} with --build must take no arguments: {in_one_line(error)}"
        ) from error
    if not callable(made):
        raise ConfigError(
            f"{quoted(config.model)} with --build must return a function, got"
            f" {type(made).__name__}: without --build it is itself the function"
        )
    return made


def _followed(
    config: Config, function: Callable[..., Any], arguments: list[Any]
) -> tuple[Seen, Verification | None]:
    options: dict[str, Any] = {"axes": config.axes or None, "output_axes": config.output_axes}
    try:
        if not config.probes:
            return fields_of(function, *arguments, **options), None
        checked = verify(function, *arguments, **options, most=config.probes)
        return checked.seen, checked
    except Exception as error:  # whatever the person's function raises
        shapes = " and ".join(times(each.shape) for each in arguments)
        raise ConfigError(
            f"{quoted(config.model)} cannot be followed with arrays of {shapes}:"
            f" {in_one_line(error)}{_slip(config, error)}"
        ) from error


def _slip(config: Config, error: Exception) -> str:
    text = str(error)
    if "positional argument" in text and "given" in text and not config.build:
        return ". Does it build the function? Then pass --build"
    if "positional argument" in text:
        return ". Each of its arguments needs a shape: --shapes 1x32x32x3 3x3x3x8"
    return ""


def _depends(
    config: Config, function: Callable[..., Any], inputs: np.ndarray | None, seen: Seen
) -> tuple[Effective | None, str]:
    """The effective field of the centre output, and a line about it."""
    if inputs is None:
        several = "of one array alone: close over the parameters, and give one of --shapes"
        return None, f"no effective field: it is {several}" if config.gradients else ""
    try:
        found = effective(function, inputs, seen, config.axes or None, config.output_axes)
    except Exception as error:  # whatever the person's function and JAX raise
        return None, f"no effective field: {in_one_line(error)}"
    kind = "drawn" if config.inputs is None else "given"
    of = f"gradient of {_named(seen)} over {plural(found.inputs, f'{kind} input')}"
    if found.outside:
        return found, (
            f"{of}: WRONG, {found.outside:,} positions that it does not see have one:"
            " what is drawn or the gradient is not right"
        )
    if not found.field.any():
        return found, f"{of}: 0 everywhere"
    sees = seen.sees(centre(seen.output_size))
    count = most_of_it(found.field)
    return found, (
        f"{of}: sd {pixels(sd(found.field))} positions, {pixels(sd(sees / sees.sum()))} if all that"
        f" it sees had the same; 90 % of it at {count:,} of {int(sees.sum()):,}, nothing beyond"
        " them"
    )


def _named(seen: Seen) -> str:
    j = centre(seen.output_size)
    return f"output {', '.join(map(str, j))}" if j else "the output"


def _said(seen: Seen, checked: Verification | None) -> list[str]:
    """Lines below the table."""
    j = centre(seen.output_size)
    count, all_of_them = int(seen.sees(j).sum()), math.prod(seen.input_size)
    lines = [f"{_named(seen)} sees {count:,} of {plural(all_of_them, 'input position')}"]
    hull = seen.interval(j)
    if hull is not None:
        box = math.prod(last - first + 1 for first, last in hull)
        if count < box:
            sizes = times([last - first + 1 for first, last in hull])
            lines[0] += f", with {plural(box - count, 'hole')} in {sizes}"
    lines += [f"not exact: {note}" for note in seen.notes]
    if checked is not None:
        tried = f"NaN and other numbers at {checked.tried:,} of {checked.of:,} input positions"
        if checked.missed:
            lines.append(f"{tried}: WRONG, they reach {checked.missed:,} outputs more than derived")
        elif checked.unconfirmed:
            pairs = checked.unconfirmed + checked.confirmed
            lines.append(
                f"{tried}: they reach no more than derived, and {checked.unconfirmed:,} of"
                f" {pairs:,} pairs less"
            )
        else:
            lines.append(f"{tried}: they reach what is derived, no more and no less")
    return lines
