"""Pools as passes of XLA's own, for a TPU: `reduce_window`, and for the gradient of a
maximum its select-and-scatter. Each is one pass over memory there, where shifted and
masked copies are one pass each.

The selection is that of JAX's own gradient, which compares by `ge`. XLA divides no
other one over devices, and does not carry the layout that it gives to convolutions
through any other one. With `ge` a NaN loses to whatever is behind it. To count NaNs as
infinity would take a pass over x.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

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


def scatter_to_winners(
    x: Float[Array, "n *i c"], dy: Float[Array, "n *j c"], window: Window
) -> Float[Array, "n *i c"]:
    """Each dy, added where the tap of x is that won its window: the first maximum of
    those behind the last NaN, or that NaN if none is. A tap on the padding never
    wins."""
    size, stride = ((1, *of_space, 1) for of_space in (window.size, window.stride))
    pads = ((0, 0), *window.pads, (0, 0))

    def largest(x: Array) -> Array:
        return lax.reduce_window(x, -jnp.inf, lax.max, size, stride, pads)

    _, pull = jax.vjp(largest, x)
    return pull(dy)[0]
