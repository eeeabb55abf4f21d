"""What functions of JAX see, one family of primitives after another: the derived sets
against NaN and against other numbers, at every input position."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn.seen import fields_of, verify
from tests._seen_cases import ALL, ORDERS, numbers


@pytest.mark.parametrize(("function", "shape"), ALL.values(), ids=ALL)
def test_the_sets_are_those_of_nan(function, shape):
    result = verify(function, jnp.zeros(shape))
    assert result.seen.notes == ()
    assert result.equal, result
    assert result.confirmed > 0
    assert result.tried == result.of == np.prod(shape[1:-1])


def any_order(x, w):
    """Space in the middle of nowhere: (w, c, n, h)."""
    return lax.conv_general_dilated(
        x, w, (2, 1), ((0, 1), (1, 0)), dimension_numbers=("WCNH", "IHOW", "HNWC")
    )


def test_space_in_any_order():
    w = numbers((2, 3, 1, 2))
    result = verify(any_order, jnp.zeros((5, 2, 1, 6)), w, axes=(3, 0), output_axes=(0, 2))
    assert result.equal, result
    assert result.seen.output_size == (3, 5)
    turned = fields_of(any_order, jnp.zeros((5, 2, 1, 6)), w, axes=(0, 3), output_axes=(2, 0))
    assert (turned.whole() == result.seen.whole().transpose(1, 0, 3, 2)).all()


@pytest.mark.parametrize(("function", "shape"), ORDERS.values(), ids=ORDERS)
def test_what_hides_nan_is_inside_the_sets(function, shape):
    result = verify(function, jnp.zeros(shape))
    assert result.seen.notes == ()
    assert result.holds, result
    assert result.confirmed > 0
