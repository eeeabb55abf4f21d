"""Layers of activations, and of any function that has no parameters."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import jax
from jax import Array

from jaxcnn.arguments import as_flag, as_number, described
from jaxcnn.layers._arguments import as_function
from jaxcnn.layers._functions import layer_of
from jaxcnn.layers.layer import Layer, makes_layers
from jaxcnn.window import Window


def activation(
    function: Callable[[Array], Array],
    name: str = "activation",
    window: Callable[[tuple[int, ...]], Window] | None = None,
) -> Layer:
    """A layer of any function of x that has no parameters. If it mixes positions,
    `window` says over which distance, as in `Layer`.

    >>> import jax.numpy as jnp
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

    return layer_of(name, lambda ops, x: given(x), window)


def _takes_x(function: Callable[..., Any]) -> bool:
    """Whether the function takes one argument, as far as its signature says."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def relu() -> Layer:
    """max(x, 0), elementwise.

    >>> import jax.numpy as jnp
    >>> relu().apply({}, {}, jnp.array([-1.0, 2.0]))[0].tolist()
    [0.0, 2.0]
    """
    return layer_of("relu", lambda ops, x: ops.relu(x))


def leaky_relu(negative_slope: float = 0.01) -> Layer:
    """x where x > 0, `negative_slope` x elsewhere.

    >>> import jax.numpy as jnp
    >>> leaky_relu(0.5).apply({}, {}, jnp.array([-1.0, 2.0]))[0].tolist()
    [-0.5, 2.0]
    """
    slope = as_number("negative_slope", negative_slope)
    if not math.isfinite(slope):
        raise ValueError(f"negative_slope must be finite, got {slope}")
    return layer_of("leaky_relu", lambda ops, x: ops.leaky_relu(x, negative_slope=slope))


def sigmoid() -> Layer:
    """1 / (1 + exp(-x)), elementwise.

    >>> import jax.numpy as jnp
    >>> sigmoid().apply({}, {}, jnp.zeros(1))[0].tolist()
    [0.5]
    """
    return layer_of("sigmoid", lambda ops, x: ops.sigmoid(x))


def tanh() -> Layer:
    """The hyperbolic tangent, elementwise.

    >>> import jax.numpy as jnp
    >>> tanh().apply({}, {}, jnp.zeros(1))[0].tolist()
    [0.0]
    """
    return layer_of("tanh", lambda ops, x: ops.tanh(x))


def silu() -> Layer:
    """x sigmoid(x), elementwise.

    >>> import jax.numpy as jnp
    >>> silu().apply({}, {}, jnp.zeros(1))[0].tolist()
    [0.0]
    """
    return layer_of("silu", lambda ops, x: ops.silu(x))


def gelu(approximate: bool = True) -> Layer:
    """x Phi(x), elementwise, by default in its tanh approximation.

    >>> import jax.numpy as jnp
    >>> gelu().apply({}, {}, jnp.zeros(1))[0].tolist()
    [0.0]
    """
    approximate = as_flag("approximate", approximate)
    return layer_of("gelu", lambda ops, x: ops.gelu(x, approximate=approximate))
