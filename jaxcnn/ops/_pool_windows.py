"""Shared by the pools: their windows, the number of taps of each window that stand on
the input, and lax's own reduction of a window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcnn.arguments import as_flag, per_axis
from jaxcnn.ops._arrays import as_array, check_floating, check_image
from jaxcnn.ops._layout import Layout, check_layout, image_to_channels_last
from jaxcnn.ops._tap_loops import MANY_TAPS
from jaxcnn.ops._windows import few_steps
from jaxcnn.padding import Padding, make_window
from jaxcnn.sizes import is_known
from jaxcnn.window import Window

MOST_TAPS = 8
"""Up to this many taps along an axis, Python writes out each one, so that XLA can fuse
them. Beyond it, the program loops over them."""

MOST_STRIDES = 3
"""Up to this many strides along an axis, all taps are laid out, which takes that many
times the memory. Beyond it, the program loops over them."""


def written_out(window: Window, axis: int, input_size: Sequence[int]) -> bool:
    few = window.size[axis] <= MOST_TAPS and math.prod(window.size) < MANY_TAPS
    return is_known(*input_size) and (few or window.size[axis] == 1)


def reduced_along(
    x: Float[Array, "n *i c"], window: Window, start: float, combine: Callable
) -> Float[Array, "n *j c"]:
    """lax's own reduction of a window. x is padded beforehand, because lax takes no
    negative and no symbolic padding."""
    pads = [(lo, hi, b - 1) for (lo, hi), b in zip(window.pads, window.base_dilation, strict=True)]
    padded = lax.pad(x, jnp.asarray(start, x.dtype), [(0, 0, 0), *pads, (0, 0, 0)])
    size, stride, dilation = (
        (1, *of_space, 1) for of_space in (window.size, window.stride, window.dilation)
    )
    return lax.reduce_window(
        padded, start, combine, size, stride, "valid", window_dilation=dilation
    )


def reduced_at_once(window: Window, input_size: Sequence[int]) -> bool:
    """Whether lax's own reduction takes all axes at once. It is the least work if there
    are many taps and few windows share them."""
    axes = range(len(window.size))
    return (
        is_known(*input_size)
        and few_steps(window, MOST_STRIDES)
        and not all(written_out(window, axis, input_size) for axis in axes)
    )


def pooled_behind(axis: int, window: Window, input_size: Sequence[int]) -> tuple[int, ...]:
    """The size of the array that the pool along `axis` is given: the axes after it have
    been pooled."""
    return (*input_size[: axis + 1], *window.output_size(input_size)[axis + 1 :])


# The number of taps of each window that stand on the input, one array per spatial axis.
# It is a NumPy array, known while tracing, if the sizes are known.


def _taps_inside(
    window: Window, input_size: Sequence[int], counted: Sequence[tuple[int, int]]
) -> list[Any]:
    """Per axis (m,): of windows j the taps t with -lo <= s j + d t - p_lo < n + hi,
    where `counted` has (lo, hi).

    These t are from ceil((p_lo - lo - s j) / d) to floor((n + hi - 1 + p_lo - s j) /
    d), as far as there are so many.
    """
    inside = []
    sizes = zip(
        window.output_size(input_size),
        input_size,
        window.size,
        window.stride,
        window.dilation,
        strict=True,
    )
    for (m, n, k, s, d), (low, _), (lo, hi) in zip(sizes, window.pads, counted, strict=True):
        xp = np if is_known(m, n, low, hi) else jnp
        start = low - s * xp.arange(m)  # of tap 0, before the input
        first = xp.maximum(0, -((lo - start) // d))
        last = xp.minimum(k - 1, (n + hi - 1 + start) // d)
        inside.append(xp.maximum(0, last - first + 1))
    return inside


def tap_counts(
    window: Window, input_size: Sequence[int], counted: Sequence[tuple[int, int]], dtype
) -> Array:
    """count_j, (1, *j, 1): the taps on the input extended by `counted` pads."""
    counts = jnp.ones((1,) * (len(input_size) + 2), dtype)
    for axis, inside in enumerate(_taps_inside(window, input_size, counted)):
        counts = counts * jnp.expand_dims(
            jnp.asarray(inside, dtype), [a for a in range(counts.ndim) if a != 1 + axis]
        )
    return counts


def check_no_empty_window(window: Window, input_size: Sequence[int]) -> None:
    for axis, inside in enumerate(_taps_inside(window, input_size, ((0, 0),) * len(input_size))):
        if isinstance(inside, np.ndarray) and not inside.all():
            raise ValueError(
                f"padding leaves window {int(np.argmin(inside))} of spatial axis {axis} without any"
                f" input: got pads {window.pads[axis]} for a size of {window.size[axis]} with"
                f" dilation {window.dilation[axis]} on {input_size[axis]} inputs"
            )


def checked_images(x: ArrayLike, layout: Layout) -> Array:
    """x checked, channels last."""
    check_layout(layout)
    x = as_array("x", x)
    check_image("x", x)
    check_floating("x", x)
    return image_to_channels_last(x, layout)


def pool_window(
    size: int | Sequence[int],
    input_size: Sequence[int],
    *,
    stride: int | Sequence[int] | None,
    padding: Padding,
    dilation: int | Sequence[int],
) -> Window:
    """The window of a pool before `ceil_mode`: `size` may be one int for all axes, and
    is the stride by default."""
    size = per_axis("size", size, len(input_size))
    return make_window(
        size,
        input_size,
        stride=size if stride is None else stride,
        padding=padding,
        dilation=dilation,
    )


def prepare(
    x, size, stride, padding, dilation, ceil_mode, layout
) -> tuple[Array, Window, tuple[tuple[int, int], ...]]:
    """x channels last, its window, and the pads before `ceil_mode` changed them."""
    x = checked_images(x, layout)
    input_size = x.shape[1:-1]
    window = pool_window(size, input_size, stride=stride, padding=padding, dilation=dilation)
    pads = window.pads
    if as_flag("ceil_mode", ceil_mode):
        window = window.ceil(input_size)
    if 0 in window.output_size(input_size):
        raise ValueError(
            f"the window is larger than the padded input: got size {window.size}, dilation"
            f" {window.dilation}, pads {window.pads} for a space of {input_size}; is"
            f" layout={layout!r} right?"
        )
    return x, window, pads
