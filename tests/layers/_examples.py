"""A key, and numbers to compute with."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

KEY = jax.random.key(0, impl="rbg")  # compiles several times faster than the default generator


def data(*shape, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)
