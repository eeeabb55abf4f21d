"""The two maps between an array and its windows, an adjoint pair: <v, unfold(x)> =
<fold(v), x>.

    unfold    x_t[n, j, c] = x[n, s j + d t - p_lo, c]
              one array per tap t, the fill value outside
    fold      x[n, i, c]   = sum of v_t[n, j, c] over s j + d t - p_lo = i
              one array per tap in, added up

In `unfold` a tap is one `lax.slice`, in `fold` one `lax.pad`. XLA fuses the taps with
the arithmetic around them: of `unfold` it makes a single loop, of `fold` one loop for
each phase of the stride. There is no scatter.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Num

from jaxcnn.window import Window, dilated


def taps(window: Window) -> Iterator[tuple[int, ...]]:
    """The indices of a window's taps, the last axis fastest."""
    return itertools.product(*map(range, window.size))


def unfold(
    x: Num[Array, "n *i c"], window: Window, fill: ArrayLike = 0
) -> Iterator[Num[Array, "n *j c"]]:
    """One strided slice of the padded input per tap."""
    pads = [(lo, hi, b - 1) for (lo, hi), b in zip(window.pads, window.base_dilation, strict=True)]
    outputs = window.output_size(x.shape[1:-1])
    padded = lax.pad(x, jnp.asarray(fill, x.dtype), [(0, 0, 0), *pads, (0, 0, 0)])
    # Python writes out each tap. `_tap_loops.py` has the same two maps for windows of
    # many taps.
    for tap in taps(window):
        start = [d * t for d, t in zip(window.dilation, tap, strict=True)]
        limit = [a + dilated(m, s) for a, m, s in zip(start, outputs, window.stride, strict=True)]
        n, c = x.shape[0], x.shape[-1]
        yield lax.slice(padded, (0, *start, 0), (n, *limit, c), (1, *window.stride, 1))


def fold(
    tap_values: Iterable[Num[Array, "n *j c"]], window: Window, input_size: Sequence[int]
) -> Num[Array, "n *i c"]:
    """The sum of every tap's values at the places from which `unfold` took them. Values
    that belong to padding are dropped.

    A stride s has s phases. Tap t reaches only the places i = s (j + shift) + phase,
    with the quotient and remainder of (d t - p_lo) / s as shift and phase. So each
    phase is a sum of shifted arrays, and the phases are interleaved once, at the end.
    """
    spans = [dilated(n, b) for n, b in zip(input_size, window.base_dilation, strict=True)]
    lengths = [-(-span // s) for span, s in zip(spans, window.stride, strict=True)]
    sums: dict[tuple[int, ...], Array] = {}
    for tap, values in zip(taps(window), tap_values, strict=True):
        geometry = zip(window.stride, window.dilation, tap, window.pads, strict=True)
        reached = [divmod(d * t - lo, s) for s, d, t, (lo, _) in geometry]
        phase = tuple(remainder for _, remainder in reached)
        pads = [
            (shift, q - shift - m, 0)
            for (shift, _), q, m in zip(reached, lengths, values.shape[1:-1], strict=True)
        ]
        moved = lax.pad(values, jnp.zeros((), values.dtype), [(0, 0, 0), *pads, (0, 0, 0)])
        sums[phase] = sums[phase] + moved if phase in sums else moved
    zeros = jnp.zeros_like(next(iter(sums.values())))
    total = interleave(lambda *phase: sums.get(phase, zeros), window.stride)
    return lax.slice(
        total,
        (0,) * total.ndim,
        (total.shape[0], *spans, total.shape[-1]),
        (1, *window.base_dilation, 1),
    )


WRITTEN_OUT = 12
"""Up to this many taps along an axis, each is a slice of its own."""

MOST_STEPS = {1: 24, 2: 3, 3: 3}
"""The length in strides, by the number of a window's axes, up to which a window is
taken by whole strides."""


def few_steps(window: Window, most: int | None = None) -> bool:
    """Whether a window is at most `most`, or `MOST_STEPS`, strides long. Then taking it
    by whole strides needs few operations.

    >>> from jaxcnn.padding import make_window
    >>> kernels = ((16, 16), (11, 4), (16, 4))
    >>> [few_steps(make_window((k, k), (64, 64), stride=s)) for k, s in kernels]
    [True, True, False]
    """
    sizes = zip(window.size, window.stride, window.dilation, strict=True)
    return all(
        (k if d > 1 else -(-k // s)) <= (most or MOST_STEPS[len(window.size)]) for k, s, d in sizes
    )


def unfold_along(
    x: Num[Array, "n *i c"], window: Window, axis: int, fill: ArrayLike = 0
) -> Num[Array, "n *j tc"]:
    """All taps along one axis, beside the channels. Many taps are taken by whole
    strides, from [a, r] for position s a + r.

    With t = s q + r, x_t[j] is at a = j + q, so one slice holds the s taps of one q. A
    window with a dilation has no such form.
    """
    k, s, b = window.size[axis], window.stride[axis], window.base_dilation[axis]
    if window.dilation[axis] > 1 or s == 1 or k <= WRITTEN_OUT:
        return jnp.concatenate(list(unfold(x, window, fill)), axis=-1)
    m, c = window.output_size(x.shape[1:-1])[axis], x.shape[-1]
    p = by_strides(x, 1 + axis, x.ndim - 1, (k, s, m), window.pads[axis][0], fill, b)
    return p.reshape(*p.shape[:-2], k * c)


def unfold_at_once(x: Num[Array, "n *i c"], window: Window) -> Num[Array, "n *j tc"]:
    """All taps of a window beside the channels, each written to its place."""
    first, *others = unfold(x, window)
    c = x.shape[-1]
    p = jnp.pad(first, [(0, 0)] * (x.ndim - 1) + [(0, len(others) * c)])
    for tap, values in enumerate(others, start=1):
        p = lax.dynamic_update_slice_in_dim(p, values, tap * c, axis=-1)
    return p


def by_strides(
    x: Array,
    at: int,
    to: int,
    places: tuple[int, int, int],
    lo: int,
    fill: ArrayLike = 0,
    b: int = 1,
) -> Array:
    """Of the axis `at`, dilated by b and padded in front, k places of each of m
    windows, a stride s apart: [..., m, ...], with the k places as the axis `to`.

    Args:
      places: k, s and m.
    """
    k, s, m = places
    blocks = -(-k // s)
    length = s * (m - 1 + blocks)
    amounts = [(0, 0, 0)] * x.ndim
    amounts[at] = (lo, length - lo - dilated(x.shape[at], b), b - 1)
    rows = lax.pad(x, jnp.asarray(fill, x.dtype), amounts).reshape(
        *x.shape[:at], m - 1 + blocks, s, *x.shape[at + 1 :]
    )
    rows = jnp.moveaxis(rows, at + 1, to)  # [..., a, ..., r, ...]
    parts = [lax.slice_in_dim(rows, q, q + m, axis=at) for q in range(blocks)]
    return lax.slice_in_dim(jnp.concatenate(parts, axis=to), 0, k, axis=to)


def fold_along(
    p: Num[Array, "n *j tc"], window: Window, axis: int, size: int
) -> Num[Array, "n *i c"]:
    """The adjoint of `unfold_along` for an axis of `size` inputs. It adds up whole
    strides and turns them into positions."""
    k, s, b, (lo, _), at = (
        window.size[axis],
        window.stride[axis],
        window.base_dilation[axis],
        window.pads[axis],
        1 + axis,
    )
    m, c = p.shape[at], p.shape[-1] // k
    p = p.reshape(*p.shape[:-1], k, c)
    if window.dilation[axis] > 1:
        input_size = [size if a == axis else n for a, n in enumerate(p.shape[1:-2])]
        return fold([p[..., t, :] for t in range(k)], window, input_size)
    blocks = -(-k // s)
    p = jnp.pad(p, [(0, 0)] * (p.ndim - 2) + [(0, blocks * s - k), (0, 0)])
    parts = []
    for q in range(blocks):
        moved = [(0, 0)] * p.ndim
        moved[at] = (q, blocks - 1 - q)
        parts.append(jnp.pad(p[..., q * s : (q + 1) * s, :], moved))
    rows = jnp.moveaxis(sum(parts[1:], parts[0]), -2, at + 1)  # [n, a, r, ..., c]
    length, span = s * (m - 1 + blocks), dilated(size, b)
    flat = rows.reshape(*rows.shape[:at], length, *rows.shape[at + 2 :])
    ends = [(0, 0, 0)] * flat.ndim
    ends[at] = (-lo, span + lo - length, 0)
    return lax.slice_in_dim(lax.pad(flat, jnp.zeros((), flat.dtype), ends), 0, span, b, at)


def interleave(phases: Callable[..., Array], strides: Sequence[int], axis: int = 1) -> Array:
    """One array of arrays with phases (0, ..., s - 1) along each axis of space."""
    if not strides:
        return phases()
    s, *others = strides
    parts = [interleave(partial(phases, phase), others, axis + 1) for phase in range(s)]
    if s == 1:
        return parts[0]
    shape = list(parts[0].shape)
    shape[axis] *= s
    return jnp.stack(parts, axis=axis + 1).reshape(shape)
