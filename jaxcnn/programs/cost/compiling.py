"""Compile both sides of a pair for a device that need not be there, and read what each
costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import (
    AxisType,
    Mesh,
    NamedSharding,
    PartitionSpec,
    Sharding,
    SingleDeviceSharding,
)

from jaxcnn.check.hlo import without_locations
from jaxcnn.programs.cost.counting import counts
from jaxcnn.programs.cost.pairs import Pair
from jaxcnn.programs.cost.platforms import PLATFORMS, devices
from jaxcnn.programs.loading import in_one_line

Row = dict[str, Any]
SIDES = ("explicit", "plain")


class Figures(NamedTuple):
    """What a compiled program costs on one device. `._asdict()` is JSON.

    Attributes:
      kernels, library, scatters, collectives: as in `Counts`.
      bytes_moved: by XLA's own analysis; where there is none, on a GPU, operands and
        results of all kernels.
      temp_bytes: memory besides arguments and results.
      seconds: to trace, lower and compile.
    """

    kernels: int
    library: dict[str, int]
    scatters: int
    collectives: dict[str, int]
    bytes_moved: int
    temp_bytes: int
    seconds: float


def compared(pair: Pair, platform: str, chips: int = 1) -> Row:
    """The figures of both sides, as a row that is JSON.

    What goes wrong with a side, such as an operation without a gradient, is its error
    in the row, so that other pairs go on.

    Raises:
      MissingCompilerError: if the platform's compiler is not installed.
    """
    row: Row = {"platform": platform, "chips": chips, "pair": pair.name, "kind": pair.kind}
    there = devices(platform, chips)
    for side in SIDES:
        try:
            row[side] = figures(getattr(pair, side), pair, platform, there)._asdict()
        except Exception as error:  # the verdict on this side
            row[side] = {"error": in_one_line(error)}
    return row


def figures(function: Callable[..., Any], pair: Pair, platform: str, there: list[Any]) -> Figures:
    """The figures of one function of a pair's arguments, compiled for these devices."""
    start = time.perf_counter()
    jitted: Any = function if hasattr(function, "lower") else jax.jit(function)
    compiled = jitted.lower(*placed(pair, there)).compile()
    hlo = without_locations(compiled.as_text() or "")
    found = counts(hlo, one_pass=PLATFORMS[platform].one_pass)
    analysis = compiled.cost_analysis() or {}
    return Figures(
        **found._replace(
            bytes_moved=int(analysis.get("bytes accessed", found.bytes_moved))
        )._asdict(),
        temp_bytes=compiled.memory_analysis().temp_size_in_bytes,
        seconds=time.perf_counter() - start,
    )


def placed(pair: Pair, there: list[Any]) -> tuple[Any, ...]:
    """The pair's arguments as structs that lie on these devices."""
    whole: Sharding = SingleDeviceSharding(there[0])
    parts = whole
    if len(there) > 1:
        mesh = Mesh(np.array(there), ("batch",), (AxisType.Auto,))
        whole, parts = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), ("batch",)))

    def struct(a: Any, sharding: Sharding) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding)

    return tuple(
        jax.tree.map(lambda a, s=parts if i in pair.split else whole: struct(a, s), arg)
        for i, arg in enumerate(pair.args)
    )
