"""What activations and their gradients are at kinks, far away, and where little is
left of them."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn.ops.activation as ops
from tests.ops._activations import ACTIVATIONS, naive_sigmoid
from tests.ops.naive_elementwise import erfc, twin


@pytest.mark.parametrize(
    ("operation", "x", "value", "gradient"),
    [
        pytest.param(ops.relu, 0.0, 0.0, 0.0, id="relu_at_0"),
        pytest.param(ops.relu, -0.0, 0.0, 0.0, id="relu_at_minus_0"),
        pytest.param(ops.relu, np.nan, np.nan, 1.0, id="relu_of_nan"),
        pytest.param(ops.relu, np.inf, np.inf, 1.0, id="relu_of_inf"),
        pytest.param(ops.relu, -np.inf, 0.0, 0.0, id="relu_of_minus_inf"),
        pytest.param(
            partial(ops.leaky_relu, negative_slope=0.25), 0.0, 0.0, 0.25, id="leaky_relu_at_0"
        ),
        pytest.param(
            partial(ops.leaky_relu, negative_slope=0.25),
            np.nan,
            np.nan,
            1.0,
            id="leaky_relu_of_nan",
        ),
        *(
            pytest.param(f, np.nan, np.nan, np.nan, id=f"{f.__name__}_of_nan")
            for f in (ops.sigmoid, ops.tanh, ops.silu, ops.gelu)
        ),
        pytest.param(ops.sigmoid, 1000.0, 1.0, 0.0, id="sigmoid_saturated"),
        pytest.param(ops.sigmoid, -1000.0, 0.0, 0.0, id="sigmoid_saturated_below"),
        pytest.param(ops.tanh, -1000.0, -1.0, 0.0, id="tanh_saturated"),
        pytest.param(ops.silu, -1000.0, 0.0, 0.0, id="silu_far_below"),
        pytest.param(ops.silu, 1000.0, 1000.0, 1.0, id="silu_far_above"),
        pytest.param(ops.gelu, -1000.0, 0.0, 0.0, id="gelu_far_below"),
        pytest.param(
            partial(ops.gelu, approximate=False), 1000.0, 1000.0, 1.0, id="gelu_erf_far_above"
        ),
        pytest.param(
            partial(ops.leaky_relu, negative_slope=0.0),
            -np.inf,
            0.0,
            0.0,
            id="leaky_relu_without_slope",
        ),
        pytest.param(
            partial(ops.leaky_relu, negative_slope=1e6),
            0.0,
            0.0,
            1e6,
            id="leaky_relu_with_a_large_slope",
        ),
    ],
)
def test_conventions(operation, x, value, gradient):
    both = [jax.value_and_grad(f) for f in (operation, twin(operation))]
    for found in jax.jit(lambda x: [each(x) for each in both])(jnp.float32(x)):
        np.testing.assert_array_equal(found, (value, gradient))


# Of the value below and above, and of the gradient above; below that is 0.
LIMITS = {
    "sigmoid": (0, 1, 0),
    "tanh": (-1, 1, 0),
    **dict.fromkeys(("silu", "gelu_tanh", "gelu_erf"), (0, np.inf, 1)),
}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", LIMITS)
def test_far_away(name, dtype):
    """Squares, cubes and products overflow one after the other, but no infinity meets a
    0: value, gradient, second derivative."""
    below, above, slope = LIMITS[name]
    far = np.array([1e3, 1e4, np.inf] if dtype == "float16" else [1e3, 1e13, 1e20, 3e38, np.inf])
    x = jnp.asarray(np.concatenate([-far, far]), dtype)

    @jax.jit
    def derivatives(x):
        operation = ACTIVATIONS[name][0]
        explicit, by_jax = (jax.value_and_grad(f) for f in (operation, twin(operation)))
        return (
            jax.vmap(explicit)(x),
            jax.vmap(by_jax)(x),
            jax.vmap(jax.grad(lambda x: explicit(x)[1]))(x),
        )

    explicit, by_jax, second = derivatives(x)
    large = x[far.size :] if above == np.inf else np.full_like(far, above)
    for y, dx in (explicit, by_jax):
        np.testing.assert_array_equal(
            y, np.concatenate([np.full_like(far, below), np.asarray(large, np.float64)])
        )
        np.testing.assert_array_equal(dx, np.repeat([0, slope], far.size))
    np.testing.assert_array_equal(second, 0)


def _gelu_tanh_and_slope(x):
    u, du = (
        math.sqrt(2 / math.pi) * (x + 0.044715 * x**3),
        math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2),
    )
    return x * naive_sigmoid(2 * u), naive_sigmoid(2 * u) * (1 + x * naive_sigmoid(-2 * u) * 2 * du)


def _gelu_and_slope(x):
    distribution = erfc(-x / math.sqrt(2)) / 2
    return x * distribution, distribution + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


TAILS = {  # by how far from 0 there is something left in float32
    "sigmoid": (80, lambda x: (naive_sigmoid(x), naive_sigmoid(x) * naive_sigmoid(-x))),
    "tanh": (40, lambda x: (np.tanh(x), 1 / np.cosh(x) ** 2)),
    "silu": (80, lambda x: (x * naive_sigmoid(x), naive_sigmoid(x) * (1 + x * naive_sigmoid(-x)))),
    "gelu_tanh": (8, _gelu_tanh_and_slope),
    "gelu_erf": (10, _gelu_and_slope),
}


@pytest.mark.parametrize("name", TAILS)
def test_tails(name):
    """Value and gradient of each point to 2e-5 of themselves: what rounding an argument
    of that size does to its exponential."""
    reach, definition = TAILS[name]
    x = np.concatenate([np.linspace(-reach, -3, 12), np.linspace(3, reach, 12)]).astype(np.float32)
    y, vjp = jax.vjp(ACTIVATIONS[name][0], x)
    expected, slope = definition(x.astype(np.float64))
    np.testing.assert_allclose(y, expected, rtol=2e-5)
    np.testing.assert_allclose(vjp(jnp.ones_like(x))[0], slope, rtol=2e-5)
