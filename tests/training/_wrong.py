"""A model, a batch and a state; and what a refusal says."""

from __future__ import annotations

import re

import jax
import jax.export
import numpy as np
import optax
import pytest

from jaxcnn import layers
from jaxcnn.training import TrainState, init_train_state

KEY = jax.random.key(0, impl="rbg")
MODEL = layers.serial(layers.flatten(), layers.dense(2))
SGD = optax.sgd(0.1)


X, Y = (
    np.linspace(0, 1, 2 * 3 * 3 * 1, dtype=np.float32).reshape(2, 3, 3, 1),
    np.array([0, 1], np.int32),
)


SHAPE = X.shape


def new_state(**options) -> TrainState:
    return init_train_state(MODEL, SGD, KEY, SHAPE, **options)


def refused(call, message):
    with pytest.raises(ValueError) as raised:
        call()
    assert re.match(message, str(raised.value)), str(raised.value)
