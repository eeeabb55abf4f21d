"""`PLAIN`: the operations of `jaxcnn.EXPLICIT` as JAX's users write them today, for
comparisons; JAX differentiates them.

They have the names, arguments and documented values of jaxcnn's, so that a network can
be applied with `ops=PLAIN`, but are built of lax, jax.nn and optax. None of jaxcnn's
own forward or backward passes is in them, whereas `jaxcnn.AUTODIFF` differentiates
jaxcnn's forward passes. Only the meaning of a padding word and the tuple that holds
running statistics come from jaxcnn.

Where the usual function has another gradient than jaxcnn documents, the nearest plain
function with the documented one is used: a `where` for leaky_relu (jax.nn's has the
derivative 1 at 0) and a reduce_window for global_max_pool (jnp.max splits the gradient
between ties).

`method` is accepted and ignored, because there is only one. Arguments are not checked
beyond what lax does. What jaxcnn promises for NaNs, infinite logits, labels out of
range and 16-bit floats is not promised here. On a CPU the float32 gradient of a
convolution with a negative low pad can be garbage (openxla/xla#48713), and the gradient
of a max pool with dilation raises, because lax has none.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from jaxcnn.ops import Ops
from jaxcnn.ops._pool_windows import pool_window
from jaxcnn.ops.batch_normalization import BatchNormState
from jaxcnn.padding import make_window

# The axes of images and kernels, as lax is told them, by the number of spatial axes.
SPACE = {1: "W", 2: "HW", 3: "DHW"}


def _channel_axis(layout):
    return -1 if layout == "channels_last" else 1


def _space(x, layout):
    return x.shape[1:-1] if layout == "channels_last" else x.shape[2:]


def _space_axes(x, layout):
    return tuple(range(1, x.ndim - 1)) if layout == "channels_last" else tuple(range(2, x.ndim))


def _along(axes, a, ndim):
    """`a` with axes of size 1 added, so that it broadcasts along `axes` of an array of
    rank `ndim`."""
    axes = {axis % ndim for axis in axes}
    return jnp.expand_dims(a, tuple(axis for axis in range(ndim) if axis not in axes))


# Convolution, dense.


def conv(
    x,
    w,
    b=None,
    *,
    stride=1,
    padding="valid",
    dilation=1,
    groups=1,
    layout="channels_last",
    precision=None,
    preferred_element_type=None,
    method=None,
):
    space = SPACE[x.ndim - 2]
    last = layout == "channels_last"
    image, kernel = (f"N{space}C", f"{space}IO") if last else (f"NC{space}", f"OI{space}")
    taps = w.shape[:-2] if last else w.shape[2:]
    window = make_window(taps, _space(x, layout), stride=stride, padding=padding, dilation=dilation)
    y = lax.conv_general_dilated(
        x,
        w,
        window.stride,
        window.pads,
        rhs_dilation=window.dilation,
        dimension_numbers=(image, kernel, image),
        feature_group_count=groups,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    return y if b is None else y + _along((_channel_axis(layout),), b.astype(y.dtype), y.ndim)


def convolve(x, w, b=None, *, method=None, **options):
    last = options.get("layout", "channels_last") == "channels_last"
    taps = range(w.ndim - 2) if last else range(2, w.ndim)
    return conv(x, jnp.flip(w, tuple(taps)), b, **options)


def dense(x, w, b=None, *, precision=None, preferred_element_type=None):
    y = jnp.dot(x, w, precision=precision, preferred_element_type=preferred_element_type)
    return y if b is None else y + b.astype(y.dtype)


# Pools.


def _reduce_window(x, init, computation, window, pads, layout):
    """`lax.reduce_window` over space alone."""

    def everywhere(values, elsewhere):
        return (
            (elsewhere, *values, elsewhere)
            if layout == "channels_last"
            else (elsewhere, elsewhere, *values)
        )

    return lax.reduce_window(
        x,
        init,
        computation,
        everywhere(window.size, 1),
        everywhere(window.stride, 1),
        everywhere(pads, (0, 0)),
        window_dilation=everywhere(window.dilation, 1),
    )


def max_pool(
    x,
    size,
    *,
    stride=None,
    padding="valid",
    dilation=1,
    ceil_mode=False,
    layout="channels_last",
):
    space = _space(x, layout)
    window = pool_window(size, space, stride=stride, padding=padding, dilation=dilation)
    window = window.ceil(space) if ceil_mode else window
    return _reduce_window(x, -jnp.inf, lax.max, window, window.pads, layout)


def avg_pool(
    x,
    size,
    *,
    stride=None,
    padding="valid",
    dilation=1,
    ceil_mode=False,
    count_include_pad=True,
    layout="channels_last",
):
    space = _space(x, layout)
    plain = pool_window(size, space, stride=stride, padding=padding, dilation=dilation)
    window = plain.ceil(space) if ceil_mode else plain
    total = _reduce_window(x, 0.0, lax.add, window, window.pads, layout)
    counted, pads = jnp.ones((1, *space, 1), x.dtype), window.pads
    if count_include_pad:  # but not what ceil_mode adds beyond the padding
        counted = lax.pad(
            counted,
            jnp.ones((), x.dtype),
            ((0, 0, 0), *((lo, hi, 0) for lo, hi in plain.pads), (0, 0, 0)),
        )
        pads = tuple(
            (0, hi - plain_hi)
            for (_, hi), (_, plain_hi) in zip(window.pads, plain.pads, strict=True)
        )
    count = _reduce_window(counted, 0.0, lax.add, window, pads, "channels_last")
    return total / (count if layout == "channels_last" else jnp.moveaxis(count, -1, 1))


def global_max_pool(x, *, layout="channels_last"):
    return jnp.squeeze(max_pool(x, _space(x, layout), layout=layout), _space_axes(x, layout))


def global_avg_pool(x, *, layout="channels_last"):
    return jnp.mean(x, _space_axes(x, layout))


# Activations.


def relu(x):
    return jax.nn.relu(x)


def leaky_relu(x, negative_slope=0.01):
    return jnp.where(x > 0, x, negative_slope * x)


def sigmoid(x):
    return jax.nn.sigmoid(x)


def tanh(x):
    return jnp.tanh(x)


def silu(x):
    return jax.nn.silu(x)


def gelu(x, approximate=True):
    return jax.nn.gelu(x, approximate)


# Norms and dropout.


def batch_norm(
    x,
    scale,
    bias,
    state,
    *,
    train,
    momentum=0.9,
    epsilon=1e-5,
    layout="channels_last",
):
    channel = (_channel_axis(layout) % x.ndim,)
    mean, var = state
    if train:
        axes = tuple(axis for axis in range(x.ndim) if axis not in channel)
        mean, var = jnp.mean(x, axes), jnp.var(x, axes)
        moved = (
            momentum * old + (1 - momentum) * new
            for old, new in zip(state, (mean, var), strict=True)
        )
        state = BatchNormState(*lax.stop_gradient(tuple(moved)))
    x_hat = jax.nn.standardize(
        x, None, _along(channel, mean, x.ndim), _along(channel, var, x.ndim), epsilon
    )
    return _scale_shift(x_hat, scale, bias, channel), state


def layer_norm(x, scale, bias, *, axes=-1, epsilon=1e-5):
    axes = axes if isinstance(axes, tuple) else (axes,)
    # The variance is given, because by default `standardize` takes the mean of squares
    # minus the square of the mean.
    x_hat = jax.nn.standardize(x, axes, variance=jnp.var(x, axes, keepdims=True), epsilon=epsilon)
    return _scale_shift(x_hat, scale, bias, axes)


def _scale_shift(x_hat, scale, bias, axes):
    y = x_hat if scale is None else x_hat * _along(axes, scale, x_hat.ndim)
    return y if bias is None else y + _along(axes, bias, x_hat.ndim)


def dropout(x, key, *, rate, train=True):
    if not train or rate == 0:
        return x
    keep = jax.random.bernoulli(
        key, np.float32(1 - rate), x.shape
    )  # in float32, so that float64 has the same mask
    return jnp.where(keep, x / (1 - rate), 0)


# Losses.


def softmax_cross_entropy(logits, labels, *, label_smoothing=0.0):
    if jnp.issubdtype(labels.dtype, jnp.floating):
        mean = jnp.mean(labels, axis=-1, keepdims=True)
        labels = (1 - label_smoothing) * labels + label_smoothing * mean
        return optax.softmax_cross_entropy(logits, labels)
    if label_smoothing == 0:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    one_hot = jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return optax.softmax_cross_entropy(logits, optax.smooth_labels(one_hot, label_smoothing))


def sigmoid_binary_cross_entropy(logits, labels):
    return optax.sigmoid_binary_cross_entropy(logits, labels)


def mean_squared_error(predictions, targets):
    return jnp.mean(optax.squared_error(predictions, targets))


PLAIN = Ops(*(globals()[name] for name in Ops._fields))
