"""The type of a cotangent on a mesh. Under shard_map a value varies over some mesh
axes; on an Explicit mesh its type carries a sharding."""

from __future__ import annotations

import math

import jax
from jax import Array, lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxcnn.sizes import is_known


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
    """Number of devices the compiler may still split these arrays over, read from the
    mesh in their types. Axes that `shard_map` has split already do not count."""
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


def divides(devices: int, n: int) -> bool:
    """Whether the images can be shared evenly. A symbolic number of images cannot."""
    return is_known(n) and n % devices == 0


def sharding_of(a: Array) -> NamedSharding | None:
    """The sharding in the type of `a` on an Explicit mesh, for `out_sharding`; None
    elsewhere.

    An array that was not placed on the mesh counts as replicated over it.
    """
    sharding = jax.typeof(a).sharding
    mesh = jax.sharding.get_abstract_mesh() if sharding.mesh.empty else sharding.mesh
    if mesh.empty or AxisType.Explicit not in mesh.axis_types:
        return None
    return NamedSharding(mesh, PartitionSpec(*[None] * a.ndim)) if sharding.mesh.empty else sharding


def cotangent_like(cotangent: Array, primal: Array) -> Array:
    """A cotangent with its primal's dtype and its primal's type on a mesh."""
    cotangent = varying_like(cotangent.astype(primal.dtype), primal)
    sharding = sharding_of(primal)
    if sharding is not None and jax.typeof(cotangent).sharding != sharding:
        cotangent = jax.sharding.reshard(cotangent, sharding)
    return cotangent
