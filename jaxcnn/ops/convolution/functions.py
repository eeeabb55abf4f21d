"""Convolution: the functions that are called, and the one that says how it is computed.

`rule.py` has the derivation, equations (1) to (4). The options that all functions of a
convolution share are typed once, as `ConvOptions`, and documented in `conv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array

from jaxcnn.arguments import described
from jaxcnn.ops._arrays import as_array, as_dtype, check_floating
from jaxcnn.ops._bias import add_bias
from jaxcnn.ops._layout import (
    Layout,
    check_layout,
    image_from_channels_last,
    image_to_channels_last,
    kernel_to_channels_last,
    shape_to_channels_last,
)
from jaxcnn.ops._operation import autodiff_twin, operation
from jaxcnn.ops._sharding import align_varying
from jaxcnn.ops.convolution._checks import as_shape, check_ranks
from jaxcnn.ops.convolution._options import as_method, layout_among
from jaxcnn.ops.convolution.methods import Method
from jaxcnn.ops.convolution.methods.auto import explain
from jaxcnn.ops.convolution.methods.rules import Choice
from jaxcnn.ops.convolution.problem import ConvOptions, Problem
from jaxcnn.ops.convolution.rule import conv_core, forward_map
from jaxcnn.padding import Padding


@operation
def conv(
    by_autodiff: bool,
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
        pairs: see `jaxcnn.padding.resolve_padding`. Negative pads crop.
      groups: the number of groups. With c groups, and w of (*taps, 1, m c), it is a
        depthwise convolution.
      layout: "channels_last" or "channels_first", of x, w and the result.
      precision, preferred_element_type: as in `jax.lax.conv_general_dilated`; the
        latter must be a floating dtype.
      method: a `Method` that computes forward and gradients. The default is the one
        that measurements found fastest for such shapes on this platform.

    Returns:
      (n, *space', o), or (n, o, *space') for "channels_first".

    Raises:
      ValueError: on shapes, dtypes or options that do not fit, while tracing.
      TypeError: in forward mode (`jvp`, `jacfwd`, `linear_transpose`): use
        `jaxcnn.AUTODIFF.conv` there.

    A NaN or an infinity in x reaches the outputs whose windows meet it, and no others.
    The same holds for dy and the input gradient. A kernel gradient may be NaN even for
    taps that never met such a value.

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
    core = forward_map if by_autodiff else conv_core
    y = core(x, w, problem, as_method(method))
    return image_from_channels_last(add_bias(y, b, by_autodiff=by_autodiff), layout)


@operation
def convolve(
    by_autodiff: bool,
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
    layout = layout_among("convolve", options)
    w = as_array("w", w)
    taps = range(w.ndim - 2) if layout == "channels_last" else range(2, w.ndim)
    correlate = autodiff_twin(conv) if by_autodiff else conv
    return correlate(x, jnp.flip(w, axis=tuple(taps)), b, method=method, **options)


def explain_conv(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    *,
    platform: str | None = None,
    dtype: DTypeLike = jnp.float32,
    **options: Unpack[ConvOptions],
) -> dict[str, Choice]:
    """The method that computes each map of `conv` by default, and why.

    Args:
      x_shape, w_shape: the shapes of x and w, in `layout`.
      platform: "cpu", "gpu" or "tpu"; by default JAX's own.
      dtype: of x and w.
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
    layout = layout_among("explain_conv", options)
    x_shape, w_shape = as_shape("x_shape", x_shape), as_shape("w_shape", w_shape)
    check_ranks(x_shape, w_shape)
    if platform is not None and not isinstance(platform, str):
        raise ValueError(f"platform must be 'cpu', 'gpu', 'tpu' or None, got {described(platform)}")
    checked = as_dtype("dtype", dtype)
    if checked is None:
        raise ValueError("dtype must be a floating dtype, such as jnp.float32, got None")
    x_shape = shape_to_channels_last(x_shape, layout)
    w_shape = shape_to_channels_last(w_shape, layout, kernel=True)
    by_map = explain(Problem.of(x_shape, w_shape, **options), checked)
    return {
        name: choices.get(platform or jax.default_backend(), choices["default"])
        for name, choices in by_map.items()
    }
