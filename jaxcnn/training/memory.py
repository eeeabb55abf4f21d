"""The memory of a state. A step reuses it for the next state, so each array needs
memory of its own, and it can be used only once."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def check_alive(state: Any, cause: Exception | None = None) -> None:
    """Check that no array of the state has been donated already."""
    if any(array.is_deleted() for array in _arrays(state)):
        raise ValueError(
            "state must be the newest one: a step has taken the memory of this one. Go on with what"
            " the step returned, state, metrics = step(state, x, y), or keep a copy,"
            " jax.tree.map(jnp.copy, state)"
        ) from cause


def each_in_its_own(state: Any) -> Any:
    """The state, with copies of arrays that share the memory of an earlier one.
    Donating the same memory twice would be an error, or worse."""
    seen: set[Any] = set()

    def own(leaf: Any) -> Any:
        memory = _memory(leaf) if _is_concrete(leaf) else set()
        shared = not seen.isdisjoint(memory)
        seen.update(memory)
        return jnp.copy(leaf) if shared else leaf

    return jax.tree.map(own, state)


def _memory(array: Array) -> set[Any]:
    """The addresses of the array, one for each device."""
    if array.is_deleted() or array.size == 0:
        return set()
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    try:
        return {
            (shard.device, shard.data.unsafe_buffer_pointer()) for shard in array.addressable_shards
        }
    except (RuntimeError, NotImplementedError):  # a platform that does not tell
        return {id(array)}


def _arrays(tree: Any) -> list[Array]:
    return [leaf for leaf in jax.tree.leaves(tree) if _is_concrete(leaf)]


def _is_concrete(leaf: Any) -> bool:
    return isinstance(leaf, Array) and not isinstance(leaf, jax.core.Tracer)
