"""The statistics of batch and layer normalisation: running ones, and those of sets far
from 0."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.ops import AUTODIFF, EXPLICIT
from jaxcnn.ops.batch_normalization import BatchNormState, batch_norm
from tests.ops._norms import EPSILON, data, norm, trained
from tests.ops.naive_elementwise import assert_close, normalised, random_like


@pytest.mark.parametrize("ops", [EXPLICIT, AUTODIFF], ids=["explicit", "autodiff"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_running_statistics(dtype, ops):
    """new = momentum old + (1 - momentum) batch, with the biased variance, in the dtype
    of the old ones."""
    x = np.asarray(data((4, 3, 2))[0], np.float32)
    old = BatchNormState(jnp.array([1.0, -1.0], dtype), jnp.array([2.0, 4.0], dtype))
    _, new = jax.jit(partial(ops.batch_norm, train=True, momentum=0.75))(x, None, None, old)
    assert isinstance(new, BatchNormState) and new.mean.dtype == new.var.dtype == dtype
    tolerance = 1e-6 if dtype == "float32" else 2**-8
    assert_close(new.mean, 0.75 * np.array([1, -1]) + 0.25 * x.mean((0, 1)), tolerance, "mean")
    assert_close(new.var, 0.75 * np.array([2, 4]) + 0.25 * x.var((0, 1)), tolerance, "var")
    _, same = ops.batch_norm(x, None, None, old, train=False)
    assert same is old


@pytest.mark.parametrize("ops", [EXPLICIT, AUTODIFF], ids=["explicit", "autodiff"])
def test_no_gradient_through_the_running_statistics(ops):
    def of_state(x, mean, var):
        _, new = ops.batch_norm(x, None, None, BatchNormState(mean, var), train=True)
        return jnp.sum(new.mean + new.var)

    x, scale, bias = (jnp.asarray(a, jnp.float32) for a in data((4, 2), (2,), (2,)))
    for gradient in jax.jit(jax.grad(of_state, (0, 1, 2)))(x, scale, bias):
        np.testing.assert_array_equal(gradient, 0)


def test_the_state_can_be_carried():
    """Through a scan: the running mean converges to that of the data."""
    x = jnp.asarray(data((8, 3))[0], jnp.float32)

    def step(state, _):
        return batch_norm(x, None, None, state, train=True, momentum=0.5)[1], None

    @jax.jit
    def train_and_infer():
        state, _ = jax.lax.scan(step, BatchNormState(jnp.zeros(3), jnp.ones(3)), length=40)
        return state.mean, *(
            batch_norm(x, None, None, state, train=train)[0] for train in (True, False)
        )

    mean, trained_y, inferred_y = train_and_infer()
    assert_close(mean, np.mean(x, 0), 1e-6, "mean")
    assert_close(inferred_y, trained_y, 1e-5, "inference with the statistics of the batch")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_large_mean(dtype):
    """The variance of values far from 0: <x^2> - <x>^2 has no right digit left here."""
    x = 4096 + 32 * np.random.default_rng(0).integers(0, 4, (64, 2))  # exact in bfloat16
    by_batch, by_layer = jax.jit(lambda x: (trained(x), norm(x.T, None, None).T))(
        jnp.asarray(x, dtype)
    )
    expected = (x - x.mean(0)) / np.sqrt(x.var(0) + EPSILON)
    assert_close(by_batch, expected, 1e-6 if dtype == "float32" else 2**-8, "batch_norm")
    assert_close(by_layer, expected, 1e-6 if dtype == "float32" else 2**-8, "layer_norm")


SETS = {  # (64, 6) numbers of which each column is a set
    "a constant": np.full((64, 6), 1000.1),
    "a huge constant": np.full((64, 6), -3e9),
    "around 2000": np.random.default_rng(0).normal(2000, 1, (64, 6)),
    "around a million": np.random.default_rng(1).normal(1e6, 1, (64, 6)),
    "close together": np.random.default_rng(2).normal(1e4, 1e-2, (64, 6)),
    "two, far apart": (
        np.repeat([[0.0], [1e5]], 32, 0) + np.random.default_rng(3).normal(0, 1, (64, 6))
    ),
    "one of them elsewhere": np.r_[np.zeros((1, 6)), np.full((63, 6), 1000.1)],
}


@partial(jax.jit, static_argnames="ops")
def by_batch_and_by_layer(x, scale, bias, dy, ops):
    old = BatchNormState(jnp.zeros(6), jnp.ones(6))

    def by_batch(x, scale, bias):
        return ops.batch_norm(x, scale[0], bias[0], old, train=True, momentum=0.0)

    y, vjp, new = jax.vjp(by_batch, x, scale, bias, has_aux=True)
    rows, vjp_of_rows = jax.vjp(lambda x: ops.layer_norm(x.T, None, None).T, x)
    return y, vjp(dy), new, rows, *vjp_of_rows(dy)


@pytest.mark.parametrize("ops", [EXPLICIT, AUTODIFF], ids=["explicit", "autodiff"])
@pytest.mark.parametrize("case", SETS)
def test_far_from_0(case, ops):
    """Values, statistics and gradients, to float32's last digits but one; a constant
    becomes 0 exactly."""
    x, scale, bias = (
        np.asarray(a, np.float32) for a in (SETS[case], *data((), (1, 6), (1, 6))[1:])
    )
    dy = random_like(x).astype(np.float32)
    y, gradients, new, rows, dx_of_rows = by_batch_and_by_layer(x, scale, bias, dy, ops)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(new.mean, wide.mean(0), rtol=3e-7)
    np.testing.assert_allclose(new.var, wide.var(0), rtol=1e-6, atol=1e-9)
    expected, expected_gradients = normalised(x, scale, bias, dy, (0,), 1e-5)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)
    for i, (actual, want) in enumerate(zip(gradients, expected_gradients, strict=True)):
        assert_close(np.ravel(actual), np.ravel(want), 1e-5, f"gradient to argument {i}")
    expected, (dx, _, _) = normalised(x, np.ones((1, 6)), np.zeros((1, 6)), dy, (0,), 1e-5)
    np.testing.assert_allclose(rows, expected, rtol=1e-6, atol=1e-6)
    assert_close(dx_of_rows, dx, 3e-6, "dx of layer norm")
    if "constant" in case:
        np.testing.assert_array_equal(rows, 0)


def test_16_bit_statistics_are_summed_in_float32():
    x = jnp.asarray(np.tile([[1.0], [3.0]], (1024, 1)), jnp.bfloat16)
    old = BatchNormState(jnp.zeros(1), jnp.ones(1))
    y, state = jax.jit(partial(batch_norm, train=True, momentum=0.0, epsilon=0.0))(
        x, None, None, old
    )
    assert (float(state.mean[0]), float(state.var[0])) == (2.0, 1.0)
    assert set(np.unique(y)) == {-1.0, 1.0}
