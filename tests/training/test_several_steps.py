"""Several steps at once, the average, dtypes, augmented images, devices."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxcnn import layers
from jaxcnn.training import init_train_state, make_eval_step, make_train_step, scan_steps
from tests.training._training import KEY, adamw, assert_trees_close, host, network, stripes


def test_scan_steps_are_the_steps_one_by_one(explicit):
    state, metrics = scan_steps(explicit.step)(explicit.initial_state(), explicit.x, explicit.y)
    assert_trees_close(state, explicit.state, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        metrics["loss"], [row["loss"] for row in explicit.metrics], rtol=1e-4
    )
    assert np.all(metrics["finite"])


def test_scan_steps_of_one_step_is_no_loop(explicit):
    steps = scan_steps(explicit.step)

    def loops(function, x, y):
        return function.lower(explicit.initial_state(), x, y).as_text().count("stablehlo.while")

    inside = loops(explicit.step, explicit.x[0], explicit.y[0])
    assert loops(steps, explicit.x[:1], explicit.y[:1]) == inside
    assert loops(steps, explicit.x[:2], explicit.y[:2]) == inside + 1
    state, metrics = steps(explicit.initial_state(), explicit.x[:1], explicit.y[:1])
    expected, _ = explicit.step(explicit.initial_state(), explicit.x[0], explicit.y[0])
    assert_trees_close(state, expected, rtol=1e-5, atol=1e-6)
    assert jax.tree.map(jnp.shape, metrics) == dict.fromkeys(metrics, (1,))


def test_the_average_is_the_one_computed_by_hand():
    model, optimizer = (
        layers.serial(layers.batch_norm(), layers.flatten(), layers.dense(2)),
        optax.sgd(0.5),
    )
    x, y = stripes(batches=3)
    step = make_train_step(model, optimizer, average_decay=0.15)
    state = init_train_state(model, optimizer, KEY, x.shape[1:], average=True)
    average = host((state.params, state.model_state))
    for index, decay in enumerate([1 / 10, 0.15, 0.15]):
        state, _ = step(state, x[index], y[index])
        average = jax.tree.map(
            lambda old, new, d=decay: d * old + (1 - d) * new,
            average,
            host((state.params, state.model_state)),
        )
        assert_trees_close(state.average, average, rtol=1e-5, atol=1e-6)
    ours = make_eval_step(model)(state, x[0], y[0])
    theirs = make_eval_step(model)(
        state._replace(params=state.average[0], model_state=state.average[1], average=None),
        x[0],
        y[0],
    )
    assert (
        host(ours)
        == host(theirs)
        != host(make_eval_step(model)(state._replace(average=None), x[0], y[0]))
    )


def test_parameters_in_bfloat16_have_an_average_in_it():
    model, optimizer = layers.serial(layers.flatten(), layers.dense(2)), optax.sgd(0.5)
    x, y = stripes(batches=1)
    state = init_train_state(model, optimizer, KEY, x.shape[1:])
    before = jax.tree.map(lambda p: p.astype(jnp.bfloat16), state.params)
    kept = host(before)
    state = state._replace(params=before, average=(before, state.model_state))
    state, _ = make_train_step(model, optimizer)(state, x[0].astype(jnp.bfloat16), y[0])
    average = jax.tree.map(
        lambda old, new: np.float32(0.1) * old.astype("f") + np.float32(0.9) * new.astype("f"),
        kept,
        host(state.params),
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(state.average)} == {jnp.dtype(jnp.bfloat16)}
    for ours, by_hand in zip(*map(jax.tree.leaves, (state.average[0], average)), strict=True):
        np.testing.assert_allclose(np.asarray(ours, np.float32), by_hand, rtol=2**-7)


@pytest.mark.slow
def test_bfloat16_computes_in_it_and_keeps_float32():
    seen = []

    def spy(x):
        seen.append(x.dtype)
        return x

    model, optimizer = (
        layers.serial(layers.activation(spy), *(part for _, part in network().parts)),
        adamw(1e-2),
    )
    x, y = stripes(batches=20)
    state = init_train_state(model, optimizer, KEY, x.shape[1:])
    types = jax.tree.map(lambda leaf: leaf.dtype, state)
    seen.clear()
    state, metrics = scan_steps(make_train_step(model, optimizer, compute_dtype=jnp.bfloat16))(
        state, x, y
    )
    assert set(seen) == {jnp.dtype(jnp.bfloat16)}
    assert jax.tree.map(lambda leaf: leaf.dtype, state) == types
    assert metrics["loss"].dtype == jnp.float32
    assert np.mean(metrics["loss"][-5:]) < 0.7 * np.mean(metrics["loss"][:5])


def test_images_are_augmented_anew_in_each_step_and_not_in_evaluation():
    model = layers.serial(
        layers.flatten(),
        layers.dense(1, bias=False, kernel_init=lambda key, shape: jnp.ones(shape)),
    )

    def augment(key, x):
        return x + jax.random.uniform(key, (x.shape[0], 1, 1, 1))

    arguments = {"loss": lambda y, labels: y[:, 0]}
    state = init_train_state(model, optax.sgd(0.0), KEY, (2, 1, 1, 1))
    step = make_train_step(model, optax.sgd(0.0), augment=augment, **arguments)
    x = jnp.ones((3, 2, 1, 1, 1))
    state, metrics = scan_steps(step)(state, x, jnp.zeros((3, 2)))
    assert len(set(metrics["loss"].tolist())) == 3
    assert np.all((metrics["loss"] > 1) & (metrics["loss"] < 2))
    assert make_eval_step(model, **arguments)(state, x[0], jnp.zeros(2))["loss"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["batch norm and dropout", "depthwise"])
def test_two_devices_train_as_one(kind):
    """The same dropout, the statistics of the whole batch, the same update: the sum of
    squares differs by rounding only."""
    inside = layers.conv(4, 3, groups=4) if kind == "depthwise" else layers.dropout(0.5)
    model = layers.serial(
        layers.conv(4, 3),
        layers.batch_norm(),
        layers.relu(),
        inside,
        layers.flatten(),
        layers.dense(2),
    )
    x, y = stripes(batches=5)
    optimizer = optax.sgd(0.1)
    step = make_train_step(
        model, optimizer, augment=lambda key, x: x + 0.1 * jax.random.normal(key, x.shape)
    )
    results = []
    for devices in (1, 2):
        mesh = jax.make_mesh(
            (devices,), ("batch",), (AxisType.Auto,), devices=jax.devices()[:devices]
        )
        whole, split = (
            NamedSharding(mesh, PartitionSpec()),
            NamedSharding(mesh, PartitionSpec("batch")),
        )
        state = jax.device_put(init_train_state(model, optimizer, KEY, x.shape[1:]), whole)
        for images, labels in zip(x, y, strict=True):
            state, metrics = step(
                state, jax.device_put(images, split), jax.device_put(labels, split)
            )
        assert len(state.params["0_conv"]["w"].sharding.device_set) == devices
        results.append((state, metrics))
    assert_trees_close(results[1], results[0], rtol=1e-4, atol=1e-5)
