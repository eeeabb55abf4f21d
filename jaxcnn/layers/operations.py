"""One layer for each operation, with its parameters and state."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from jaxcnn.layers.layer import Layer, abstract_x
from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.ops.conv_methods import ConvMethod
from jaxcnn.ops.norm import BatchNormState
from jaxcnn.ops.pool import pool_window
from jaxcnn.window import Padding, Window, make_window, per_axis

Initializer = Callable[..., Array]

# Normal with the variance 2 / fan_in, or 1 / fan_in, where fan_in is the product of all axes but the last: what one output sees.
HE_NORMAL: Initializer = jax.nn.initializers.he_normal()
LECUN_NORMAL: Initializer = jax.nn.initializers.lecun_normal()


# Layers with parameters.


def conv(
    features: int,
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "same",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    bias: bool = True,
    kernel_init: Initializer = HE_NORMAL,
    method: ConvMethod | None = None,
    ops: Ops = EXPLICIT,
) -> Layer:
    """A convolution in 1, 2 or 3 dimensions, (n, *space, c) -> (n, *space', features).

    Args:
      features: the number of output channels.
      size: taps of the kernel; one int, or one per spatial axis.
      stride, padding, dilation, groups, method: as in `jaxcnn.conv`.
      bias: whether each output channel has a bias, which starts at 0.
      kernel_init: `(key, shape) -> array`. The default has the variance 2 / fan_in, for outputs that a relu follows (He et al.
        2015), where fan_in = taps * c / groups is the number of inputs of one output.

    Params: w, (*size, c / groups, features), and b, (features,).

    >>> layer = conv(8, 3, stride=2)
    >>> params, state = layer.init(jax.random.key(0), (1, 32, 32, 3))
    >>> params["w"].shape, params["b"].shape
    ((3, 3, 3, 8), (8,))
    >>> layer.apply(params, state, jnp.ones((5, 32, 32, 3)))[0].shape
    (5, 16, 16, 8)
    """

    def init(key, input_shape):
        *space, channels = input_shape[1:]
        if groups < 1 or channels % groups:
            raise ValueError(f"groups must divide the channels of x, got groups={groups} and {channels} channels")
        taps = per_axis("size", size, len(space))
        params = {"w": kernel_init(key, (*taps, channels // groups, features))}
        return (params | {"b": jnp.zeros(features)} if bias else params), {}

    def apply(params, state, x, *, train=False, key=None):
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "method": method}
        return ops.conv(x, params["w"], params.get("b"), **options), state

    def window(space):
        return make_window(per_axis("size", size, len(space)), space, stride=stride, padding=padding, dilation=dilation)

    return Layer("conv", init, apply, window)


def dense(
    features: int,
    *,
    bias: bool = True,
    kernel_init: Initializer = LECUN_NORMAL,
    ops: Ops = EXPLICIT,
) -> Layer:
    """An affine map of the last axis, (..., c) -> (..., features).

    Args:
      features: the number of outputs.
      bias: whether each output has a bias, which starts at 0.
      kernel_init: `(key, shape) -> array`. The default has the variance 1 / c, which keeps that of the input; before a relu
        `HE_NORMAL` does.

    Params: w, (c, features), and b, (features,).

    >>> layer = dense(10)
    >>> params, state = layer.init(jax.random.key(0), (1, 84))
    >>> layer.apply(params, state, jnp.ones((5, 84)))[0].shape
    (5, 10)
    """

    def init(key, input_shape):
        params = {"w": kernel_init(key, (input_shape[-1], features))}
        return (params | {"b": jnp.zeros(features)} if bias else params), {}

    def apply(params, state, x, *, train=False, key=None):
        return ops.dense(x, params["w"], params.get("b")), state

    return Layer("dense", init, apply)


def batch_norm(*, momentum: float = 0.9, epsilon: float = 1e-5, ops: Ops = EXPLICIT) -> Layer:
    """Batch normalisation of each channel, (n, *space, c) -> the same shape; see `jaxcnn.batch_norm`.

    In training it normalises with the statistics of the batch and moves the running ones; else with the running ones.

    Params: scale and bias, (c,). State: mean and var, (c,).

    >>> layer = batch_norm()
    >>> params, state = layer.init(jax.random.key(0), (1, 8, 8, 3))
    >>> y, state = layer.apply(params, state, jnp.ones((5, 8, 8, 3)), train=True)
    >>> bool(jnp.all(y == 0)), sorted(state)
    (True, ['mean', 'var'])
    """

    def init(key, input_shape):
        channels = input_shape[-1]
        params = {"scale": jnp.ones(channels), "bias": jnp.zeros(channels)}
        return params, {"mean": jnp.zeros(channels), "var": jnp.ones(channels)}

    def apply(params, state, x, *, train=False, key=None):
        statistics = BatchNormState(state["mean"], state["var"])
        options = {"train": train, "momentum": momentum, "epsilon": epsilon}
        y, statistics = ops.batch_norm(x, params["scale"], params["bias"], statistics, **options)
        return y, {"mean": statistics.mean, "var": statistics.var}

    return Layer("batch_norm", init, apply)


def layer_norm(*, axes: int | tuple[int, ...] = -1, epsilon: float = 1e-5, ops: Ops = EXPLICIT) -> Layer:
    """Layer normalisation of each example over `axes`, keeping the shape; see `jaxcnn.layer_norm`.

    Params: scale and bias, of the shape of x along `axes`.

    >>> layer = layer_norm()
    >>> params, state = layer.init(jax.random.key(0), (1, 8))
    >>> layer.apply(params, state, jnp.ones((5, 8)))[0].shape
    (5, 8)
    """

    def init(key, input_shape):
        jax.eval_shape(lambda x: ops.layer_norm(x, None, None, axes=axes), abstract_x(input_shape))  # raises on axes not there
        shape = tuple(input_shape[axis] for axis in ((axes,) if isinstance(axes, int) else axes))
        return {"scale": jnp.ones(shape), "bias": jnp.zeros(shape)}, {}

    def apply(params, state, x, *, train=False, key=None):
        return ops.layer_norm(x, params["scale"], params["bias"], axes=axes, epsilon=epsilon), state

    def window(space):
        """From its first to its last position an output on a normalised axis sees all; on the others its own."""
        normalised = [axis % (len(space) + 2) - 1 for axis in ((axes,) if isinstance(axes, int) else axes)]
        reach = [n - 1 if axis in normalised else 0 for axis, n in enumerate(space)]
        return make_window([2 * r + 1 for r in reach], space, padding=reach)

    return Layer("layer_norm", init, apply, window)


# Layers without parameters.


def activation(
    function: Callable[[Array], Array], name: str = "activation", window: Callable[[tuple[int, ...]], Window] | None = None
) -> Layer:
    """A layer of any function of x that has no parameters. One that mixes positions says how far by `window`, as in `Layer`.

    >>> y, state = activation(jnp.sin, "sin").apply({}, {}, jnp.zeros(3))
    >>> y.tolist(), state
    ([0.0, 0.0, 0.0], {})
    """

    def init(key, input_shape):
        return {}, {}

    def apply(params, state, x, *, train=False, key=None):
        return function(x), state

    return Layer(name, init, apply, window)


def relu(*, ops: Ops = EXPLICIT) -> Layer:
    """max(x, 0), elementwise.

    >>> relu().apply({}, {}, jnp.array([-1.0, 2.0]))[0].tolist()
    [0.0, 2.0]
    """
    return activation(ops.relu, "relu")


def leaky_relu(negative_slope: float = 0.01, *, ops: Ops = EXPLICIT) -> Layer:
    """x where x > 0, `negative_slope` x elsewhere.

    >>> leaky_relu(0.5).apply({}, {}, jnp.array([-1.0, 2.0]))[0].tolist()
    [-0.5, 2.0]
    """
    return activation(partial(ops.leaky_relu, negative_slope=negative_slope), "leaky_relu")


def sigmoid(*, ops: Ops = EXPLICIT) -> Layer:
    """1 / (1 + exp(-x)), elementwise.

    >>> sigmoid().apply({}, {}, jnp.zeros(1))[0].tolist()
    [0.5]
    """
    return activation(ops.sigmoid, "sigmoid")


def tanh(*, ops: Ops = EXPLICIT) -> Layer:
    """The hyperbolic tangent, elementwise.

    >>> tanh().apply({}, {}, jnp.zeros(1))[0].tolist()
    [0.0]
    """
    return activation(ops.tanh, "tanh")


def silu(*, ops: Ops = EXPLICIT) -> Layer:
    """x sigmoid(x), elementwise.

    >>> silu().apply({}, {}, jnp.zeros(1))[0].tolist()
    [0.0]
    """
    return activation(ops.silu, "silu")


def gelu(approximate: bool = True, *, ops: Ops = EXPLICIT) -> Layer:
    """x Phi(x), elementwise, by default in its tanh approximation.

    >>> gelu().apply({}, {}, jnp.zeros(1))[0].tolist()
    [0.0]
    """
    return activation(partial(ops.gelu, approximate=approximate), "gelu")


def max_pool(
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    ops: Ops = EXPLICIT,
) -> Layer:
    """The maximum of each window, (n, *space, c) -> (n, *space', c). Arguments as in `jaxcnn.max_pool`; the stride is `size`.

    >>> max_pool(2).apply({}, {}, jnp.arange(4.0).reshape(1, 4, 1))[0].ravel().tolist()
    [1.0, 3.0]
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    return activation(partial(ops.max_pool, size=size, **options), "max_pool", _pool_window(size=size, **options))


def avg_pool(
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    ops: Ops = EXPLICIT,
) -> Layer:
    """The mean of each window, (n, *space, c) -> (n, *space', c). Arguments as in `jaxcnn.avg_pool`; the stride is `size`.

    >>> avg_pool(2).apply({}, {}, jnp.arange(4.0).reshape(1, 4, 1))[0].ravel().tolist()
    [0.5, 2.5]
    """
    options = {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    function = partial(ops.avg_pool, size=size, count_include_pad=count_include_pad, **options)
    return activation(function, "avg_pool", _pool_window(size=size, **options))


def global_max_pool(*, ops: Ops = EXPLICIT) -> Layer:
    """The maximum over all of space, (n, *space, c) -> (n, c).

    >>> global_max_pool().apply({}, {}, jnp.ones((5, 8, 8, 3)))[0].shape
    (5, 3)
    """
    return activation(ops.global_max_pool, "global_max_pool", _all_of)


def global_avg_pool(*, ops: Ops = EXPLICIT) -> Layer:
    """The mean over all of space, (n, *space, c) -> (n, c).

    >>> global_avg_pool().apply({}, {}, jnp.ones((5, 8, 8, 3)))[0].shape
    (5, 3)
    """
    return activation(ops.global_avg_pool, "global_avg_pool", _all_of)


def flatten() -> Layer:
    """All axes but the batch in one, (n, ...) -> (n, c).

    >>> flatten().apply({}, {}, jnp.ones((5, 2, 2, 3)))[0].shape
    (5, 12)
    """
    return activation(lambda x: x.reshape(x.shape[0], math.prod(x.shape[1:])), "flatten", _all_of)


def identity() -> Layer:
    """x itself.

    >>> identity().apply({}, {}, jnp.ones(2))[0].tolist()
    [1.0, 1.0]
    """
    return activation(lambda x: x, "identity")


def dropout(rate: float, *, ops: Ops = EXPLICIT) -> Layer:
    """In training sets each value to 0 with probability `rate` and divides the others by 1 - rate; else returns x.

    `apply` raises ValueError in training without a key.

    >>> x = jnp.ones(4)
    >>> dropout(0.5).apply({}, {}, x)[0].tolist()
    [1.0, 1.0, 1.0, 1.0]
    >>> set(dropout(0.5).apply({}, {}, x, train=True, key=jax.random.key(0))[0].tolist()) <= {0.0, 2.0}
    True
    """

    def init(key, input_shape):
        return {}, {}

    def apply(params, state, x, *, train=False, key=None):
        return ops.dropout(x, key, rate=rate, train=train), state

    return Layer("dropout", init, apply)


# The windows of layers that mix positions.


def _pool_window(size, stride, padding, dilation, ceil_mode) -> Callable[[tuple[int, ...]], Window]:
    def window(space):
        plain = pool_window(size, space, stride=stride, padding=padding, dilation=dilation)
        return plain.ceil(space) if ceil_mode else plain

    return window


def _all_of(space: tuple[int, ...]) -> Window:
    """One output that sees all of x."""
    return make_window(space, space)
