"""Two virtual CPU devices, for the tests of sharding; no silent promotion of dtypes;
what XLA compiles, kept from run to run."""

from __future__ import annotations

import jax
import pytest

from tests import compilation_cache

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
compilation_cache.use()


def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):  # once, not in each process of xdist
        compilation_cache.clean()


@pytest.fixture(scope="module")
def standard_promotion():
    """JAX's default, for a whole file: optax mixes dtypes, which the strict promotion
    of these tests refuses."""
    with jax.numpy_dtype_promotion("standard"):
        yield
