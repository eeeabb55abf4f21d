"""Statistics that are not finite: the step refuses them, and they are found."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import layers
from jaxcnn.training import find_nonfinite, init_train_state, make_train_step, scan_steps

KEY = jax.random.key(0, impl="rbg")
NOTHING = layers.identity()


def network(*before: layers.Layer) -> layers.Layer:
    return layers.serial(*before, layers.batch_norm(), layers.flatten(), layers.dense(2))


def images(pixel: float = 0.5) -> tuple[jax.Array, jax.Array]:
    """One pixel is `pixel`. Its square overflows from 1.9e19 on."""
    x = jax.random.normal(jax.random.key(1), (4, 3, 3, 2))
    return x.at[1, 2, 0, 1].set(pixel), jnp.array([0, 1, 1, 0])


def host(state):
    return jax.tree.map(np.asarray, state._replace(key=jax.random.key_data(state.key)))


@pytest.mark.slow
@pytest.mark.parametrize(("at_once", "average"), [(False, True), (True, False)])
def test_a_step_whose_statistics_are_not_finite_changes_nothing(at_once, average):
    """The square of a pixel is not: the variance is infinite, what is divided by its
    root is 0, and the loss is finite."""
    model, optimizer = network(NOTHING), optax.sgd(0.1)
    step = make_train_step(model, optimizer)
    x, y = images(3e19)
    state = init_train_state(model, optimizer, KEY, x.shape, average=average)
    before = host(state)
    if at_once:
        state, metrics = scan_steps(step)(state, x[None], y[None])
    else:
        state, metrics = step(state, x, y)
    assert np.isfinite(metrics["loss"])
    assert not metrics["finite"]
    jax.tree.map(np.testing.assert_array_equal, host(state), before)
    state, metrics = step(state, *images())
    assert metrics["finite"]
    assert np.isfinite(state.model_state["1_batch_norm"]["var"]).all()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        pytest.param(
            network(NOTHING),
            r"new statistics '1_batch_norm/var' of layer '1_batch_norm': 1 of 2 values are not"
            r" finite \(largest input magnitude: 3e\+19\)",
            id="after a layer",
        ),
        pytest.param(
            layers.serial(layers.residual(layers.batch_norm()), layers.flatten(), layers.dense(2)),
            r"new statistics '0_residual/inner/var' of layer '0_residual/inner': 1 of 2 values",
            id="inside",
        ),
        pytest.param(
            layers.batch_norm(),
            r"new statistics 'var' of the model: 1 of 2 values",
            id="alone",
        ),
    ],
)
def test_statistics_that_are_not_finite_are_found(model, message):
    x, y = images(3e19)
    state = init_train_state(model, optax.sgd(0.1), KEY, x.shape)
    found = find_nonfinite(model, state, x, y, loss=lambda logits, labels: jnp.mean(logits))
    assert re.match(message, found), found
    assert (
        find_nonfinite(model, state, *images(), loss=lambda logits, labels: jnp.mean(logits))
        is None
    )


def test_statistics_that_were_not_finite_before_are_refused_and_found():
    model, optimizer = network(NOTHING), optax.sgd(0.1)
    state = init_train_state(model, optimizer, KEY, images()[0].shape)
    state.model_state["1_batch_norm"]["var"] = jnp.array([1.0, jnp.inf])
    found = find_nonfinite(model, state, *images())
    assert found.startswith(
        "statistics '1_batch_norm/var' of the state: 1 of 2 values are not finite"
    ), found
    _, metrics = make_train_step(model, optimizer)(state, *images())
    assert not metrics["finite"]


def memory() -> layers.Layer:
    """A layer whose state is a counter, a key, and a maximum that begins at
    -infinity."""

    def init(key, input_shape):
        return {}, {
            "count": jnp.zeros((), jnp.int32),
            "key": jax.random.key(3),
            "largest": jnp.array(-jnp.inf),
        }

    def apply(params, state, x, *, train=False, key=None):
        return x, {
            "count": state["count"] + 1,
            "key": jax.random.fold_in(state["key"], 1),
            "largest": jnp.maximum(state["largest"], jnp.max(x)),
        }

    return layers.Layer("memory", init, apply)


def test_state_that_cannot_overflow_and_an_infinity_that_goes_away_are_no_trouble():
    model, optimizer = network(memory()), optax.sgd(0.1)
    x, y = images()
    state = init_train_state(model, optimizer, KEY, x.shape, average=True)
    types = jax.tree.map(lambda leaf: leaf.dtype, state)
    assert find_nonfinite(model, state, x, y) is None
    state, metrics = scan_steps(make_train_step(model, optimizer))(
        state, jnp.stack([x, x]), jnp.stack([y, y])
    )
    assert metrics["finite"].all()
    assert jax.tree.map(lambda leaf: leaf.dtype, state) == types
    counts = [
        params_and_state["0_memory"]["count"]
        for params_and_state in (state.model_state, state.average[1])
    ]
    assert counts == [2, 2]
    infinite = x.at[0].set(jnp.inf)
    assert find_nonfinite(model, state, infinite, y).startswith("the images: 18 of 72 values")


def test_jax_debug_nans_stops_a_step():
    """JAX's own search would compute with the state, whose memory the step has
    taken."""
    model, optimizer = network(memory()), optax.sgd(0.1)
    x, y = images(jnp.nan)
    state = init_train_state(model, optimizer, KEY, x.shape)
    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        make_train_step(model, optimizer)(state, x, y)
