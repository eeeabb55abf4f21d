"""What a case of the benchmark is: an operation with its sizes and options, a family,
and the network that it comes from.

A case has passes: a convolution has "forward", "input gradient" and "kernel gradient",
any other operation "forward" and "gradient", the latter to all its floating arguments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from jaxcnn.padding import make_window
from jaxcnn.window import Window

Shape = tuple[int, ...]
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})

CONV_PASSES = ("forward", "input gradient", "kernel gradient")
OTHER_PASSES = ("forward", "gradient")
PASSES = tuple(dict.fromkeys((*CONV_PASSES, *OTHER_PASSES)))
PLACES = ("top level", "scan")


class ConvolutionCase(NamedTuple):
    """A convolution. In the family "transposed" the operation is the transpose of this
    convolution: its input gradient, used as a layer."""

    id: str
    family: str
    network: str
    x: Shape
    """(n, *space, c)"""
    w: Shape
    """(*taps, c / groups, o)"""
    options: Mapping[str, Any] = NO_OPTIONS

    @property
    def transposed(self) -> bool:
        return self.family == "transposed"

    @property
    def places(self) -> tuple[str, ...]:
        """Large cases stand at the top level alone: plain JAX would take half a minute
        for one in a scan."""
        return PLACES[:1] if self.family == "large" else PLACES

    @property
    def groups(self) -> int:
        return self.options.get("groups", 1)

    @property
    def window(self) -> Window:
        options = {name: value for name, value in self.options.items() if name != "groups"}
        return make_window(self.w[:-2], self.x[1:-1], **options)

    @property
    def y(self) -> Shape:
        """The convolution's output, (n, *space', o), which is the input of its
        transpose."""
        return (self.x[0], *self.window.output_size(self.x[1:-1]), self.w[-1])

    @property
    def arguments(self) -> dict[str, Shape]:
        return {"x": self.y if self.transposed else self.x, "w": self.w}

    @property
    def passes(self) -> tuple[str, ...]:
        return CONV_PASSES

    @property
    def flops(self) -> int:
        """2 x multiply-adds, the same for each of the three passes. Products with
        padding are counted."""
        return 2 * math.prod(self.y[:-1]) * math.prod(self.w)


class OperationCase(NamedTuple):
    """Another operation of `jaxcnn.Ops`."""

    id: str
    family: str
    network: str
    operation: str
    shapes: tuple[Shape, ...]
    """Of its floating arguments."""
    options: Mapping[str, Any] = NO_OPTIONS
    classes: int | None = None
    """How many classes there are, where labels are a last argument."""

    @property
    def arguments(self) -> dict[str, Shape]:
        names = ARGUMENTS.get(self.operation, ("x",))
        found = dict(zip(names, self.shapes, strict=True))
        return found if self.classes is None else {**found, "labels": self.shapes[0][:-1]}

    @property
    def passes(self) -> tuple[str, ...]:
        return OTHER_PASSES

    @property
    def places(self) -> tuple[str, ...]:
        return PLACES

    @property
    def flops(self) -> None:
        return None


Case = ConvolutionCase | OperationCase

ARGUMENTS = {
    "conv": ("x", "w", "b"),
    "dense": ("x", "w", "b"),
    "batch_norm": ("x", "scale", "bias"),
    "layer_norm": ("x", "scale", "bias"),
    "softmax_cross_entropy": ("logits",),
}
"""The floating arguments of the operations that have others than x."""
