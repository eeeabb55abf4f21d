"""Pooling: the maximum or the mean of each window.

Definition
    With w_j the input positions i = s j + d t - p_lo of the taps t of window j,

        max:   y[n, j, c] = max_{i in w_j} x[n, i, c]                                (1)
        mean:  y[n, j, c] = (1 / count_j) sum_{i in w_j} x[n, i, c]                  (2)

    Padding is -inf for the maximum and 0 for the mean; count_j is the number of taps on
    the input and its padding, or on the input alone with `count_include_pad=False`.

Derivation
    Each y takes a weighted sum of its window, so each x gets back from every window
    that holds it (overlapping ones add up):

        dx[n, i, c] = sum_{j, t: s j + d t - p_lo = i}
                      weight[n, j, t, c] dy[n, j, c]                                 (3)

    For the maximum the weight is 1 at the tap that won and 0 elsewhere; for the mean it
    is 1 / count_j. (3) is `fold`, the adjoint of the `unfold` that (1) and (2) begin
    with: one shifted, masked copy of dy per tap. There is no scatter, so the result
    does not depend on the order of threads.

    A window is a box, so it is reduced along one axis after another, the last one
    first; (3) begins with the first axis. 3x3 taps thus cost 3 + 3 operations, not 9.
    The first maximum in the order of taps (last axis fastest) is the first maximum of
    the first row that has it. So the winner of a box is found axis by axis too, and so
    is the last NaN. Beyond `MOST_TAPS` along an axis, a loop or lax's own reduction
    takes the place of one operation for each tap.

Conventions
    The gradient of a maximum goes to one tap: the first in-bounds one (last axis
    fastest) that is as large as any; where the window holds NaNs, to the last of them;
    where it is all -inf, to the first in-bounds tap, never into the padding. This is
    PyTorch's rule; lax has it for finite values only. 16-bit floats are widened to
    float32: sums are rounded once, and XLA's CPU backend is slow at comparing them.

Residuals
    The maximum keeps the index of the tap that won along each axis, one byte for up to
    128 taps. For 2x2 windows these are three bytes per output, where x has four
    numbers. Comparing x with y again would need x, and would give a tie's gradient to
    all. Over all of space the index of the position is kept. The mean is linear and
    keeps nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Bool, Float, Int

from jaxcnn.ops._arrays import at_least_float32
from jaxcnn.ops._layout import Layout, image_from_channels_last
from jaxcnn.ops._operation import operation
from jaxcnn.ops._pool_windows import (
    MOST_STRIDES,
    check_no_empty_window,
    pooled_behind,
    prepare,
    reduced_along,
    reduced_at_once,
    written_out,
)
from jaxcnn.ops._tap_loops import UNROLL, fold_loop, in_phases, tap_slice, tap_starts
from jaxcnn.ops._windows import few_steps, fold, fold_along, unfold, unfold_along
from jaxcnn.padding import Padding
from jaxcnn.sizes import is_known
from jaxcnn.window import Window

# Maximum. The jits keep eager calls from compiling their loops again each time. Being
# inlined, they leave no trace in an outer jit.


def _max_and_winners(
    x: Float[Array, "n *i c"], window: Window
) -> tuple[Float[Array, "n *j c"], list[Int[Array, "n *ij c"]]]:
    """(1), and the taps that won along each axis, from the last to the first."""
    largest, winners = at_least_float32(x), []
    for axis in reversed(range(len(window.size))):
        along = window.along(axis)
        if written_out(window, axis, x.shape[1:-1]):
            find = _max_along
        else:
            find = (
                _max_along_by_strides
                if few_steps(along, MOST_STRIDES) and is_known(*x.shape[1:-1])
                else _max_along_in_a_loop
            )
        largest, winner = find(largest, along, axis)
        winners.append(winner)
    return largest.astype(x.dtype), winners


def _max_along(
    x: Float[Array, "n *i c"], window: Window, axis: int
) -> tuple[Float[Array, "n *j c"], Int[Array, "n *j c"]]:
    """The maximum along one axis, and the tap that won: the first in-bounds one, until
    a larger value or a NaN replaces it."""
    index_dtype = _index_dtype(window.size[axis])
    largest, *others = unfold(x, window, fill=-jnp.inf)
    winner = jnp.zeros(largest.shape, index_dtype)
    for t, x_t in enumerate(others, start=1):
        wins = (x_t > largest) | jnp.isnan(x_t)
        if window.dilation[axis] * (t - 1) < window.pads[axis][0]:
            wins |= _is_first_in_bounds(t, window, largest.shape[1 + axis], axis, x.ndim)
        largest = jnp.where(wins, x_t, largest)
        winner = jnp.where(wins, jnp.asarray(t, index_dtype), winner)
    return largest, winner


def _max_along_by_strides(
    x: Float[Array, "n *i c"], window: Window, axis: int
) -> tuple[Float[Array, "n *j c"], Int[Array, "n *j c"]]:
    """The same for many taps within few strides. All are laid out; the winner is the
    first that equals lax's maximum, or the last NaN."""
    largest = reduced_along(x, window, -jnp.inf, lax.max)
    p = _with_taps(
        unfold_along(lax.stop_gradient(x), window, axis, -jnp.inf), window, axis
    )  # [n, j, t, c]
    k, s, lo, n = window.size[axis], window.stride[axis], window.pads[axis][0], x.shape[1 + axis]
    t, j = (
        lax.broadcasted_iota(
            jnp.int32, [size if a == at else 1 for a, size in enumerate(p.shape)], at
        )
        for at in (p.ndim - 2, 1 + axis)
    )
    i = s * j + window.dilation[axis] * t - lo
    is_first = (p == largest[..., None, :]) & (i >= 0) & (i < n)
    smallest = jnp.min(jnp.where(jnp.isnan(p), -1 - t, jnp.where(is_first, t, k)), axis=-2)
    return largest, jnp.where(smallest < 0, -1 - smallest, smallest).astype(_index_dtype(k))


def _with_taps(p: Float[Array, "n *j tc"], window: Window, axis: int) -> Float[Array, "n *j t c"]:
    return p.reshape(*p.shape[:-1], window.size[axis], p.shape[-1] // window.size[axis])


def _max_along_in_a_loop(
    x: Float[Array, "n *i c"], window: Window, axis: int
) -> tuple[Float[Array, "n *j c"], Int[Array, "n *j c"]]:
    """The same, with the loop over taps in the program. The maximum itself is lax's, so
    the loop needs no derivative."""
    index_dtype = _index_dtype(window.size[axis])
    outputs = window.output_size(x.shape[1:-1])
    phases, starts = in_phases(lax.stop_gradient(x), window, -jnp.inf), tap_starts(window)
    first = tap_slice(phases, starts[0], outputs)

    def challenge(best, tap):
        largest, winner = best
        t, start = tap
        x_t = tap_slice(phases, start, outputs)
        wins = (
            (x_t > largest)
            | jnp.isnan(x_t)
            | _is_first_in_bounds(t, window, outputs[axis], axis, x.ndim)
        )
        return (jnp.where(wins, x_t, largest), jnp.where(wins, t.astype(index_dtype), winner)), None

    others = np.arange(1, len(starts), dtype=np.int32), starts[1:]
    best = (first, lax.full_like(first, 0, index_dtype))
    (_, winner), _ = lax.scan(challenge, best, others, unroll=min(UNROLL, max(1, len(starts) - 1)))
    return reduced_along(x, window, -jnp.inf, lax.max), winner


def _index_dtype(taps: int) -> DTypeLike:
    return next(d for d in (jnp.int8, jnp.int16, jnp.int32) if taps - 1 <= jnp.iinfo(d).max)


def _is_first_in_bounds(
    t: int | Array, window: Window, m: int, axis: int, ndim: int
) -> Bool[Array, "one *j one"]:
    """Where tap t stands on the input and the tap before it on the padding. It is
    computed, because XLA's CPU loops are slow when they read it from a table."""
    lo, s, d = window.pads[axis][0], window.stride[axis], window.dilation[axis]
    j = lax.broadcasted_iota(jnp.int32, [m if a == 1 + axis else 1 for a in range(ndim)], 1 + axis)
    i = s * j + (d * t - lo)
    return (i >= 0) & (i < d)


@partial(jax.jit, static_argnums=(1, 2), inline=True)
def _max_pool_definition(
    x: Float[Array, "n *i c"], window: Window, input_size: tuple[int, ...]
) -> Float[Array, "n *j c"]:
    largest = at_least_float32(x)
    if reduced_at_once(window, input_size):
        return reduced_along(largest, window, -jnp.inf, lax.max).astype(x.dtype)
    for axis in reversed(range(len(window.size))):
        along = window.along(axis)
        if written_out(window, axis, input_size):
            largest, _ = _max_along(largest, along, axis)
        else:
            largest = reduced_along(largest, along, -jnp.inf, lax.max)
    return largest.astype(x.dtype)


@partial(jax.jit, static_argnums=(1, 2), inline=True)
def _max_pool_fwd(x: Float[Array, "n *i c"], window: Window, input_size: tuple[int, ...]):
    return _max_and_winners(x, window)


@partial(jax.jit, static_argnums=(0, 1), inline=True)
def _max_pool_bwd(window: Window, input_size: tuple[int, ...], winners, dy: Float[Array, "n *j c"]):
    dx = at_least_float32(dy)
    for axis, winner in enumerate(reversed(winners)):
        size, along = pooled_behind(axis, window, input_size), window.along(axis)
        if written_out(window, axis, input_size):
            won = (
                jnp.where(winner == t, dx, 0) for t in range(window.size[axis])
            )  # weight dy of (3), tap by tap
            dx = fold(won, along, size)
        elif few_steps(along, MOST_STRIDES) and is_known(*input_size):
            t = lax.broadcasted_iota(
                winner.dtype, (*(1 for _ in dx.shape[1:]), window.size[axis], 1), dx.ndim - 1
            )
            of_taps = jnp.where(winner[..., None, :] == t, dx[..., None, :], 0)
            dx = fold_along(of_taps.reshape(*dx.shape[:-1], -1), along, axis, size[axis])
        else:
            dx = fold_loop(partial(_won, winner, dx), along, size)
    return (dx.astype(dy.dtype),)


def _won(
    winner: Int[Array, "n *j c"], dy: Float[Array, "n *j c"], t: Array
) -> Float[Array, "n *j c"]:
    return jnp.where(winner == t.astype(winner.dtype), dy, 0)


_max_pool = jax.custom_vjp(_max_pool_definition, nondiff_argnums=(1, 2))
_max_pool.defvjp(_max_pool_fwd, _max_pool_bwd)


@operation
def max_pool(
    by_autodiff: bool,
    x: ArrayLike,
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    layout: Layout = "channels_last",
) -> Array:
    """The maximum of each window, equation (1) of this file, in 1, 2 or 3 dimensions.

    Args:
      x: images, (n, *space, c); with `layout="channels_first"` (n, c, *space).
      size: the window's taps; one int, or one per spatial axis.
      stride: the step from window to window; `size` by default.
      padding, dilation: as in `conv`; padding never wins.
      ceil_mode: round the output size up: a last window may reach beyond the padded
        input. Not with a negative high pad.

    Returns:
      (n, *space', c), or (n, c, *space') for "channels_first".

    Raises:
      ValueError: on shapes or options that do not fit; also where a window would hold
        padding only.

    >>> x = jnp.array([[1.0, 3, 2, 4], [5, 6, 7, 8], [9, 2, 3, 1], [4, 0, 1, 5]])
    >>> max_pool(x.reshape(1, 4, 4, 1), 2).reshape(2, 2).tolist()
    [[6.0, 8.0], [9.0, 5.0]]
    """
    x, window, _ = prepare(x, size, stride, padding, dilation, ceil_mode, layout)
    check_no_empty_window(window, x.shape[1:-1])
    core = _max_pool_definition if by_autodiff else _max_pool
    return image_from_channels_last(core(x, window, x.shape[1:-1]), layout)
