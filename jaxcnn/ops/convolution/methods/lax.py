"""The three maps as three calls of `lax.conv_general_dilated`, as in the derivation in
`rule.py`.

Nothing is transposed, because dimension numbers give each axis its role. XLA's GPU
compiler recognises a kernel gradient in this form. XLA's CPU compiler transposes it to
the order of its fast path, but only outside `scan`, `while` and `cond`.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Num

from jaxcnn.ops.convolution.methods.method import Method, flip, operand_dtype
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.sizes import is_known
from jaxcnn.window import Window, dilated


def forward(
    x: Num[Array, "n *i c"], w: Num[Array, "*t cg o"], problem: Problem
) -> Num[Array, "n *j o"]:
    """y[n, j, (g o)] = sum_{t, c} x[n, s j + d t - p_lo, (g c)] w[t, c, (g o)]"""
    images, kernels = _channels_last(x.ndim)
    dimensions = lax.ConvDimensionNumbers(images, kernels, images)
    return correlate(x, w, problem, problem.window, dimensions, feature_group_count=problem.groups)


def input_grad(
    dy: Num[Array, "n *j o"], w: Num[Array, "*t cg o"], problem: Problem
) -> Num[Array, "n *i c"]:
    """dx[n, i, (g c)] = sum_{j, t: s j + d t - p_lo = i} sum_o dy[n, j, (g o)] w[t, c,
    (g o)]"""
    images, (out, into, *space) = _channels_last(dy.ndim)
    dimensions = lax.ConvDimensionNumbers(images, (into, out, *space), images)
    window = problem.window.input_grad(problem.space)
    return correlate(
        dy, flip(w, problem.groups), problem, window, dimensions, feature_group_count=problem.groups
    )


def kernel_grad(
    x: Num[Array, "n *i c"], dy: Num[Array, "n *j o"], problem: Problem
) -> Num[Array, "*t cg o"]:
    """dw[t, c, (g o)] = sum_{n, j} x[n, s j + d t - p_lo, (g c)] dy[n, j, (g o)]

    x is the image, with its channels as batch and its batch as channels. dy is the
    kernel, with its batch as input channels.
    """
    (batch, channel, *space), (out, into, *taps) = _channels_last(x.ndim)
    dimensions = lax.ConvDimensionNumbers(
        (channel, batch, *space), (channel, batch, *space), (into, out, *taps)
    )
    window = problem.window.kernel_grad(problem.space)
    return correlate(x, dy, problem, window, dimensions, batch_group_count=problem.groups)


def _channels_last(ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes of (batch, channel, *space) in an image, and of (out, in, *space) in a
    kernel."""
    return (0, ndim - 1, *range(1, ndim - 1)), (ndim - 1, ndim - 2, *range(ndim - 2))


def correlate(
    lhs: Array,
    rhs: Array,
    problem: Problem,
    window: Window,
    dimensions: lax.ConvDimensionNumbers,
    *,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
) -> Array:
    """`lax.conv_general_dilated`, made safe: it never gets a negative pad, an empty
    array, or two dtypes.

    A negative low pad beside a positive high one makes XLA's CPU backend read out of
    bounds (openxla/xla#48713). lax gets no pad larger than D_k - 1 either, because
    lax's own derivative of the call would then have a negative one. Nor does it get a
    symbolic pad.
    """
    (lhs_batch, _, *lhs_space), (rhs_out, _, *_), (out_batch, out_channel, *out_space) = dimensions
    dtype = operand_dtype(lhs, rhs, problem)
    lhs, rhs = lhs.astype(dtype), rhs.astype(dtype)

    space = [lhs.shape[axis] for axis in lhs_space]
    out_shape = [0] * lhs.ndim
    out_shape[out_batch] = lhs.shape[lhs_batch] // batch_group_count
    out_shape[out_channel] = rhs.shape[rhs_out]
    for axis, size in zip(out_space, window.output_size(space), strict=True):
        out_shape[axis] = size

    slices, window = window.crop(space)
    if slices != tuple(slice(0, n) for n in space):
        slices, window = _thinned(slices, window)
        index = [slice(None)] * lhs.ndim
        for axis, cut in zip(lhs_space, slices, strict=True):
            index[axis] = cut
        lhs = lhs[tuple(index)]
    if 0 in (lhs.size, rhs.size, *out_shape):  # an empty sum, or no output
        return lax.full(out_shape, 0, problem.accumulation_dtype or dtype)
    beyond = [
        axis
        for axis, (pads, k, d) in enumerate(
            zip(window.pads, window.size, window.dilation, strict=True)
        )
        if not is_known(*pads) or (is_known(k) and max(pads) >= dilated(k, d))
    ]
    lhs, window = pad_explicitly(lhs, window, lhs_space, beyond)

    return lax.conv_general_dilated(
        lhs,
        rhs,
        window_strides=window.stride,
        padding=window.pads,
        lhs_dilation=window.base_dilation,
        rhs_dilation=window.dilation,
        dimension_numbers=dimensions,
        feature_group_count=feature_group_count,
        batch_group_count=batch_group_count,
        precision=problem.precision,
        preferred_element_type=problem.accumulation_dtype,
        out_sharding=problem.out_sharding,
    )


def _thinned(slices: Sequence[slice], window: Window) -> tuple[tuple[slice, ...], Window]:
    """The slices with a step, and the window that fits them, where a convolution with a
    stride and one tap, or its kernel gradient, leaves out positions in between.

    A slice that forward and kernel gradient share stays in memory between them: for a
    shortcut of stride 2 it is then a quarter of x.
    """
    found, stride, dilation = [], list(window.stride), list(window.dilation)
    for axis, (cut, k, pads, b) in enumerate(
        zip(slices, window.size, window.pads, window.base_dilation, strict=True)
    ):
        step = 1
        if pads == (0, 0) and b == 1 and is_known(k, cut.start, cut.stop):
            if k == 1:
                step, stride[axis] = stride[axis], 1
            elif dilated(k, dilation[axis]) == cut.stop - cut.start:
                step, dilation[axis] = dilation[axis], 1
        found.append(slice(cut.start, cut.stop, step))
    return tuple(found), window._replace(stride=tuple(stride), dilation=tuple(dilation))


def pad_explicitly(
    lhs: Array, window: Window, lhs_space: Sequence[int], axes: Sequence[int]
) -> tuple[Array, Window]:
    """The operand and window with `axes` padded and base-dilated here instead of by the
    convolution. `lhs_space` are the axes of space in lhs."""
    if not axes:
        return lhs, window
    amounts = [(0, 0, 0)] * lhs.ndim
    pads, base_dilation = list(window.pads), list(window.base_dilation)
    for axis in axes:
        amounts[lhs_space[axis]] = (*pads[axis], base_dilation[axis] - 1)
        pads[axis], base_dilation[axis] = (0, 0), 1
    return lax.pad(lhs, jnp.zeros((), lhs.dtype), amounts), window._replace(
        pads=tuple(pads), base_dilation=tuple(base_dilation)
    )


LAX = Method(forward, input_grad, kernel_grad)
