"""How the time of a convolution with both gradients grows with the batch, the image and
the channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import track

from experiments.benchmark.case import ConvolutionCase
from experiments.benchmark.columns import value_and_gradients
from experiments.benchmark.repetitions import ratios_to_explicit, seconds_of, time_calls

Row = dict[str, Any]

KINDS = ("dense 3x3", "depthwise 3x3", "strided 3x3")
COLUMNS = ("plain", "explicit")


class Sizes(NamedTuple):
    batch: int = 16
    image: int = 16
    channels: int = 32


AXES = {"batch": (8, 16, 32, 64, 128), "image": (8, 16, 32, 64), "channels": (8, 16, 32, 64, 128)}


def make_case(kind: str, sizes: Sizes) -> ConvolutionCase:
    """A 3x3 convolution of square images that keeps the number of channels."""
    batch, image, channels = sizes
    depthwise = kind.startswith("depthwise")
    options: dict[str, Any] = {"padding": 1}
    if depthwise:
        options["groups"] = channels
    if kind.startswith("strided"):
        options["stride"] = 2
    w = (3, 3, 1 if depthwise else channels, channels)
    return ConvolutionCase(
        kind, kind, "", (batch, image, image, channels), w, MappingProxyType(options)
    )


def points() -> Iterator[tuple[str, str, Sizes]]:
    """Kind, axis, and sizes with that one changed."""
    for kind in KINDS:
        for axis, values in AXES.items():
            for value in values:
                yield kind, axis, Sizes()._replace(**{axis: value})


def measure_point(kind: str, axis: str, sizes: Sizes, repetitions: int) -> Row:
    case = make_case(kind, sizes)
    rng = np.random.default_rng(0)
    args = [
        jnp.asarray(rng.standard_normal(shape, np.float32)) for shape in (case.x, case.w, case.y)
    ]
    calls: dict[str, Callable[[], Any]] = {}
    for column in COLUMNS:
        program = jax.jit(value_and_gradients(case, column)).lower(*args).compile()
        calls[column] = partial(program, *args)
    timings = time_calls(calls, repetitions, max(map(seconds_of, calls.values())))
    return {
        "kind": kind,
        "axis": axis,
        **sizes._asdict(),
        "columns": {
            column: {"median": t.median, "low": t.low, "high": t.high, "utilisation": t.utilisation}
            for column, t in timings.items()
        },
        "ratios": ratios_to_explicit(timings),
    }


def measure_growth(repetitions: int, console: Console) -> Iterator[Row]:
    """A row for each point of each axis, in float32 at the top level of a program."""
    for kind, axis, sizes in track(list(points()), "growth", console=console):
        yield measure_point(kind, axis, sizes, repetitions)
        jax.clear_caches()
