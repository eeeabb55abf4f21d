"""16-bit floats: what is counted, summed and divided is so in float32, and each result
is rounded once.

Against NumPy in float64, with more elements in every sum than float16 can count
(65,504), and the normalisations far from 0.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from tests.daily import daily
from tests.ops.naive_elementwise import erfc, normalised

M = 70_000
EPSILON = 1e-3
RNG = np.random.default_rng(0)


def normal(*shape, mean=0.0, deviation=1.0):
    return RNG.normal(mean, deviation, shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def elementwise(function, derivative):
    """The definition of an elementwise operation: value and gradient."""
    return lambda dy, x: (function(x), (dy * derivative(x),))


def gelu_tanh(x):
    return x * sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))


def gelu_tanh_slope(x):
    s = sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    return s + x * s * (1 - s) * 2 * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)


def batch_norm(x, scale, bias):
    state = jaxcnn.BatchNormState(jnp.zeros(2), jnp.ones(2))
    return jaxcnn.batch_norm(x, scale, bias, state, train=True, epsilon=EPSILON)[0]


def inference(x, scale, bias):
    """A variance beyond what float16 holds."""
    state = jaxcnn.BatchNormState(jnp.array([100.0, -1.0]), jnp.array([1e6, 1e-2]))
    return jaxcnn.batch_norm(x, scale, bias, state, train=False, epsilon=0.0)[0]


def naive_inference(dy, x, scale, bias):
    x_hat = (x - [100.0, -1.0]) / np.sqrt([1e6, 1e-2])
    return scale * x_hat + bias, (dy * scale / np.sqrt([1e6, 1e-2]), (dy * x_hat).sum(0), dy.sum(0))


def layer_norm_definition(dy, x, scale, bias):
    return normalised(x, scale[None], bias[None], dy, (1,), EPSILON)


def batch_norm_definition(dy, x, scale, bias):
    return normalised(x, scale[None], bias[None], dy, (0,), EPSILON)


def cross_entropy_definition(dy, z, smoothing=0.1, label=3):
    e = np.exp(z - z.max())
    p, q = e / e.sum(), np.full(z.shape, smoothing / z.size)
    q[label] += 1 - smoothing
    return -np.sum(q * np.log(p)), (dy * (p - q),)


def binary_definition(dy, x, y):
    return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x))), (dy * (sigmoid(x) - y), -dy * x)


def squared_definition(dy, p, t):
    slope = 2 * (p - t) / p.size * dy
    return np.mean((p - t) ** 2), (slope, -slope)


def dense_definition(dy, x, w, b):
    return x @ w + b, (dy @ w.T, x.T @ dy, dy.sum(0))


POINTS = np.linspace(-12.0, 12.0, M)
SMALL = 1e-3  # a cotangent of which M add up to what float16 can hold
ELEMENTWISE = {
    "relu": (jaxcnn.relu, lambda x: np.maximum(x, 0), lambda x: x > 0),
    "leaky_relu": (
        jaxcnn.leaky_relu,
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x: np.where(x > 0, 1, 0.01),
    ),
    "sigmoid": (jaxcnn.sigmoid, sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "tanh": (jaxcnn.tanh, np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "silu": (jaxcnn.silu, lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
    "gelu": (jaxcnn.gelu, gelu_tanh, gelu_tanh_slope),
    "gelu_erf": (
        partial(jaxcnn.gelu, approximate=False),
        lambda x: x * erfc(-x / np.sqrt(2)) / 2,
        lambda x: erfc(-x / np.sqrt(2)) / 2 + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
    ),
}
# Operation, definition(dy, *args), arguments, the size of the cotangent, and how many
# roundings there may be.
CASES = {
    **{
        name: (f, elementwise(*definition), [POINTS], 1, 1)
        for name, (f, *definition) in ELEMENTWISE.items()
    },
    "softmax_cross_entropy": (
        partial(jaxcnn.softmax_cross_entropy, labels=3, label_smoothing=0.1),
        cross_entropy_definition,
        [normal(M, mean=100)],
        1024,
        1,
    ),
    "sigmoid_binary_cross_entropy": (
        jaxcnn.sigmoid_binary_cross_entropy,
        binary_definition,
        [POINTS, RNG.integers(0, 2, M).astype(float)],
        1,
        1,
    ),
    "mean_squared_error": (
        jaxcnn.mean_squared_error,
        squared_definition,
        [normal(M, mean=100), normal(M, mean=100)],
        1024,
        1,
    ),
    "batch_norm_inference": (
        inference,
        naive_inference,
        [normal(M, 2), normal(2, deviation=1e-3), normal(2)],
        SMALL,
        1,
    ),
    "batch_norm": (
        batch_norm,
        batch_norm_definition,
        [normal(M, 2, mean=100, deviation=4), normal(2, mean=1), normal(2)],
        SMALL,
        1,
    ),
    "layer_norm": (
        partial(jaxcnn.layer_norm, epsilon=EPSILON),
        layer_norm_definition,
        [normal(2, M, mean=100, deviation=4), normal(M, mean=1), normal(M)],
        1,
        1,
    ),
    # The product is rounded before the bias is added.
    "dense_of_many_features": (
        jaxcnn.dense,
        dense_definition,
        [normal(2, M, mean=0.1), normal(M, 2), normal(2)],
        1,
        3,
    ),
    "dense_of_many_examples": (
        jaxcnn.dense,
        dense_definition,
        [normal(M, 2, mean=0.1), normal(2, 2), normal(2)],
        SMALL,
        3,
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", daily(["float16", "bfloat16"], {"float16"}))
def test_16_bits(case, dtype):
    operation, definition, args, size, roundings = CASES[case]
    args = [jnp.asarray(a, dtype) for a in args]
    dy = jnp.asarray(size * RNG.uniform(0.5, 1.5, jax.eval_shape(operation, *args).shape), dtype)

    @jax.jit
    def compute(dy, *args):
        y, vjp = jax.vjp(operation, *args)
        return y, vjp(dy)

    y, gradients = compute(dy, *args)
    value, expected = definition(*(np.asarray(a, np.float64) for a in (dy, *args)))
    names = ["value", *(f"gradient to argument {i}" for i in range(len(args)))]
    for name, actual, want in zip(names, (y, *gradients), (value, *expected), strict=True):
        assert actual.dtype == dtype
        assert_rounded(actual, want, roundings if name != "value" else min(roundings, 2), name)


def assert_rounded(actual, want, roundings: int, what: str) -> None:
    """Each element right but for some roundings of its own and, where there are
    several, of one of the usual size; what float32 computes may be off by 1e-5."""
    info = jnp.finfo(actual.dtype)
    actual = np.asarray(actual, np.float64)
    usual = np.sqrt(np.mean(want**2))
    allowed = float(info.eps) / 2 * (1.05 * roundings * np.abs(want) + (roundings - 1) * usual)
    allowed += 1e-5 * usual + float(info.smallest_subnormal)
    worst = np.argmax(np.abs(actual - want) / allowed)
    assert np.all(np.abs(actual - want) <= allowed), (
        f"{what}: {actual.flat[worst]}, expected {np.ravel(want)[worst]}"
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_dropout_in_16_bits(dtype):
    """The factor 1 / (1 - rate) is that of float64, rounded once, forward and backward;
    as many are dropped as in float32."""
    x = jnp.asarray(normal(M), dtype)
    key = jax.random.key(0, impl="rbg")

    @jax.jit
    def compute(x):
        y, vjp = jax.vjp(partial(jaxcnn.dropout, key=key, rate=0.1), x)
        return y, vjp(x)[0], jaxcnn.dropout(x.astype(jnp.float32), key, rate=0.1)

    y, dx, wide = compute(x)
    expected = np.where(np.asarray(wide) == 0, 0, np.asarray(x, np.float64) / 0.9)
    assert_rounded(y, expected, 1, "value")
    assert_rounded(dx, expected, 1, "gradient")


def test_statistics_of_more_elements_than_float16_counts():
    """In the dtype of the state that is given, float32 as a rule."""
    x = normal(M, 2, mean=200)
    old = jaxcnn.BatchNormState(jnp.zeros(2), jnp.ones(2))
    _, new = jax.jit(partial(jaxcnn.batch_norm, train=True, momentum=0.0))(
        jnp.asarray(x, jnp.float16), None, None, old
    )
    x = np.asarray(jnp.asarray(x, jnp.float16), np.float64)
    np.testing.assert_allclose(new.mean, x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(new.var, x.var(0), rtol=1e-5)
