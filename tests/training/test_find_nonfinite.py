"""Infinities and NaNs: a step that meets one changes nothing, and where it begins is
found."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import optax
import pytest

from jaxcnn import layers
from jaxcnn.training import find_nonfinite, init_train_state, make_train_step, scan_steps
from tests.training._training import KEY, assert_trees_close, host, network, stripes


@pytest.mark.parametrize("at_once", [False, True])
def test_a_step_that_is_not_finite_changes_nothing(at_once):
    model, optimizer = network(), optax.sgd(0.1)
    x, y = stripes(batches=4)
    x = x.at[2, 0, 0, 0].set(jnp.nan)
    step = make_train_step(model, optimizer)
    expected = init_train_state(model, optimizer, KEY, x.shape[1:], average=True)
    for index in range(2):
        expected, _ = step(expected, x[index], y[index])
    expected = host(expected)
    state = init_train_state(model, optimizer, KEY, x.shape[1:], average=True)
    if at_once:
        state, metrics = scan_steps(step)(state, x, y)
        assert metrics["finite"].tolist()[:3] == [True, True, False]
    else:
        for index in range(3):
            state, metrics = step(state, x[index], y[index])
            assert bool(metrics["finite"]) == (index < 2)
    assert int(state.step) == 2
    assert_trees_close(state, expected, rtol=1e-5, atol=1e-6)


def slipping(forward, backward=lambda dy: dy):
    function = jax.custom_vjp(forward)
    function.defvjp(lambda x: (forward(x), None), lambda _, dy: (backward(dy),))
    return function


def slip(*directions):
    return layers.activation(slipping(*directions), "slip")


def slipping_loss(logits, labels):
    return slipping(lambda y: y, lambda dy: dy / 0)(logits)


@pytest.mark.parametrize(
    ("inner", "change", "message"),
    [
        pytest.param(
            slip(lambda x: x / 0),
            {},
            r"layer '1_residual/inner': 96 of 96 outputs are not finite \(largest input",
            id="forward",
        ),
        pytest.param(
            slip(lambda x: x, lambda dy: dy.at[0, 0].set(jnp.inf)),
            {},
            r"the gradient of '0_dense/b': 1 of 6 values",
            id="backward",
        ),
        pytest.param(
            slip(lambda x: x),
            {"loss": lambda y, labels: jnp.log(-jnp.abs(y))},
            "the loss is not finite",
            id="loss",
        ),
        pytest.param(
            slip(lambda x: x),
            {"loss": slipping_loss},
            "the gradient of '2_dense/b': 2 of 2 values",
            id="backward of the loss",
        ),
        pytest.param(
            slip(lambda x: x),
            {"augment": lambda key, x: x * jnp.nan},
            "the images: 48 of 48 values",
            id="images",
        ),
        pytest.param(
            slip(lambda x: x),
            {"compute_dtype": jnp.float16, "augment": lambda key, x: x * 1e6},
            "the images: ",
            id="float16",
        ),
        pytest.param(slip(lambda x: x), {}, None, id="nothing"),
    ],
)
def test_find_nonfinite_names_where_it_begins(inner, change, message):
    model, optimizer = (
        layers.serial(layers.dense(6), layers.residual(inner), layers.dense(2)),
        optax.sgd(0.1),
    )
    x, y = jnp.ones((16, 3)), jnp.zeros(16, int)
    state = init_train_state(model, optimizer, KEY, x.shape)
    found = find_nonfinite(model, state, x, y, **change)
    assert (found is None) if message is None else re.match(message, found), found
    _, metrics = make_train_step(model, optimizer, **change)(state, x, y)
    assert bool(metrics["finite"]) == (message is None)


def test_find_nonfinite_names_a_parameter():
    model, optimizer = network(), optax.sgd(0.1)
    x, y = stripes(batches=1)
    state = init_train_state(model, optimizer, KEY, x.shape[1:])
    state.params["6_dense"]["b"] = state.params["6_dense"]["b"].at[1].set(jnp.inf)
    assert find_nonfinite(model, state, x[0], y[0]).startswith(
        "parameter '6_dense/b': 1 of 2 values"
    )
