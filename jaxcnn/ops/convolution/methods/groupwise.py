"""The three maps of a grouped convolution, group by group. Each group is a dense
convolution of its own channels.

XLA's CPU backend computes all groups in one slow loop. Groups of fewer channels than
`MIN_INPUT_CHANNELS` are left to others, because narrow convolutions are slow too.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Num

from jaxcnn.ops.convolution.methods import nhwc
from jaxcnn.ops.convolution.problem import Problem

MIN_INPUT_CHANNELS = 16


def forward(
    x: Num[Array, "n *i gc"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *j go"]:
    """y[n, j, (g o)]: for each g, the convolution of x[n, i, c] with w[t, c, o]"""
    return _of_each_group(nhwc.forward, x, w, problem)


def input_grad(
    dy: Num[Array, "n *j go"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *i gc"]:
    """dx[n, i, (g c)]: for each g, the input gradient of dy[n, j, o] and w[t, c, o]"""
    return _of_each_group(nhwc.input_grad, dy, w, problem)


def kernel_grad(
    x: Num[Array, "n *i gc"], dy: Num[Array, "n *j go"], problem: Problem
) -> Num[Array, "*t c go"]:
    """dw[t, c, (g o)]: for each g, the kernel gradient of x[n, i, c] and dy[n, j, o]"""
    return _of_each_group(nhwc.kernel_grad, x, dy, problem)


def _of_each_group(
    dense: Callable[[Array, Array, Problem], Array], a: Array, b: Array, problem: Problem
) -> Array:
    g = problem.groups
    x_shape, w_shape = (*problem.x_shape[:-1], problem.c), problem.w_shape
    w_shape = (*w_shape[:-1], problem.outputs // g)
    alone = problem._replace(x_shape=x_shape, w_shape=w_shape, groups=1)
    parts = zip(jnp.split(a, g, axis=-1), jnp.split(b, g, axis=-1), strict=True)
    return jnp.concatenate([dense(a_g, b_g, alone) for a_g, b_g in parts], axis=-1)
