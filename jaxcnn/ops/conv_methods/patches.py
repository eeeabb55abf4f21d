"""The three maps as one matrix product each, with what every window sees laid out as a row ("im2col").

With  p[n, j, (g t c)] = x[n, s j + d t - p_lo, (g c)],  the patches: `unfold`, and for a single tap x itself,

    y  = p w         the product of patches and kernel
    dw = p' dy       its adjoint in w
    dp = dy w'       its adjoint in p, and dx is the adjoint of taking patches: `fold`

The patches take as many times x's memory as there are taps, less where windows stand apart. They pay where a window has one tap
(a 1x1 convolution is a matrix product), where few channels leave XLA's convolutions idle, and for strided input gradients, which
a convolution computes from a dy that is mostly zeros.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops._common import at_least_float32
from jaxcnn.ops._windows import fold, unfold
from jaxcnn.ops.conv_methods import batches
from jaxcnn.ops.conv_methods.batches import mapped_over_blocks, summed_over_blocks
from jaxcnn.ops.conv_methods.method import ConvSpec, operand_dtype, refuse_sharded

BLOCK_BYTES = 2**23
"""What the patches of a block of images may take."""


def _images(n: int, positions: Sequence[int], w_shape: Sequence[int], spec: ConvSpec) -> int:
    """How many images to lay out at a time: all where rows are short, which gains nothing, or a tap, which are x itself."""
    *taps, c, _ = w_shape
    row = math.prod(taps) * c
    if row <= 32 or math.prod(taps) == 1:
        return n
    return batches.images_in_a_block(n, 4 * math.prod(positions) * row * spec.groups, BLOCK_BYTES)


@mapped_over_blocks(lambda x, w, spec: _images(len(x), spec.window.output_size(x.shape[1:-1]), w.shape, spec))
def forward(x: Num[Array, "n *i gc"], w: Num[Array, "*t c go"], spec: ConvSpec) -> Num[Array, "n *j go"]:
    """y[n, j, (g o)] = sum_{t, c} p[g, n, j, (t c)] w[g, (t c), o]"""
    dtype = operand_dtype(x, w, spec)
    p, w = _patches(x.astype(dtype), spec), _grouped_kernel(w.astype(dtype), spec.groups)
    y = _product(p, w, (p.ndim - 1,), (w.ndim - 2,), spec)
    return _join(y, spec.groups).astype(spec.accumulation_dtype or dtype)


@mapped_over_blocks(lambda dy, w, spec, x_shape: _images(len(dy), dy.shape[1:-1], w.shape, spec))
def input_grad(
    dy: Num[Array, "n *j go"], w: Num[Array, "*t c go"], spec: ConvSpec, x_shape: Sequence[int]
) -> Num[Array, "n *i gc"]:
    """dp[g, n, j, (t c)] = sum_o dy[g, n, j, o] w[g, (t c), o],  dx[n, i, (g c)] = sum of dp over s j + d t - p_lo = i"""
    dtype, taps, g = operand_dtype(dy, w, spec), math.prod(w.shape[:-2]), spec.groups
    dy, grouped = _split(dy.astype(dtype), g), _grouped_kernel(w.astype(dtype), g)
    dp = _product(dy, grouped, (dy.ndim - 1,), (grouped.ndim - 1,), spec)
    c = dp.shape[-1] // taps
    values = [_join(dp[..., t * c : (t + 1) * c], g) for t in range(taps)]
    return fold(values, spec.window, x_shape[1:-1]).astype(spec.accumulation_dtype or dtype)


@summed_over_blocks(lambda x, dy, spec, w_shape: _images(len(x), dy.shape[1:-1], w_shape, spec))
def kernel_grad(
    x: Num[Array, "n *i gc"], dy: Num[Array, "n *j go"], spec: ConvSpec, w_shape: Sequence[int]
) -> Num[Array, "*t c go"]:
    """dw[g, (t c), o] = sum_{n, j} p[g, n, j, (t c)] dy[g, n, j, o]"""
    dtype, g = operand_dtype(x, dy, spec), spec.groups
    p, dy = _patches(x.astype(dtype), spec), _split(dy.astype(dtype), g)
    positions = tuple(range(p.ndim - 1)) if g == 1 else tuple(range(1, p.ndim - 1))
    dw = _product(p, dy, positions, positions, spec)
    *taps, c, go = w_shape
    dw = dw if g == 1 else jnp.moveaxis(dw, 0, 1).reshape(math.prod(taps) * c, go)
    return dw.reshape(w_shape).astype(spec.accumulation_dtype or dtype)


def _product(a: Array, b: Array, a_axes: tuple[int, ...], b_axes: tuple[int, ...], spec: ConvSpec) -> Array:
    """Summed over the axes given, and for groups side by side over the first; in float32 for 16-bit floats."""
    refuse_sharded("PATCHES", a, b)
    batch = ((), ()) if spec.groups == 1 else ((0,), (0,))
    return lax.dot_general(
        a,
        b,
        ((a_axes, b_axes), batch),
        precision=spec.precision,
        preferred_element_type=spec.accumulation_dtype or at_least_float32(a).dtype,
    )


def _patches(x: Array, spec: ConvSpec) -> Array:
    """[n, j, (t c)], with groups [g, n, j, (t c)]: of the last axis first, so that all others copy longer rows of channels."""
    n, g, window = x.shape[0], spec.groups, spec.window
    p = _split(x, g).reshape(g * n, *x.shape[1:-1], -1)
    for axis in reversed(range(len(window.size))):
        p = jnp.concatenate(list(unfold(p, window.along(axis))), axis=-1)
    return p if g == 1 else p.reshape(g, n, *p.shape[1:])


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
