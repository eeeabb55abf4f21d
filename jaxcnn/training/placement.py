"""Where the arrays of a training step lie: the state whole on every device, the batch
split over them. Nothing else changes on several devices, or in several processes.

A process sees all devices of a mesh and holds data on its own. An array is global: each
process holds the parts on its own devices. It is made from what each process has on its
host, without sending anything.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.typing import ArrayLike


def replicate(tree: Any, mesh: Mesh) -> Any:
    """The arrays of a tree, whole on every device of the mesh.

    They are copies. A step that donates them leaves the caller's alone.

    Args:
      tree: arrays of NumPy or JAX, numbers, and random keys, `jax.random.key(0)`; the
        state of `init_train_state`, for instance. If the mesh has devices of several
        processes, each of them must give the same values, which is not checked.
      mesh: the devices.

    Raises:
      ValueError: if `mesh` is no mesh, or if an array of JAX is spread over several
        processes and not whole in this one.

    >>> from jax.sharding import AxisType
    >>> mesh = jax.make_mesh((jax.device_count(),), ("batch",), (AxisType.Auto,))
    >>> placed = replicate({"w": np.ones(3), "key": jax.random.key(0)}, mesh)
    >>> placed["w"].is_fully_replicated, len(placed["w"].devices()) == mesh.size
    (True, True)
    """
    whole = NamedSharding(as_mesh(mesh), PartitionSpec())
    return jax.tree.map(lambda leaf: _whole(leaf, whole), tree)


def split_batch(array: ArrayLike, mesh: Mesh, axis: int = 0) -> Array:
    """One batch, a part of it on each device of the mesh, in the order of the mesh.

    Args:
      array: the rows of this process. In one process that is the whole batch. In
        several, process i of n has the i-th n-th of it, and the result is the whole
        batch, (n * rows, ...). The mesh must then have equally many devices of each
        process, those of process 0 first.
      mesh: the devices.
      axis: the axis of the batch; 1 for arrays (steps, batch, ...) of `scan_steps`.

    Raises:
      ValueError: if `mesh` is no mesh or has no device of this process, or if the
        devices do not divide the rows.

    >>> from jax.sharding import AxisType
    >>> mesh = jax.make_mesh((jax.device_count(),), ("batch",), (AxisType.Auto,))
    >>> x = split_batch(np.zeros((4 * mesh.size, 8, 8, 1), np.float32), mesh)
    >>> x.addressable_shards[0].data.shape
    (4, 8, 8, 1)
    """
    devices = len(as_mesh(mesh).local_devices)
    shape = np.shape(array)
    if not 0 <= axis < len(shape):
        raise ValueError(
            f"axis must be from 0 to {len(shape) - 1}, for an array of shape {shape}, got {axis}"
        )
    if not devices or shape[axis] % devices:
        raise ValueError(
            "the devices of this process must divide the rows of its batch, got"
            f" {shape[axis]} rows along axis {axis} of {shape}, for {devices} devices"
        )
    parts = NamedSharding(mesh, PartitionSpec(*(None,) * axis, mesh.axis_names))
    if parts.is_fully_addressable:
        return jax.device_put(array, parts)
    return jax.make_array_from_process_local_data(parts, np.asarray(array))


def own_copy(tree: Any) -> Any:
    """The arrays of a tree that `replicate` placed, on one device of this process
    alone: for computations in which other processes have no part."""

    def own(leaf: Any) -> Any:
        if not isinstance(leaf, Array):
            return leaf
        if _is_key(leaf):
            data = jax.random.key_data(leaf).addressable_data(0)
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
        return leaf.addressable_data(0)

    return jax.tree.map(own, tree)


def as_mesh(mesh: Mesh) -> Mesh:
    if not isinstance(mesh, Mesh) or not mesh.size:
        raise ValueError(
            "mesh must be a jax.sharding.Mesh of devices, as jax.make_mesh makes it, got"
            f" {type(mesh).__name__}"
        )
    return mesh


def _whole(leaf: Any, whole: NamedSharding) -> Array:
    if whole.is_fully_addressable:
        # `device_put(..., may_alias=False)` does not copy what is there already.
        return jax.device_put(jnp.copy(leaf) if isinstance(leaf, Array) else jnp.array(leaf), whole)
    if isinstance(leaf, Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        raise ValueError(
            f"replicate takes arrays that this process has whole, got one of shape {leaf.shape}"
            " that is split over several processes"
        )
    if _is_key(leaf):
        data = _whole(np.asarray(jax.random.key_data(leaf)), whole)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    host = np.asarray(leaf, jnp.result_type(leaf))
    return jax.make_array_from_callback(host.shape, whole, lambda index: host[index])


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
