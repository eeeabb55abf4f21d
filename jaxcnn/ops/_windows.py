"""The two maps between an array and its windows, an adjoint pair: <v, unfold(x)> = <fold(v), x>.

    unfold    x_t[n, j, c] = x[n, s j + d t - p_lo, c]                     one array per tap t, the fill value outside
    fold      x[n, i, c]   = sum of v_t[n, j, c] over s j + d t - p_lo = i     one array per tap in, added up

A tap is one `lax.slice` there and one `lax.pad` here (its interior padding spreads v_t by the stride). XLA fuses the taps with
the arithmetic around them into a single loop; there is no scatter.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Num

from jaxcnn.window import Window, dilated


def taps(window: Window) -> Iterator[tuple[int, ...]]:
    """The indices of a window's taps, the last axis fastest."""
    return itertools.product(*map(range, window.size))


def unfold(x: Num[Array, "n *i c"], window: Window, fill: ArrayLike = 0) -> Iterator[Num[Array, "n *j c"]]:
    """One strided slice of the padded input per tap."""
    pads = [(lo, hi, b - 1) for (lo, hi), b in zip(window.pads, window.base_dilation, strict=True)]
    outputs = window.output_size(x.shape[1:-1])
    padded = lax.pad(x, jnp.asarray(fill, x.dtype), [(0, 0, 0), *pads, (0, 0, 0)])
    for tap in taps(window):
        start = [d * t for d, t in zip(window.dilation, tap, strict=True)]
        limit = [a + dilated(m, s) for a, m, s in zip(start, outputs, window.stride, strict=True)]
        n, c = x.shape[0], x.shape[-1]
        yield lax.slice(padded, (0, *start, 0), (n, *limit, c), (1, *window.stride, 1))


def fold(tap_values: Iterable[Num[Array, "n *j c"]], window: Window, input_size: Sequence[int]) -> Num[Array, "n *i c"]:
    """The sum of every tap's values at the places where `unfold` took them; what fell on padding is dropped."""
    spread = []
    for tap, values in zip(taps(window), tap_values, strict=True):
        pads = []
        for axis, (n, b, s, d, t) in enumerate(
            zip(input_size, window.base_dilation, window.stride, window.dilation, tap, strict=True)
        ):
            m = values.shape[1 + axis]
            first = d * t - window.pads[axis][0]
            pads.append((first, dilated(n, b) - first - dilated(m, s), s - 1))
        spread.append(lax.pad(values, jnp.zeros((), values.dtype), [(0, 0, 0), *pads, (0, 0, 0)]))
    total = sum(spread[1:], spread[0])
    return lax.slice(total, (0,) * total.ndim, total.shape, (1, *window.base_dilation, 1))
