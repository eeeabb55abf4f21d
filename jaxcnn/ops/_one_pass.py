"""Pools as passes of XLA's own, for a TPU: `reduce_window`, and for the gradient of a
maximum its select-and-scatter. Each is one pass over memory there, where shifted and
masked copies are one pass each.

XLA divides a select-and-scatter over devices only if it compares by `ge`, whose NaNs
lose, and gathers the batch for any other. So each device is given its own images here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import jax
from jax import lax
from jaxtyping import Array, Bool, Float

from jaxcnn.ops._sharding import images_over
from jaxcnn.sizes import is_known
from jaxcnn.window import Window


def has_selection(window: Window, input_size: Sequence[int]) -> bool:
    """Whether XLA's select-and-scatter has such a window: one without a dilation, a
    negative pad or a symbolic one."""
    pads = [pad for both in window.pads for pad in both]
    return (
        is_known(*input_size, *pads)
        and set(window.dilation) | set(window.base_dilation) == {1}
        and min(pads) >= 0
    )


class _Keeps:
    """Which of two taps wins. It stands where lax has `ge_p`, whose NaNs lose."""

    @staticmethod
    def bind(first: Array, second: Array) -> Bool[Array, ""]:
        """Whether the first of two taps stays: unless the second one is larger or NaN.
        So the first maximum wins, and the last NaN."""
        return (second == second) & ~(first < second)


_KEEPS = _Keeps()


def scatter_to_winners(
    x: Float[Array, "n *i c"], dy: Float[Array, "n *j c"], window: Window
) -> Float[Array, "n *i c"]:
    """Each dy, added where the tap of x is that won its window. A tap on the padding
    never wins. JAX has no transpose of it."""
    split = images_over(x)
    scatter = partial(_scatter, window)
    if split is not None:
        mesh, spec = split.mesh, split.spec
        scatter = jax.shard_map(scatter, mesh=mesh, in_specs=(spec, spec), out_specs=spec)
    return scatter(x, dy)


def _scatter(window: Window, x: Array, dy: Array) -> Array:
    size, stride = ((1, *of_space, 1) for of_space in (window.size, window.stride))
    bind: Callable[..., Array] = lax.select_and_scatter_add_p.bind
    return bind(
        dy,
        x,
        select_prim=_KEEPS,
        window_dimensions=size,
        window_strides=stride,
        padding=((0, 0), *window.pads, (0, 0)),
    )
