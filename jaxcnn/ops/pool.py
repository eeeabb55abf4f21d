"""Pooling: the maximum or the mean of each window.

Definition
    With w_j the input positions i = s j + d t - p_lo of the taps t of window j,

        max:   y[n, j, c] = max_{i in w_j} x[n, i, c]                                                          (1)
        mean:  y[n, j, c] = (1 / count_j) sum_{i in w_j} x[n, i, c]                                            (2)

    Padding is -inf for the maximum and 0 for the mean; count_j is the number of taps on the input and its padding, or on the
    input alone with `count_include_pad=False`.

Derivation
    Each y takes a weighted sum of its window, so each x gets back from every window that holds it (overlapping ones add up):

        dx[n, i, c] = sum_{j, t: s j + d t - p_lo = i} weight[n, j, t, c] dy[n, j, c]                          (3)

    with weight 1 at the tap that won and 0 elsewhere for the maximum, 1 / count_j for the mean. (3) is `fold`, the adjoint of the
    `unfold` that (1) and (2) begin with: one shifted, masked copy of dy per tap, and no scatter, so that the result does not
    depend on the order of threads.

    A window is a box, so both are taken along one axis after another, the last one first, and (3) along the first one first: of
    3x3 taps 3 + 3, not 9. The first maximum in the order of taps (last axis fastest) is the first in its row, of the first row
    that has it; so the winner of a box is found axis by axis too, and so is the last NaN.

Conventions
    The gradient of a maximum goes to one tap: the first in-bounds one (last axis fastest) that is as large as any; where the
    window holds NaNs, to the last of them; where it is all -inf, to the first in-bounds tap, never into the padding. This is
    PyTorch's rule; lax has it for finite values only. 16-bit floats are widened to float32: sums are rounded once, and XLA's CPU
    backend is slow at comparing them.

Residuals
    For the maximum the index of the tap that won along each axis, one byte for up to 128 taps: of 2x2 windows three bytes per
    output, where x has four numbers. Comparing x with y again would need x and would give ties to all. Over all of space the
    index of the position. The mean is linear and keeps nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxcnn.ops._common import (
    Layout,
    as_array,
    at_least_float32,
    check_floating,
    check_image,
    check_layout,
    image_from_channels_last,
    image_to_channels_last,
)
from jaxcnn.ops._windows import fold, unfold
from jaxcnn.window import Padding, Window, make_window, per_axis

# Maximum.


def _max_and_winners(x: Float[Array, "n *i c"], window: Window) -> tuple[Float[Array, "n *j c"], list[Int[Array, "n *ij c"]]]:
    """(1), and the taps that won along each axis, from the last to the first."""
    largest, winners = at_least_float32(x), []
    for axis in reversed(range(len(window.size))):
        largest, winner = _max_along(largest, window.along(axis), axis)
        winners.append(winner)
    return largest.astype(x.dtype), winners


def _max_along(x: Float[Array, "n *i c"], window: Window, axis: int) -> tuple[Float[Array, "n *j c"], Int[Array, "n *j c"]]:
    """The maximum along one axis, and the tap that won: the first in-bounds one, until a larger value or a NaN replaces it."""
    index_dtype = next(d for d in (jnp.int8, jnp.int16, jnp.int32) if window.size[axis] - 1 <= jnp.iinfo(d).max)
    largest, *others = unfold(x, window, fill=-jnp.inf)
    winner = jnp.zeros(largest.shape, index_dtype)
    for t, x_t in enumerate(others, start=1):
        wins = (x_t > largest) | jnp.isnan(x_t) | _is_first_in_bounds(t, window, largest.shape, axis)
        largest = jnp.where(wins, x_t, largest)
        winner = jnp.where(wins, jnp.asarray(t, index_dtype), winner)
    return largest, winner


def _is_first_in_bounds(t: int, window: Window, shape: tuple[int, ...], axis: int) -> Bool[Array, "n *j c"]:
    """Where tap t stands on the input and the tap before it on the padding. Computed: from a table XLA's loops are slow."""
    lo, s, d = window.pads[axis][0], window.stride[axis], window.dilation[axis]
    if d * (t - 1) >= lo:
        return jnp.zeros(shape, bool)
    i = s * lax.broadcasted_iota(jnp.int32, shape, 1 + axis) + (d * t - lo)
    return (i >= 0) & (i < d)


def _max_pool_forward(x: Float[Array, "n *i c"], window: Window) -> Float[Array, "n *j c"]:
    return _max_and_winners(x, window)[0]


def _max_pool_fwd(x: Float[Array, "n *i c"], window: Window):
    y, winners = _max_and_winners(x, window)
    return y, (winners, x.shape[1:-1])


def _max_pool_bwd(window: Window, residuals, dy: Float[Array, "n *j c"]):
    winners, input_size = residuals
    dx = at_least_float32(dy)
    for axis, winner in enumerate(reversed(winners)):
        won = (jnp.where(winner == t, dx, 0) for t in range(window.size[axis]))  # weight dy of (3), tap by tap
        dx = fold(won, window.along(axis), _pooled_behind(axis, window, input_size))
    return (dx.astype(dy.dtype),)


def _pooled_behind(axis: int, window: Window, input_size: Sequence[int]) -> tuple[int, ...]:
    """The size of what a pool along `axis` took: the axes behind it were pooled before."""
    return (*input_size[: axis + 1], *window.output_size(input_size)[axis + 1 :])


_max_pool = jax.custom_vjp(_max_pool_forward, nondiff_argnums=(1,))
_max_pool.defvjp(_max_pool_fwd, _max_pool_bwd)


def max_pool(
    x: ArrayLike,
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    layout: Layout = "channels_last",
    autodiff: bool = False,
) -> Array:
    """The maximum of each window, equation (1) of this file, in 1, 2 or 3 dimensions.

    Args:
      x: images, (n, *space, c); with `layout="channels_first"` (n, c, *space).
      size: the window's taps; one int, or one per spatial axis.
      stride: the step from window to window; `size` by default.
      padding, dilation: as in `conv`; padding never wins.
      ceil_mode: round the output size up: a last window may reach beyond the padded input. Not with a negative high pad.
      autodiff: let JAX differentiate the forward instead of the rule (it gives a window of -inf no gradient).

    Returns:
      (n, *space', c), or (n, c, *space') for "channels_first".

    Raises:
      ValueError: on shapes or options that do not fit; also where a window would hold padding only.

    >>> x = jnp.array([[1.0, 3, 2, 4], [5, 6, 7, 8], [9, 2, 3, 1], [4, 0, 1, 5]]).reshape(1, 4, 4, 1)
    >>> max_pool(x, 2).reshape(2, 2).tolist()
    [[6.0, 8.0], [9.0, 5.0]]
    """
    x, window, _ = _prepare(x, size, stride, padding, dilation, ceil_mode, layout)
    _check_no_empty_window(window, x.shape[1:-1])
    return image_from_channels_last((_max_pool_forward if autodiff else _max_pool)(x, window), layout)


# Mean.


def _avg_pool_forward(
    x: Float[Array, "n *i c"], window: Window, input_size: tuple[int, ...], counted: tuple[tuple[int, int], ...]
) -> Float[Array, "n *j c"]:
    total = at_least_float32(x)
    for axis in reversed(range(len(window.size))):
        total = _sum_along(total, window.along(axis))
    return (total / _counts(window, input_size, counted, total.dtype)).astype(x.dtype)  # (2)


def _avg_pool_fwd(x, window, input_size, counted):
    return _avg_pool_forward(x, window, input_size, counted), None


def _avg_pool_bwd(window, input_size, counted, _, dy: Float[Array, "n *j c"]):
    share = at_least_float32(dy)
    share = share / _counts(window, input_size, counted, share.dtype)  # weight dy of (3): every tap gets the same
    for axis, taps in enumerate(window.size):
        size, along = _pooled_behind(axis, window, input_size), window.along(axis)
        if along.stride[axis] == 1:
            share = _sum_along(share, along.input_grad(size))
        else:
            share = jnp.repeat(share, taps, axis=1 + axis) if along.tiles(size) else fold([share] * taps, along, size)
    return (share.astype(dy.dtype),)


def _sum_along(x: Float[Array, "n *i c"], window: Window) -> Float[Array, "n *j c"]:
    """The sum of the taps of a window along one axis.

    With a step of 1 XLA's own is up to 5 times as fast as slices added up; with a longer one it is up to 3 times as slow.
    """
    if max(window.stride) == 1:
        padded = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *((lo, hi, 0) for lo, hi in window.pads), (0, 0, 0)))
        size, dilation = ((1, *of_space, 1) for of_space in (window.size, window.dilation))
        return lax.reduce_window(padded, 0.0, lax.add, size, (1,) * x.ndim, "valid", window_dilation=dilation)
    tap_values = list(unfold(x, window))
    return sum(tap_values[1:], tap_values[0])


_avg_pool = jax.custom_vjp(_avg_pool_forward, nondiff_argnums=(1, 2, 3))
_avg_pool.defvjp(_avg_pool_fwd, _avg_pool_bwd)


def avg_pool(
    x: ArrayLike,
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: Layout = "channels_last",
    autodiff: bool = False,
) -> Array:
    """The mean of each window, equation (2) of this file, in 1, 2 or 3 dimensions.

    Args:
      count_include_pad: whether padding counts in the divisor. What `ceil_mode` adds beyond the padding never does.
      Others as in `max_pool`.

    Returns:
      (n, *space', c), or (n, c, *space') for "channels_first".

    Raises:
      ValueError: on shapes or options that do not fit; also where a window would hold nothing that counts.

    >>> avg_pool(jnp.arange(6.0).reshape(1, 6, 1), 2, stride=4, padding=1).ravel().tolist()
    [0.0, 3.5]
    >>> avg_pool(jnp.arange(6.0).reshape(1, 6, 1), 3, padding=1, count_include_pad=False).ravel().tolist()
    [0.5, 3.0]
    """
    x, window, pads = _prepare(x, size, stride, padding, dilation, ceil_mode, layout)
    if not count_include_pad:
        _check_no_empty_window(window, x.shape[1:-1])
        pads = tuple((min(lo, 0), min(hi, 0)) for lo, hi in pads)
    core = _avg_pool_forward if autodiff else _avg_pool
    return image_from_channels_last(core(x, window, x.shape[1:-1], pads), layout)


# Over all of space.


def _global_max_pool_forward(x: Float[Array, "n i c"]) -> Float[Array, "n c"]:
    y = lax.reduce_window(at_least_float32(x), -jnp.inf, lax.max, (1, x.shape[1], 1), (1, 1, 1), "VALID")[:, 0]
    return y.astype(x.dtype)


def _global_winner(x: Float[Array, "n i c"], y: Float[Array, "n c"]) -> Int[Array, "n 1 c"]:
    """The first position of the largest value; of NaNs, the last: the smallest of i where x = y, and of -1 - i where x is NaN."""
    x, y = at_least_float32(x), at_least_float32(y)
    position = jnp.zeros_like(x, jnp.int32) + jnp.arange(x.shape[1], dtype=jnp.int32)[:, None]
    key = jnp.where(jnp.isnan(x), -1 - position, jnp.where(x == y[:, None], position, x.shape[1]))
    smallest = jnp.min(key, axis=1, keepdims=True)
    return jnp.where(smallest < 0, -1 - smallest, smallest)


def _global_max_pool_fwd(x):
    y = _global_max_pool_forward(x)
    return y, (_global_winner(x, y), x.shape[1])


def _global_max_pool_bwd(residuals, dy: Float[Array, "n c"]):
    winner, positions = residuals
    return (jnp.where(jnp.arange(positions, dtype=winner.dtype)[:, None] == winner, dy[:, None], 0),)  # (3) with one window


_global_max_pool = jax.custom_vjp(_global_max_pool_forward)
_global_max_pool.defvjp(_global_max_pool_fwd, _global_max_pool_bwd)


def global_max_pool(x: ArrayLike, *, layout: Layout = "channels_last", autodiff: bool = False) -> Array:
    """The maximum over all of space: (n, *space, c) -> (n, c). Ties and NaNs as in `max_pool`.

    >>> global_max_pool(jnp.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[6.0, 7.0]]
    """
    return (_global_max_pool_forward if autodiff else _global_max_pool)(_flatten_space(x, layout))


def _global_avg_pool_forward(x: Float[Array, "n i c"]) -> Float[Array, "n c"]:
    return jnp.mean(x, axis=1)


def _global_avg_pool_fwd(x):
    return _global_avg_pool_forward(x), x.shape[1]


def _global_avg_pool_bwd(positions: int, dy: Float[Array, "n c"]):
    return (jnp.repeat(dy[:, None] / positions, positions, axis=1),)  # (3) with one window


_global_avg_pool = jax.custom_vjp(_global_avg_pool_forward)
_global_avg_pool.defvjp(_global_avg_pool_fwd, _global_avg_pool_bwd)


def global_avg_pool(x: ArrayLike, *, layout: Layout = "channels_last", autodiff: bool = False) -> Array:
    """The mean over all of space: (n, *space, c) -> (n, c).

    >>> global_avg_pool(jnp.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[3.0, 4.0]]
    """
    return (_global_avg_pool_forward if autodiff else _global_avg_pool)(_flatten_space(x, layout))


def _flatten_space(x: ArrayLike, layout: Layout) -> Array:
    x = _channels_last(x, layout)
    positions = math.prod(x.shape[1:-1])
    if positions == 0:
        raise ValueError(f"x must have at least one position to pool, got shape {x.shape}")
    return x.reshape(x.shape[0], positions, x.shape[-1])


# What stands where: small NumPy tables, one per spatial axis, known while tracing.


def _positions(window: Window, input_size: Sequence[int]) -> list[np.ndarray]:
    """i = s j + d t - p_lo, per axis an array (m, k)."""
    return [
        s * np.arange(m)[:, None] + d * np.arange(k)[None, :] - lo
        for m, s, d, k, (lo, _) in zip(
            window.output_size(input_size), window.stride, window.dilation, window.size, window.pads, strict=True
        )
    ]


def _in_bounds(window: Window, input_size: Sequence[int]) -> list[np.ndarray]:
    """Which taps stand on the input, per axis an array (m, k)."""
    return [(i >= 0) & (i < n) for i, n in zip(_positions(window, input_size), input_size, strict=True)]


def _counts(window: Window, input_size: Sequence[int], counted: Sequence[tuple[int, int]], dtype) -> Array:
    """count_j, (*j, 1): the taps on the input extended by `counted` pads."""
    columns = [
        ((i >= -lo) & (i < n + hi)).sum(axis=1)
        for i, n, (lo, hi) in zip(_positions(window, input_size), input_size, counted, strict=True)
    ]
    return jnp.asarray(_combine(columns, math.prod), dtype)


def _combine(columns: Sequence[np.ndarray], combine: Callable) -> np.ndarray:
    """One value per window, (*j, 1), from one value per axis and window row."""
    return combine(np.meshgrid(*columns, indexing="ij"))[..., None]


def _check_no_empty_window(window: Window, input_size: Sequence[int]) -> None:
    for axis, inside in enumerate(_in_bounds(window, input_size)):
        empty = np.flatnonzero(~inside.any(axis=1))
        if empty.size:
            raise ValueError(
                f"padding leaves window {empty[0]} of spatial axis {axis} without any input: got pads {window.pads[axis]} "
                f"for a size of {window.size[axis]} with dilation {window.dilation[axis]} on {input_size[axis]} inputs"
            )


def _channels_last(x: ArrayLike, layout: Layout) -> Array:
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
    """The window of a pool before `ceil_mode`: `size` may be one int for all axes, and is the stride by default."""
    size = per_axis("size", size, len(input_size))
    return make_window(size, input_size, stride=size if stride is None else stride, padding=padding, dilation=dilation)


def _prepare(x, size, stride, padding, dilation, ceil_mode, layout) -> tuple[Array, Window, tuple[tuple[int, int], ...]]:
    """x channels last, its window, and the pads before `ceil_mode` changed them."""
    x = _channels_last(x, layout)
    input_size = x.shape[1:-1]
    window = pool_window(size, input_size, stride=stride, padding=padding, dilation=dilation)
    if 0 in window.output_size(input_size):
        raise ValueError(
            f"the window is larger than the padded input: got size {window.size}, dilation {window.dilation}, "
            f"pads {window.pads} for a space of {input_size}; is layout={layout!r} right?"
        )
    return x, window.ceil(input_size) if ceil_mode else window, window.pads
