"""Layers of operations that have no parameters: activations, pools, dropout."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxcnn.arguments import as_flag, as_number, described
from jaxcnn.layers._arguments import (
    as_function,
    as_rate,
    check_fits,
    check_images,
    geometry,
)
from jaxcnn.layers.layer import Layer, checked, makes_layers
from jaxcnn.ops import Ops
from jaxcnn.ops._arrays import as_array
from jaxcnn.ops._pool_windows import pool_window
from jaxcnn.window import Padding, Window, make_window


def activation(
    function: Callable[[Array], Array],
    name: str = "activation",
    window: Callable[[tuple[int, ...]], Window] | None = None,
) -> Layer:
    """A layer of any function of x that has no parameters. One that mixes positions
    says how far by `window`, as in `Layer`.

    >>> y, state = activation(jnp.sin, "sin").apply({}, {}, jnp.zeros(3))
    >>> y.tolist(), state
    ([0.0, 0.0, 0.0], {})
    """
    if isinstance(function, Layer) or makes_layers(function):
        which = (
            f"the layer {function.name!r}"
            if isinstance(function, Layer)
            else f"{function.__name__}, which makes one"
        )
        raise ValueError(f"function must be a function of x, got {which}: a layer is not wrapped")
    function = as_function("function", function, "x -> y")
    if not _takes_x(function):
        raise ValueError(f"function must be a function of x alone, got {described(function)}")
    if not isinstance(name, str):
        raise ValueError(f"name must be a string, got {described(name)}")
    if window is not None:
        window = as_function("window", window, "spatial size -> Window")

    def given(x):
        y = function(x)
        leaves = jax.tree.leaves(y)
        if not leaves or not all(
            hasattr(leaf, "dtype") or isinstance(leaf, int | float | complex) for leaf in leaves
        ):
            raise ValueError(
                f"function must give an array, got {described(y)} from that of layer {name!r}"
            )
        return y

    return _layer(name, lambda ops, x: given(x), window)


def _takes_x(function: Callable[..., Any]) -> bool:
    """Whether one argument is what the function takes, as far as it tells."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _layer(
    name: str,
    function: Callable[[Ops, Array], Array],
    window: Callable[[tuple[int, ...]], Window] | None = None,
    check_shape: Callable[[tuple[int, ...]], None] | None = None,
) -> Layer:
    """A layer of a function (ops, x) -> y. `check_shape` is what `init` has against an
    input shape."""

    def init(key, input_shape):
        if check_shape is not None:
            check_shape(input_shape)
        return {}, {}

    def apply(params, state, x, *, train, key, ops):
        return function(ops, x), state

    return checked(name, init, apply, window)


def relu() -> Layer:
    """max(x, 0), elementwise.

    >>> relu().apply({}, {}, jnp.array([-1.0, 2.0]))[0].tolist()
    [0.0, 2.0]
    """
    return _layer("relu", lambda ops, x: ops.relu(x))


def leaky_relu(negative_slope: float = 0.01) -> Layer:
    """x where x > 0, `negative_slope` x elsewhere.

    >>> leaky_relu(0.5).apply({}, {}, jnp.array([-1.0, 2.0]))[0].tolist()
    [-0.5, 2.0]
    """
    slope = as_number("negative_slope", negative_slope)
    if not math.isfinite(slope):
        raise ValueError(f"negative_slope must be finite, got {slope}")
    return _layer("leaky_relu", lambda ops, x: ops.leaky_relu(x, negative_slope=slope))


def sigmoid() -> Layer:
    """1 / (1 + exp(-x)), elementwise.

    >>> sigmoid().apply({}, {}, jnp.zeros(1))[0].tolist()
    [0.5]
    """
    return _layer("sigmoid", lambda ops, x: ops.sigmoid(x))


def tanh() -> Layer:
    """The hyperbolic tangent, elementwise.

    >>> tanh().apply({}, {}, jnp.zeros(1))[0].tolist()
    [0.0]
    """
    return _layer("tanh", lambda ops, x: ops.tanh(x))


def silu() -> Layer:
    """x sigmoid(x), elementwise.

    >>> silu().apply({}, {}, jnp.zeros(1))[0].tolist()
    [0.0]
    """
    return _layer("silu", lambda ops, x: ops.silu(x))


def gelu(approximate: bool = True) -> Layer:
    """x Phi(x), elementwise, by default in its tanh approximation.

    >>> gelu().apply({}, {}, jnp.zeros(1))[0].tolist()
    [0.0]
    """
    approximate = as_flag("approximate", approximate)
    return _layer("gelu", lambda ops, x: ops.gelu(x, approximate=approximate))


def max_pool(
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Layer:
    """The maximum of each window, (n, *space, c) -> (n, *space', c). Arguments as in
    `jaxcnn.max_pool`; the stride is `size`.

    >>> max_pool(2).apply({}, {}, jnp.arange(4.0).reshape(1, 4, 1))[0].ravel().tolist()
    [1.0, 3.0]
    """
    return _pool("max_pool", size, stride, padding, dilation, ceil_mode)


def avg_pool(
    size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Layer:
    """The mean of each window, (n, *space, c) -> (n, *space', c). Arguments as in
    `jaxcnn.avg_pool`; the stride is `size`.

    >>> avg_pool(2).apply({}, {}, jnp.arange(4.0).reshape(1, 4, 1))[0].ravel().tolist()
    [0.5, 2.5]
    """
    counted = {"count_include_pad": as_flag("count_include_pad", count_include_pad)}
    return _pool("avg_pool", size, stride, padding, dilation, ceil_mode, **counted)


def _pool(
    name: str,
    size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: Padding,
    dilation: int | Sequence[int],
    ceil_mode: bool,
    **more: bool,
) -> Layer:
    ceil_mode = as_flag("ceil_mode", ceil_mode)
    step = size if stride is None else stride
    options = geometry(
        size=size, stride=step, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )
    taps = options.pop("size")

    def window(space):
        plain = pool_window(taps, space, **options)
        return plain.ceil(space) if ceil_mode else plain

    def check_shape(input_shape):
        check_images(input_shape)
        check_fits(window(input_shape[1:-1]), input_shape[1:-1])

    def pool(ops, x):
        return getattr(ops, name)(x, taps, **options, ceil_mode=ceil_mode, **more)

    return _layer(name, pool, window, check_shape)


def global_max_pool() -> Layer:
    """The maximum over all of space, (n, *space, c) -> (n, c).

    >>> global_max_pool().apply({}, {}, jnp.ones((5, 8, 8, 3)))[0].shape
    (5, 3)
    """
    return _layer("global_max_pool", lambda ops, x: ops.global_max_pool(x), _all_of, _check_space)


def global_avg_pool() -> Layer:
    """The mean over all of space, (n, *space, c) -> (n, c).

    >>> global_avg_pool().apply({}, {}, jnp.ones((5, 8, 8, 3)))[0].shape
    (5, 3)
    """
    return _layer("global_avg_pool", lambda ops, x: ops.global_avg_pool(x), _all_of, _check_space)


def flatten() -> Layer:
    """All axes but the batch in one, (n, ...) -> (n, c).

    >>> flatten().apply({}, {}, jnp.ones((5, 2, 2, 3)))[0].shape
    (5, 12)
    """
    return _layer("flatten", lambda ops, x: _flatten(x), _all_of)


def _flatten(x: ArrayLike) -> Array:
    x = as_array("x", x)
    if x.ndim == 0:
        raise ValueError("x must have a batch axis, got a scalar")
    return jnp.reshape(x, (x.shape[0], math.prod(x.shape[1:])))


def identity() -> Layer:
    """x itself.

    >>> identity().apply({}, {}, jnp.ones(2))[0].tolist()
    [1.0, 1.0]
    """
    return _layer("identity", lambda ops, x: as_array("x", x))


def dropout(rate: float) -> Layer:
    """In training sets each value to 0 with probability `rate` and divides the others
    by 1 - rate; else returns x.

    `apply` raises ValueError in training without a key.

    >>> x = jnp.ones(4)
    >>> dropout(0.5).apply({}, {}, x)[0].tolist()
    [1.0, 1.0, 1.0, 1.0]
    >>> y, _ = dropout(0.5).apply({}, {}, x, train=True, key=jax.random.key(0))
    >>> set(y.tolist()) <= {0.0, 2.0}
    True
    """
    rate = as_rate("rate", rate)

    def init(key, input_shape):
        return {}, {}

    def apply(params, state, x, *, train, key, ops):
        return ops.dropout(x, key, rate=rate, train=train), state

    return checked("dropout", init, apply)


def _all_of(space: tuple[int, ...]) -> Window:
    """One output that sees all of x."""
    return make_window(space, space)


def _check_space(input_shape: tuple[int, ...]) -> None:
    check_images(input_shape)
    if 0 in input_shape[1:-1]:
        raise ValueError(f"input_shape must have at least one position to pool, got {input_shape}")
