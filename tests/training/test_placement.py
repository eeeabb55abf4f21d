"""Arrays on the devices of one process; tests/programs/test_machines.py has several."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType

from jaxcnn.training import (
    init_train_state,
    make_train_step,
    replicate,
    scan_steps,
    split_batch,
)
from jaxcnn.training.placement import own_copy
from tests.training._training import KEY, assert_trees_close, host, network, stripes


@pytest.fixture
def mesh():
    return jax.make_mesh((2,), ("batch",), (AxisType.Auto,), devices=jax.devices()[:2])


def parts(array):
    return [np.asarray(shard.data) for shard in array.addressable_shards]


def test_a_tree_is_whole_on_every_device(mesh):
    tree = {
        "numpy": np.arange(6.0, dtype=np.float32).reshape(2, 3),
        "half": jnp.ones(3, jnp.bfloat16),
        "number": 2.5,
        "nothing": {},
        "key": jax.random.key(3),
        "keys": jax.random.split(KEY, 3),
        "raw": jax.random.PRNGKey(1),
    }
    placed = replicate(tree, mesh)
    assert jax.tree.structure(placed) == jax.tree.structure(tree)
    for leaf in jax.tree.leaves(placed):
        assert leaf.is_fully_replicated and leaf.devices() == set(jax.devices()[:2])
    jax.tree.map(np.testing.assert_array_equal, host(placed), host(replicate(tree, mesh)))
    np.testing.assert_array_equal(parts(placed["numpy"])[1], tree["numpy"])
    assert placed["half"].dtype == jnp.bfloat16
    assert placed["key"].dtype == tree["key"].dtype
    assert placed["keys"].dtype == tree["keys"].dtype  # of another generator
    assert jax.random.bits(placed["key"]) == jax.random.bits(tree["key"])


@pytest.mark.parametrize("devices", [1, 2])
def test_a_placed_state_is_a_copy_that_a_step_may_take(devices):
    mesh = jax.make_mesh((devices,), ("batch",), (AxisType.Auto,), devices=jax.devices()[:devices])
    model, optimizer, (xs, ys) = network(), optax.sgd(0.1), stripes(1)
    state = init_train_state(model, optimizer, KEY, xs[0].shape)
    placed = replicate(state, mesh)
    make_train_step(model, optimizer)(placed, split_batch(xs[0], mesh), split_batch(ys[0], mesh))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(placed))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(state))
    assert jnp.any(state.params["0_conv"]["w"])


def test_each_device_has_its_rows_in_order(mesh):
    array = np.arange(12, dtype=np.int32).reshape(6, 2)
    first, second = parts(split_batch(array, mesh))
    np.testing.assert_array_equal(first, array[:3])
    np.testing.assert_array_equal(second, array[3:])
    first, second = parts(split_batch(jnp.asarray(array), mesh, axis=1))
    np.testing.assert_array_equal(first, array[:, :1])
    np.testing.assert_array_equal(second, array[:, 1:])


def test_a_mesh_may_have_several_axes():
    mesh = jax.make_mesh((1, 2), ("slow", "fast"), (AxisType.Auto,) * 2)
    assert [part.shape for part in parts(split_batch(np.zeros((4, 3)), mesh))] == [(2, 3)] * 2


def test_steps_on_two_devices_compute_what_one_computes(mesh):
    """Batch normalisation over the whole batch and dropout too."""
    model, optimizer, (xs, ys) = network(), optax.sgd(0.1), stripes(3)
    state = init_train_state(model, optimizer, KEY, xs[0].shape)
    steps = scan_steps(make_train_step(model, optimizer))
    split, metrics = steps(
        replicate(state, mesh), split_batch(xs, mesh, axis=1), split_batch(ys, mesh, axis=1)
    )
    whole, expected = steps(state, xs, ys)
    assert_trees_close(metrics["loss"], expected["loss"], rtol=1e-5)
    assert_trees_close(own_copy(split).params, whole.params, rtol=1e-4, atol=1e-6)


def test_an_own_copy_is_on_one_device(mesh):
    tree = {"w": np.ones(3, np.float32), "key": jax.random.key(3), "other": np.zeros(2)}
    own = own_copy(replicate(tree, mesh) | {"numpy": tree["other"]})
    assert own["w"].devices() == {jax.devices()[0]}
    assert own["key"].devices() == {jax.devices()[0]}
    assert jax.random.bits(own["key"]) == jax.random.bits(tree["key"])
    assert own["numpy"] is tree["other"]


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda mesh: replicate({}, jax.devices()), r"mesh must be a jax.sharding.Mesh.*got list"),
        (
            lambda mesh: split_batch(np.zeros((5, 4)), mesh),
            r"divide the rows of its batch, got 5 rows along axis 0 of \(5, 4\), for 2 devices",
        ),
        (
            lambda mesh: split_batch(np.zeros((6, 4)), mesh, axis=2),
            r"axis must be from 0 to 1, for an array of shape \(6, 4\), got 2",
        ),
        (lambda mesh: split_batch(np.zeros((6, 4)), None), r"mesh must be .* got NoneType"),
    ],
)
def test_wrong_arguments(act, message, mesh):
    with pytest.raises(ValueError, match=message):
        act(mesh)
