"""Of a step: whose rules it computes with, and which loss."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import layers
from jaxcnn.ops import AUTODIFF, EXPLICIT
from jaxcnn.training import find_nonfinite, init_train_state, make_eval_step, make_train_step
from tests.daily import daily

KEY = jax.random.key(0, impl="rbg")
MODEL = layers.serial(layers.conv(2, 3), layers.relu(), layers.flatten(), layers.dense(2))
SGD = optax.sgd(0.1)
X = jnp.linspace(-1, 1, 2 * 3 * 3).reshape(2, 3, 3, 1)
CLASSES = jnp.array([0, 1])
TARGETS = jnp.array([[0.0, 1.0], [1.0, 0.5]])
both = pytest.mark.parametrize("ops", [EXPLICIT, AUTODIFF], ids=["explicit", "autodiff"])


def new_state():
    return init_train_state(MODEL, SGD, KEY, X.shape)


def test_a_step_computes_by_the_rules_that_it_is_given():
    """A convolution whose kernel gradient is doubled: of the convolution alone."""

    @jax.custom_vjp
    def conv(x, w):
        return EXPLICIT.conv(x, w, padding="same")

    def bwd(residuals, dy):
        dx, dw = jax.vjp(lambda x, w: EXPLICIT.conv(x, w, padding="same"), *residuals)[1](dy)
        return dx, 2 * dw

    conv.defvjp(lambda x, w: (conv(x, w), (x, w)), bwd)
    calls = []

    def own(x, w, b=None, **options):
        calls.append(options["padding"])
        return conv(x, w) + b

    ops = EXPLICIT._replace(conv=own)
    start = new_state().params
    moved = []
    for chosen in (EXPLICIT, ops):
        state, _ = make_train_step(MODEL, SGD, ops=chosen)(new_state(), X, CLASSES)
        moved.append(jax.tree.map(lambda new, old: np.asarray(new - old), state.params, start))
    explicit, doubled = moved
    assert calls == ["same"]
    np.testing.assert_allclose(doubled["0_conv"]["w"], 2 * explicit["0_conv"]["w"], 1e-4, 1e-6)
    for entry, name in (("0_conv", "b"), ("3_dense", "w"), ("3_dense", "b")):
        np.testing.assert_allclose(doubled[entry][name], explicit[entry][name], 1e-4, 1e-6)
    calls.clear()
    make_eval_step(MODEL, ops=ops)(new_state(), X, CLASSES)
    assert calls == ["same"]
    calls.clear()
    assert find_nonfinite(MODEL, new_state(), X, CLASSES, ops=ops) is None
    assert set(calls) == {"same"}


def test_both_kinds_of_derivatives_give_one_step():
    states = [
        make_train_step(MODEL, SGD, ops=ops)(new_state(), X, CLASSES)[0].params
        for ops in (EXPLICIT, AUTODIFF)
    ]
    jax.tree.map(lambda *pair: np.testing.assert_allclose(*pair, rtol=1e-5, atol=1e-6), *states)


LOSSES = {
    "default": (None, "softmax_cross_entropy", CLASSES),
    "softmax_cross_entropy": ("softmax_cross_entropy", "softmax_cross_entropy", CLASSES),
    "sigmoid_binary_cross_entropy": (
        "sigmoid_binary_cross_entropy",
        "sigmoid_binary_cross_entropy",
        TARGETS,
    ),
    "mean_squared_error": ("mean_squared_error", "mean_squared_error", TARGETS),
}


@both
@pytest.mark.parametrize("case", daily(LOSSES, {"default", "mean_squared_error"}))
def test_a_loss_by_its_name_is_the_one_of_the_rules(case, ops):
    """As by its function, in all that take a loss; and it is `ops`' that is called."""
    loss, name, labels = LOSSES[case]
    called = []

    def counted(*args):
        called.append(name)
        return getattr(ops, name)(*args)

    rules = ops._replace(**{name: counted})
    state = new_state()
    logits, _ = MODEL.apply(state.params, {}, X, ops=ops)
    expected = np.mean(getattr(ops, name)(logits, labels))
    metrics = make_eval_step(MODEL, loss=loss, ops=rules)(state, X, labels)
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)
    assert find_nonfinite(MODEL, state, X, labels, loss=loss, ops=rules) is None
    by_name, metrics = make_train_step(MODEL, SGD, loss=loss, ops=rules)(state, X, labels)
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)
    assert called == [name] * 3
    function = getattr(EXPLICIT, name)
    by_function, _ = make_train_step(MODEL, SGD, loss=function)(new_state(), X, labels)
    jax.tree.map(
        lambda *pair: np.testing.assert_allclose(*pair, rtol=1e-4, atol=1e-6),
        by_name.params,
        by_function.params,
    )


def test_find_nonfinite_looks_at_the_rules_that_it_is_given():
    def bad_relu(x):
        return EXPLICIT.relu(x) / 0

    found = find_nonfinite(MODEL, new_state(), X, CLASSES, ops=EXPLICIT._replace(relu=bad_relu))
    assert found.startswith("layer '1_relu': 36 of 36 outputs are not finite")
    found = find_nonfinite(
        MODEL,
        new_state(),
        X,
        CLASSES,
        ops=EXPLICIT._replace(softmax_cross_entropy=lambda z, labels: jnp.full(2, jnp.inf)),
    )
    assert found.startswith("the loss is not finite")
