"""Wrong arguments of activations: a ValueError that names them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn.ops.activation as ops
from tests.ops._activations import ACTIVATIONS, each_activation


@pytest.mark.parametrize(
    ("x", "message"),
    [
        pytest.param(
            np.arange(3),
            r"x must have a floating dtype, got int32: convert it, x.astype",
            id="integers",
        ),
        pytest.param(True, "x must have a floating dtype, got bool", id="flag"),
        pytest.param(1j, "x must have a floating dtype, got complex64", id="complex"),
        pytest.param(jax.random.key(0), "x must have a floating dtype, got key", id="key"),
        pytest.param("three", "x must be an array, got str", id="string"),
        pytest.param(None, "x must be an array, got None", id="none"),
        pytest.param([[1.0], [1.0, 2.0]], "x must be an array, got list", id="ragged"),
        pytest.param(
            jax.ShapeDtypeStruct((3,), "float32"),
            "x must be an array, got ShapeDtypeStruct",
            id="shape",
        ),
    ],
)
@each_activation
def test_errors(name, x, message):
    with pytest.raises(ValueError, match=message):
        ACTIVATIONS[name][0](x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(
            lambda x: ops.gelu(x, "tanh"),
            r"approximate must be True \(PyTorch's 'tanh'\) or False",
            id="gelu_word",
        ),
        pytest.param(
            lambda x: ops.gelu(x, approximate=1),
            "approximate must be True or False, got 1",
            id="gelu_number",
        ),
        pytest.param(
            lambda x: ops.gelu(x, x > 0),
            "approximate must be True or False, got an array of bool",
            id="gelu_array",
        ),
        pytest.param(
            lambda x: ops.leaky_relu(x, "0.1"),
            "negative_slope must be a finite number, static, got '0.1'",
            id="slope_word",
        ),
        pytest.param(
            lambda x: ops.leaky_relu(x, None),
            "negative_slope must be a finite number, .* got None",
            id="slope_none",
        ),
        pytest.param(
            lambda x: ops.leaky_relu(x, True),
            "negative_slope must be a finite number, .* got True",
            id="slope_flag",
        ),
        pytest.param(
            lambda x: ops.leaky_relu(x, np.nan),
            "negative_slope must be a finite number, .* got nan",
            id="slope_nan",
        ),
        pytest.param(
            lambda x: ops.leaky_relu(x, np.inf),
            "negative_slope must be finite, got inf",
            id="slope_infinite",
        ),
        pytest.param(
            lambda x: ops.leaky_relu(x, x),
            "negative_slope must be .* got an array of float32",
            id="slope_array",
        ),
        pytest.param(
            lambda x: jax.jit(ops.leaky_relu)(x, 0.1),
            "negative_slope must be .*, static, got an array",
            id="slope_traced",
        ),
    ],
)
def test_wrong_options(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones(3, np.float32))


def test_options_of_numpy():
    x = jnp.array([-1.0, 2.0])
    assert (
        ops.leaky_relu(x, np.float16(0.5)).tolist()
        == ops.leaky_relu(x, jnp.array(0.5)).tolist()
        == [-0.5, 2]
    )
    np.testing.assert_array_equal(ops.gelu(x, np.False_), ops.gelu(x, False))
