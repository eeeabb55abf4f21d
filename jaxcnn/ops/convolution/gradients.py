"""The gradients of a convolution, as functions: equations (2) to (4) of `rule.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from jax.typing import ArrayLike
from jaxtyping import Array

from jaxcnn.ops._arrays import as_array, check_floating, check_image
from jaxcnn.ops._bias import bias_grad
from jaxcnn.ops._layout import (
    Layout,
    check_layout,
    image_from_channels_last,
    image_to_channels_last,
    kernel_from_channels_last,
    kernel_to_channels_last,
    shape_to_channels_last,
)
from jaxcnn.ops._operation import reverse_mode_only
from jaxcnn.ops._sharding import align_varying
from jaxcnn.ops.convolution._checks import as_shape, check_ranks
from jaxcnn.ops.convolution._options import as_method, layout_among
from jaxcnn.ops.convolution.methods import Method
from jaxcnn.ops.convolution.problem import ConvOptions, Problem
from jaxcnn.ops.convolution.rule import input_grad_core, kernel_grad_core


@reverse_mode_only
def conv_input_grad(
    dy: ArrayLike,
    w: ArrayLike,
    x_shape: Sequence[int],
    *,
    method: Method | None = None,
    **options: Unpack[ConvOptions],
) -> Array:
    """The gradient of `conv` to its input, equation (3): the full convolution of dy
    with the kernel.

    It is also the transposed convolution ("deconvolution") that upsamples by `stride`.

    Args:
      dy: the cotangent of y, of the shape that `conv` gives for x and w.
      w: the kernel.
      x_shape: the shape of x, in `layout`.
      Others as in `conv`.

    Returns:
      dx, of `x_shape`, in w's dtype.

    >>> import jax.numpy as jnp
    >>> dy = jnp.array([1.0, 10.0]).reshape(1, 2, 1)
    >>> w = jnp.array([1.0, 2.0, 3.0]).reshape(3, 1, 1)
    >>> conv_input_grad(dy, w, (1, 4, 1)).ravel().tolist()
    [1.0, 12.0, 23.0, 30.0]
    """
    layout = layout_among("conv_input_grad", options)
    dy, w = as_array("dy", dy), as_array("w", w)
    x_shape = as_shape("x_shape", x_shape)
    check_ranks(x_shape, w.shape)
    check_floating("dy", dy)
    check_floating("w", w)
    w = kernel_to_channels_last(w, layout)
    x_shape = shape_to_channels_last(x_shape, layout)
    problem = Problem.of(x_shape, w.shape, **options)
    dy = _check_dy(dy, problem, layout)
    dy, w = align_varying(dy, w)
    dx = input_grad_core(dy, w, problem, as_method(method))
    return image_from_channels_last(dx.astype(w.dtype), layout)


@reverse_mode_only
def conv_kernel_grad(
    x: ArrayLike,
    dy: ArrayLike,
    w_shape: Sequence[int],
    *,
    method: Method | None = None,
    **options: Unpack[ConvOptions],
) -> Array:
    """The gradient of `conv` to its kernel, equation (2): the cross-correlation of the
    input with dy.

    Args:
      x: the input.
      dy: the cotangent of y, of the shape that `conv` gives for x and w.
      w_shape: the shape of w, in `layout`.
      Others as in `conv`.

    Returns:
      dw, of `w_shape`, in x's dtype. If x or dy has a value that is not finite, it
        may be NaN also for taps that never met it.

    >>> import jax.numpy as jnp
    >>> x = jnp.arange(4.0).reshape(1, 4, 1)
    >>> conv_kernel_grad(x, jnp.ones((1, 2, 1)), (3, 1, 1)).ravel().tolist()
    [1.0, 3.0, 5.0]
    """
    layout = layout_among("conv_kernel_grad", options)
    x, dy = as_array("x", x), as_array("dy", dy)
    w_shape = as_shape("w_shape", w_shape)
    check_ranks(x.shape, w_shape)
    check_floating("x", x)
    check_floating("dy", dy)
    x = image_to_channels_last(x, layout)
    w_shape = shape_to_channels_last(w_shape, layout, kernel=True)
    problem = Problem.of(x.shape, w_shape, **options)
    dy = _check_dy(dy, problem, layout)
    x, dy = align_varying(x, dy)
    dw = kernel_grad_core(x, dy, problem, as_method(method))
    return kernel_from_channels_last(dw.astype(x.dtype), layout)


def conv_bias_grad(dy: ArrayLike, *, layout: Layout = "channels_last") -> Array:
    """The gradient of `conv` to its bias, equation (4): the sum of dy over batch and
    space, for each output channel.

    >>> import jax.numpy as jnp
    >>> conv_bias_grad(jnp.ones((2, 5, 5, 3))).tolist()
    [50.0, 50.0, 50.0]
    """
    check_layout(layout)
    dy = as_array("dy", dy)
    check_image("dy", dy)
    check_floating("dy", dy)
    return bias_grad(image_to_channels_last(dy, layout)).astype(dy.dtype)


def _check_dy(dy: Array, problem: Problem, layout: Layout) -> Array:
    """dy, channels last, after a check that it has the shape of y."""
    if dy.ndim != len(problem.x_shape):
        raise ValueError(
            f"dy must have as many axes as x, got shape {dy.shape} for x of {problem.x_shape}"
        )
    dy = image_to_channels_last(dy, layout)
    if dy.shape != problem.y_shape:
        raise ValueError(
            f"dy must have the shape of y, {problem.y_shape} (channels last), got {dy.shape}"
        )
    return dy
