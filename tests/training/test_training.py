"""The train step: its update against one computed by hand, donation, keys, scan and
vmap, and what the metrics mean."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import layers
from jaxcnn.ops import EXPLICIT
from jaxcnn.training import init_train_state, make_eval_step, make_train_step
from tests.training._training import KEY, adamw, assert_trees_close, host, network, stripes


def test_training_learns(explicit):
    losses = [metrics["loss"] for metrics in explicit.metrics]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    x, y = stripes(batches=1, batch_size=200)
    metrics = make_eval_step(explicit.model)(explicit.state, x[0], y[0])
    assert metrics["accuracy"] > 0.95
    assert int(explicit.state.step) == 40
    start = explicit.initial_state()
    assert not np.allclose(
        explicit.state.model_state["1_batch_norm"]["mean"],
        start.model_state["1_batch_norm"]["mean"],
    )


@pytest.mark.slow
def test_explicit_and_autodiff_training_agree(explicit, autodiff):
    for ours, theirs in zip(explicit.metrics, autodiff.metrics, strict=True):
        np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-4)
    # Adam divides by the size of the gradient, so rounding differences of gradients
    # close to 0 grow: a looser bound.
    assert_trees_close(explicit.state, autodiff.state, rtol=1e-3, atol=1e-4)


def test_one_program_serves_all_steps(explicit):
    assert explicit.step._cache_size() == 1  # the new state has the types of the old one


def test_state_is_donated_and_the_callers_key_is_not():
    model, optimizer = network(), adamw(1e-3)
    x, y = stripes(batches=1)
    key = jax.random.clone(KEY)
    old = init_train_state(model, optimizer, key, x.shape[1:])
    new, _ = make_train_step(model, optimizer)(old, x[0], y[0])
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(old))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((new, x, y, key)))
    make_eval_step(model)(new, x[0], y[0])
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(new))


@pytest.mark.slow
def test_steps_in_a_scan_are_the_steps_one_by_one(explicit):
    def body(state, batch):
        return explicit.step(state, *batch)

    state, metrics = jax.jit(lambda state: jax.lax.scan(body, state, (explicit.x, explicit.y)))(
        explicit.initial_state()
    )
    assert_trees_close(state, explicit.state, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        metrics["loss"], [row["loss"] for row in explicit.metrics], rtol=1e-4
    )


@pytest.mark.slow
def test_runs_from_several_keys_are_a_vmap():
    model, optimizer = layers.serial(layers.flatten(), layers.dense(2)), adamw(1e-2)
    x, y = (array[0] for array in stripes(batches=1))
    step = make_train_step(model, optimizer)
    starts = [init_train_state(model, optimizer, key, x.shape) for key in jax.random.split(KEY, 3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *starts)
    states, metrics = jax.vmap(step, in_axes=(0, None, None))(stacked, x, y)
    assert len({float(loss) for loss in metrics["loss"]}) == 3
    for member, start in enumerate(starts):
        state, single = step(start, x, y)
        np.testing.assert_allclose(metrics["loss"][member], single["loss"], rtol=1e-5)
        np.testing.assert_allclose(
            states.params["1_dense"]["w"][member],
            state.params["1_dense"]["w"],
            rtol=1e-4,
            atol=1e-6,
        )


def test_update_is_the_one_computed_by_hand():
    """Softmax regression: dJ/dw = x'(p - q) / n, with gradient descent."""
    model, optimizer = layers.serial(layers.flatten(), layers.dense(2)), optax.sgd(0.5)
    x, y = (array[0] for array in stripes(batches=1))
    state = init_train_state(model, optimizer, KEY, x.shape)
    w = np.asarray(state.params["1_dense"]["w"])
    images, targets = np.asarray(x).reshape(16, 16), np.eye(2)[np.asarray(y)]
    exponentials = np.exp(images @ w)
    p = exponentials / exponentials.sum(axis=1, keepdims=True)

    state, metrics = make_train_step(model, optimizer)(state, x, y)
    np.testing.assert_allclose(
        state.params["1_dense"]["w"], w - 0.5 * images.T @ (p - targets) / 16, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        state.params["1_dense"]["b"], -0.5 * (p - targets).mean(axis=0), rtol=1e-4, atol=1e-6
    )
    # The metrics are those before the update.
    np.testing.assert_allclose(
        metrics["loss"], -np.mean(np.log((p * targets).sum(axis=1))), rtol=1e-5
    )
    np.testing.assert_allclose(
        metrics["accuracy"], np.mean(p.argmax(axis=1) == np.asarray(y)), rtol=1e-6
    )
    assert 0 < metrics["accuracy"] < 1


def test_each_step_draws_anew_and_a_run_can_be_repeated():
    model = layers.serial(
        layers.dropout(0.5),
        layers.dense(1, bias=False, kernel_init=lambda key, shape: jnp.ones(shape)),
    )
    step = make_train_step(
        model, optax.sgd(0.0), loss=lambda y, labels: y[:, 0]
    )  # the loss counts what was kept

    def losses(seed):
        state = init_train_state(model, optax.sgd(0.0), jax.random.key(seed, impl="rbg"), (1, 1000))
        values = []
        for _ in range(4):
            state, metrics = step(state, jnp.ones((1, 1000)), jnp.zeros(1))
            values.append(float(metrics["loss"]))
        return values

    assert len(set(losses(0))) > 1
    assert losses(0) == losses(0) != losses(1)


def test_evaluation_is_not_training(explicit):
    """Running statistics and no dropout: an image's loss does not depend on the batch
    it comes in, nor on chance."""
    evaluate = make_eval_step(explicit.model)
    x, y = explicit.x[0], explicit.y[0]
    whole = evaluate(explicit.state, x, y)
    assert host(evaluate(explicit.state, x, y)) == host(whole)
    halves = [evaluate(explicit.state, x[half], y[half]) for half in (slice(0, 8), slice(8, 16))]
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(
            np.mean([metrics[name] for metrics in halves]), whole[name], rtol=1e-5
        )


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        pytest.param(EXPLICIT.mean_squared_error, jnp.full((4, 2), 0.5), id="floating targets"),
        pytest.param(
            EXPLICIT.sigmoid_binary_cross_entropy,
            jnp.array([[0, 1]] * 4),
            id="as many integers as logits",
        ),
    ],
)
def test_accuracy_is_for_class_numbers_only(loss, labels):
    model, optimizer = layers.dense(2), optax.sgd(0.1)
    state = init_train_state(model, optimizer, KEY, (4, 3))
    assert set(make_eval_step(model, loss=loss)(state, jnp.ones((4, 3)), labels)) == {"loss"}
    _, metrics = make_train_step(model, optimizer, loss=loss)(state, jnp.ones((4, 3)), labels)
    assert set(metrics) == {"loss", "finite"}
    assert metrics["loss"].shape == ()
