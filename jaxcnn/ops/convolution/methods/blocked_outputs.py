"""Forward and input gradient with blocks of r neighbouring outputs, along the last axis
of space, as channels of one output.

A convolution with few output channels leaves registers empty, however many positions it
has. With r positions side by side it has r times the channels, a wider kernel and r
times the step. For block l and its output r, (l r),

    y[n, j, (l r), o]          = y'[n, j, l, (r o)]
    w'[t, s r + d u, c, (r o)] = w[t, u, c, o],  else 0

where u are the k taps along the last axis, with stride s and dilation d. w' has s (r -
1) + d (k - 1) + 1 taps there. With s = d = 1 this is (k + r - 1) / k times the
arithmetic, and no byte moves, since (l (r o)) and ((l r) o) are the same memory if
channels are last. If r does not divide the outputs, the last block is computed in full
and cut.

Blocking does not help the kernel gradient, which sums over positions; that of `nhwc` is
used.

As in a matrix product, 0 times infinity is NaN, so a value of x that is not finite
spoils all outputs of the blocks that see it.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops.convolution.methods import nhwc
from jaxcnn.ops.convolution.methods.method import input_grad_by
from jaxcnn.ops.convolution.methods.nhwc import kernel_grad as kernel_grad
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.window import Window, dilated

MIN_OUTPUT_CHANNELS = {1: 24, 2: 24, 3: 48}
"""Least number of output channels r o per block, by input channels per group (default
`MIN_OUTPUT_CHANNELS_ELSE`).

Measured: with up to 16 channels on both sides XLA's CPU backend takes Eigen's
convolution, on all cores, which is fastest with 12 to 16 outputs. With more channels it
takes YNNPACK's, on one core. That is several times faster for 1 and 2 input channels,
and for 3 only if there are 48 outputs.
"""

MIN_OUTPUT_CHANNELS_ELSE = 12


def forward(
    x: Num[Array, "n *i gc"], w: Num[Array, "*t c go"], problem: Problem
) -> Num[Array, "n *j go"]:
    """y[n, j, (l r), (g o)] = sum_{t, v, c} x[n, j + t - p_lo, s r l + v - p_lo, (g c)]
    w'[t, v, c, (g r o)]"""
    *_, outputs = problem.out_space
    g, r = problem.groups, outputs_in_a_block(problem.c, problem.outputs // problem.groups)
    window = _block_window(problem.window, problem.space[-1], outputs, r)
    w = _block_kernel(w, problem, r)
    y = nhwc.forward(x, w, problem.reshaped(x, w, window))
    *outer, blocks, channels = y.shape
    y = jnp.moveaxis(y.reshape(*outer, blocks, g, r, channels // (g * r)), -2, -3)
    return y.reshape(*outer, blocks * r, channels // r)[..., :outputs, :]


input_grad = input_grad_by(forward)


def outputs_in_a_block(inputs: int, outputs: int) -> int:
    """r, a power of two, for so many input and output channels.

    >>> outputs_in_a_block(1, 16), outputs_in_a_block(3, 16), outputs_in_a_block(16, 3)
    (2, 4, 4)
    """
    return next(
        (
            r
            for r in (2, 4, 8)
            if r * outputs >= MIN_OUTPUT_CHANNELS.get(inputs, MIN_OUTPUT_CHANNELS_ELSE)
        ),
        16,
    )


def _block_window(window: Window, width: int, outputs: int, r: int) -> Window:
    """The window of a whole block: its steps are whole blocks too."""
    s, span = window.stride[-1], dilated(window.size[-1], window.dilation[-1])
    size, blocks, lo = s * (r - 1) + span, -(-outputs // r), window.pads[-1][0]
    hi = s * r * (blocks - 1) + size - dilated(width, window.base_dilation[-1]) - lo
    return Window(
        (*window.size[:-1], size),
        (*window.stride[:-1], s * r),
        (*window.pads[:-1], (lo, hi)),
        (*window.dilation[:-1], 1),
        window.base_dilation,
    )


def _block_kernel(w: Num[Array, "*t u c go"], problem: Problem, r: int) -> Num[Array, "*t v c gro"]:
    """w'"""
    *taps, _, channels = w.shape
    s, d = problem.window.stride[-1], problem.window.dilation[-1]
    still = (0, 0, 0)
    moved = [
        lax.pad(
            w,
            jnp.zeros((), w.dtype),
            [*[still] * (len(taps) - 1), (s * q, s * (r - 1 - q), d - 1), still, still],
        )
        for q in range(r)
    ]
    grouped = [a.reshape(*a.shape[:-1], problem.groups, channels // problem.groups) for a in moved]
    return jnp.stack(grouped, axis=-2).reshape(*moved[0].shape[:-1], r * channels)
