"""What slips have in common: a message that names the argument."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import pytest

from jaxcnn import layers

KEY = jax.random.key(0)
X = jnp.ones((2, 8, 8, 1))


def refuses(call, name, message=""):
    """That the call raises ValueError, and that its message names the argument."""
    with pytest.raises(ValueError) as raised:
        call()
    text = str(raised.value)
    assert re.search(rf"\b{re.escape(name)}\b", text), text
    assert re.search(message, text), text


def applied_alone(ops):
    return layers.relu().apply({}, {}, X, ops=ops)


def applied_in_serial(ops):
    return layers.serial(layers.flatten()).apply({}, {}, X, ops=ops)
