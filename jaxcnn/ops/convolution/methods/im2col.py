"""The three maps as one matrix product each. The inputs of every window are laid out as
a row ("im2col").

With  p[n, j, (g t c)] = x[n, s j + d t - p_lo, (g c)],  the patches: `unfold`, and for
a single tap x itself,

    y  = p w         the product of patches and kernel
    dw = p' dy       its adjoint in w
    dp = dy w'       its adjoint in p, and dx is the adjoint of taking patches: `fold`

The patches take as many times x's memory as there are taps, or less if windows stand
apart. They pay for windows of one tap (a 1x1 convolution is a matrix product), for few
channels, which leave XLA's convolutions idle, and for strided input gradients, which a
convolution computes from a dy that is mostly zeros.

The kernel gradient is a sum over pairs of an input and an output, so a tap can be laid
out on either side. Along some axes of space it is beside x's channels (taps t, seen
from the outputs j), along the others beside dy's (taps u, seen from the inputs i):

    p[n, (j i), (t c)] = x[n, s j + d t - p_lo, i, c]
    e[n, (j i), (u o)] = dy[n, j, i + p_lo - d u, o]    dilated by s: patches of the
                                                        window of the input gradient
    dw[t, u, c, o]     = sum_{n, j, i} p[n, (j i), (t c)] e[n, (j i), (u o)]

For 3x3 taps, 16 channels and 16 outputs these are 48 + 48 numbers per position, not
144 + 16, and a product of 48x48 sums, which fills registers better than 144x16.

As in any matrix product, 0 times infinity is NaN, so a value of x or dy that is not
finite spoils even the sums of taps that never meet it. Windows of more than `MANY_TAPS`
are refused, unless their axes are short or a few strides long. Each tap, or all taps
between two strides, is an operation of the program, whose size would have no bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Num

from jaxcnn.ops._arrays import at_least_float32, moved
from jaxcnn.ops._onednn import products
from jaxcnn.ops._tap_loops import MANY_TAPS
from jaxcnn.ops._windows import few_steps, fold_along, unfold_along, unfold_at_once
from jaxcnn.ops.convolution.methods.batches import images_in_a_block, summed_over_blocks
from jaxcnn.ops.convolution.methods.method import (
    Method,
    input_grad_by,
    operand_dtype,
    refuse_sharded,
)
from jaxcnn.ops.convolution.methods.strips import in_strips
from jaxcnn.ops.convolution.methods.tap_layout import CACHE_LINE, tap_layout
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.sizes import is_known
from jaxcnn.window import Window

BLOCK_BYTES = 2**23
"""Most bytes of the patches of a block of images."""

SHORT_ROW = 32
"""Up to this many numbers laid out per position, blocks gain nothing."""

LONG_ROW = 128
"""From this many numbers on, a longer row of sums gains nothing."""

MOST_SLICES = 16
"""Up to this sum of taps over its axes, any window is laid out; 5x5x5 has 15."""

MANY_ROWS = 9
"""The least number of taps of a volume that are written one by one."""


def lays_out(window: Window) -> bool:
    """Whether the size of the program for this window is bounded.

    >>> from jaxcnn.padding import make_window
    >>> kernels = ((3, 1), (16, 16), (11, 4), (16, 1))
    >>> [lays_out(make_window((k, k), (64, 64), stride=s)) for k, s in kernels]
    [True, True, True, False]
    """
    slices = sum(k for k in window.size if k > 1)
    return math.prod(window.size) <= MANY_TAPS or slices <= MOST_SLICES or few_steps(window)


def _check_taps(window: Window) -> None:
    if not lays_out(window):
        raise ValueError(
            f"method IM2COL takes windows of up to {MANY_TAPS} taps, or of a few strides along"
            f" each axis, got size {window.size}, stride {window.stride}: leave method out, or pass"
            " NHWC or LAX"
        )


def forward(
    x: Num[Array, "n *i gc"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *j go"]:
    """y[n, j, (g o)] = sum_{t, c} p[g, n, j, (t c)] w[g, (t c), o]"""
    _check_taps(problem.window)
    dtype, g = operand_dtype(x, w, problem), problem.groups
    p = _patches(x.astype(dtype), problem.window, g, range(x.ndim - 2))
    y = _product(_rows(p), _grouped_kernel(w.astype(dtype), g), 2, 1, problem)
    y = _join(y.reshape(*p.shape[:-1], y.shape[-1]))
    return y.astype(problem.accumulation_dtype or dtype)


def input_grad(
    dy: Num[Array, "n *j go"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *i gc"]:
    """dp[g, n, j, (t c)] = sum_o dy[g, n, j, o] w[g, (t c), o],  dx[n, i, (g c)] = sum
    of dp over s j + d t - p_lo = i"""
    _check_taps(problem.window)
    g, window = problem.groups, problem.window
    if g > 1 and not problem.strided:
        return _gathered(dy, w, problem)
    dtype = operand_dtype(dy, w, problem)
    dy = _split(dy.astype(dtype), g)
    dp = _product(_rows(dy), _grouped_kernel(w.astype(dtype), g), 2, 2, problem)
    dx = dp.reshape(-1, *dy.shape[2:-1], dp.shape[-1])
    for axis, size in enumerate(problem.space):
        dx = fold_along(dx, window.along(axis), axis, size)
    dx = _join(dx.reshape(g, -1, *dx.shape[1:]))
    return dx.astype(problem.accumulation_dtype or dtype)


# As for y. Folding small groups moves more than it saves.
_gathered = input_grad_by(forward)


def images_of_a_sum(n: int, problem: Problem) -> int:
    """The number of images to lay out at a time. They take 1.5 MiB and have 2,048
    positions, or take 8 MiB if that is less, but have at least 256 positions.

    It is all of them if rows are short.
    """
    _, positions, row, image_bytes, _ = tap_layout(problem)
    if row <= SHORT_ROW:
        return n
    enough = (
        q
        for q in range(1, n)
        if n % q == 0 and q * image_bytes >= 3 * 2**19 and q * positions >= 2048
    )
    return min(
        next(enough, n),
        images_in_a_block(n, image_bytes, BLOCK_BYTES, -(-256 // max(positions, 1))),
    )


def kernel_grad(
    x: Num[Array, "n *i gc"], dy: Num[Array, "n *j go"], problem: Problem
) -> Num[Array, "*t c go"]:
    """dw[g, t, u, c, o] = sum_{n, j, i} p[g, (n j i), (t c)] e[g, (n j i), (u o)], of
    strips of images whose patches are larger than a block"""
    _check_taps(problem.window)
    refuse_sharded("IM2COL", x, dy)
    if problem.window.base_dilation[:1] == (1,) and is_known(*x.shape[1:]):
        image_bytes = tap_layout(problem).image_bytes
        if image_bytes > BLOCK_BYTES:
            x, dy, problem = in_strips(x, dy, problem, image_bytes)
    return _of_images(x, dy, problem)


@summed_over_blocks(images_of_a_sum)
def _of_images(
    x: Num[Array, "n *i gc"], dy: Num[Array, "n *j go"], problem: Problem
) -> Num[Array, "*t c go"]:
    dtype, g, window = operand_dtype(x, dy, problem), problem.groups, problem.window
    beside_dy = tap_layout(problem).beside_dy
    beside_x = tuple(axis for axis in range(len(window.size)) if axis not in beside_dy)
    x, dy = products.as_operand(x.astype(dtype)), products.as_operand(dy.astype(dtype))
    p = _rows(_patches(x, window, g, beside_x))
    e = _rows(_patches(dy, window.input_grad(problem.space), g, beside_dy))
    sides = [(p, (*beside_x, "c")), (e, (*beside_dy, "o"))]
    # Long rows of sums are faster. But rows of the kernel that are long as they are
    # would have to be turned again.
    if e.shape[-1] < LONG_ROW:
        sides.sort(key=lambda side: side[0].shape[-1])
    (narrow, rows), (wide, columns) = sides
    dw = _product(narrow, wide, 1, 1, problem)
    *taps, c, go = problem.w_shape
    now, order = ("g", *rows, *columns), (*range(len(taps)), "c", "g", "o")
    sizes = {**dict(enumerate(taps)), "c": c, "g": g, "o": go // g}
    dw = dw.reshape([sizes[axis] for axis in now])
    dw = jnp.transpose(dw, [now.index(axis) for axis in order]).reshape(problem.w_shape)
    # The window of the input gradient goes backwards.
    return jnp.flip(dw, beside_dy).astype(problem.accumulation_dtype or dtype)


def _product(
    a: Num[Array, "g _ _"], b: Num[Array, "g _ _"], a_axis: int, b_axis: int, problem: Problem
) -> Num[Array, "g _ _"]:
    """The product of each group, summed over an axis of each. 16-bit floats are summed
    in float32."""
    refuse_sharded("IM2COL", a, b)
    dtype = problem.accumulation_dtype or at_least_float32(a).dtype
    a, b = products.as_operand(a), products.as_operand(b)
    return products.product(a, b, a_axis, b_axis, problem.precision, dtype)


def _patches(
    x: Num[Array, "n *i gc"], window: Window, g: int, axes: Sequence[int]
) -> Num[Array, "g n *j tc"]:
    """Axis by axis, the last one first, so that all others copy longer rows of
    channels. Of volumes, many taps of whole cache lines are written one by one."""

    def lay_out(x: Array) -> Array:
        p = _split(x, g).reshape(-1, *x.shape[1:-1], x.shape[-1] // g)
        taken = window.along(*axes)
        lines = p.itemsize >= 4 and p.shape[-1] >= CACHE_LINE
        if len(window.size) == 3 and lines and MANY_ROWS <= math.prod(taken.size) <= MANY_TAPS:
            p = unfold_at_once(p, taken)
        else:
            for axis in reversed(axes):
                p = unfold_along(p, window.along(axis), axis)
        return p.reshape(g, -1, *p.shape[1:])

    return moved(lay_out, x)


def _rows(a: Num[Array, "g n *j c"]) -> Num[Array, "g nj c"]:
    """Summing over one axis is faster and more accurate than over several."""
    return a.reshape(len(a), -1, a.shape[-1])


def _grouped_kernel(w: Num[Array, "*t c go"], g: int) -> Num[Array, "g tc o"]:
    return _split(w.reshape(-1, w.shape[-1]), g)


def _split(a: Num[Array, "*_ gc"], g: int) -> Num[Array, "g *_ c"]:
    return jnp.moveaxis(a.reshape(*a.shape[:-1], g, -1), -2, 0)


def _join(a: Num[Array, "g *_ c"]) -> Num[Array, "*_ gc"]:
    a = jnp.moveaxis(a, 0, -2)
    return a.reshape(*a.shape[:-2], -1)


IM2COL = Method(forward, input_grad, kernel_grad)
