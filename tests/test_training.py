"""The train step: its update against one computed by hand, donation, keys, scan and
vmap, and what the metrics mean."""

from __future__ import annotations

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxcnn import layers
from jaxcnn.ops import AUTODIFF, EXPLICIT, Ops
from jaxcnn.training import (
    TrainState,
    find_nonfinite,
    init_train_state,
    make_eval_step,
    make_train_step,
    scan_steps,
)

KEY = jax.random.key(0, impl="rbg")  # compiles several times faster than the default generator


def network(ops: Ops = EXPLICIT) -> layers.Layer:
    """A layer of each kind that training treats in its own way: parameters, running
    statistics, random numbers.

    The convolution has no bias: normalisation takes it out again, and Adam would blow
    the rounding error of its gradient up.
    """
    block = (
        layers.conv(3, 3, bias=False, ops=ops),
        layers.batch_norm(ops=ops),
        layers.relu(ops=ops),
        layers.max_pool(2, ops=ops),
    )
    return layers.serial(
        *block, layers.flatten(), layers.dropout(0.2, ops=ops), layers.dense(2, ops=ops)
    )


def stripes(batches: int, batch_size: int = 16) -> tuple[jax.Array, jax.Array]:
    """Noisy images (batches, n, 4, 4, 1) of horizontal (class 0) and vertical (1)
    stripes."""
    random = np.random.default_rng(0)
    y = random.integers(0, 2, (batches, batch_size))
    horizontal = np.broadcast_to(np.array([1.0, -1, 1, -1])[:, None], (4, 4))
    x = np.where(y[..., None, None] == 0, horizontal, horizontal.T) + random.normal(
        scale=0.8, size=(batches, batch_size, 4, 4)
    )
    return jnp.asarray(x[..., None], jnp.float32), jnp.asarray(y, jnp.int32)


def host(tree):
    """A copy that outlives donation; keys as their data."""
    return jax.tree.map(
        lambda a: np.asarray(
            jax.random.key_data(a) if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key) else a
        ),
        tree,
    )


def assert_trees_close(actual, expected, **tolerance):
    jax.tree.map(partial(np.testing.assert_allclose, **tolerance), host(actual), host(expected))


def adamw(learning_rate) -> optax.GradientTransformation:
    """AdamW, which raises a Python float to an integer array's power: strict promotion,
    on in these tests, refuses that."""
    optimizer = optax.adamw(learning_rate)

    def update(*args):
        with jax.numpy_dtype_promotion("standard"):
            return optimizer.update(*args)

    return optax.GradientTransformation(optimizer.init, update)


class Trained:
    """Forty steps of `network`, one by one."""

    def __init__(self, ops: Ops):
        self.x, self.y = stripes(batches=40)
        self.model = network(ops)
        self.optimizer = adamw(optax.cosine_decay_schedule(3e-2, 40))
        self.step = make_train_step(self.model, self.optimizer, loss=ops.softmax_cross_entropy)
        state = self.initial_state()
        self.metrics = []
        for x, y in zip(self.x, self.y, strict=True):
            state, metrics = self.step(state, x, y)
            self.metrics.append(host(metrics))
        self.state = state

    def initial_state(self) -> TrainState:
        return init_train_state(self.model, self.optimizer, KEY, self.x.shape[1:])


@pytest.fixture(scope="module")
def explicit():
    return Trained(EXPLICIT)


@pytest.fixture(scope="module")
def autodiff():
    return Trained(AUTODIFF)


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


# Several steps at once, the average, dtypes, devices.


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


# Infinities and NaNs.


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
            r"layer '1_residual/inner' gives 96 values of 96 .* larger than",
            id="forward",
        ),
        pytest.param(
            slip(lambda x: x, lambda dy: dy.at[0, 0].set(jnp.inf)),
            {},
            r"the gradient of '0_dense/b' has 1 values of 6",
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
            "the gradient of '2_dense/b' has 2 values of 2",
            id="backward of the loss",
        ),
        pytest.param(
            slip(lambda x: x),
            {"augment": lambda key, x: x * jnp.nan},
            "the images have 48 values of 48",
            id="images",
        ),
        pytest.param(
            slip(lambda x: x),
            {"compute_dtype": jnp.float16, "augment": lambda key, x: x * 1e6},
            "the images have",
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
        "parameter '6_dense/b' has 1 values of 2"
    )
