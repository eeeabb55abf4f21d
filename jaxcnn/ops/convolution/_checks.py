"""Checks of a convolution's arguments, before anything is computed."""

from __future__ import annotations

from typing import Any

from jaxcnn.arguments import as_int, described, is_several
from jaxcnn.ops._layout import Layout
from jaxcnn.window import Window, dilated


def as_shape(name: str, shape: Any) -> tuple[int, ...]:
    """A shape that a person passes, as a tuple. Some of its sizes may be symbolic."""
    if getattr(shape, "ndim", 1) != 1 or not is_several(shape):
        is_array = hasattr(shape, "shape")
        array = name.removesuffix("_shape")
        slip = f": is it the array itself? pass {array}.shape" if is_array else ""
        raise ValueError(f"{name} must be a shape, one int per axis, got {described(shape)}{slip}")
    return tuple(
        size
        if hasattr(size, "dimension_as_value")
        else as_int(f"each entry of {name}", size, least=0)
        for size in shape
    )


def check_ranks(x_shape: tuple[int, ...], w_shape: tuple[int, ...]) -> None:
    if len(x_shape) not in (3, 4, 5):
        one_less = len(x_shape) == len(w_shape) - 1
        hint = "; is the batch axis missing? x[None] adds it" if one_less else ""
        raise ValueError(
            f"x must have a batch, a channel and 1 to 3 spatial axes, got shape {x_shape}{hint}"
        )
    if len(w_shape) != len(x_shape):
        raise ValueError(
            "w must have as many axes as x: one per spatial axis and two for channels, got w of"
            f" {w_shape} for x of {x_shape}"
        )


def check_channels(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], groups: int, layout: Layout
) -> None:
    channels, inputs, outputs = x_shape[-1], w_shape[-2], w_shape[-1]
    if channels % groups or outputs % groups:
        raise ValueError(
            f"groups must divide the channels of x and w, got groups={groups}, {channels} inputs"
            f" and {outputs} outputs"
        )
    if channels == inputs * groups:
        return
    other = "channels_first" if layout == "channels_last" else "channels_last"
    other_channels = x_shape[1] if layout == "channels_last" else x_shape[-2]
    names = {
        "channels_first": {3: "NCL", 4: "NCHW", 5: "NCDHW"},
        "channels_last": {3: "NLC", 4: "NHWC", 5: "NDHWC"},
    }
    hint = ""
    if other_channels == inputs * groups:
        hint = (
            f"; x has {other_channels} on the axis of {other!r}: is it"
            f" {names[other][len(x_shape)]}? pass layout={other!r}"
        )
    elif groups == 1 and inputs and channels % inputs == 0:
        hint = f"; is it grouped? groups={channels // inputs} would fit"
    raise ValueError(
        f"x has {channels} channels, but w takes {inputs} for each of {groups} groups"
        f" ({layout}){hint}"
    )


def check_fits(window: Window, space: tuple[int, ...]) -> None:
    sizes = zip(
        space, window.size, window.dilation, window.pads, window.output_size(space), strict=True
    )
    for axis, (n, k, d, (lo, hi), m) in enumerate(sizes):
        if m == 0:
            raise ValueError(
                f"w is larger than its padded input on spatial axis {axis}: it spans"
                f" {dilated(k, d)} ({k} taps, dilation {d}), the input {n + lo + hi} ({n} with"
                f" pads {(lo, hi)})"
            )
