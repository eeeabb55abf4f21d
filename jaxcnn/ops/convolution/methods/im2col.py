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
from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops._arrays import at_least_float32, moved
from jaxcnn.ops._onednn import products
from jaxcnn.ops._tap_loops import MANY_TAPS
from jaxcnn.ops._windows import few_steps, fold, fold_along, unfold_along
from jaxcnn.ops.convolution.methods import batches
from jaxcnn.ops.convolution.methods.batches import mapped_over_blocks, summed_over_blocks
from jaxcnn.ops.convolution.methods.method import input_grad_by, operand_dtype, refuse_sharded
from jaxcnn.ops.convolution.methods.tap_layout import tap_layout
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.window import Window

BLOCK_BYTES = 2**23
"""Most bytes of the patches of a block of images."""

SHORT_ROW = 32
"""Up to this many numbers laid out per position, blocks gain nothing."""

LONG_ROW = 128
"""From this many numbers on, a longer row of sums gains nothing."""

MOST_SLICES = 16
"""Up to this sum of taps over its axes, any window is laid out; 5x5x5 has 15."""


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


def _images(n: int, problem: Problem) -> int:
    """The number of images to lay out at a time. It is all of them if rows are short,
    or if there is one tap, whose patches are x itself."""
    row = problem.taps * problem.c
    if row <= SHORT_ROW or problem.taps == 1:
        return n
    image_bytes = 4 * math.prod(problem.out_space) * row * problem.groups
    return batches.images_in_a_block(n, image_bytes, BLOCK_BYTES)


@mapped_over_blocks(_images)
def forward(
    x: Num[Array, "n *i gc"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *j go"]:
    """y[n, j, (g o)] = sum_{t, c} p[g, n, j, (t c)] w[g, (t c), o]"""
    _check_taps(problem.window)
    dtype = operand_dtype(x, w, problem)
    p, w = (
        _patches(x.astype(dtype), problem.window, problem.groups, range(x.ndim - 2)),
        _grouped_kernel(w.astype(dtype), problem.groups),
    )
    y = _product(p, w, -1, -2, problem)
    return _join(y, problem.groups).astype(problem.accumulation_dtype or dtype)


@mapped_over_blocks(_images)
def input_grad(
    dy: Num[Array, "n *j go"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *i gc"]:
    """dp[g, n, j, (t c)] = sum_o dy[g, n, j, o] w[g, (t c), o],  dx[n, i, (g c)] = sum
    of dp over s j + d t - p_lo = i"""
    _check_taps(problem.window)
    if problem.groups > 1 and not problem.strided:
        return _gathered(dy, w, problem)
    dtype, taps, g = operand_dtype(dy, w, problem), problem.taps, problem.groups
    dy, grouped = _split(dy.astype(dtype), g), _grouped_kernel(w.astype(dtype), g)
    dp = _product(dy, grouped, -1, -1, problem)
    if taps >= MANY_TAPS:
        dx = _fold_by_axes(dp, problem)
    else:
        c = dp.shape[-1] // taps
        values = [_join(dp[..., t * c : (t + 1) * c], g) for t in range(taps)]
        dx = fold(values, problem.window, problem.space)
    return dx.astype(problem.accumulation_dtype or dtype)


# As for y. Folding small groups moves more than it saves.
_gathered = input_grad_by(forward)


def _fold_by_axes(dp: Array, problem: Problem) -> Array:
    """`fold` of one axis after another, beginning with the first. Each takes a few
    operations even if it has many taps."""
    g, window = problem.groups, problem.window
    dp = dp if g == 1 else dp.reshape(-1, *dp.shape[2:])
    for axis in range(len(window.size)):
        dp = fold_along(dp, window.along(axis), axis, problem.space[axis])
    return _join(dp if g == 1 else dp.reshape(g, -1, *dp.shape[1:]), g)


def images_of_a_sum(n: int, problem: Problem) -> int:
    """The number of images to lay out at a time. They take 1.5 MiB and have 2,048
    positions, or take 8 MiB if that is less, but have at least 256 positions.

    It is all of them if rows are short.
    """
    _, positions, row, _ = tap_layout(problem)
    if row <= SHORT_ROW:
        return n
    image_bytes = 4 * positions * row * problem.groups
    enough = (
        q
        for q in range(1, n)
        if n % q == 0 and q * image_bytes >= 3 * 2**19 and q * positions >= 2048
    )
    return min(
        next(enough, n),
        batches.images_in_a_block(n, image_bytes, BLOCK_BYTES, -(-256 // max(positions, 1))),
    )


@summed_over_blocks(images_of_a_sum)
def kernel_grad(
    x: Num[Array, "n *i gc"], dy: Num[Array, "n *j go"], problem: Problem
) -> Num[Array, "*t c go"]:
    """dw[g, t, u, c, o] = sum_{n, j, i} p[g, (n j i), (t c)] e[g, (n j i), (u o)]"""
    _check_taps(problem.window)
    dtype, g, window = operand_dtype(x, dy, problem), problem.groups, problem.window
    beside_dy = tap_layout(problem).beside_dy
    beside_x = tuple(axis for axis in range(len(window.size)) if axis not in beside_dy)
    x, dy = products.as_operand(x.astype(dtype)), products.as_operand(dy.astype(dtype))
    p = _positions_flat(_patches(x, window, g, beside_x), g)
    e = _positions_flat(_patches(dy, window.input_grad(problem.space), g, beside_dy), g)
    sides = [(p, (*beside_x, "c")), (e, (*beside_dy, "o"))]
    # Long rows of sums are faster. But rows of the kernel that are long as they are
    # would have to be turned again.
    if e.shape[-1] < LONG_ROW:
        sides.sort(key=lambda side: side[0].shape[-1])
    (narrow, rows), (wide, columns) = sides
    dw = _product(narrow, wide, -2, -2, problem)
    *taps, c, go = problem.w_shape
    now, order = ("g", *rows, *columns), (*range(len(taps)), "c", "g", "o")
    sizes = {**dict(enumerate(taps)), "c": c, "g": g, "o": go // g}
    dw = dw.reshape([sizes[axis] for axis in now])
    dw = jnp.transpose(dw, [now.index(axis) for axis in order]).reshape(problem.w_shape)
    # The window of the input gradient goes backwards.
    return jnp.flip(dw, beside_dy).astype(problem.accumulation_dtype or dtype)


def _product(a: Array, b: Array, a_axis: int, b_axis: int, problem: Problem) -> Array:
    """The product, summed over one of the last two axes of each, and with groups along
    the first axis of both. 16-bit floats are summed in float32.

    oneDNN computes it where it is certain to.
    """
    refuse_sharded("IM2COL", a, b)
    g = problem.groups
    dtype = problem.accumulation_dtype or at_least_float32(a).dtype
    a, b = products.as_operand(a), products.as_operand(b)
    if products.takes(a, b, problem.precision, dtype):
        p, q = (c.reshape(g, -1, c.shape[-1]) for c in (a, b))
        y = products.product(p, q, 3 + a_axis, 3 + b_axis, problem.precision, dtype)
        rows = a.shape[:-1] if a_axis == -1 else (*a.shape[:-2], a.shape[-1])
        return y.reshape(*rows, y.shape[-1])
    axes = ((a.ndim + a_axis,), (b.ndim + b_axis,))
    return lax.dot_general(
        a,
        b,
        (axes, ((), ()) if g == 1 else ((0,), (0,))),
        precision=problem.precision,
        preferred_element_type=dtype,
    )


def _patches(x: Array, window: Window, g: int, axes: Sequence[int]) -> Array:
    """[n, j, (t c)], with groups [g, n, j, (t c)]. The last axis is laid out first, so
    that all others copy longer rows of channels."""

    def lay_out(x: Array) -> Array:
        n = x.shape[0]
        p = _split(x, g).reshape(g * n, *x.shape[1:-1], -1)
        for axis in reversed(axes):
            p = unfold_along(p, window.along(axis), axis)
        return p if g == 1 else p.reshape(g, n, *p.shape[1:])

    return moved(lay_out, x)


def _positions_flat(a: Array, g: int) -> Array:
    """[(n j), c], with groups [g, (n j), c]. Summing over one axis is faster and more
    accurate than over several."""
    return a.reshape(-1, a.shape[-1]) if g == 1 else a.reshape(g, -1, a.shape[-1])


def _grouped_kernel(w: Array, g: int) -> Array:
    """[(t c), o], with groups [g, (t c), o]"""
    flat = w.reshape(-1, w.shape[-1])
    return flat if g == 1 else jnp.moveaxis(flat.reshape(len(flat), g, -1), 1, 0)


def _split(a: Array, g: int) -> Array:
    """[..., (g c)] -> [g, ..., c]"""
    return a if g == 1 else jnp.moveaxis(a.reshape(*a.shape[:-1], g, -1), -2, 0)


def _join(a: Array, g: int) -> Array:
    """[g, ..., c] -> [..., (g c)]"""
    return a if g == 1 else jnp.moveaxis(a, 0, -2).reshape(*a.shape[1:-1], -1)
