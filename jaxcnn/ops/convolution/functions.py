"""Convolution and its gradients, as they are called.

What they compute is derived in `rule.py`, equations (1) to (4). Options that all have
are typed once, as `ConvOptions`, and documented in `conv`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array

from jaxcnn.arguments import described
from jaxcnn.ops._arrays import as_array, check_floating, check_image
from jaxcnn.ops._bias import add_bias, bias_grad
from jaxcnn.ops._layout import (
    Layout,
    check_layout,
    image_from_channels_last,
    image_to_channels_last,
    kernel_from_channels_last,
    kernel_to_channels_last,
    shape_to_channels_last,
)
from jaxcnn.ops._operation import autodiff_twin, operation, reverse_mode_only
from jaxcnn.ops._sharding import align_varying
from jaxcnn.ops.convolution.methods import AUTO, METHODS, Method
from jaxcnn.ops.convolution.methods.auto import Choice, explain
from jaxcnn.ops.convolution.problem import (
    ConvOptions,
    Problem,
    as_shape,
    check_options,
    check_ranks,
)
from jaxcnn.ops.convolution.rule import (
    conv_core,
    forward_map,
    input_grad_core,
    kernel_grad_core,
)
from jaxcnn.window import Padding


@operation
def conv(
    autodiff: bool,
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    layout: Layout = "channels_last",
    precision: lax.PrecisionLike = None,
    preferred_element_type: DTypeLike | None = None,
    method: Method | None = None,
) -> Array:
    """Convolution (cross-correlation) of a batch of images with a kernel, equation (1)
    of `jaxcnn/ops/convolution/rule.py`, in 1, 2 or 3 dimensions.

    Args:
      x: images, (n, *space, c); with `layout="channels_first"` (n, c, *space).
      w: kernel, (*taps, c / groups, o); with `layout="channels_first"` (o, c / groups,
        *taps).
      b: bias, (o,), or None.
      stride, dilation: one int, or one per spatial axis.
      padding: "valid", "same", "same_lower", "full", "causal", ints or (low, high)
        pairs: see `jaxcnn.window.resolve_padding`. Negative pads crop.
      groups: the number of groups; c of them with w of (*taps, 1, m c) is a depthwise
        convolution.
      layout: "channels_last" or "channels_first", of x, w and the result.
      precision, preferred_element_type: as in `jax.lax.conv_general_dilated`; the
        latter a floating dtype.
      method: a `Method` that computes forward and gradients; by default the fastest
        by shape and platform, as measured.

    Returns:
      (n, *space', o), or (n, o, *space') for "channels_first".

    Raises:
      ValueError: on shapes, dtypes or options that do not fit, while tracing.
      TypeError: in forward mode (`jvp`, `jacfwd`, `linear_transpose`), for which
        `jaxcnn.AUTODIFF.conv` is.

    A NaN or an infinity in x reaches the outputs whose windows meet it, and no other;
    so it is with dy and the input gradient. A kernel gradient may be NaN also for taps
    that never met such a value.

    >>> x = jnp.arange(4.0).reshape(1, 4, 1)
    >>> conv(x, jnp.array([1.0, 0.0, -1.0]).reshape(3, 1, 1)).ravel().tolist()
    [-2.0, -2.0]
    >>> jax.grad(lambda w: conv(x, w).sum())(jnp.ones((3, 1, 1))).ravel().tolist()
    [1.0, 3.0, 5.0]
    """
    check_layout(layout)
    x, w = as_array("x", x), as_array("w", w)
    check_ranks(x.shape, w.shape)
    check_floating("x", x)
    check_floating("w", w)
    if x.dtype != w.dtype:
        raise ValueError(
            f"x and w must have one dtype, got x of {x.dtype} and w of {w.dtype}: cast one of them"
        )
    x, w = image_to_channels_last(x, layout), kernel_to_channels_last(w, layout)
    problem = Problem.of(
        x.shape,
        w.shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        layout=layout,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    x, w = align_varying(x, w)
    core = forward_map if autodiff else conv_core
    y = core(x, w, problem, _as_method(method))
    return image_from_channels_last(add_bias(y, b, autodiff=autodiff), layout)


@operation
def convolve(
    autodiff: bool,
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    method: Method | None = None,
    **options: Unpack[ConvOptions],
) -> Array:
    """The convolution of signal processing: `conv` with the kernel flipped along every
    spatial axis. Arguments are those of `conv`.

    An impulse comes out as the kernel itself, and "full" padding gives
    `numpy.convolve`.

    >>> x = jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    >>> w = jnp.array([0.0, 1.0, 0.5]).reshape(3, 1, 1)
    >>> convolve(x, w, padding="full").ravel().tolist()
    [0.0, 1.0, 2.5, 4.0, 1.5]
    """
    layout = _layout("convolve", options)
    w = as_array("w", w)
    taps = range(w.ndim - 2) if layout == "channels_last" else range(2, w.ndim)
    correlate = autodiff_twin(conv) if autodiff else conv
    return correlate(x, jnp.flip(w, axis=tuple(taps)), b, method=method, **options)


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

    >>> dy = jnp.array([1.0, 10.0]).reshape(1, 2, 1)
    >>> w = jnp.array([1.0, 2.0, 3.0]).reshape(3, 1, 1)
    >>> conv_input_grad(dy, w, (1, 4, 1)).ravel().tolist()
    [1.0, 12.0, 23.0, 30.0]
    """
    layout = _layout("conv_input_grad", options)
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
    dx = input_grad_core(dy, w, problem, _as_method(method))
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
      dw, of `w_shape`, in x's dtype. Where x or dy is not finite, dw may be NaN also
        for taps that never met it.

    >>> x = jnp.arange(4.0).reshape(1, 4, 1)
    >>> conv_kernel_grad(x, jnp.ones((1, 2, 1)), (3, 1, 1)).ravel().tolist()
    [1.0, 3.0, 5.0]
    """
    layout = _layout("conv_kernel_grad", options)
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
    dw = kernel_grad_core(x, dy, problem, _as_method(method))
    return kernel_from_channels_last(dw.astype(x.dtype), layout)


def conv_bias_grad(dy: ArrayLike, *, layout: Layout = "channels_last") -> Array:
    """The gradient of `conv` to its bias, equation (4): the sum of dy over batch and
    space, for each output channel.

    >>> conv_bias_grad(jnp.ones((2, 5, 5, 3))).tolist()
    [50.0, 50.0, 50.0]
    """
    check_layout(layout)
    dy = as_array("dy", dy)
    check_image("dy", dy)
    check_floating("dy", dy)
    return bias_grad(image_to_channels_last(dy, layout)).astype(dy.dtype)


def explain_conv(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    *,
    platform: str | None = None,
    **options: Unpack[ConvOptions],
) -> dict[str, Choice]:
    """Which method computes each map of `conv` if none is asked for, and why.

    Args:
      x_shape, w_shape: the shapes of x and w, in `layout`.
      platform: "cpu", "gpu" or "tpu"; by default the one that JAX computes on.
      Others as in `conv`.

    Returns:
      For "forward", "input_grad" and "kernel_grad" a choice with a `name` and a
        `reason`.

    Raises:
      ValueError: as `conv` does.

    >>> choices = explain_conv((8, 28, 28, 64), (1, 1, 64, 128), platform="cpu")
    >>> for name, choice in choices.items():
    ...     print(f"{name}: {choice.name} ({choice.reason})")
    forward: im2col (one tap: a matrix product)
    input_grad: im2col (one tap: a matrix product)
    kernel_grad: im2col (one tap: a matrix product)
    """
    layout = _layout("explain_conv", options)
    x_shape, w_shape = as_shape("x_shape", x_shape), as_shape("w_shape", w_shape)
    check_ranks(x_shape, w_shape)
    if platform is not None and not isinstance(platform, str):
        raise ValueError(f"platform must be 'cpu', 'gpu', 'tpu' or None, got {described(platform)}")
    x_shape = shape_to_channels_last(x_shape, layout)
    w_shape = shape_to_channels_last(w_shape, layout, kernel=True)
    by_map = explain(Problem.of(x_shape, w_shape, **options))
    return {
        name: choices.get(platform or jax.default_backend(), choices["default"])
        for name, choices in by_map.items()
    }


def _layout(function: str, options: Mapping[str, Any]) -> Layout:
    """The layout among the options, all of which are looked at."""
    check_options(function, options)
    layout = options.get("layout", "channels_last")
    check_layout(layout)
    return layout


def _as_method(method: Method | None) -> Method:
    if method is None:
        return AUTO
    if isinstance(method, Method):
        return method
    known = isinstance(method, str) and method.upper() in METHODS
    hint = f": pass jaxcnn.methods.{method.upper()}" if known else ""
    raise ValueError(
        f"method must be a Method, such as jaxcnn.methods.AUTO, got {described(method)}{hint}"
    )


def _check_dy(dy: Array, problem: Problem, layout: Layout) -> Array:
    """dy, channels last, if it has the shape of y."""
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
