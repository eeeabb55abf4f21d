"""Layers: pairs of pure functions that hold an operation's parameters and state.

A layer is `init(key, input_shape) -> (params, state)` and `apply(params, state, x, *, train, key) -> (y, new_state)`. Parameters
are what an optimiser changes, state is what a forward pass in training changes (the running statistics of a batch
normalisation); both are nested dicts, {} where there is nothing. `serial` and `residual` put layers together and return a layer
again. Whole networks are made of nothing else.

The functions of this file have the names of the operations that they wrap: use them as `layers.conv`. Images stand channels last,
(n, *space, c); `input_shape` is the whole shape, batch axis included. Each takes `ops`, which says whose derivatives are used:
`EXPLICIT`, `AUTODIFF`, or a selection of one's own. Parameters are drawn in JAX's default floating dtype, the x that `init`
assumes too; to compute in another one, cast both: `jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxcnn.ops import EXPLICIT, Ops
from jaxcnn.ops.conv_methods import ConvMethod
from jaxcnn.ops.norm import BatchNormState
from jaxcnn.window import Padding, per_axis

Initializer = Callable[..., Array]

# Normal with the variance 2 / fan_in, or 1 / fan_in, where fan_in is the product of all axes but the last: what one output sees.
HE_NORMAL: Initializer = jax.nn.initializers.he_normal()
LECUN_NORMAL: Initializer = jax.nn.initializers.lecun_normal()


class Layer(NamedTuple):
    """A pair of pure functions, and a name for the entries of a network and for messages.

    Attributes:
      name: what the layer is, "conv".
      init: (key, input_shape) -> (params, state).
      apply: (params, state, x, *, train=False, key=None) -> (y, new_state). `train` chooses between the two ways in which
        dropout and batch normalisation compute; `key` is for dropout, and needed by nothing else.

    A layer of one's own is a `Layer(...)` of two functions; one without parameters is `activation(function, name)`.
    """

    name: str
    init: Callable[..., tuple[dict, dict]]
    apply: Callable[..., tuple[Array, dict]]


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

    return Layer("conv", init, apply)


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
        jax.eval_shape(lambda x: ops.layer_norm(x, None, None, axes=axes), _abstract(input_shape))  # raises on axes not there
        shape = tuple(input_shape[axis] for axis in ((axes,) if isinstance(axes, int) else axes))
        return {"scale": jnp.ones(shape), "bias": jnp.zeros(shape)}, {}

    def apply(params, state, x, *, train=False, key=None):
        return ops.layer_norm(x, params["scale"], params["bias"], axes=axes, epsilon=epsilon), state

    return Layer("layer_norm", init, apply)


# Layers without parameters.


def activation(function: Callable[[Array], Array], name: str = "activation") -> Layer:
    """A layer of any function of x that has no parameters.

    >>> y, state = activation(jnp.sin, "sin").apply({}, {}, jnp.zeros(3))
    >>> y.tolist(), state
    ([0.0, 0.0, 0.0], {})
    """

    def init(key, input_shape):
        return {}, {}

    def apply(params, state, x, *, train=False, key=None):
        return function(x), state

    return Layer(name, init, apply)


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
    return activation(partial(ops.max_pool, size=size, **options), "max_pool")


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
    return activation(partial(ops.avg_pool, size=size, count_include_pad=count_include_pad, **options), "avg_pool")


def global_max_pool(*, ops: Ops = EXPLICIT) -> Layer:
    """The maximum over all of space, (n, *space, c) -> (n, c).

    >>> global_max_pool().apply({}, {}, jnp.ones((5, 8, 8, 3)))[0].shape
    (5, 3)
    """
    return activation(ops.global_max_pool, "global_max_pool")


def global_avg_pool(*, ops: Ops = EXPLICIT) -> Layer:
    """The mean over all of space, (n, *space, c) -> (n, c).

    >>> global_avg_pool().apply({}, {}, jnp.ones((5, 8, 8, 3)))[0].shape
    (5, 3)
    """
    return activation(ops.global_avg_pool, "global_avg_pool")


def flatten() -> Layer:
    """All axes but the batch in one, (n, ...) -> (n, c).

    >>> flatten().apply({}, {}, jnp.ones((5, 2, 2, 3)))[0].shape
    (5, 12)
    """
    return activation(lambda x: x.reshape(x.shape[0], math.prod(x.shape[1:])), "flatten")


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


# Combinators.


def serial(*layers: Layer) -> Layer:
    """The layers one after another.

    The entries of params and state are called f"{index}_{name}"; layers that have none have no entry. Each layer gets a key of
    its own. `init` finds the shape that each layer is given by evaluating those before it abstractly, with an x in the default
    floating dtype, so a layer that does not fit raises there. An exception carries a note that names the layer it came from.

    >>> model = serial(conv(8, 3), relu(), max_pool(2), flatten(), dense(10))
    >>> params, state = model.init(jax.random.key(0), (1, 28, 28, 1))
    >>> jax.tree.map(jnp.shape, params)
    {'0_conv': {'b': (8,), 'w': (3, 3, 1, 8)}, '4_dense': {'b': (10,), 'w': (1568, 10)}}
    >>> model.apply(params, state, jnp.ones((5, 28, 28, 1)))[0].shape
    (5, 10)
    """
    entries = {f"{index}_{layer.name}": layer for index, layer in enumerate(layers)}

    def init(key, input_shape):
        params, state = {}, {}
        x = _abstract(input_shape)
        for index, (entry, layer) in enumerate(entries.items()):
            x, params[entry], state[entry] = _init_entry(entry, layer, _fold(key, index), x)
        return _without_empty(params), _without_empty(state)

    def apply(params, state, x, *, train=False, key=None):
        new_state = {}
        for index, (entry, layer) in enumerate(entries.items()):
            x, new_state[entry] = _apply_entry(entry, layer, params, state, x, train=train, key=_fold(key, index))
        return x, _without_empty(new_state)

    return Layer("serial", init, apply)


def residual(inner: Layer, shortcut: Layer | None = None) -> Layer:
    """inner(x) + shortcut(x) (He et al. 2016); the shortcut is x itself, or a layer such as `conv(features, 1, stride=2)`.

    Both must give one shape: nothing is broadcast. The entries of params and state are "inner" and "shortcut".

    >>> block = residual(serial(conv(3, 3), relu(), conv(3, 3)))
    >>> params, state = block.init(jax.random.key(0), (1, 8, 8, 3))
    >>> block.apply(params, state, jnp.ones((5, 8, 8, 3)))[0].shape
    (5, 8, 8, 3)
    """
    entries = {"inner": inner, "shortcut": identity() if shortcut is None else shortcut}

    def init(key, input_shape):
        params, state, outputs = {}, {}, []
        x = _abstract(input_shape)
        for index, (entry, layer) in enumerate(entries.items()):
            y, params[entry], state[entry] = _init_entry(entry, layer, _fold(key, index), x)
            outputs.append(y)
        jax.eval_shape(_add, *outputs)
        return _without_empty(params), _without_empty(state)

    def apply(params, state, x, *, train=False, key=None):
        new_state, outputs = {}, []
        for index, (entry, layer) in enumerate(entries.items()):
            y, new_state[entry] = _apply_entry(entry, layer, params, state, x, train=train, key=_fold(key, index))
            outputs.append(y)
        return _add(*outputs), _without_empty(new_state)

    return Layer("residual", init, apply)


def _add(inner: Array, shortcut: Array) -> Array:
    if inner.shape != shortcut.shape:
        raise ValueError(
            f"residual adds what inner and shortcut give, got shapes {inner.shape} and {shortcut.shape}: "
            "shortcut=conv(features, 1, stride=...) makes them one"
        )
    return inner + shortcut


def _abstract(shape: Sequence[int]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(tuple(shape), jnp.result_type(float))


def _fold(key: Array | None, index: int) -> Array | None:
    return None if key is None else jax.random.fold_in(key, index)


def _without_empty(entries: dict[str, dict]) -> dict[str, dict]:
    return {entry: value for entry, value in entries.items() if value}


def _init_entry(entry: str, layer: Layer, key: Array | None, x: jax.ShapeDtypeStruct) -> tuple[jax.ShapeDtypeStruct, dict, dict]:
    """The layer's abstract y for x, its params and its state."""
    with _noted(entry, x.shape):
        params, state = layer.init(key, x.shape)
        y, _ = jax.eval_shape(layer.apply, params, state, x)
    return y, params, state


def _apply_entry(entry: str, layer: Layer, params: dict, state: dict, x: Array, *, train: bool, key: Array | None):
    """The layer's y and new state, with its own part of the network's params and state."""
    with _noted(entry, jnp.shape(x)):
        return layer.apply(params.get(entry, {}), state.get(entry, {}), x, train=train, key=key)


@contextmanager
def _noted(entry: str, x_shape: tuple[int, ...]) -> Iterator[None]:
    """Whatever is raised inside says which layer raised it; from nested layers, the innermost first."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in layer {entry!r}, given x of shape {x_shape}")
        raise
