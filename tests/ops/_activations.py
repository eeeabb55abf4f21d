"""Activations, and their definitions in NumPy."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import jaxcnn.ops.activation as ops
from tests.ops.naive_elementwise import erf


def naive_sigmoid(x):
    return 1 / (1 + np.exp(-x))


def naive_gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS: dict[str, tuple] = {
    "relu": (ops.relu, lambda x: np.maximum(x, 0)),
    "leaky_relu": (ops.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
    "leaky_relu_0.3": (
        partial(ops.leaky_relu, negative_slope=0.3),
        lambda x: np.where(x > 0, x, 0.3 * x),
    ),
    "sigmoid": (ops.sigmoid, naive_sigmoid),
    "tanh": (ops.tanh, np.tanh),
    "silu": (ops.silu, lambda x: x * naive_sigmoid(x)),
    "gelu_tanh": (ops.gelu, naive_gelu_tanh),
    "gelu_erf": (
        partial(ops.gelu, approximate=False),
        lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    ),
}


# Both sides of every bend, and no point within a difference step of a kink.
POINTS = np.array([[-8.0, -3.0, -1.3, -0.7, -0.2, -0.01], [0.02, 0.3, 0.9, 1.7, 3.5, 9.0]])
each_activation = pytest.mark.parametrize("name", ACTIVATIONS)
