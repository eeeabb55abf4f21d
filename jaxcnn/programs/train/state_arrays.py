"""A training state as arrays with names, as checkpoints have it."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.training import TrainState


def to_arrays(state: TrainState) -> dict[str, np.ndarray]:
    """Copies of all arrays of the state, by their paths in it. Of a random key it is
    the data."""
    leaves, _ = jax.tree.flatten_with_path(state)
    return {
        jax.tree_util.keystr(path): np.array(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
        for path, leaf in leaves
    }


def from_arrays(arrays: Mapping[str, np.ndarray], like: TrainState) -> TrainState:
    """The state that `to_arrays` took apart, with random keys of the kind that `like`
    has."""

    def one(path, leaf):
        array = arrays[jax.tree_util.keystr(path)]
        if _is_key(leaf):
            return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
        return array

    return jax.tree.map_with_path(one, like)


def _is_key(leaf: object) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key)
