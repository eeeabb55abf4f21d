"""Checks of the arrays and dtypes that a person passes. `jaxcnn.arguments` checks the
static arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxcnn.arguments import described


def as_array(name: str, value: ArrayLike) -> Array:
    if value is not None:
        try:
            return jnp.asarray(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{name} must be an array, got {type(value).__name__}") from error
    raise ValueError(f"{name} must be an array, got None")


def check_image(name: str, x: Array) -> int:
    """The number of spatial axes of an image batch (n, *space, c)."""
    axes = x.ndim - 2
    if axes not in (1, 2, 3):
        hint = "; is the batch axis missing? x[None] adds it" if axes == 0 else ""
        raise ValueError(
            f"{name} must have a batch, a channel and 1 to 3 spatial axes, got shape"
            f" {x.shape}{hint}"
        )
    return axes


def check_floating(name: str, x: Array) -> None:
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"{name} must have a floating dtype, got {x.dtype}: convert it,"
            f" {name}.astype(jnp.float32)"
        )


def as_precision(value: Any) -> lax.PrecisionLike:
    """A precision of lax's, hashable so that it can be a static argument: a list of two
    becomes a tuple."""
    value = tuple(value) if isinstance(value, list) else value
    both = value if isinstance(value, tuple) and len(value) == 2 else (value, value)
    if value is not None and not all(_is_precision(entry) for entry in both):
        raise ValueError(
            "precision must be None, 'default', 'high', 'highest', a jax.lax.Precision or"
            f" DotAlgorithm, or one for each operand, got {described(value)}"
        )
    return value


def _is_precision(value: Any) -> bool:
    if isinstance(value, lax.Precision | lax.DotAlgorithm | lax.DotAlgorithmPreset):
        return True
    try:
        return isinstance(value, str) and lax.Precision(value) is not None
    except ValueError:
        return value in lax.DotAlgorithmPreset.__members__


def as_dtype(name: str, value: Any) -> np.dtype | None:
    """A floating dtype, or None."""
    if value is None:
        return None
    try:
        dtype = jnp.dtype(value)
    except TypeError as error:
        raise ValueError(
            f"{name} must be a dtype, such as jnp.float32, or None, got {described(value)}"
        ) from error
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"{name} must be a floating dtype or None, got {dtype}")
    return dtype


def at_least_float32(x: Array) -> Array:
    """16-bit floats are widened, so that a sum is rounded only once."""
    return (
        x.astype(jnp.float32)
        if jnp.issubdtype(x.dtype, jnp.floating) and x.dtype.itemsize < 4
        else x
    )


def wider(a: Array, b: Array) -> np.dtype:
    """The wider of two floating dtypes, also where JAX's promotion is strict."""
    return max(a.dtype, b.dtype, key=lambda dtype: dtype.itemsize)


def of_one_dtype(a: Array, b: Array) -> tuple[Array, Array]:
    """Both in the wider dtype of the two, and at least in float32."""
    a, b = at_least_float32(a), at_least_float32(b)
    dtype = wider(a, b)
    return a.astype(dtype), b.astype(dtype)


def moved(move: Callable[..., Array], x: Array, *where: Array) -> Array:
    """`move(x, *where)`, which only puts numbers and zeros in other places, as the
    integers `where` say.

    On a CPU, XLA widens 16-bit floats to float32 for that and rounds the result back
    number by number. As integers they are copied.
    """
    is_narrow = jnp.issubdtype(x.dtype, jnp.floating) and x.dtype.itemsize == 2
    return _moved_as_bits(move, x, *where) if is_narrow else move(x, *where)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _moved_as_bits(move: Callable[..., Array], x: Array, *where: Array) -> Array:
    bits = lax.bitcast_convert_type(x, jnp.uint16)
    return lax.bitcast_convert_type(move(bits, *where), x.dtype)


@_moved_as_bits.defjvp
def _moved_tangent(move, primals, tangents):
    """To move is linear. The tangent moves as floats, which JAX can transpose."""
    return _moved_as_bits(move, *primals), move(tangents[0], *primals[1:])
