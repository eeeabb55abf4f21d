"""Layers that change the shape of x or return it unchanged, and dropout."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxcnn.layers._arguments import as_rate
from jaxcnn.layers._functions import all_of, layer_of
from jaxcnn.layers.calling import checked
from jaxcnn.layers.layer import Layer
from jaxcnn.ops._arrays import as_array


def flatten() -> Layer:
    """All axes but the batch become one, (n, ...) -> (n, c).

    >>> flatten().apply({}, {}, jnp.ones((5, 2, 2, 3)))[0].shape
    (5, 12)
    """
    return layer_of("flatten", lambda ops, x: _flatten(x), all_of)


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
    return layer_of("identity", lambda ops, x: as_array("x", x))


def dropout(rate: float) -> Layer:
    """In training, sets each value to 0 with probability `rate` and divides the others
    by 1 - rate. Otherwise returns x.

    `apply` raises ValueError in training without a key.

    >>> import jax
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
