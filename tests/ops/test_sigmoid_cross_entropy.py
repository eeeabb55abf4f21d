"""Sigmoid binary cross-entropy: its conventions and its precision."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.ops import EXPLICIT
from jaxcnn.ops.binary_cross_entropy import sigmoid_binary_cross_entropy
from tests.ops._losses import both
from tests.ops.naive_elementwise import random_like, value_and_gradients


@both
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_infinite_logits(dtype, ops):
    """A prediction without doubt costs nothing if it is right, and is infinitely wrong
    otherwise; the gradient is finite."""
    x = jnp.array([np.inf, np.inf, np.inf, -np.inf, -np.inf, -np.inf, np.nan], dtype)
    y = jnp.array([1.0, 0.0, 0.25, 0.0, 1.0, 0.25, 1.0], dtype)
    loss, (dx, dy) = value_and_gradients(ops.sigmoid_binary_cross_entropy, [x, y])
    np.testing.assert_array_equal(
        loss.astype(np.float64), [0, np.inf, np.inf, 0, np.inf, np.inf, np.nan]
    )
    cotangent = np.asarray(jnp.asarray(random_like(x), dtype), np.float64)
    np.testing.assert_allclose(
        dx.astype(np.float64) / cotangent, [0, 1, 0.75, 0, -1, -0.25, np.nan], rtol=2**-8
    )
    if ops is EXPLICIT:
        np.testing.assert_array_equal(dy.astype(np.float64), -np.asarray(x, np.float64))


def test_tails_of_the_sigmoid_loss():
    """All digits of a loss and a gradient that are small because the logit is large and
    right; none are lost near y = 1."""
    size = np.array([5.0, 10, 17, 20, 40, 80])
    x, y = np.concatenate([size, -size, [1000]]), np.concatenate([np.ones(6), np.zeros(6), [0.999]])
    x, y = x.astype(np.float32), y.astype(np.float32)
    loss, (dx, _) = value_and_gradients(sigmoid_binary_cross_entropy, [x, y])
    tail, left = np.exp(-size), 1000 * (1 - np.float64(y[-1]))
    np.testing.assert_allclose(
        loss, np.concatenate([np.log1p(tail), np.log1p(tail), [left]]), rtol=2e-6
    )
    expected = np.concatenate([-tail / (1 + tail), tail / (1 + tail), [left / 1000]])
    np.testing.assert_allclose(dx / random_like(x), expected, rtol=2e-6)


@both
def test_saturated_sigmoid(ops):
    x, y = jnp.array([200.0, 200.0, -200.0, -200.0, 0.0]), jnp.array([1.0, 0.0, 0.0, 1.0, 0.5])
    loss, (dx, dy) = value_and_gradients(ops.sigmoid_binary_cross_entropy, [x, y])
    np.testing.assert_allclose(loss, [0, 200, 0, 200, np.log(2)], rtol=1e-6)
    cotangent = random_like(x)
    np.testing.assert_allclose(dx / cotangent, [0, 1, 0, -1, 0], rtol=1e-6)
    np.testing.assert_allclose(dy / cotangent, -x, rtol=1e-6)


@both
def test_sigmoid_loss_at_0(ops):
    """1/2 - y, and 1/4, where max(x, 0) and |x| bend."""
    loss = partial(ops.sigmoid_binary_cross_entropy, labels=0.25)
    first, second = jax.jit(lambda x: (jax.grad(loss)(x), jax.grad(jax.grad(loss))(x)))(0.0)
    assert (float(first), float(second)) == (0.25, 0.25)


@pytest.mark.parametrize(
    "labels", [np.array([True, False]), np.array([1, 0], np.int8), np.array([1.0, 0.0], np.float16)]
)
def test_label_dtypes(labels):
    x = jnp.array([0.5, -2.0])
    loss, (dx,) = value_and_gradients(partial(sigmoid_binary_cross_entropy, labels=labels), [x])
    expected, (dx_expected,) = value_and_gradients(
        partial(sigmoid_binary_cross_entropy, labels=jnp.array([1.0, 0.0])), [x]
    )
    np.testing.assert_array_equal(loss, expected)
    np.testing.assert_array_equal(dx, dx_expected)
