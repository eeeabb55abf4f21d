"""Whose memory a state is: its own, and nobody else's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

from jaxcnn import layers
from jaxcnn.training import init_train_state, make_train_step, scan_steps
from tests.training._optimizers import KEY, problem, sgd

pytestmark = pytest.mark.usefixtures("standard_promotion")


def is_shared(state) -> bool:
    leaves = [
        jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        for leaf in jax.tree.leaves(state)
    ]
    pointers = [
        shard.data.unsafe_buffer_pointer() for leaf in leaves for shard in leaf.addressable_shards
    ]
    return len(set(pointers)) < len(pointers)


@pytest.mark.parametrize("jitted", [False, True])
def test_a_state_has_memory_of_its_own(jitted):
    """What the optimiser keeps of the parameters, of a key, and the average are copies;
    so is what the model was made with."""
    held = {
        "kernel": jnp.ones((3, 2)),
        "noise": jax.random.key(7),
        "mean": jnp.zeros(3),
        "key": jax.random.key_data(jax.random.key(3)),
    }
    statistics = layers.Layer(
        "statistics", lambda key, shape: ({}, {"mean": held["mean"]}), lambda p, s, x, **_: (x, s)
    )
    model = layers.serial(
        statistics, layers.dense(2, kernel_init=lambda key, shape: held["kernel"])
    )
    optimizer = optax.chain(optax.add_noise(0.1, 0.9, held["noise"]), contrib.prodigy())

    def init(key):
        return init_train_state(model, optimizer, key, (1, 3), average=True)

    state = (jax.jit(init) if jitted else init)(held["key"])
    assert not is_shared(state)
    _, xs, ys = problem()
    new, _ = make_train_step(model, optimizer)(state, xs[0], ys[0])
    assert not any(array.is_deleted() for array in held.values())
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state))
    assert not is_shared(new)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_state_made_by_hand_may_hold_an_array_twice(at_once):
    model, xs, ys = problem()
    optimizer = optax.sgd(0.1, momentum=0.9)
    state = init_train_state(model, optimizer, KEY, (1, 3))
    expected, _ = make_train_step(model, optimizer)(
        init_train_state(model, optimizer, KEY, (1, 3)), xs[0], ys[0]
    )
    shared = state._replace(average=(state.params, state.model_state))
    step = make_train_step(model, optimizer)
    new, _ = scan_steps(step)(shared, xs[:1], ys[:1]) if at_once else step(shared, xs[0], ys[0])
    np.testing.assert_allclose(new.params["w"], expected.params["w"], rtol=1e-6)


@pytest.mark.parametrize("devices", [1, 2])
def test_an_average_may_begin_in_the_middle_of_training(devices):
    """The arrays twice in one state; and twice as views of one memory, which
    `device_put` makes."""
    mesh = jax.make_mesh(
        (devices,), ("batch",), (jax.sharding.AxisType.Auto,), devices=jax.devices()[:devices]
    )
    whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    model, xs, ys = problem()
    step = make_train_step(model, sgd(), average_decay=0.5)
    state = init_train_state(model, sgd(), KEY, (1, 3))
    state = jax.device_put(state._replace(average=(state.params, state.model_state)), whole)
    for _ in range(2):
        state, _ = step(state, xs[0], ys[0])
        state = state._replace(average=(state.params, state.model_state))
    state, metrics = step(state, xs[0], ys[0])
    assert metrics["finite"]
    assert not is_shared(state)
    assert not np.array_equal(state.params["w"], state.average[0]["w"])
    assert len(state.params["w"].sharding.device_set) == devices


def test_a_raw_key_will_do():
    model, xs, ys = problem()
    states = [
        init_train_state(model, sgd(), key, (1, 3))
        for key in (jax.random.PRNGKey(3), jax.random.key(3))
    ]
    assert np.array_equal(states[0].params["w"], states[1].params["w"])
    state, metrics = make_train_step(model, sgd())(states[0], xs[0], ys[0])
    assert metrics["finite"]
    assert state.key.dtype == jnp.uint32
