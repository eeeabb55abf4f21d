"""Dropout: each element is set to 0 with probability `rate`, and what is kept is
divided by 1 - rate.

Definition
    With keep[i] independent, true with probability 1 - rate,

        y[i] = x[i] / (1 - rate) if keep[i], else 0                                  (1)

    so that the mean of y over the masks is x, and inference needs no factor ("inverted"
    dropout; Srivastava et al. 2014 scale at inference instead).

Derivation
    Given the mask, y is linear in x and diagonal, hence its own adjoint:

        dx[i] = dy[i] / (1 - rate) if keep[i], else 0                                (2)

Conventions
    The mask is drawn before the operation with the rule and is its residual, 1 byte per
    element. Drawing it again from the key would save that byte, but the random bits
    cost more than the rest of the operation. A dropped element is 0 even if x or dy is
    infinite or NaN there. 16-bit floats are divided in float32, because 1 - rate
    rounded to 16 bits would bias every element in the same direction.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from jaxcnn.arguments import as_flag, as_number, described
from jaxcnn.ops._arrays import as_array, at_least_float32, check_floating
from jaxcnn.ops._operation import operation
from jaxcnn.ops._sharding import align_varying, sharding_of


def _dropout_definition(
    x: Float[Array, "*s"], keep: Bool[Array, "*s"], rate: float
) -> Float[Array, "*s"]:
    scaled = (at_least_float32(x) / (1 - rate)).astype(x.dtype)
    return jnp.where(keep, scaled, jnp.zeros_like(scaled))  # (1)


def _dropout_fwd(x: Float[Array, "*s"], keep: Bool[Array, "*s"], rate: float):
    return _dropout_definition(x, keep, rate), keep


def _dropout_bwd(rate: float, keep: Bool[Array, "*s"], dy: Float[Array, "*s"]):
    return _dropout_definition(
        dy, keep, rate
    ), None  # (2): dx is dy through the same mask and factor


_dropout = jax.custom_vjp(_dropout_definition, nondiff_argnums=(2,))
_dropout.defvjp(_dropout_fwd, _dropout_bwd)


@operation
def dropout(
    by_autodiff: bool,
    x: ArrayLike,
    key: ArrayLike | None,
    *,
    rate: float,
    train: bool = True,
) -> Array:
    """Sets elements of x to 0 with probability `rate`, and divides the others by 1 -
    rate.

    Args:
      x: an array of any shape.
      key: a JAX random key; one key, one mask. May be None where nothing is dropped
        (`train=False` or `rate=0`).
      rate: the probability to DROP an element, in [0, 1), static.
      train: False returns x unchanged, static.

    Returns:
      An array of x's shape and dtype.

    Raises:
      ValueError: on a rate outside [0, 1), if a key is needed and missing, or if `key`
        is not a single key.

    Inside `jax.shard_map` equal keys give equal masks on every shard: fold the shard's
    index into the key, `jax.random.fold_in(key, jax.lax.axis_index("data"))`. Under
    `jax.vmap` over x alone every example gets the same mask.

    >>> y = dropout(jnp.ones(1000), jax.random.key(0), rate=0.2)
    >>> sorted(set(y.tolist())), bool(jnp.abs((y == 0).mean() - 0.2) < 0.05)
    ([0.0, 1.25], True)
    """
    x = as_array("x", x)
    check_floating("x", x)
    train = as_flag("train", train)
    rate = as_number("rate", rate, "the probability to drop an element, a number in [0, 1)")
    if not 0 <= rate < 1:
        hint = "; to drop everything is to multiply by 0" if rate == 1 else ""
        raise ValueError(
            f"rate is the probability to drop an element and must be in [0, 1), got {rate}{hint}"
        )
    if not train or rate == 0:
        return x
    if key is None:
        raise ValueError(
            "key must be a JAX random key when train=True and rate > 0, got None: pass one, or"
            " train=False"
        )
    _check_key(key)
    # A float32 probability: a Python float would draw 64 random bits per element where
    # 64-bit types are enabled.
    keep = jax.random.bernoulli(key, np.float32(1 - rate), x.shape, out_sharding=sharding_of(x))
    x, keep = align_varying(x, keep)
    return (_dropout_definition if by_autodiff else _dropout)(x, keep, rate)


def _check_key(key: Any) -> None:
    """One key: of the new kind, a scalar; or of the old one, the integers of the
    default generator."""
    if isinstance(key, int | float | np.number) and not isinstance(key, bool):
        raise ValueError(
            f"key must be a JAX random key, got {key}: is it a seed? pass jax.random.key({key})"
        )
    if hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        shape = key.shape
    else:
        try:
            shape = jax.eval_shape(jax.random.wrap_key_data, key).shape
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"key must be a JAX random key, got {described(key)}: pass jax.random.key(seed)"
            ) from error
    if shape != ():
        raise ValueError(
            f"key must be a single JAX random key, got keys of shape {shape}: index them, or"
            " `jax.vmap` over them"
        )
