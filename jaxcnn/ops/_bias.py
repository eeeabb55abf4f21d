"""The bias, which convolution and the dense layer add to their product.

y[n, j, o] = z[n, j, o] + b[o]
db[o]      = sum_{n, j} dy[n, j, o]        over the batch and over space
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxcnn.ops._arrays import as_array, at_least_float32, check_floating
from jaxcnn.ops._sharding import align_varying, cotangent_like


def bias_grad(dy: Array) -> Array:
    """In float32 for 16-bit floats."""
    return jnp.sum(at_least_float32(dy), axis=tuple(range(dy.ndim - 1)))


def _add_bias_definition(z: Array, b: Array) -> Array:
    return z + b.astype(z.dtype).reshape((1,) * (z.ndim - 1) + b.shape)


_add_bias = jax.custom_vjp(_add_bias_definition)


def _add_bias_fwd(z: Array, b: Array):
    return _add_bias_definition(z, b), b  # b is kept only for its dtype and sharding


def _add_bias_bwd(b: Array, dy: Array):
    return dy, cotangent_like(bias_grad(dy), b)


_add_bias.defvjp(_add_bias_fwd, _add_bias_bwd)


def add_bias(z: Array, b: ArrayLike | None, *, by_autodiff: bool) -> Array:
    """z + b over the last axis, with its rule or, for `by_autodiff`, without."""
    if b is None:
        return z
    b = as_array("b", b)
    if b.shape != z.shape[-1:]:
        raise ValueError(
            f"b must have one value per output channel, shape {z.shape[-1:]}, got {b.shape}"
        )
    check_floating("b", b)
    z, b = align_varying(z, b)
    return (_add_bias_definition if by_autodiff else _add_bias)(z, b)
