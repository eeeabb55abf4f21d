"""The three maps of a depthwise convolution as one multiply-add per tap: y += x shifted
by the tap, times the tap's weights.

With one input channel in a group the product is elementwise, and the taps fuse into one
loop over memory. XLA's CPU backend would make it a dense convolution with a diagonal
kernel (jax-ml/jax#13800, #26266). An input channel c has m outputs (c m), m being the
channel multiplier; mostly m = 1. `forward` takes groups of more channels too, with one
multiply-add for each: it is the input gradient of a multiplier. Gradients of such
groups are refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops._arrays import at_least_float32
from jaxcnn.ops._sharding import sharding_of, varying_like
from jaxcnn.ops._tap_loops import UNROLL, fold_loop, in_phases, tap_offsets, tap_slice, tap_starts
from jaxcnn.ops._windows import fold, taps, unfold
from jaxcnn.ops.convolution.methods import lax as lax_method
from jaxcnn.ops.convolution.methods.method import (
    input_grad_by,
    interleaved,
    operand_dtype,
)
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.sizes import is_known
from jaxcnn.window import Window, dilated

MOST_TERMS = 49
"""Multiply-adds up to which Python writes them out, for XLA to fuse; beyond, the
program has a loop over them."""

UNROLLED_SUMS = 25
"""Taps up to which a step of `kernel_grad`'s loop takes two blocks: 15 to 25 % less
time, and twice as much to compile."""

ROW_OF_TAPS = 8
"""Taps that such a row has, at most."""

SUMS_BYTES = 2**20
"""What the running sums of `kernel_grad` may take: they are read and written for every
image, and stay in the cache."""

IMAGES = 8
"""How many images `kernel_grad` adds up at once, at most, and so among how many devices
it can be divided."""


def forward(
    x: Num[Array, "n *i gc"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *j go"]:
    """y[n, j, (g o)] = sum_{t, c} x[n, s j + d t - p_lo, (g c)] w[t, c, (g o)]"""
    x, w, dtype = _in_the_dtype_of_sums(x, w, problem)
    if math.prod(w.shape[:-1]) > MOST_TERMS:
        return _forward_in_a_loop(x, w, problem).astype(dtype)
    terms = [
        _repeat(x_t.reshape(*x_t.shape[:-1], problem.groups, -1)[..., c], w.shape[-1])
        * _for_all(w[tap][c], x)
        for tap, x_t in zip(taps(problem.window), unfold(x, problem.window), strict=True)
        for c in range(w.shape[-2])
    ]
    return sum(terms[1:], terms[0]).astype(dtype)


def _forward_in_a_loop(
    x: Num[Array, "n *i gc"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *j go"]:
    """The same; the numbers of the terms are (t c)."""
    outputs = problem.window.output_size(x.shape[1:-1])
    phases, starts, c = in_phases(x, problem.window), tap_starts(problem.window), w.shape[-2]
    channels = np.tile(np.arange(c, dtype=np.int32), len(starts))

    def term(start, channel, weights):
        x_t = tap_slice(phases, start, outputs)
        of_groups = x_t.reshape(*x_t.shape[:-1], problem.groups, c)
        x_tc = lax.dynamic_index_in_dim(of_groups, channel, of_groups.ndim - 1, keepdims=False)
        return _repeat(x_tc, w.shape[-1]) * _for_all(weights, x)

    terms = (np.repeat(starts, c, axis=0), channels, w.reshape(-1, w.shape[-1]))
    first, others = (
        jax.tree.map(lambda a, part=part: a[part], terms) for part in (0, slice(1, None))
    )
    return lax.scan(
        lambda total, entry: (total + term(*entry), None), term(*first), others, unroll=UNROLL
    )[0]


def input_grad(
    dy: Num[Array, "n *j cm"], w: Num[Array, "*t one cm"], problem: Problem
) -> Num[Array, "n *i c"]:
    """dx[n, i, c] = sum of dy[n, j, (c m)] w[t, (c m)] over m and s j + d t - p_lo = i

    Without a stride every dx gathers as every y does: it is `forward` of dy and the
    flipped kernel. With one, `fold` scatters. To scatter always would be faster for a
    few taps of a dy that exists; in a network XLA would compute dy anew for every tap.
    """
    _check_depthwise(w.shape)
    channels = problem.x_shape[-1]
    multiplier = dy.shape[-1] // channels
    if not problem.strided:
        return _gathered(dy, w, problem)
    dy, w, dtype = _in_the_dtype_of_sums(dy, w, problem)

    def of_tap(weights):
        products = dy * _for_all(weights, dy)
        return (
            jnp.sum(products.reshape(*dy.shape[:-1], channels, multiplier), axis=-1)
            if multiplier > 1
            else products
        )

    if math.prod(problem.window.size) > MOST_TERMS:
        weights = w.reshape(-1, w.shape[-1])
        dx = fold_loop(
            lambda t: of_tap(lax.dynamic_index_in_dim(weights, t, keepdims=False)),
            problem.window,
            problem.space,
        )
    else:
        dx = fold(
            [of_tap(w[tap][0]) for tap in taps(problem.window)], problem.window, problem.space
        )
    return dx.astype(dtype)


_gathered = input_grad_by(forward)


def kernel_grad(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j cm"], problem: Problem
) -> Num[Array, "*t one cm"]:
    """dw[t, (c m)] = sum_{n, j} x[n, s j + d t - p_lo, c] dy[n, j, (c m)]

    XLA's CPU backend does not vectorise a sum over the leading axes. So blocks of a few
    rows of an image are added up one by one, elementwise, two in a step of the loop, in
    sums small enough for the cache, and space is summed once, at the end. A block has q
    images n / q apart: with the batch divided among devices each adds up its own. Where
    the type says that it is, or one block has everything, the sum is plain.
    """
    _check_depthwise(problem.w_shape)
    x, dy, dtype = _in_the_dtype_of_sums(x, dy, problem)
    of_taps = (
        _kernel_grad_of_taps
        if math.prod(problem.window.size) <= MOST_TERMS
        else _kernel_grad_by_rows
    )
    return of_taps(x, dy, problem.window).reshape(problem.w_shape).astype(dtype)


def _kernel_grad_of_taps(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j cm"], window: Window
) -> Num[Array, "t cm"]:
    """All taps at once."""
    sharding = sharding_of(dy)
    q, rows = _block_size(window, dy.shape)
    if (sharding is not None and sharding.spec[0] is not None) or (q, rows) == dy.shape[:2]:
        sums = _products(x, dy, window)
    else:
        sums = _sums_of_blocks(x, dy, window, q, rows)
    return jnp.stack([jnp.sum(total.reshape(-1, dy.shape[-1]), axis=0) for total in sums])


def _kernel_grad_by_rows(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j cm"], window: Window
) -> Num[Array, "t cm"]:
    """Rows of up to `ROW_OF_TAPS` taps along the last axis, one after another, so that
    the program does not grow with the taps.

    The last row of an axis may reach beyond its taps: what it finds there is left out.
    """
    *outer, k = window.size
    rows = -(-k // ROW_OF_TAPS)
    length = -(-k // rows)
    d = window.dilation[-1]
    lo, hi = window.pads[-1]
    x, plain = _pad(
        x, window._replace(pads=(*window.pads[:-1], (lo, hi + d * (rows * length - k))))
    )
    row = plain._replace(size=(*(1 for _ in outer), length), pads=((0, 0),) * len(window.size))
    spans = [
        s * (m - 1) + e * (t - 1) + 1
        for s, m, e, t in zip(row.stride, dy.shape[1:-1], row.dilation, row.size, strict=True)
    ]
    places = window._replace(size=(*outer, rows), dilation=(*window.dilation[:-1], d * length))

    def of_row(start):
        part = lax.dynamic_slice(x, list(start), (x.shape[0], *spans, x.shape[-1]))
        return _kernel_grad_of_taps(part, dy, row)

    found = lax.map(
        of_row, np.pad(tap_offsets(places), ((0, 0), (1, 1)))
    )  # [(outer rows), length, (c m)]
    if rows * length > k:
        found = found.reshape(math.prod(outer), rows * length, -1)[:, :k]
    return found.reshape(math.prod(window.size), -1)


def _products(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j cm"], window: Window
) -> list[Num[Array, "n *j cm"]]:
    """By tap, what its gradient is the sum of."""
    return [_repeat(x_t, dy.shape[-1]) * dy for x_t in unfold(x, window)]


def _sums_of_blocks(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j cm"], window: Window, q: int, rows: int
) -> list[Num[Array, "q r *k cm"]]:
    """By tap, the sum over all blocks of `rows` rows of q images."""
    outputs = dy.shape[-1]
    if (
        sharding_of(dy) is None
        and window.stride[-1] == window.base_dilation[-1] == 1
        and x.shape[-1] == outputs
    ):  # one long row of channels: short inner loops are slow
        x, dy = (a.reshape(*a.shape[:-2], -1, 1) for a in (x, dy))
        window = interleaved(window, outputs)
        rows = rows * outputs if len(window.size) == 1 else rows  # of all channels
    x, window = _pad(x, window)
    n, height, *others = dy.shape
    blocks = height // rows
    x, dy = (a.reshape(q, n // q, *a.shape[1:]) for a in (x, dy))
    stride, span = (
        window.stride[0],
        window.stride[0] * (rows - 1) + dilated(window.size[0], window.dilation[0]),
    )

    def add_block(sums, index):
        image, block = index // blocks, index % blocks
        x_block = _block(x, image, block * rows * stride, span)
        dy_block = _block(dy, image, block * rows, rows)
        return [
            total + product
            for total, product in zip(sums, _products(x_block, dy_block, window), strict=True)
        ], None

    zeros = varying_like(jnp.zeros((q, rows, *others), dy.dtype), dy)
    steps = n // q * blocks
    unroll = (
        2 if steps > 2 and math.prod(window.size) <= UNROLLED_SUMS else 1
    )  # two steps unrolled are no loop: the plain sum
    return lax.scan(add_block, [zeros for _ in taps(window)], jnp.arange(steps), unroll=unroll)[0]


def _pad(x: Array, window: Window) -> tuple[Array, Window]:
    """The image that the window stands on, padded, cropped and base-dilated, and the
    window without all that."""
    slices, window = window.crop(x.shape[1:-1])
    axes = range(len(slices))
    return lax_method.pad_explicitly(x[(slice(None), *slices)], window, range(1, x.ndim - 1), axes)


def _block_size(window: Window, dy_shape: Sequence[int]) -> tuple[int, int]:
    """Images and rows of each, such that the sums, one per tap, have at most
    `SUMS_BYTES`: 4 rows of up to `IMAGES`, or more."""
    n, height, *others = dy_shape
    if not is_known(n, height):
        return n, height
    row = 4 * math.prod(window.size) * math.prod(others)
    images = _largest_divisor(n, min(IMAGES, SUMS_BYTES // (min(4, height) * row)))
    return images, _largest_divisor(height, SUMS_BYTES // (images * row))


def _largest_divisor(n: int, limit: int) -> int:
    return next((d for d in range(min(n, limit), 1, -1) if n % d == 0), 1)


def _block(
    a: Num[Array, "q m i *s"], image: Array, first: Array, rows: int
) -> Num[Array, "q r *s"]:
    """Rows of q images."""
    return lax.dynamic_slice_in_dim(
        lax.dynamic_index_in_dim(a, image, 1, keepdims=False), first, rows, 1
    )


def _for_all(weights: Num[Array, " go"], like: Num[Array, "n *i gc"]) -> Num[Array, "*one go"]:
    """Weights of channels, with the axes of an image."""
    return weights.reshape((1,) * (like.ndim - 1) + weights.shape)


def _repeat(x: Array, outputs: int) -> Array:
    """x for each of its outputs: c -> (c m)"""
    return x if x.shape[-1] == outputs else jnp.repeat(x, outputs // x.shape[-1], axis=-1)


def _in_the_dtype_of_sums(a: Array, b: Array, problem: Problem):
    """Both operands in the dtype of the sum, and the dtype of the result."""
    dtype = problem.accumulation_dtype or operand_dtype(a, b, problem)
    wide = at_least_float32(jnp.zeros((), dtype)).dtype
    return a.astype(wide), b.astype(wide), dtype


def _check_depthwise(w_shape: Sequence[int]) -> None:
    if w_shape[-2] != 1:
        raise ValueError(
            "method DEPTHWISE has gradients of depthwise convolutions only, with one input channel"
            f" in a group; w has {w_shape[-2]} (channels-last shape {tuple(w_shape)}): leave method"
            " out, or pass NHWC or LAX"
        )
