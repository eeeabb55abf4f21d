"""Layers: what `init` promises, `apply` keeps; each hands its arguments to its
operation."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import layers
from jaxcnn.ops import EXPLICIT, Ops
from tests.layers._examples import KEY, data

# Each layer: how it is made, an input shape, the shapes of its params and state, and
# that of its output, worked out by hand.

LAYERS = {
    "conv": (
        partial(layers.conv, 4, 3),
        (2, 6, 5, 3),
        {"w": (3, 3, 3, 4), "b": (4,)},
        {},
        (2, 6, 5, 4),
    ),
    "conv 1-D": (
        partial(layers.conv, 4, 3, padding="valid", bias=False),
        (2, 6, 3),
        {"w": (3, 3, 4)},
        {},
        (2, 4, 4),
    ),
    "conv 3-D": (
        partial(layers.conv, 2, (1, 2, 3)),
        (2, 3, 4, 5, 1),
        {"w": (1, 2, 3, 1, 2), "b": (2,)},
        {},
        (2, 3, 4, 5, 2),
    ),
    "conv, all options": (
        partial(layers.conv, 6, (2, 3), stride=(2, 1), padding=1, dilation=(1, 2), groups=2),
        (2, 6, 5, 4),
        {"w": (2, 3, 2, 6), "b": (6,)},
        {},
        (2, 4, 3, 6),
    ),
    "dense": (partial(layers.dense, 4), (2, 3), {"w": (3, 4), "b": (4,)}, {}, (2, 4)),
    "dense without bias": (
        partial(layers.dense, 4, bias=False),
        (2, 5, 3),
        {"w": (3, 4)},
        {},
        (2, 5, 4),
    ),
    "batch_norm": (
        layers.batch_norm,
        (2, 4, 3),
        {"scale": (3,), "bias": (3,)},
        {"mean": (3,), "var": (3,)},
        (2, 4, 3),
    ),
    "layer_norm": (layers.layer_norm, (2, 4, 3), {"scale": (3,), "bias": (3,)}, {}, (2, 4, 3)),
    "layer_norm, two axes": (
        partial(layers.layer_norm, axes=(1, 2)),
        (2, 4, 3),
        {"scale": (4, 3), "bias": (4, 3)},
        {},
        (2, 4, 3),
    ),
    "max_pool": (partial(layers.max_pool, 2), (2, 5, 4, 3), {}, {}, (2, 2, 2, 3)),
    "max_pool, all options": (
        partial(layers.max_pool, 2, stride=2, padding=1, dilation=2, ceil_mode=True),
        (2, 6, 3),
        {},
        {},
        (2, 4, 3),
    ),
    "avg_pool": (partial(layers.avg_pool, 3, stride=1), (2, 5, 4, 3), {}, {}, (2, 3, 2, 3)),
    "avg_pool, all options": (
        partial(
            layers.avg_pool,
            2,
            stride=2,
            padding=1,
            dilation=2,
            ceil_mode=True,
            count_include_pad=False,
        ),
        (2, 6, 3),
        {},
        {},
        (2, 4, 3),
    ),
    "global_max_pool": (layers.global_max_pool, (2, 5, 4, 3), {}, {}, (2, 3)),
    "global_avg_pool": (layers.global_avg_pool, (2, 5, 4, 3), {}, {}, (2, 3)),
    "dropout": (partial(layers.dropout, 0.5), (2, 5, 3), {}, {}, (2, 5, 3)),
    **{
        name: (getattr(layers, name), (2, 3), {}, {}, (2, 3))
        for name in ("relu", "leaky_relu", "sigmoid", "tanh", "silu", "gelu")
    },
}


PLAIN_LAYERS = {
    "flatten": (layers.flatten, (2, 5, 4, 3), {}, {}, (2, 60)),
    "flatten an empty batch": (layers.flatten, (0, 4, 3), {}, {}, (0, 12)),
    "identity": (layers.identity, (2, 3), {}, {}, (2, 3)),
}


@pytest.mark.parametrize(
    ("make", "x_shape", "params_shapes", "state_shapes", "y_shape"),
    [pytest.param(*case, id=name) for name, case in (LAYERS | PLAIN_LAYERS).items()],
)
def test_init_promises_the_shapes_that_apply_keeps(
    make, x_shape, params_shapes, state_shapes, y_shape
):
    layer = make()
    params, state = jax.eval_shape(lambda key: layer.init(key, x_shape), KEY)
    assert jax.tree.map(lambda p: p.shape, params) == params_shapes
    assert jax.tree.map(lambda s: s.shape, state) == state_shapes
    for train in (False, True):
        for more in (0, 3):  # the batch that init was told of binds nobody
            x = jax.ShapeDtypeStruct((x_shape[0] + more, *x_shape[1:]), jnp.float32)
            y, new_state = jax.eval_shape(
                partial(layer.apply, train=train), params, state, x, key=KEY
            )
            assert y.shape == (y_shape[0] + more, *y_shape[1:])
            assert y.dtype == jnp.float32
            assert new_state == state


def recording(ops: Ops, calls: list) -> Ops:
    """The operations, which note their names in `calls`."""

    def record(name, operation):
        def recorded(*args, **kwargs):
            calls.append(name)
            return operation(*args, **kwargs)

        return recorded

    return Ops(*(record(name, operation) for name, operation in ops._asdict().items()))


@pytest.mark.parametrize(
    ("make", "x_shape"), [pytest.param(*case[:2], id=name) for name, case in LAYERS.items()]
)
def test_layer_computes_with_the_operation_that_apply_is_given(make, x_shape):
    calls = []
    layer, ops = make(), recording(EXPLICIT, calls)
    params, state = jax.eval_shape(lambda key: layer.init(key, x_shape), KEY)
    calls.clear()
    jax.eval_shape(
        partial(layer.apply, train=True, ops=ops),
        params,
        state,
        jax.ShapeDtypeStruct(x_shape, jnp.float32),
        key=KEY,
    )
    assert calls == [layer.name]


def test_layers_hand_their_options_on():
    x = data(2, 6, 4, 4)
    options = {"stride": 2, "padding": 2, "dilation": 2, "groups": 2}
    layer = layers.conv(6, 3, **options)
    params, _ = layer.init(KEY, x.shape)
    params["b"] = jnp.arange(6.0)
    np.testing.assert_array_equal(
        layer.apply(params, {}, x)[0], EXPLICIT.conv(x, params["w"], params["b"], **options)
    )

    options = {"stride": 1, "padding": ((1, 1), (0, 1)), "dilation": 2, "ceil_mode": True}
    np.testing.assert_array_equal(
        layers.max_pool(2, **options).apply({}, {}, x)[0], EXPLICIT.max_pool(x, 2, **options)
    )
    options["count_include_pad"] = False
    np.testing.assert_array_equal(
        layers.avg_pool(2, **options).apply({}, {}, x)[0], EXPLICIT.avg_pool(x, 2, **options)
    )

    assert layers.leaky_relu(0.25).apply({}, {}, jnp.array([-4.0]))[0] == -1
    assert (
        layers.gelu(False).apply({}, {}, x)[0].tolist()
        == EXPLICIT.gelu(x, False).tolist()
        != EXPLICIT.gelu(x, True).tolist()
    )


def test_batch_norm_keeps_running_statistics():
    layer = layers.batch_norm(momentum=0.75, epsilon=1e-3)
    x = 3 + 2 * data(8, 5, 2)
    params, state = layer.init(KEY, x.shape)
    params = {"scale": jnp.array([2.0, 3.0]), "bias": jnp.array([1.0, -1.0])}
    mean, var = np.mean(x, axis=(0, 1)), np.var(x, axis=(0, 1))

    y, new_state = layer.apply(params, state, x, train=True)
    np.testing.assert_allclose(
        y, params["scale"] * (x - mean) / np.sqrt(var + 1e-3) + params["bias"], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(new_state["mean"], 0.25 * mean, rtol=1e-5)
    assert np.all(new_state["var"] > 0.75 + 0.2 * var)

    y, same_state = layer.apply(params, new_state, x)
    inferred = (
        params["scale"] * (x - new_state["mean"]) / np.sqrt(new_state["var"] + 1e-3)
        + params["bias"]
    )
    np.testing.assert_allclose(y, inferred, rtol=1e-5, atol=1e-5)
    assert jax.tree.map(jnp.array_equal, same_state, new_state) == {"mean": True, "var": True}


@pytest.mark.parametrize(
    ("layer", "x_shape", "variance"),
    [
        pytest.param(layers.conv(64, 5), (1, 8, 8, 32), 2 / (25 * 32), id="conv"),
        pytest.param(layers.conv(256, 5, groups=4), (1, 8, 8, 32), 2 / (25 * 8), id="grouped conv"),
        pytest.param(layers.dense(256), (1, 200), 1 / 200, id="dense"),
        pytest.param(
            layers.dense(256, kernel_init=layers.HE_NORMAL), (1, 200), 2 / 200, id="dense, he"
        ),
    ],
)
def test_kernels_start_with_the_variance_of_their_fan_in_and_biases_at_0(layer, x_shape, variance):
    params, _ = layer.init(KEY, x_shape)
    assert params["w"].size > 50_000  # of so many, the variance is known to a percent
    np.testing.assert_allclose(np.var(params["w"]), variance, rtol=0.03)
    assert not np.any(params["b"])
