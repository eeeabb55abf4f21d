"""Mean pooling. `max_pooling.py` has the derivation, together with that of the maximum.
The mean is linear, so it keeps no residuals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcnn.arguments import as_flag
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
    tap_counts,
    written_out,
)
from jaxcnn.ops._sharding import sharding_of
from jaxcnn.ops._tap_loops import fold_loop
from jaxcnn.ops._windows import few_steps, fold, fold_along, unfold
from jaxcnn.padding import Padding
from jaxcnn.sizes import at_most, is_known
from jaxcnn.window import Window


@partial(jax.jit, static_argnums=(1, 2, 3), inline=True)
def _avg_pool_definition(
    x: Float[Array, "n *i c"],
    window: Window,
    input_size: tuple[int, ...],
    counted: tuple[tuple[int, int], ...],
) -> Float[Array, "n *j c"]:
    at_once = partial(reduced_along, window=window, start=0.0, combine=lax.add)
    total = at_least_float32(x)
    if reduced_at_once(window, input_size):
        total = at_once(total)
    else:
        by_axes = partial(_sum_by_axes, window, input_size)
        total = _on_its_platform(total, tpu=at_once, default=by_axes)
    return (total / tap_counts(window, input_size, counted, total.dtype)).astype(x.dtype)  # (2)


def _on_its_platform(x: Array, **branches: Callable[[Array], Array]) -> Array:
    """On a TPU lax's own reduction is one pass over memory, and slices are one each. It
    does not take every array that an Explicit mesh splits."""
    if sharding_of(x) is not None:
        return branches["default"](x)
    return lax.platform_dependent(x, **branches)


def _sum_by_axes(
    window: Window, input_size: tuple[int, ...], total: Float[Array, "n *i c"]
) -> Float[Array, "n *j c"]:
    for axis in reversed(range(len(window.size))):
        total = _sum_along(
            total, window.along(axis), axis, slices=written_out(window, axis, input_size)
        )
    return total


def _avg_pool_fwd(x, window, input_size, counted):
    return _avg_pool_definition(x, window, input_size, counted), None


@partial(jax.jit, static_argnums=(0, 1, 2), inline=True)
def _avg_pool_bwd(window, input_size, counted, _, dy: Float[Array, "n *j c"]):
    share = at_least_float32(dy)
    share = share / tap_counts(
        window, input_size, counted, share.dtype
    )  # weight dy of (3): every tap gets the same
    by_axes = partial(_shared_by_axes, window, input_size)
    if not is_known(*input_size):
        return (by_axes(share).astype(dy.dtype),)
    back = window.input_grad(input_size)
    at_once = partial(reduced_along, window=back, start=0.0, combine=lax.add)
    return (_on_its_platform(share, tpu=at_once, default=by_axes).astype(dy.dtype),)


def _shared_by_axes(
    window: Window, input_size: tuple[int, ...], share: Float[Array, "n *j c"]
) -> Float[Array, "n *i c"]:
    """(3), along one axis after another."""
    for axis, taps in enumerate(window.size):
        size, along = pooled_behind(axis, window, input_size), window.along(axis)
        if along.stride[axis] > 1 and along.tiles(size):
            share = jnp.repeat(share, taps, axis=1 + axis)
        elif along.stride[axis] > 1 and written_out(window, axis, input_size):
            share = fold([share] * taps, along, size)
        elif not is_known(*input_size):
            share = fold_loop(lambda _, share=share: share, along, size)
        elif along.stride[axis] > 1 and few_steps(along, MOST_STRIDES):
            share = fold_along(jnp.tile(share, taps), along, axis, size[axis])
        else:
            share = _sum_along(share, along.input_grad(size), axis, slices=False)
    return share


def _sum_along(
    x: Float[Array, "n *i c"], window: Window, axis: int, *, slices: bool
) -> Float[Array, "n *j c"]:
    """The sum of the taps of a window along one axis.

    With a step of 1, XLA's own reduction is up to 5 times as fast as adding up slices;
    with a longer step it takes up to 3 times as long.
    """
    if window.stride[axis] == 1 or not slices:
        return reduced_along(x, window, 0.0, lax.add)
    tap_values = list(unfold(x, window))
    return sum(tap_values[1:], tap_values[0])


_avg_pool = jax.custom_vjp(_avg_pool_definition, nondiff_argnums=(1, 2, 3))
_avg_pool.defvjp(_avg_pool_fwd, _avg_pool_bwd)


@operation
def avg_pool(
    by_autodiff: bool,
    x: ArrayLike,
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    layout: Layout = "channels_last",
) -> Array:
    """The mean of each window, equation (2) of `max_pooling.py`, in 1, 2 or 3
    dimensions.

    Args:
      count_include_pad: whether padding counts in the divisor. What `ceil_mode` adds
        beyond the padding never counts.
      Others as in `max_pool`.

    Returns:
      (n, *space', c), or (n, c, *space') for "channels_first".

    Raises:
      ValueError: on shapes or options that do not fit; also where a window would hold
        nothing that counts.

    >>> x = jnp.arange(6.0).reshape(1, 6, 1)
    >>> avg_pool(x, 2, stride=4, padding=1).ravel().tolist()
    [0.0, 3.5]
    >>> avg_pool(x, 3, padding=1, count_include_pad=False).ravel().tolist()
    [0.5, 3.0]
    """
    x, window, pads = prepare(x, size, stride, padding, dilation, ceil_mode, layout)
    if not as_flag("count_include_pad", count_include_pad):
        check_no_empty_window(window, x.shape[1:-1])
        pads = tuple((at_most(lo, 0), at_most(hi, 0)) for lo, hi in pads)
    core = _avg_pool_definition if by_autodiff else _avg_pool
    return image_from_channels_last(core(x, window, x.shape[1:-1], pads), layout)
