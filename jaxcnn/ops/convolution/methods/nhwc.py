"""The three maps with every operand transposed to NHWC, HWIO, NHWC: the only order that
XLA's fast CPU path takes.

At the top level of a program XLA does this itself; in the body of a `scan`, `while` or
`cond` it does not, and a gradient in any other order falls to a naive loop
(jax-ml/jax#12868). The fast path also refuses an output larger than its input, hence
the explicit padding, and batch groups, which become feature groups here.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Num

from jaxcnn.ops._common import at_least_float32, sharding_of
from jaxcnn.ops._windows import unfold
from jaxcnn.ops.convolution.methods import lax as lax_method
from jaxcnn.ops.convolution.methods.method import (
    ConvSpec,
    flip_and_exchange,
    operand_dtype,
    permute_sharding,
)
from jaxcnn.window import UNIT

MOST_PLANES = 16
"""Taps of the first of three axes that become channels, an array each: beyond, a
convolution of volumes stays one."""


def forward(
    x: Num[Array, "n *i c"], w: Num[Array, "*t cg o"], spec: ConvSpec
) -> Num[Array, "n *j o"]:
    """y[n, j, (g o)] = sum_{t, c} x[n, s j + d t - p_lo, (g c)] w[t, c, (g o)]"""
    sharded = spec.out_sharding is not None or sharding_of(x) is not None
    if not sharded and x.ndim == 3:
        return _forward_of_rows(x, w, spec)
    if not sharded and x.ndim == 5 and w.shape[0] <= MOST_PLANES:
        return _forward_of_volumes(x, w, spec)
    dtype = operand_dtype(x, w, spec)
    x, w = at_least_float32(x.astype(dtype)), at_least_float32(w.astype(dtype))
    window, space = spec.window, x.shape[1:-1]
    larger = any(m > n for m, n in zip(window.output_size(space), space, strict=True))
    if larger and set(window.base_dilation) <= {1}:
        axes = range(len(space))
        x, window = lax_method.pad_explicitly(x, window, range(1, x.ndim - 1), axes)
    return lax_method.forward(x, w, spec._replace(window=window)).astype(
        spec.accumulation_dtype or dtype
    )


def _forward_of_rows(
    x: Num[Array, "n i gc"], w: Num[Array, "t c go"], spec: ConvSpec
) -> Num[Array, "n j go"]:
    """The same with an axis of one position before the one of space."""
    return forward(x[:, None], w[None], spec._replace(window=UNIT.beside(spec.window)))[:, 0]


def _forward_of_volumes(
    x: Num[Array, "n i j k gc"], w: Num[Array, "t u v c go"], spec: ConvSpec
) -> Num[Array, "n j k l go"]:
    """The taps of the first axis become channels, (g t c), and its positions images:
    what is left are convolutions of planes."""
    first, others = spec.window.split(1)
    g, (k, *taps, c, go) = spec.groups, w.shape
    seen = [
        x_t.reshape(*x_t.shape[:-1], g, c) for x_t in unfold(x, first.beside(UNIT).beside(UNIT))
    ]
    n, depth, *space = seen[0].shape[:-2]
    planes = jnp.stack(seen, axis=-2).reshape(n * depth, *space, g * k * c)
    y = forward(
        planes, jnp.moveaxis(w, 0, -3).reshape(*taps, k * c, go), spec._replace(window=others)
    )
    return y.reshape(n, depth, *y.shape[1:])


def input_grad(
    dy: Num[Array, "n *j o"], w: Num[Array, "*t cg o"], spec: ConvSpec, x_shape: Sequence[int]
) -> Num[Array, "n *i c"]:
    """dx[n, i, (g c)] = sum_{t, o} dy'[n, i + p_lo - d t, (g o)] w[t, c, (g o)], with
    dy' dilated by s: forward, of dy"""
    window = spec.window.input_grad(x_shape[1:-1])
    return forward(dy, flip_and_exchange(w, spec.groups), spec._replace(window=window))


def kernel_grad(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j o"], spec: ConvSpec, w_shape: Sequence[int]
) -> Num[Array, "*t cg o"]:
    """dw[t, c, (g o)] = sum_{n, j} x[n, s j + d t - p_lo, (g c)] dy[n, j, (g o)]:
    forward, of x transposed, with dy as kernel

    x[n, i, (g c)] -> [c, i, (g n)],  dy[n, j, (g o)] -> [j, n, (g o)],  result [c, t,
    (g o)] -> [t, c, (g o)]
    """
    n, *space, gc = x.shape
    g = spec.groups
    sharding = sharding_of(x)
    if g > 1 and sharding is not None and sharding.spec[0] is not None:
        return lax_method.kernel_grad(
            x, dy, spec, w_shape
        )  # (g n) cannot be one axis when the type says that n is sharded
    if g == 1:
        images = jnp.moveaxis(x, (0, -1), (-1, 0))
    else:
        images = jnp.moveaxis(x.reshape(n, *space, g, gc // g), (0, -1), (-1, 0)).reshape(
            gc // g, *space, g * n
        )
    kernel = jnp.moveaxis(dy, 0, -2)
    axes = len(space)
    spec = spec._replace(
        window=spec.window.kernel_grad(space),
        out_sharding=permute_sharding(spec.out_sharding, (axes, *range(axes), axes + 1)),
    )
    return jnp.moveaxis(forward(images, kernel, spec), 0, -2)
