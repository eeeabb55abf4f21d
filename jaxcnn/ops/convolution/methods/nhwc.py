"""The three maps with every operand transposed to NHWC, HWIO, NHWC, the only order that
XLA's fast CPU path takes.

At the top level of a program XLA does this itself. In the body of a `scan`, `while` or
`cond` it does not, and computes a gradient in any other order by a naive loop
(jax-ml/jax#12868). The fast path also refuses an output that is larger than its input,
so padding is explicit here, and batch groups, which become feature groups.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Num

from jaxcnn.ops._arrays import at_least_float32
from jaxcnn.ops._sharding import sharding_of
from jaxcnn.ops._windows import unfold
from jaxcnn.ops.convolution.methods import lax as lax_method
from jaxcnn.ops.convolution.methods.method import (
    Method,
    input_grad_by,
    operand_dtype,
    permute_sharding,
)
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.window import UNIT

MOST_PLANES = 16
"""Up to this many taps of the first of three axes, each tap becomes channels. Beyond
it, a convolution of volumes stays one."""


def forward(
    x: Num[Array, "n *i c"], w: Num[Array, "*t cg o"], problem: Problem
) -> Num[Array, "n *j o"]:
    """y[n, j, (g o)] = sum_{t, c} x[n, s j + d t - p_lo, (g c)] w[t, c, (g o)]"""
    sharded = problem.out_sharding is not None or sharding_of(x) is not None
    if not sharded and x.ndim == 3:
        return _forward_of_rows(x, w, problem)
    if not sharded and x.ndim == 5 and w.shape[0] <= MOST_PLANES:
        return _forward_of_volumes(x, w, problem)
    dtype = operand_dtype(x, w, problem)
    x, w = at_least_float32(x.astype(dtype)), at_least_float32(w.astype(dtype))
    window, space = problem.window, x.shape[1:-1]
    larger = any(m > n for m, n in zip(window.output_size(space), space, strict=True))
    if larger and set(window.base_dilation) <= {1}:
        axes = range(len(space))
        x, window = lax_method.pad_explicitly(x, window, range(1, x.ndim - 1), axes)
    y = lax_method.forward(x, w, problem.reshaped(x, w, window))
    return y.astype(problem.accumulation_dtype or dtype)


def _forward_of_rows(
    x: Num[Array, "n i gc"], w: Num[Array, "t c go"], problem: Problem
) -> Num[Array, "n j go"]:
    """The same, with an axis of one position before the axis of space."""
    x, w = x[:, None], w[None]
    return forward(x, w, problem.reshaped(x, w, UNIT.beside(problem.window)))[:, 0]


def _forward_of_volumes(
    x: Num[Array, "n i j k gc"], w: Num[Array, "t u v c go"], problem: Problem
) -> Num[Array, "n j k l go"]:
    """The taps of the first axis become channels, (g t c), and its positions become
    images, so that convolutions of planes are left."""
    first, others = problem.window.split(1)
    g, (k, *taps, c, go) = problem.groups, w.shape
    seen = [
        x_t.reshape(*x_t.shape[:-1], g, c) for x_t in unfold(x, first.beside(UNIT).beside(UNIT))
    ]
    n, depth, *space = seen[0].shape[:-2]
    planes = jnp.stack(seen, axis=-2).reshape(n * depth, *space, g * k * c)
    w = jnp.moveaxis(w, 0, -3).reshape(*taps, k * c, go)
    y = forward(planes, w, problem.reshaped(planes, w, others))
    return y.reshape(n, depth, *y.shape[1:])


input_grad = input_grad_by(forward)


def kernel_grad(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j o"], problem: Problem
) -> Num[Array, "*t cg o"]:
    """dw[t, c, (g o)] = sum_{n, j} x[n, s j + d t - p_lo, (g c)] dy[n, j, (g o)]:
    forward, of x transposed, with dy as kernel

    x[n, i, (g c)] -> [c, i, (g n)],  dy[n, j, (g o)] -> [j, n, (g o)],  result [c, t,
    (g o)] -> [t, c, (g o)]
    """
    n, *space, gc = x.shape
    g = problem.groups
    sharding = sharding_of(x)
    if g > 1 and sharding is not None and sharding.spec[0] is not None:
        # (g n) cannot be one axis if the type says that n is sharded
        return lax_method.kernel_grad(x, dy, problem)
    if g == 1:
        images = jnp.moveaxis(x, (0, -1), (-1, 0))
    else:
        images = jnp.moveaxis(x.reshape(n, *space, g, gc // g), (0, -1), (-1, 0)).reshape(
            gc // g, *space, g * n
        )
    kernel = jnp.moveaxis(dy, 0, -2)
    axes = len(space)
    out_sharding = permute_sharding(problem.out_sharding, (axes, *range(axes), axes + 1))
    window = problem.window.kernel_grad(problem.space)
    problem = problem.reshaped(images, kernel, window)._replace(out_sharding=out_sharding)
    return jnp.moveaxis(forward(images, kernel, problem), 0, -2)


NHWC = Method(forward, input_grad, kernel_grad)
