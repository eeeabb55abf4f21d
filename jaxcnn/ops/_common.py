"""What several operations share at their border: layout, validation, and the dtype and
sharding of a cotangent.

Arrays are checked here, static arguments by `jaxcnn.arguments`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jax.typing import ArrayLike

from jaxcnn.arguments import described

P = ParamSpec("P")
R = TypeVar("R")

Layout = Literal["channels_last", "channels_first"]
LAYOUTS = ("channels_last", "channels_first")


# Layout. Inside, images are (n, *space, c) and kernels (*taps, c, o); outside they may
# be (n, c, *space) and (o, c, *taps).


def check_layout(layout: str) -> None:
    if not isinstance(layout, str) or layout not in LAYOUTS:
        raise ValueError(
            f"layout must be 'channels_last' or 'channels_first', got {described(layout)}"
        )


def image_to_channels_last(x: Array, layout: Layout) -> Array:
    return x if layout == "channels_last" else jnp.moveaxis(x, 1, -1)


def image_from_channels_last(x: Array, layout: Layout) -> Array:
    return x if layout == "channels_last" else jnp.moveaxis(x, -1, 1)


def kernel_to_channels_last(w: Array, layout: Layout) -> Array:
    return w if layout == "channels_last" else jnp.moveaxis(w, (0, 1), (-1, -2))


def kernel_from_channels_last(w: Array, layout: Layout) -> Array:
    return w if layout == "channels_last" else jnp.moveaxis(w, (-1, -2), (0, 1))


def shape_to_channels_last(
    shape: Sequence[int], layout: Layout, *, kernel: bool = False
) -> tuple[int, ...]:
    """The channels-last order of an image's shape, or a kernel's."""
    shape = tuple(shape)
    if layout == "channels_last":
        return shape
    first, second, *space = shape
    return (*space, second, first) if kernel else (first, *space, second)


# Validation.


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
    """A precision of lax's that can be a static argument: two of them may come as a
    list."""
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


def reverse_mode_only(operation: Callable[P, R]) -> Callable[P, R]:
    """A public operation whose rule is a `custom_vjp`: forward mode, called eagerly,
    raises an error that names the operation.

    Under `jit`, or in a `scan`, JAX finds out after the operation has returned, and
    then its own words are all there is.
    """

    @wraps(operation)
    def named(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return operation(*args, **kwargs)
        except TypeError as error:
            if "forward-mode" not in str(error):
                raise
            name = operation.__name__
            raise TypeError(
                f"{name} is differentiated by an explicit rule, for reverse mode (grad, vjp,"
                " jacrev) alone, not for forward-mode autodiff (jvp, jacfwd, linear_transpose):"
                " take the operation from jaxcnn.AUTODIFF for these"
            ) from error

    return named


# Dtypes.


def at_least_float32(x: Array) -> Array:
    """16-bit floats widened, so that a sum is rounded once."""
    return (
        x.astype(jnp.float32)
        if jnp.issubdtype(x.dtype, jnp.floating) and x.dtype.itemsize < 4
        else x
    )


# Sharding. Under shard_map a value varies over some mesh axes; on an Explicit mesh its
# type carries a sharding.


def align_varying(*arrays: Array) -> tuple[Array, ...]:
    """Cast every array to the mesh axes over which any of them varies, so that
    cotangents agree with their primals.

    The cast stands before the operation with the rule: its own transpose is the sum
    over the axes that were added.
    """
    return tuple(varying_like(a, *arrays) for a in arrays)


def varying_like(a: Array, *others: Array) -> Array:
    """`a`, varying over the mesh axes over which any of the others varies."""
    varying = frozenset().union(*(jax.typeof(other).manual_axis_type.varying for other in others))
    missing = tuple(sorted(varying - jax.typeof(a).manual_axis_type.varying))
    return lax.pcast(a, missing, to="varying") if missing else a


def devices_of(*arrays: Array) -> int:
    """Among how many devices the compiler may divide these arrays, as the mesh in their
    types tells; inside `shard_map` not those that it has divided them among already."""
    meshes = (jax.typeof(a).sharding.mesh for a in arrays)
    sizes = [
        math.prod(
            size
            for size, kind in zip(mesh.axis_sizes, mesh.axis_types, strict=True)
            if kind != AxisType.Manual
        )
        for mesh in meshes
        if not mesh.empty
    ]
    return max(sizes, default=1)


def sharding_of(a: Array) -> NamedSharding | None:
    """The sharding in the type of `a` on an Explicit mesh, None elsewhere: what
    `out_sharding` takes.

    An array that was not placed on the mesh counts as replicated over it.
    """
    sharding = jax.typeof(a).sharding
    mesh = jax.sharding.get_abstract_mesh() if sharding.mesh.empty else sharding.mesh
    if mesh.empty or AxisType.Explicit not in mesh.axis_types:
        return None
    return NamedSharding(mesh, PartitionSpec(*[None] * a.ndim)) if sharding.mesh.empty else sharding


def cotangent_like(cotangent: Array, primal: Array) -> Array:
    """A cotangent in its primal's dtype, and of its type on a mesh."""
    cotangent = varying_like(cotangent.astype(primal.dtype), primal)
    sharding = sharding_of(primal)
    if sharding is not None and jax.typeof(cotangent).sharding != sharding:
        cotangent = jax.sharding.reshard(cotangent, sharding)
    return cotangent


# Bias: y[n, j, o] = z[n, j, o] + b[o].  db[o] = sum_{n, j} dy[n, j, o]: over the batch
# and over space, for each channel.


def bias_grad(dy: Array) -> Array:
    """In float32 for 16-bit floats."""
    return jnp.sum(at_least_float32(dy), axis=tuple(range(dy.ndim - 1)))


def _add_bias_definition(z: Array, b: Array) -> Array:
    return z + b.astype(z.dtype).reshape((1,) * (z.ndim - 1) + b.shape)


_add_bias = jax.custom_vjp(_add_bias_definition)


def _add_bias_fwd(z: Array, b: Array):
    return _add_bias_definition(z, b), b  # b is kept for its dtype and sharding only


def _add_bias_bwd(b: Array, dy: Array):
    return dy, cotangent_like(bias_grad(dy), b)


_add_bias.defvjp(_add_bias_fwd, _add_bias_bwd)


def add_bias(z: Array, b: ArrayLike | None, *, autodiff: bool) -> Array:
    """z + b over the last axis, with its rule or, for `autodiff`, without."""
    if b is None:
        return z
    b = as_array("b", b)
    if b.shape != z.shape[-1:]:
        raise ValueError(
            f"b must have one value per output channel, shape {z.shape[-1:]}, got {b.shape}"
        )
    check_floating("b", b)
    z, b = align_varying(z, b)
    return (_add_bias_definition if autodiff else _add_bias)(z, b)
