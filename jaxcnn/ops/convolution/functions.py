"""Convolution, and its gradients as convolutions.

Definition
    What deep learning calls a convolution is a cross-correlation: the kernel is not
    flipped (`convolve` flips it). On one axis,

        y[n, j, o] = sum_{t, c} x[n, s j + d t - p_lo, c] w[t, c, o] + b[o]          (1)

    with stride s, dilation d, low pad p_lo, and x = 0 outside its array. With G groups,
    (c) and (o) are (g c) and (g o): output channels of group g see the input channels
    of group g only, and w is [t, c, (g o)].

Derivation
    Contract y with a cotangent dy:  T(x, w, dy) = sum_{n, j, o} dy[n, j, o] y[n, j, o]
    is linear in each of its three arguments. So each gradient is what stands beside the
    argument:

        dT/d(dy) = y                                                                 (1)
        dT/dw:   dw[t, c, o] = sum_{n, j} x[n, s j + d t - p_lo, c] dy[n, j, o]      (2)
        dT/dx:   dx[n, i, c] = sum_{t, j: s j + d t - p_lo = i}
                               sum_o dy[n, j, o] w[t, c, o]                          (3)
        dT/db:   db[o]       = sum_{n, j} dy[n, j, o]                                (4)

    (2) is the cross-correlation of the input with dy: x is the image, dy the kernel,
    whose taps are dilated by s; what is summed over is the batch and space. (3) is the
    full convolution of dy, dilated by s, with the kernel: put t' = k - 1 - t, and (3)
    is (1) for dy and the flipped kernel w[k - 1 - t', c, o] with c and o exchanged.
    `jaxcnn/window.py` has the strides, dilations and pads of both, remainders and
    negative pads included. (4) sums over batch and space, for each channel.

    Source: the document "Deep Learning - CNN Basics", section "How does back
    propagation on a kernel K work?". Three slips of it are put right here: its code
    assigns (=) the kernel gradient inside the loop over images, where (2) adds (+=); it
    takes the bias gradient "across all channels", where (4) is over batch and space;
    and in its expansion of dJ/dx13 the term with k11 belongs to y13.

    T has no other gradients: the derivative of (2) or (3) to one of its arguments is
    again one of (1), (2), (3). So the three maps carry one rule each, in terms of the
    two others.

Second derivatives
    The rules call the maps without their rules, and these are plain JAX. So a second
    derivative is JAX's derivative of the maps, in reverse mode or, as `jax.hessian` and
    Hessian-vector products have it, in forward mode over reverse.

Conventions
    A cotangent has the dtype and sharding of its primal. The rule keeps x and w,
    nothing else: both exist already. Products are summed in `preferred_element_type`,
    and with it y, hence dy, has that dtype: then the gradients are computed from
    operands widened to it, as lax does, and rounded once. Reverse mode only: `jvp`,
    `jacfwd` and `linear_transpose` raise; called eagerly with the operation's name,
    under `jit` or `scan` with JAX's words, "can't apply forward-mode autodiff (jvp) to
    a custom_vjp".

    A value of x or dy that is not finite makes y, or dx, not finite where a window
    meets it, and nowhere else. A kernel gradient is a matrix product, in which 0 times
    infinity is NaN: there such a value may also spoil taps that never met it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Num

from jaxcnn.arguments import as_int, described, is_several
from jaxcnn.ops._common import (
    Layout,
    add_bias,
    align_varying,
    as_array,
    as_dtype,
    as_precision,
    bias_grad,
    check_floating,
    check_image,
    check_layout,
    cotangent_like,
    image_from_channels_last,
    image_to_channels_last,
    kernel_from_channels_last,
    kernel_to_channels_last,
    reverse_mode_only,
    shape_to_channels_last,
    sharding_of,
)
from jaxcnn.ops.convolution.methods import AUTO, METHODS, ConvSpec, Method
from jaxcnn.ops.convolution.methods.auto import Choice, explain
from jaxcnn.window import Padding, dilated, make_window

# The three maps. An empty sum is 0 whatever the method: lax cannot compute a
# convolution without outputs, images or channels. The jits keep eager calls from
# compiling a method's loops and branches anew each time; inlined, they leave no trace
# in an outer jit.


@partial(jax.jit, static_argnums=(2, 3), inline=True)
def forward_map(
    x: Num[Array, "n *i c"], w: Num[Array, "*t cg o"], spec: ConvSpec, method: Method
) -> Num[Array, "n *j o"]:
    y_shape = (x.shape[0], *spec.window.output_size(x.shape[1:-1]), w.shape[-1])
    return (
        _zeros(y_shape, spec, x) if 0 in (x.size, w.size, *y_shape) else method.forward(x, w, spec)
    )


@partial(jax.jit, static_argnums=(2, 3, 4), inline=True)
def input_grad_map(
    dy: Num[Array, "n *j o"],
    w: Num[Array, "*t cg o"],
    spec: ConvSpec,
    method: Method,
    x_shape: tuple[int, ...],
) -> Num[Array, "n *i c"]:
    return (
        _zeros(x_shape, spec, dy)
        if 0 in (dy.size, w.size, *x_shape)
        else method.input_grad(dy, w, spec, x_shape)
    )


@partial(jax.jit, static_argnums=(2, 3, 4), inline=True)
def kernel_grad_map(
    x: Num[Array, "n *i c"],
    dy: Num[Array, "n *j o"],
    spec: ConvSpec,
    method: Method,
    w_shape: tuple[int, ...],
) -> Num[Array, "*t cg o"]:
    return (
        _zeros(w_shape, spec, x)
        if 0 in (x.size, dy.size, *w_shape)
        else method.kernel_grad(x, dy, spec, w_shape)
    )


def _zeros(shape: tuple[int, ...], spec: ConvSpec, operand: Array) -> Array:
    return jnp.zeros(shape, spec.accumulation_dtype or operand.dtype)


# The rule, wired once. The cores are (1), (3) and (2); each one's rule is the other two
# maps.

conv_core = jax.custom_vjp(forward_map, nondiff_argnums=(2, 3))
input_grad_core = jax.custom_vjp(input_grad_map, nondiff_argnums=(2, 3, 4))
kernel_grad_core = jax.custom_vjp(kernel_grad_map, nondiff_argnums=(2, 3, 4))


def _forward(x: Array, w: Array, spec: ConvSpec, method: Method, like: Array) -> Array:
    return _cotangent(
        forward_map(x, w, spec._replace(out_sharding=sharding_of(like)), method), like
    )


def _input_grad(dy: Array, w: Array, spec: ConvSpec, method: Method, like: Array) -> Array:
    spec = spec._replace(out_sharding=sharding_of(like))
    return _cotangent(input_grad_map(dy, w, spec, method, like.shape), like)


def _kernel_grad(x: Array, dy: Array, spec: ConvSpec, method: Method, like: Array) -> Array:
    spec = spec._replace(out_sharding=sharding_of(like))
    return _cotangent(kernel_grad_map(x, dy, spec, method, like.shape), like)


def _cotangent(found: Array, like: Array) -> Array:
    """`cotangent_like`, also where a symbolic size is the same but does not read the
    same: max(h - 2, 0) + 2 for h."""
    if found.shape != like.shape:
        found = lax.pad(
            found,
            jnp.zeros((), found.dtype),
            [(0, m - n, 0) for n, m in zip(found.shape, like.shape, strict=True)],
        )
    return cotangent_like(found, like)


def _conv_fwd(x, w, spec, method):
    return forward_map(x, w, spec, method), (x, w)


def _conv_bwd(spec, method, residuals, dy):
    x, w = residuals
    return _input_grad(dy, w, spec, method, like=x), _kernel_grad(
        x, dy, spec, method, like=w
    )  # (3), (2)


def _input_grad_fwd(dy, w, spec, method, x_shape):
    return input_grad_map(dy, w, spec, method, x_shape), (dy, w)


def _input_grad_bwd(spec, method, x_shape, residuals, ddx):
    dy, w = residuals
    return _forward(ddx, w, spec, method, like=dy), _kernel_grad(
        ddx, dy, spec, method, like=w
    )  # T(ddx, w, dy): (1), (2)


def _kernel_grad_fwd(x, dy, spec, method, w_shape):
    return kernel_grad_map(x, dy, spec, method, w_shape), (x, dy)


def _kernel_grad_bwd(spec, method, w_shape, residuals, ddw):
    x, dy = residuals
    return _input_grad(dy, ddw, spec, method, like=x), _forward(
        x, ddw, spec, method, like=dy
    )  # T(x, ddw, dy): (3), (1)


conv_core.defvjp(_conv_fwd, _conv_bwd)
input_grad_core.defvjp(_input_grad_fwd, _input_grad_bwd)
kernel_grad_core.defvjp(_kernel_grad_fwd, _kernel_grad_bwd)


# The public functions.


@reverse_mode_only
def conv(
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
    autodiff: bool = False,
) -> Array:
    """Convolution (cross-correlation) of a batch of images with a kernel, equation (1)
    of this file, in 1, 2 or 3 dimensions.

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
      autodiff: let JAX differentiate the forward instead of the rule. The values are
        the same.

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
    _check_ranks(x.shape, w.shape)
    check_floating("x", x)
    check_floating("w", w)
    if x.dtype != w.dtype:
        raise ValueError(
            f"x and w must have one dtype, got x of {x.dtype} and w of {w.dtype}: cast one of them"
        )
    x, w = image_to_channels_last(x, layout), kernel_to_channels_last(w, layout)
    spec = make_spec(
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
    y = core(x, w, spec, _check_method(method))
    return image_from_channels_last(add_bias(y, b, autodiff=autodiff), layout)


@reverse_mode_only
def convolve(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    layout: Layout = "channels_last",
    **options,
) -> Array:
    """The convolution of signal processing: `conv` with the kernel flipped along every
    spatial axis. Options are those of `conv`.

    An impulse comes out as the kernel itself, and "full" padding gives
    `numpy.convolve`.

    >>> x = jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
    >>> w = jnp.array([0.0, 1.0, 0.5]).reshape(3, 1, 1)
    >>> convolve(x, w, padding="full").ravel().tolist()
    [0.0, 1.0, 2.5, 4.0, 1.5]
    """
    check_layout(layout)
    w = as_array("w", w)
    taps = range(w.ndim - 2) if layout == "channels_last" else range(2, w.ndim)
    return conv(x, jnp.flip(w, axis=tuple(taps)), b, layout=layout, **options)


@reverse_mode_only
def conv_input_grad(
    dy: ArrayLike,
    w: ArrayLike,
    x_shape: Sequence[int],
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
    check_layout(layout)
    dy, w = as_array("dy", dy), as_array("w", w)
    x_shape = _check_shape("x_shape", x_shape)
    _check_ranks(x_shape, w.shape)
    check_floating("dy", dy)
    check_floating("w", w)
    w = kernel_to_channels_last(w, layout)
    x_shape = shape_to_channels_last(x_shape, layout)
    spec = make_spec(
        x_shape,
        w.shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        layout=layout,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    dy = _check_dy(dy, x_shape, w.shape, spec, layout)
    dy, w = align_varying(dy, w)
    dx = input_grad_core(dy, w, spec, _check_method(method), x_shape)
    return image_from_channels_last(dx.astype(w.dtype), layout)


@reverse_mode_only
def conv_kernel_grad(
    x: ArrayLike,
    dy: ArrayLike,
    w_shape: Sequence[int],
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
    check_layout(layout)
    x, dy = as_array("x", x), as_array("dy", dy)
    w_shape = _check_shape("w_shape", w_shape)
    _check_ranks(x.shape, w_shape)
    check_floating("x", x)
    check_floating("dy", dy)
    x = image_to_channels_last(x, layout)
    w_shape = shape_to_channels_last(w_shape, layout, kernel=True)
    spec = make_spec(
        x.shape,
        w_shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        layout=layout,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    dy = _check_dy(dy, x.shape, w_shape, spec, layout)
    x, dy = align_varying(x, dy)
    dw = kernel_grad_core(x, dy, spec, _check_method(method), w_shape)
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
    stride: int | Sequence[int] = 1,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    layout: Layout = "channels_last",
    platform: str | None = None,
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
    check_layout(layout)
    x_shape, w_shape = _check_shape("x_shape", x_shape), _check_shape("w_shape", w_shape)
    _check_ranks(x_shape, w_shape)
    if platform is not None and not isinstance(platform, str):
        raise ValueError(f"platform must be 'cpu', 'gpu', 'tpu' or None, got {described(platform)}")
    x_shape, w_shape = (
        shape_to_channels_last(x_shape, layout),
        shape_to_channels_last(w_shape, layout, kernel=True),
    )
    spec = make_spec(
        x_shape,
        w_shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        layout=layout,
        precision=None,
        preferred_element_type=None,
    )
    by_map = explain(spec, x_shape, w_shape)
    return {
        name: choices.get(platform or jax.default_backend(), choices["default"])
        for name, choices in by_map.items()
    }


# Validation.


def _check_shape(name: str, shape: Any) -> tuple[int, ...]:
    """A shape that a person passes: sizes, of which some may be symbolic."""
    if getattr(shape, "ndim", 1) != 1 or not is_several(shape):
        slip = (
            f": is it the array itself? pass {name.removesuffix('_shape')}.shape"
            if hasattr(shape, "shape")
            else ""
        )
        raise ValueError(f"{name} must be a shape, one int per axis, got {described(shape)}{slip}")
    return tuple(
        (
            size
            if hasattr(size, "dimension_as_value")
            else as_int(f"each entry of {name}", size, least=0)
        )
        for size in shape
    )


def _check_method(method: Method | None) -> Method:
    if method is None:
        return AUTO
    if isinstance(method, Method):
        return method
    known = isinstance(method, str) and method.upper() in METHODS
    hint = f": pass jaxcnn.methods.{method.upper()}" if known else ""
    raise ValueError(
        f"method must be a Method, such as jaxcnn.methods.AUTO, got {described(method)}{hint}"
    )


def _check_ranks(x_shape: tuple[int, ...], w_shape: tuple[int, ...]) -> None:
    if len(x_shape) not in (3, 4, 5):
        hint = (
            "; is the batch axis missing? x[None] adds it"
            if len(x_shape) == len(w_shape) - 1
            else ""
        )
        raise ValueError(
            f"x must have a batch, a channel and 1 to 3 spatial axes, got shape {x_shape}{hint}"
        )
    if len(w_shape) != len(x_shape):
        raise ValueError(
            "w must have as many axes as x: one per spatial axis and two for channels, got w of"
            f" {w_shape} for x of {x_shape}"
        )


def make_spec(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    *,
    stride: int | Sequence[int],
    padding: Padding,
    dilation: int | Sequence[int],
    groups: int,
    layout: Layout,
    precision: lax.PrecisionLike,
    preferred_element_type: DTypeLike | None,
) -> ConvSpec:
    """Everything static about a convolution of channels-last shapes, checked. `layout`
    is for the messages."""
    channels, inputs, outputs = x_shape[-1], w_shape[-2], w_shape[-1]
    groups = as_int("groups", groups, least=1)
    if channels % groups or outputs % groups:
        raise ValueError(
            f"groups must divide the channels of x and w, got groups={groups}, {channels} inputs"
            f" and {outputs} outputs"
        )
    if channels != inputs * groups:
        other = "channels_first" if layout == "channels_last" else "channels_last"
        other_channels = x_shape[1] if layout == "channels_last" else x_shape[-2]
        names = {
            "channels_first": {3: "NCL", 4: "NCHW", 5: "NCDHW"},
            "channels_last": {3: "NLC", 4: "NHWC", 5: "NDHWC"},
        }
        hint = ""
        if other_channels == inputs * groups:
            hint = (
                f"; x has {other_channels} on the axis of {other!r}: is it"
                f" {names[other][len(x_shape)]}? pass layout={other!r}"
            )
        elif groups == 1 and inputs and channels % inputs == 0:
            hint = f"; is it grouped? groups={channels // inputs} would fit"
        raise ValueError(
            f"x has {channels} channels, but w takes {inputs} for each of {groups} groups"
            f" ({layout}){hint}"
        )
    space = x_shape[1:-1]
    window = make_window(w_shape[:-2], space, stride=stride, padding=padding, dilation=dilation)
    for axis, (n, k, d, (lo, hi), m) in enumerate(
        zip(
            space, window.size, window.dilation, window.pads, window.output_size(space), strict=True
        )
    ):
        if m == 0:
            raise ValueError(
                f"w is larger than its padded input on spatial axis {axis}: it spans"
                f" {dilated(k, d)} ({k} taps, dilation {d}), the input {n + lo + hi} ({n} with pads"
                f" {(lo, hi)})"
            )
    return ConvSpec(
        window,
        groups,
        as_precision(precision),
        as_dtype("preferred_element_type", preferred_element_type),
    )


def _check_dy(
    dy: Array, x_shape: tuple[int, ...], w_shape: tuple[int, ...], spec: ConvSpec, layout: Layout
) -> Array:
    """dy, channels last, if it has the shape of y."""
    expected = (x_shape[0], *spec.window.output_size(x_shape[1:-1]), w_shape[-1])
    if dy.ndim != len(x_shape):
        raise ValueError(f"dy must have as many axes as x, got shape {dy.shape} for x of {x_shape}")
    dy = image_to_channels_last(dy, layout)
    if dy.shape != expected:
        raise ValueError(f"dy must have the shape of y, {expected} (channels last), got {dy.shape}")
    return dy
