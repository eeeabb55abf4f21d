"""The maximum of each window, the taps that won along each axis, and the way back to
them: equations (1) and (3) of `max_pooling.py`, along one axis after another."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from jaxcnn.ops._arrays import at_least_float32
from jaxcnn.ops._pool_windows import MOST_STRIDES, pooled_behind, reduced_along, written_out
from jaxcnn.ops._tap_loops import UNROLL, fold_loop, in_phases, tap_slice, tap_starts
from jaxcnn.ops._windows import few_steps, fold, fold_along, unfold, unfold_along
from jaxcnn.sizes import is_known
from jaxcnn.window import Window


def max_and_winners(
    x: Float[Array, "n *i c"], window: Window
) -> tuple[Float[Array, "n *j c"], list[Int[Array, "n *ij c"]]]:
    """(1), and the taps that won along each axis, from the last to the first."""
    largest, winners = at_least_float32(x), []
    for axis in reversed(range(len(window.size))):
        along = window.along(axis)
        if written_out(window, axis, x.shape[1:-1]):
            find = max_along
        else:
            find = (
                _max_along_by_strides
                if few_steps(along, MOST_STRIDES) and is_known(*x.shape[1:-1])
                else _max_along_in_a_loop
            )
        largest, winner = find(largest, along, axis)
        winners.append(winner)
    return largest.astype(x.dtype), winners


def max_along(
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


def to_winners(
    window: Window, input_size: tuple[int, ...], winners, dy: Float[Array, "n *j c"]
) -> Float[Array, "n *i c"]:
    """(3), one shifted copy of dy for each tap along one axis after another."""
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
    return dx.astype(dy.dtype)


def _won(
    winner: Int[Array, "n *j c"], dy: Float[Array, "n *j c"], t: Array
) -> Float[Array, "n *j c"]:
    return jnp.where(winner == t.astype(winner.dtype), dy, 0)
