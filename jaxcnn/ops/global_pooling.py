"""Pools over all of space, with one window: the maximum or the mean of every channel.
The derivation is in `max_pooling.py`.

Residuals: the maximum keeps the position that won, the mean keeps nothing.
"""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxcnn.ops._arrays import at_least_float32
from jaxcnn.ops._layout import Layout
from jaxcnn.ops._operation import operation
from jaxcnn.ops._pool_windows import checked_images
from jaxcnn.sizes import is_known

# Maximum.


@partial(jax.jit, static_argnums=(1,), inline=True)
def _global_max_pool_definition(x: Float[Array, "n i c"], positions: int) -> Float[Array, "n c"]:
    wide = at_least_float32(x)
    if is_known(positions):
        y = lax.reduce_window(wide, -jnp.inf, lax.max, (1, positions, 1), (1, 1, 1), "VALID")[:, 0]
    else:
        y = jnp.max(wide, axis=1)
    return y.astype(x.dtype)


def _global_winner(x: Float[Array, "n i c"], y: Float[Array, "n c"]) -> Int[Array, "n 1 c"]:
    """The first position of the largest value, or of NaNs the last: the minimum of i
    where x = y, and of -1 - i where x is NaN."""
    x, y = at_least_float32(x), at_least_float32(y)
    position = lax.broadcasted_iota(jnp.int32, (1, x.shape[1], 1), 1)
    key = jnp.where(jnp.isnan(x), -1 - position, jnp.where(x == y[:, None], position, x.shape[1]))
    smallest = jnp.min(key, axis=1, keepdims=True)
    return jnp.where(smallest < 0, -1 - smallest, smallest)


@partial(jax.jit, static_argnums=(1,), inline=True)
def _global_max_pool_fwd(x, positions):
    y = _global_max_pool_definition(x, positions)
    return y, _global_winner(x, y)


def _global_max_pool_bwd(positions: int, winner: Int[Array, "n 1 c"], dy: Float[Array, "n c"]):
    position = lax.broadcasted_iota(winner.dtype, (1, positions, 1), 1)
    return (jnp.where(position == winner, dy[:, None], 0),)  # (3) with one window


_global_max_pool = jax.custom_vjp(_global_max_pool_definition, nondiff_argnums=(1,))
_global_max_pool.defvjp(_global_max_pool_fwd, _global_max_pool_bwd)


@operation
def global_max_pool(
    by_autodiff: bool,
    x: ArrayLike,
    *,
    layout: Layout = "channels_last",
) -> Array:
    """The maximum over all of space: (n, *space, c) -> (n, c). Ties and NaNs as in
    `max_pool`.

    >>> global_max_pool(jnp.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[6.0, 7.0]]
    """
    flat = _flatten_space(x, layout)
    return (_global_max_pool_definition if by_autodiff else _global_max_pool)(flat, flat.shape[1])


# Mean.


@partial(jax.jit, static_argnums=(1,), inline=True)
def _global_avg_pool_definition(x: Float[Array, "n i c"], positions: int) -> Float[Array, "n c"]:
    return jnp.mean(at_least_float32(x), axis=1).astype(x.dtype)


def _global_avg_pool_fwd(x, positions):
    return _global_avg_pool_definition(x, positions), None


def _global_avg_pool_bwd(positions: int, _, dy: Float[Array, "n c"]):
    share = (at_least_float32(dy) / positions).astype(dy.dtype)  # 16-bit floats cannot count so far
    return (
        jnp.broadcast_to(share[:, None], (dy.shape[0], positions, dy.shape[1])),
    )  # (3) with one window


_global_avg_pool = jax.custom_vjp(_global_avg_pool_definition, nondiff_argnums=(1,))
_global_avg_pool.defvjp(_global_avg_pool_fwd, _global_avg_pool_bwd)


@operation
def global_avg_pool(
    by_autodiff: bool,
    x: ArrayLike,
    *,
    layout: Layout = "channels_last",
) -> Array:
    """The mean over all of space: (n, *space, c) -> (n, c).

    >>> global_avg_pool(jnp.arange(8.0).reshape(1, 2, 2, 2)).tolist()
    [[3.0, 4.0]]
    """
    flat = _flatten_space(x, layout)
    return (_global_avg_pool_definition if by_autodiff else _global_avg_pool)(flat, flat.shape[1])


def _flatten_space(x: ArrayLike, layout: Layout) -> Array:
    x = checked_images(x, layout)
    positions = math.prod(x.shape[1:-1])  # may be symbolic
    if positions == 0:
        raise ValueError(f"x must have at least one position to pool, got shape {x.shape}")
    return x.reshape(x.shape[0], positions, x.shape[-1])
