"""Pools, as maxima and means of what each window meets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy

import jaxcnn.ops as ops
from jaxcnn.derive.convolutions import image_groups, met
from jaxcnn.derive.definition import Definition, Step, sums_of
from jaxcnn.derive.functions import largest
from jaxcnn.derive.quantities import Term, named, term
from jaxcnn.padding import make_window
from jaxcnn.window import Window

MAX, MEAN = "jaxcnn.ops.max_pooling", "jaxcnn.ops.average_pooling"
GLOBAL = "jaxcnn.ops.global_pooling"


def pool(
    kind: str,
    input_shape: Sequence[int],
    size: Sequence[int],
    *,
    batch: int = 1,
    channels: int = 1,
    stride: Any = None,
    padding: Any = "valid",
    dilation: Any = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Definition:
    """`jaxcnn.max_pool`, or for the kind "mean" `jaxcnn.avg_pool`."""
    stride = tuple(size) if stride is None else stride
    window = make_window(size, input_shape, stride=stride, padding=padding, dilation=dilation)
    counted = window.pads
    window = window.ceil(input_shape) if ceil_mode else window
    shape = (batch, *input_shape, channels)
    outputs = (batch, *window.output_size(input_shape), channels)
    x, y = (named(letter, s, image_groups(len(s))) for letter, s in (("x", shape), ("y", outputs)))

    def terms(n: int, *place: int) -> list[Term]:
        *j, c = place
        taps = [met(j, tap, window, input_shape) for tap in np.ndindex(*window.size)]
        seen = [x[(n, *i, c)] for i in taps if i is not None]
        if not seen:
            raise ValueError(f"the window at {tuple(j)} sees only padding: take less padding")
        if kind == "max":
            return [term(largest(*seen) if len(seen) > 1 else seen[0])]
        counts = counted if count_include_pad else ((0, 0),) * len(size)
        count = _count(j, window, input_shape, counts)
        return [term(sympy.Rational(1, count), entry) for entry in seen]

    options = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "ceil_mode": ceil_mode,
    }

    def run(arrays: Any) -> Any:
        if kind == "max":
            return ops.max_pool(arrays["x"], size, **options)
        return ops.avg_pool(arrays["x"], size, count_include_pad=count_include_pad, **options)

    sources = {
        "max": {
            "y": (MAX, "return largest.astype(x.dtype)"),
            "x": (MAX, '"default": lambda _, winners, dy: to_winners('),
        },
        "mean": {
            "y": (MEAN, "counted, total.dtype)).astype(x.dtype)  # (2)"),
            "x": (MEAN, "return (_on_its_platform(share, tpu=at_once, default=by_axes)"),
        },
    }[kind]
    return Definition({"x": x}, [Step("outputs", y, sums_of(y.shape, terms))], [], run, sources)


def _count(
    j: Sequence[int], window: Window, space: Sequence[int], pads: Sequence[tuple[int, int]]
) -> int:
    """The taps of window j on the input and as much padding as `pads` says."""
    count = 1
    for axis, a in enumerate(j):
        lo, hi = pads[axis]
        first = window.stride[axis] * a - window.pads[axis][0]
        places = (first + window.dilation[axis] * t for t in range(window.size[axis]))
        count *= sum(-lo <= place < space[axis] + hi for place in places)
    return count


def global_pool(
    kind: str, input_shape: Sequence[int], *, batch: int = 1, channels: int = 1
) -> Definition:
    """`jaxcnn.global_max_pool`, or for the kind "mean" `jaxcnn.global_avg_pool`."""
    shape = (batch, *input_shape, channels)
    x, y = named("x", shape, image_groups(len(shape))), named("y", (batch, channels), ((0,), (1,)))

    def terms(n: int, c: int) -> list[Term]:
        seen = [x[(n, *i, c)] for i in np.ndindex(*input_shape)]
        if kind == "max":
            return [term(largest(*seen) if len(seen) > 1 else seen[0])]
        return [term(sympy.Rational(1, len(seen)), entry) for entry in seen]

    function = ops.global_max_pool if kind == "max" else ops.global_avg_pool
    sources = {
        "max": {"y": (GLOBAL, "y = jnp.max("), "x": (GLOBAL, "(jnp.where(position == winner")},
        "mean": {"y": (GLOBAL, "return jnp.mean("), "x": (GLOBAL, "share = (at_least_float32(dy)")},
    }[kind]
    steps = [Step("outputs", y, sums_of(y.shape, terms))]
    return Definition({"x": x}, steps, [], lambda arrays: function(arrays["x"]), sources)
