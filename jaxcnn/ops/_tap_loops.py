"""`unfold` and `fold` of `_windows.py` for windows of many taps. The loop over the taps
is in the program, whose size therefore does not depend on their number.

The padded input is laid out by the phases of the stride, [n, a, r, c] for position s a
+ r, on every axis. There a tap with d t = s q + r is one block for all windows, [q : q
+ m, r]: a dynamic slice, whose adjoint is the addition to one. This form is also used
for symbolic sizes, since it has no bounds to prove.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Int, Num

from jaxcnn.ops._sharding import varying_like
from jaxcnn.ops._windows import taps
from jaxcnn.window import Window, dilated

UNROLL = 4
"""Taps that are computed in one step of a loop. They share a pass over memory, but each
of them makes the program longer to compile."""


MANY_TAPS = 64
"""Up to this many taps, Python may write out a window tap by tap, whatever its shape.
"""


def tap_offsets(window: Window) -> Int[np.ndarray, "k axes"]:
    """d t of every tap, the last axis fastest."""
    return np.array(list(taps(window)), np.int32).reshape(-1, len(window.size)) * np.array(
        window.dilation, np.int32
    )


def tap_starts(window: Window) -> Int[np.ndarray, "k qr"]:
    """The indices at which the block of each tap begins: [0, q, r, q, r, ..., 0]."""
    q, r = np.divmod(tap_offsets(window), np.array(window.stride, np.int32))
    inside = np.stack([q, r], axis=-1).reshape(len(q), -1)
    return np.pad(inside, ((0, 0), (1, 1)))


def in_phases(
    x: Num[Array, "n *i c"], window: Window, fill: ArrayLike = 0
) -> Num[Array, "n *ar c"]:
    """[n, a, r, c]: the padded, base-dilated input, filled up to whole strides."""
    n, *space, c = x.shape
    amounts, sizes = [], []
    for size, s, b, (lo, hi) in zip(
        space, window.stride, window.base_dilation, window.pads, strict=True
    ):
        length = dilated(size, b) + lo + hi
        whole = -(-length // s)
        amounts.append((lo, hi + whole * s - length, b - 1))
        sizes += [whole, s]
    return lax.pad(x, jnp.asarray(fill, x.dtype), [(0, 0, 0), *amounts, (0, 0, 0)]).reshape(
        n, *sizes, c
    )


def tap_slice(
    phases: Num[Array, "n *ar c"], start: Int[Array, " qr"], outputs: Sequence[int]
) -> Num[Array, "n *j c"]:
    """x_t[n, j, c], for the tap whose block begins at `start` and `outputs` windows."""
    n, c = phases.shape[0], phases.shape[-1]
    sizes = [size for m in outputs for size in (m, 1)]
    block = lax.dynamic_slice(phases, list(start), (n, *sizes, c))
    return block.reshape(n, *outputs, c)


def fold_loop(
    tap_values: Callable[[Array], Num[Array, "n *j c"]], window: Window, input_size: Sequence[int]
) -> Num[Array, "n *i c"]:
    """`fold` of the values that the function gives for the number of a tap."""
    first = tap_values(jnp.int32(0))
    n, *outputs, c = first.shape
    spans = [dilated(size, b) for size, b in zip(input_size, window.base_dilation, strict=True)]
    whole = [
        -(-(s * (m - 1) + d * (k - 1) + 1) // s)
        for s, m, d, k in zip(window.stride, outputs, window.dilation, window.size, strict=True)
    ]
    block = [size for m in outputs for size in (m, 1)]
    sizes = [size for a, s in zip(whole, window.stride, strict=True) for size in (a, s)]
    room = [(0, size - taken, 0) for size, taken in zip(sizes, block, strict=True)]
    empty = lax.full_like(first, 0).reshape(n, *block, c)
    total = varying_like(
        lax.pad(empty, jnp.zeros((), first.dtype), [(0, 0, 0), *room, (0, 0, 0)]), first
    )
    starts = tap_starts(window)

    def add_tap(total, tap):
        t, start = tap
        sum_here = lax.dynamic_slice(total, list(start), (n, *block, c)) + tap_values(t).reshape(
            n, *block, c
        )
        return lax.dynamic_update_slice(total, sum_here, list(start)), None

    numbers = np.arange(len(starts), dtype=np.int32)
    total, _ = lax.scan(add_tap, total, (numbers, starts), unroll=min(UNROLL, len(starts)))
    flat = [a * s for a, s in zip(whole, window.stride, strict=True)]
    ends = [
        (-lo, span + lo - size, 0)
        for (lo, _), span, size in zip(window.pads, spans, flat, strict=True)
    ]
    total = lax.pad(
        total.reshape(n, *flat, c), jnp.zeros((), total.dtype), [(0, 0, 0), *ends, (0, 0, 0)]
    )
    return lax.slice(total, (0,) * total.ndim, total.shape, (1, *window.base_dilation, 1))
