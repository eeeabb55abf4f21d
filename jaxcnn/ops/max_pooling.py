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

On a TPU
    There (1) is lax's reduction, and (3) XLA's select-and-scatter: two passes over
    memory, where shifts and masks took more than twice the bytes. The conventions are
    those above, but where the window holds NaNs the first maximum behind the last one
    wins, and the NaN only if nothing is behind it. It needs x in the place of the
    indices. Which platform it will be is known only when a program is lowered, so the
    rule hands on both. A compiled program drops the one that it does not read. An eager
    `jax.vjp` keeps x, though no copy of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcnn.ops._arrays import at_least_float32
from jaxcnn.ops._layout import Layout, image_from_channels_last
from jaxcnn.ops._one_pass import has_selection, scatter_to_winners
from jaxcnn.ops._operation import operation
from jaxcnn.ops._pool_windows import (
    check_no_empty_window,
    prepare,
    reduced_along,
    reduced_at_once,
    written_out,
)
from jaxcnn.ops._sharding import varying_like
from jaxcnn.ops._winners import max_along, max_and_winners, to_winners
from jaxcnn.padding import Padding
from jaxcnn.window import Window

# Maximum. The jits keep eager calls from compiling their loops again each time. Being
# inlined, they leave no trace in an outer jit.


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
            largest, _ = max_along(largest, along, axis)
        else:
            largest = reduced_along(largest, along, -jnp.inf, lax.max)
    return largest.astype(x.dtype)


@partial(jax.jit, static_argnums=(1, 2), inline=True)
def _max_pool_fwd(x: Float[Array, "n *i c"], window: Window, input_size: tuple[int, ...]):
    by_taps = partial(max_and_winners, window=window)
    if not has_selection(window, x.shape[1:-1]):
        y, winners = by_taps(x)
        return y, (None, winners)
    y, winners = lax.platform_dependent(x, tpu=partial(_max_alone, window), default=by_taps)
    return y, (x, winners)


def _max_alone(window: Window, x: Float[Array, "n *i c"]):
    """(1) by lax, and zeros for the winners, which nothing reads."""
    _, winners = jax.eval_shape(partial(max_and_winners, window=window), x)
    zeros = [
        varying_like(lax.full(winner.shape, 0, winner.dtype, sharding=winner.sharding), x)
        for winner in winners
    ]
    return reduced_along(x, window, -jnp.inf, lax.max), zeros


@partial(jax.jit, static_argnums=(0, 1), inline=True)
def _max_pool_bwd(window: Window, input_size: tuple[int, ...], kept, dy: Float[Array, "n *j c"]):
    x, winners = kept
    if x is None:
        return (to_winners(window, input_size, winners, dy),)
    branches = {
        "tpu": lambda x, _, dy: _by_selection(window, x, dy),
        "default": lambda _, winners, dy: to_winners(window, input_size, winners, dy),
    }
    return (lax.platform_dependent(x, winners, dy, **branches),)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _by_selection(
    window: Window, x: Float[Array, "n *i c"], dy: Float[Array, "n *j c"]
) -> Float[Array, "n *i c"]:
    """(3) in one pass. Where windows overlap, 16-bit floats are added up in float32."""
    overlap = any(k > s for k, s in zip(window.size, window.stride, strict=True))
    wide = at_least_float32 if overlap else jnp.asarray
    return scatter_to_winners(wide(x), wide(dy), window).astype(dy.dtype)


@_by_selection.defjvp
def _by_selection_jvp(window, primals, tangents):
    """It is linear in dy, and constant in x. The second derivative is that of (3) tap
    by tap, because select-and-scatter has none with these conventions."""
    x, dy = primals
    _, winners = max_and_winners(x, window)
    return _by_selection(window, x, dy), to_winners(window, x.shape[1:-1], winners, tangents[1])


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
