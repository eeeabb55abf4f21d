"""The three maps of a depthwise convolution as one multiply-add per tap: y += x shifted
by the tap, times the tap's weights.

With one input channel per group the product is elementwise, and the taps fuse into one
loop over memory. XLA's CPU backend would turn it into a dense convolution with a
diagonal kernel (jax-ml/jax#13800, #26266). An input channel c has m outputs (c m),
where m is the channel multiplier, mostly 1. `forward` also takes groups of more
channels, with one multiply-add for each, since the input gradient of a multiplier needs
it. Gradients of such groups are refused.
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
from jaxcnn.ops._tap_loops import UNROLL, fold_loop, in_phases, tap_slice, tap_starts
from jaxcnn.ops._windows import fold, taps, unfold
from jaxcnn.ops.convolution.methods.depthwise_sums import repeat, sums_of_taps, sums_tap_by_tap
from jaxcnn.ops.convolution.methods.method import Method, input_grad_by, operand_dtype
from jaxcnn.ops.convolution.problem import Problem

MOST_TERMS = 49
"""Up to this many multiply-adds, Python writes out each one, so that XLA can fuse them.
Beyond it, the program loops over them."""


def forward(
    x: Num[Array, "n *i gc"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *j go"]:
    """y[n, j, (g o)] = sum_{t, c} x[n, s j + d t - p_lo, (g c)] w[t, c, (g o)]"""
    x, w, dtype = _in_the_dtype_of_sums(x, w, problem)
    if math.prod(w.shape[:-1]) > MOST_TERMS:
        return _forward_in_a_loop(x, w, problem).astype(dtype)
    terms = [
        repeat(x_t.reshape(*x_t.shape[:-1], problem.groups, -1)[..., c], w.shape[-1])
        * _for_all(w[tap][c], x)
        for tap, x_t in zip(taps(problem.window), unfold(x, problem.window), strict=True)
        for c in range(w.shape[-2])
    ]
    return sum(terms[1:], terms[0]).astype(dtype)


def _forward_in_a_loop(
    x: Num[Array, "n *i gc"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *j go"]:
    """The same with a loop over the terms, which are numbered (t c)."""
    outputs = problem.out_space
    phases, starts, c = in_phases(x, problem.window), tap_starts(problem.window), w.shape[-2]
    channels = np.tile(np.arange(c, dtype=np.int32), len(starts))

    def term(start, channel, weights):
        x_t = tap_slice(phases, start, outputs)
        of_groups = x_t.reshape(*x_t.shape[:-1], problem.groups, c)
        x_tc = lax.dynamic_index_in_dim(of_groups, channel, of_groups.ndim - 1, keepdims=False)
        return repeat(x_tc, w.shape[-1]) * _for_all(weights, x)

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

    Without a stride, dx is `forward` of dy and the flipped kernel, which gathers. With
    a stride, `fold` scatters. Scattering would be faster for a few taps if dy exists
    already, but in a network XLA would recompute dy for every tap.
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

    if problem.taps > MOST_TERMS:
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

    `depthwise_sums.py` computes the sums, and says what makes them fast.
    """
    _check_depthwise(problem.w_shape)
    x, dy, dtype = _in_the_dtype_of_sums(x, dy, problem)
    of_taps = sums_of_taps if problem.taps <= MOST_TERMS else sums_tap_by_tap
    return of_taps(x, dy, problem.window).reshape(problem.w_shape).astype(dtype)


def _for_all(weights: Num[Array, " go"], like: Num[Array, "n *i gc"]) -> Num[Array, "*one go"]:
    """One weight per channel, with the axes of an image."""
    return weights.reshape((1,) * (like.ndim - 1) + weights.shape)


def _in_the_dtype_of_sums(a: Array, b: Array, problem: Problem):
    """Both operands in the dtype of the sum, and the result's dtype."""
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


DEPTHWISE = Method(forward, input_grad, kernel_grad)
