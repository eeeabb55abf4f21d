"""The three maps with several images of the batch side by side along the last axis of
space, as one wide image.

XLA's fast CPU path splits a row of outputs over the cores, but never images or rows. So
a convolution of small images with few channels runs on one core, however large the
batch. Here the pixels of m images are interleaved: pixel l of the r-th image is at m l
+ r. Former neighbours are m apart, which is a dilation, and no output is computed in
vain. With n = (q r), q rows of m images,

    x'[q, i, (l r), c] = x[(q r), i, l, c]           l, the last axis of space;
                                                     i, those before it

and the result is brought back by the inverse exchange. A stride along the last axis has
no such form, so strided convolutions are refused, and so are groups. The kernel
gradient sums over the images; that of `nhwc` is used.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Num

from jaxcnn.ops._sharding import devices_of, divides
from jaxcnn.ops.convolution.methods import nhwc
from jaxcnn.ops.convolution.methods.method import Method, input_grad_by, interleaved, refuse_sharded
from jaxcnn.ops.convolution.problem import Problem

MIN_ROW_POSITIONS = 1024
"""The number of positions that a row should have, enough for several tasks of YNNPACK
if there are few channels."""


def forward(
    x: Num[Array, "n *i c"], w: Num[Array, "*t c o"], problem: Problem
) -> Num[Array, "n *j o"]:
    """y[n, j, o] = sum_{t, c} x[n, j + d t - p_lo, c] w[t, c, o], computed for x' with
    the last dilation and pads times m"""
    refuse_sharded("SIDE_BY_SIDE", x, w)
    n, *space, c = x.shape
    devices = devices_of(x, w)
    m = images_in_a_row(n // devices, space[-1]) if divides(devices, n) else 1
    wide = x.reshape(n // m, m, *space, c)
    wide = jnp.moveaxis(wide, 1, -2).reshape(n // m, *space[:-1], space[-1] * m, c)
    y = nhwc.forward(wide, w, _interleaved(problem, wide, w, m))
    *outer, positions, o = y.shape
    return jnp.moveaxis(y.reshape(*outer, positions // m, m, o), -2, 1).reshape(
        n, *outer[1:], positions // m, o
    )


input_grad = input_grad_by(forward)


def images_in_a_row(n: int, width: int) -> int:
    """m, the smallest divisor of the batch (of a device's share of it) that fills a
    row, or the whole batch."""
    return next((m for m in range(1, n) if n % m == 0 and m * width >= MIN_ROW_POSITIONS), n)


def _interleaved(problem: Problem, wide: Array, w: Array, m: int) -> Problem:
    """The problem of rows of m interleaved images."""
    window = problem.window
    if problem.groups > 1 or window.stride[-1] > 1 or window.base_dilation[-1] > 1:
        raise ValueError(
            "method SIDE_BY_SIDE has no groups and no step along the last axis of space: forward"
            f" and input gradient have no stride, got groups={problem.groups} and"
            f" {window}: leave method out, or pass NHWC or LAX"
        )
    return problem.reshaped(wide, w, interleaved(window, m))


SIDE_BY_SIDE = Method(forward, input_grad, nhwc.kernel_grad)
