"""Checks of the arguments that a layer is made with. Each is converted to the form that
its operation needs, or refused by an error that names it.

The images are not known yet when a layer is made, nor is their number of spatial axes.
An argument with an entry per axis fixes this number, and others must agree with it.
`init` checks whatever depends on the images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from jaxcnn.arguments import as_int, as_ints, as_number, described, is_several, per_axis
from jaxcnn.ops import Ops
from jaxcnn.padding import make_window

# When a layer is made.


def as_ops(ops: Any) -> Ops:
    if not isinstance(ops, Ops):
        raise ValueError(
            "ops must be jaxcnn.EXPLICIT, jaxcnn.AUTODIFF or an Ops of your own, got"
            f" {described(ops)}"
        )
    for name, operation in ops._asdict().items():
        if not callable(operation):
            raise ValueError(f"ops must hold functions, got ops.{name} = {described(operation)}")
    return ops


def as_function(name: str, value: Any, needed: str) -> Callable[..., Any]:
    if not callable(value):
        raise ValueError(f"{name} must be a function, {needed}, got {described(value)}")
    return value


def as_rate(name: str, value: Any) -> float:
    rate = as_number(name, value)
    if not 0 <= rate < 1:
        hint = "; to drop everything is to multiply by 0" if rate == 1 else ""
        raise ValueError(
            f"{name} is the probability to drop an element and must be in [0, 1), got {rate}{hint}"
        )
    return rate


def as_epsilon(value: Any) -> float:
    epsilon = as_number("epsilon", value)
    if not 0 <= epsilon < math.inf:
        raise ValueError(f"epsilon must be finite and not negative, got {epsilon}")
    return epsilon


def as_axes(axes: Any) -> tuple[int, ...]:
    """The axes of a layer normalisation. `init` checks that x has them."""
    if not is_several(axes):
        return (as_int("axes", axes),)
    several = as_ints("axes", axes, "an int or several")
    if not several or len(set(several)) < len(several):
        raise ValueError(f"axes must be one or more distinct axes of x, got {described(axes)}")
    return several


def per_some_axis(name: str, value: Any) -> int | tuple[int, ...]:
    """`value`, one int or one per spatial axis, however many there are.

    >>> import numpy as np
    >>> per_some_axis("size", 3), per_some_axis("size", np.array([3, 5]))
    (3, (3, 5))
    """
    several = is_several(value)
    values = per_axis(name, value, len(value) if several else 1)
    if not 1 <= len(values) <= 3:
        raise ValueError(
            f"{name} must be an int, or one int for each of 1 to 3 spatial axes, got"
            f" {described(value)}"
        )
    return values if several else values[0]


def geometry(
    *, size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool = False
) -> dict[str, Any]:
    """The options of a window, checked one by one and together: all that have an entry
    per axis must have the same number of entries.

    >>> geometry(size=(3, 5), stride=2, padding="same", dilation=1)
    {'size': (3, 5), 'stride': 2, 'padding': 'same', 'dilation': 1}
    """
    given = {
        "size": per_some_axis("size", size),
        "stride": per_some_axis("stride", stride),
        "padding": _padding(padding),
        "dilation": per_some_axis("dilation", dilation),
    }
    entries = {name: len(value) for name, value in given.items() if isinstance(value, tuple)}
    if len(set(entries.values())) > 1:
        counts = " and ".join(f"{count} of {name}" for name, count in entries.items())
        raise ValueError(
            f"{' and '.join(entries)} must have one entry per spatial axis each, got {counts}"
        )
    axes = next(iter(entries.values()), 1)
    space = (1,) * axes  # any size: the checks made here do not depend on it
    taps = given["size"] if isinstance(given["size"], tuple) else (given["size"],) * axes
    window = make_window(
        taps, space, stride=given["stride"], padding=given["padding"], dilation=given["dilation"]
    )
    if ceil_mode:
        window.ceil(space)
    return given


def _padding(padding: Any) -> Any:
    """Several entries as a tuple, and pairs as tuples. `make_window` refuses any other
    form."""
    if not is_several(padding):
        return padding
    if not 1 <= len(padding) <= 3:
        raise ValueError(
            f"padding must have one entry for each of 1 to 3 spatial axes, got {described(padding)}"
        )
    return tuple(
        as_ints("padding", entry, "(low, high) pairs of ints") if is_several(entry) else entry
        for entry in padding
    )
