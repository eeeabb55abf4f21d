"""Layers one after another and side by side: entries, values, keys, transformations."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import layers
from jaxcnn.ops import AUTODIFF, EXPLICIT
from tests.layers._examples import KEY, data


def shapes(tree):
    return jax.tree.map(jnp.shape, tree)


def test_serial_names_entries_by_position_and_leaves_empty_ones_out():
    model = layers.serial(
        layers.relu(),
        layers.conv(2, 1),
        layers.batch_norm(),
        layers.serial(layers.relu(), layers.serial()),
        layers.residual(layers.serial(layers.tanh(), layers.batch_norm())),
        layers.flatten(),
        layers.dense(3),
    )
    params, state = model.init(KEY, (1, 2, 2, 1))
    assert shapes(params) == {
        "1_conv": {"w": (1, 1, 1, 2), "b": (2,)},
        "2_batch_norm": {"scale": (2,), "bias": (2,)},
        "4_residual": {"inner": {"1_batch_norm": {"scale": (2,), "bias": (2,)}}},
        "6_dense": {"w": (8, 3), "b": (3,)},
    }
    statistics = {"mean": (2,), "var": (2,)}
    assert shapes(state) == {
        "2_batch_norm": statistics,
        "4_residual": {"inner": {"1_batch_norm": statistics}},
    }
    x = data(4, 2, 2, 1)
    _, new_state = model.apply(params, state, x, train=True)
    assert shapes(new_state) == shapes(state)
    changed = jax.tree.leaves(jax.tree.map(lambda a, b: bool(jnp.any(a != b)), state, new_state))
    assert changed == [True] * 4
    _, same_state = model.apply(params, new_state, x)
    assert all(jax.tree.leaves(jax.tree.map(jnp.array_equal, new_state, same_state)))


def test_serial_is_the_composition():
    model = layers.serial(layers.dense(4), layers.tanh(), layers.dense(4), layers.relu())
    x = data(5, 4)
    params, state = model.init(KEY, x.shape)
    first, second = params["0_dense"], params["2_dense"]
    expected = np.maximum(np.tanh(x @ first["w"] + first["b"]) @ second["w"] + second["b"], 0)
    np.testing.assert_allclose(model.apply(params, state, x)[0], expected, rtol=1e-5, atol=1e-6)
    assert not jnp.array_equal(first["w"], second["w"])  # each layer is drawn from a key of its own


def test_each_layer_has_a_key_of_its_own():
    model = layers.residual(
        layers.serial(layers.dropout(0.5), layers.dropout(0.5)), layers.dropout(0.5)
    )
    x = jnp.ones((1, 4000))
    params, state = model.init(KEY, x.shape)
    assert (params, state) == ({}, {})
    y, _ = model.apply({}, {}, x, train=True, key=jax.random.key(1))
    # 4 is kept twice, with probability 1/4; 2 comes from the shortcut, with 1/2; so
    # they add to
    frequencies = {float(value): np.mean(np.asarray(y) == value) for value in (0, 2, 4, 6)}
    assert frequencies == pytest.approx({0.0: 3 / 8, 2.0: 3 / 8, 4.0: 1 / 8, 6.0: 1 / 8}, abs=0.03)
    again, _ = model.apply({}, {}, x, train=True, key=jax.random.key(1))
    other, _ = model.apply({}, {}, x, train=True, key=jax.random.key(2))
    assert jnp.array_equal(y, again)
    assert not jnp.array_equal(y, other)
    assert jnp.array_equal(
        model.apply({}, {}, x)[0], 2 * x
    )  # no dropout outside training, and no key


def test_residual_adds_its_two_branches():
    x = data(2, 4, 4, 3)
    block = layers.residual(layers.activation(jnp.sin))
    np.testing.assert_array_equal(block.apply({}, {}, x)[0], jnp.sin(x) + x)

    block = layers.residual(layers.conv(5, 3, stride=2), layers.conv(5, 1, stride=2))
    params, state = block.init(KEY, x.shape)
    inner = EXPLICIT.conv(x, params["inner"]["w"], stride=2, padding="same")
    shortcut = EXPLICIT.conv(x, params["shortcut"]["w"], stride=2, padding="same")
    np.testing.assert_allclose(
        block.apply(params, state, x)[0], inner + shortcut, rtol=1e-6, atol=1e-6
    )


# Transformations.


def network() -> layers.Layer:
    block = layers.serial(
        layers.conv(4, 3), layers.batch_norm(), layers.relu(), layers.dropout(0.2)
    )
    head = layers.max_pool(2), layers.flatten(), layers.layer_norm(), layers.dense(3)
    return layers.serial(layers.conv(4, 3), layers.residual(block), *head)


def test_explicit_and_autodiff_agree_under_jit():
    x, dy = data(3, 4, 4, 2), data(3, 3)
    params, state = network().init(KEY, x.shape)

    def pull(ops):
        def apply(params, x):
            return network().apply(params, state, x, train=True, key=KEY, ops=ops)

        y, vjp, new_state = jax.vjp(apply, params, x, has_aux=True)
        return y, new_state, vjp(dy)

    explicit, autodiff = jax.jit(partial(pull, EXPLICIT))(), jax.jit(partial(pull, AUTODIFF))()
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), explicit, autodiff)
    assert all(
        np.any(leaf != 0) for leaf in jax.tree.leaves(explicit[2])
    )  # nothing agrees by being 0


@pytest.mark.slow
def test_an_ensemble_is_a_vmap():
    model = layers.serial(layers.dense(4), layers.relu(), layers.dense(3))
    x = data(5, 4)
    keys = jax.random.split(
        jax.random.key(0), 3
    )  # the default generator: others may draw differently under vmap
    params, state = jax.vmap(lambda key: model.init(key, x.shape))(keys)
    ys, _ = jax.vmap(lambda p: model.apply(p, state, x))(params)
    assert ys.shape == (3, 5, 3)
    for member, y in enumerate(ys):
        single, _ = model.init(keys[member], x.shape)
        np.testing.assert_allclose(model.apply(single, state, x)[0], y, rtol=1e-5, atol=1e-5)


def test_parameters_cast_to_bfloat16_compute_in_it():
    x = data(2, 4, 4, 2, dtype=jnp.bfloat16)
    params, state = network().init(KEY, x.shape)
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)
    y, new_state = jax.eval_shape(partial(network().apply, train=True), params, state, x, key=KEY)
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(new_state)} == {jnp.dtype(jnp.float32)}
