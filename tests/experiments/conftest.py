"""The programs run with JAX's default promotion of dtypes, as they do for a person."""

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def _standard_promotion():
    """Optax mixes dtypes, which the strict promotion of the other tests refuses."""
    with jax.numpy_dtype_promotion("standard"):
        yield
