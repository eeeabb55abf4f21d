"""Layers: what `init` promises, `apply` keeps; each hands its arguments to its
operation; the combinators; messages."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import layers
from jaxcnn.ops import AUTODIFF, EXPLICIT, Ops

KEY = jax.random.key(0, impl="rbg")  # compiles several times faster than the default generator


def data(*shape, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)


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


def shapes(tree):
    return jax.tree.map(jnp.shape, tree)


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
def test_layer_computes_with_the_operation_it_was_given(make, x_shape):
    calls = []
    layer = make(ops=recording(EXPLICIT, calls))
    params, state = jax.eval_shape(lambda key: layer.init(key, x_shape), KEY)
    calls.clear()
    jax.eval_shape(
        partial(layer.apply, train=True),
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


# Combinators.


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


def network(ops: Ops) -> layers.Layer:
    block = layers.serial(
        layers.conv(4, 3, ops=ops),
        layers.batch_norm(ops=ops),
        layers.relu(ops=ops),
        layers.dropout(0.2, ops=ops),
    )
    head = (
        layers.max_pool(2, ops=ops),
        layers.flatten(),
        layers.layer_norm(ops=ops),
        layers.dense(3, ops=ops),
    )
    return layers.serial(layers.conv(4, 3, ops=ops), layers.residual(block), *head)


def test_explicit_and_autodiff_agree_under_jit():
    x, dy = data(3, 4, 4, 2), data(3, 3)
    params, state = network(EXPLICIT).init(KEY, x.shape)

    def pull(ops):
        def apply(params, x):
            return network(ops).apply(params, state, x, train=True, key=KEY)

        y, vjp, new_state = jax.vjp(apply, params, x, has_aux=True)
        return y, new_state, vjp(dy)

    explicit, autodiff = jax.jit(partial(pull, EXPLICIT))(), jax.jit(partial(pull, AUTODIFF))()
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), explicit, autodiff)
    assert all(
        np.any(leaf != 0) for leaf in jax.tree.leaves(explicit[2])
    )  # nothing agrees by being 0


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
    params, state = network(EXPLICIT).init(KEY, x.shape)
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)
    y, new_state = jax.eval_shape(
        partial(network(EXPLICIT).apply, train=True), params, state, x, key=KEY
    )
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(new_state)} == {jnp.dtype(jnp.float32)}


# Messages.


@pytest.mark.parametrize(
    ("layer", "x_shape", "messages"),
    [
        pytest.param(
            layers.serial(
                layers.conv(4, 3), layers.residual(layers.serial(layers.relu(), layers.max_pool(4)))
            ),
            (1, 3, 3, 1),
            [
                "larger than the padded input",
                "in layer '1_max_pool'",
                "in layer 'inner'",
                r"in layer '1_residual', .*\(1, 3, 3, 4\)",
            ],
            id="nested layers, an image too small",
        ),
        pytest.param(
            layers.serial(layers.relu(), layers.conv(4, 3, groups=2)),
            (1, 3, 3, 3),
            ["groups.*3 channels", "1_conv"],
            id="groups",
        ),
        pytest.param(layers.conv(4, (3, 3)), (1, 3, 3), ["size.*1 here"], id="axes of the kernel"),
        pytest.param(
            layers.serial(layers.conv(4, 3)), (3, 3), ["must have a batch", "0_conv"], id="no batch"
        ),
        pytest.param(layers.layer_norm(axes=2), (1, 3), ["axes"], id="axes that are not there"),
        pytest.param(
            layers.residual(layers.dense(1)),
            (2, 3),
            [r"\(2, 1\) and \(2, 3\)"],
            id="residual does not broadcast",
        ),
    ],
)
def test_init_refuses_what_does_not_fit(layer, x_shape, messages):
    with pytest.raises(ValueError) as raised:
        layer.init(KEY, x_shape)
    for message in messages:
        assert raised.match(message)


def test_apply_says_which_layer_refused():
    model = layers.serial(layers.dense(4), layers.dropout(0.5))
    params, state = model.init(KEY, (1, 3))
    with pytest.raises(ValueError, match="in layer '1_dropout'") as raised:
        model.apply(params, state, jnp.ones((2, 3)), train=True)
    assert raised.match("key must be a JAX random key")
    with pytest.raises(ValueError, match=r"in layer '0_dense', given x of shape \(2, 5\)"):
        jax.jit(model.apply)(params, state, jnp.ones((2, 5)))
    with pytest.raises(ValueError, match=r"\(2, 1\) and \(2, 3\)"):
        layers.residual(layers.activation(lambda x: x[:, :1])).apply({}, {}, jnp.ones((2, 3)))


# What is inside.


@pytest.mark.parametrize(
    ("layer", "space"),
    [
        pytest.param(layers.conv(2, 3, stride=2, padding="same"), (7, 8), id="conv"),
        pytest.param(
            layers.conv(2, (3, 2), padding=((2, -1), (0, 3)), dilation=(1, 2)),
            (7, 8),
            id="conv, uneven",
        ),
        pytest.param(layers.conv(2, 4, padding="causal", dilation=2), (9,), id="conv, 1-D"),
        pytest.param(layers.conv(2, 2, stride=(1, 2, 3)), (4, 5, 6), id="conv, 3-D"),
        pytest.param(layers.max_pool(3, stride=2, padding=1), (7, 8), id="max_pool"),
        pytest.param(layers.max_pool(2, ceil_mode=True), (7, 5), id="max_pool, ceil_mode"),
        pytest.param(layers.avg_pool((2, 3)), (7, 8), id="avg_pool"),
        pytest.param(layers.layer_norm(axes=(1, -1)), (7, 8), id="layer_norm"),
    ],
)
def test_window_gives_as_many_outputs_as_apply(layer, space):
    params, state = jax.eval_shape(lambda: layer.init(KEY, (1, *space, 3)))
    y, _ = jax.eval_shape(
        layer.apply, params, state, jax.ShapeDtypeStruct((1, *space, 3), jnp.float32)
    )
    assert layer.window(space).output_size(space) == y.shape[1:-1]


@pytest.mark.parametrize(
    "layer",
    [layers.flatten(), layers.global_avg_pool(), layers.global_max_pool()],
    ids=lambda a: a.name,
)
def test_windows_of_what_takes_all_of_space(layer):
    window = layer.window((4, 5))
    assert (window.size, window.output_size((4, 5))) == ((4, 5), (1, 1))


def test_layer_norm_sees_what_it_normalises_over():
    window = layers.layer_norm(axes=(-2, -1)).window((4, 5))
    assert window.size == (1, 9)
    assert window.pads == ((0, 0), (4, 4))
    assert layers.layer_norm().window((4, 5)).size == (1, 1)


@pytest.mark.parametrize("train", [False, True])
def test_outputs_are_what_each_layer_gives(train):
    block = layers.residual(layers.serial(layers.dropout(0.5), layers.conv(3, 3)))
    model = layers.serial(
        layers.batch_norm(), block, layers.flatten(), layers.dropout(0.5), layers.dense(2)
    )
    x = jax.random.normal(KEY, (2, 4, 4, 3))
    params, state = model.init(KEY, x.shape)
    given = layers.outputs(model, params, state, x, train=train, key=KEY)
    inside = ["1_residual/inner/0_dropout", "1_residual/inner/1_conv", "1_residual/shortcut"]
    assert list(given) == [
        "0_batch_norm",
        *inside,
        "1_residual",
        "2_flatten",
        "3_dropout",
        "4_dense",
    ]
    y, _ = model.apply(params, state, x, train=train, key=KEY)
    np.testing.assert_array_equal(given["4_dense"], y)
    np.testing.assert_array_equal(
        given["1_residual"], given["1_residual/inner/1_conv"] + given["1_residual/shortcut"]
    )
    np.testing.assert_array_equal(given["1_residual/shortcut"], given["0_batch_norm"])
    expected, _ = layers.conv(3, 3).apply(
        params["1_residual"]["inner"]["1_conv"], {}, given["1_residual/inner/0_dropout"]
    )
    np.testing.assert_array_equal(given["1_residual/inner/1_conv"], expected)
    assert np.any(given["1_residual/inner/0_dropout"] == 0) == train
    np.testing.assert_array_equal(layers.outputs(layers.relu(), {}, {}, x)[""], jax.nn.relu(x))
