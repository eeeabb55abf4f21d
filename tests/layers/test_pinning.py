"""Layers that keep rules of their own, whatever the network around them is told; and
layers of a person's own that take no rules at all."""

from __future__ import annotations

from collections import Counter
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import layers
from jaxcnn.check import certify
from jaxcnn.layers.pinning import pinned_in
from jaxcnn.ops import AUTODIFF, EXPLICIT, Ops
from jaxcnn.training import find_nonfinite, init_train_state, make_eval_step, make_train_step

KEY = jax.random.key(0, impl="rbg")
X, LABELS = jnp.linspace(-1, 1, 12).reshape(4, 3), jnp.array([0, 1, 1, 0])
both = pytest.mark.parametrize("ops", [EXPLICIT, AUTODIFF], ids=["explicit", "autodiff"])


def counting(calls: Counter, who: str, ops: Ops = EXPLICIT) -> Ops:
    """The operations, which count their calls under (who, name)."""

    def counted(name, operation):
        def call(*args, **kwargs):
            calls[who, name] += 1
            return operation(*args, **kwargs)

        return call

    return Ops(*(counted(name, operation) for name, operation in ops._asdict().items()))


def calls_of(apply) -> Counter:
    """Who computed what in `apply(outer, inner)`, where both are operations."""
    calls: Counter = Counter()
    apply(counting(calls, "outer"), counting(calls, "inner"))
    return calls


# Pins.


def test_a_pin_holds_whatever_apply_is_told():
    def apply(outer, inner):
        model = layers.serial(layers.relu(), layers.using(inner, layers.tanh()))
        model.apply({}, {}, X, ops=outer)

    assert calls_of(apply) == {("outer", "relu"): 1, ("inner", "tanh"): 1}


def test_a_pin_holds_for_all_layers_inside_but_those_pinned_themselves():
    def apply(outer, inner):
        block = layers.residual(layers.serial(layers.using(inner, layers.tanh()), layers.relu()))
        model = layers.serial(layers.using(outer, block), layers.sigmoid())
        model.apply({}, {}, X, ops=AUTODIFF)

    assert calls_of(apply) == {("inner", "tanh"): 1, ("outer", "relu"): 1}


def test_of_two_pins_around_one_layer_the_inner_one_holds():
    def apply(outer, inner):
        layer = layers.using(outer, layers.using(inner, layers.relu()))
        layer.apply({}, {}, X)
        layers.serial(layer).apply({}, {}, X)

    assert calls_of(apply) == {("inner", "relu"): 2}


def test_outputs_obey_pins():
    def apply(outer, inner):
        block = layers.using(inner, layers.residual(layers.serial(layers.relu(), layers.gelu())))
        layers.outputs(layers.serial(layers.tanh(), block), {}, {}, X, ops=outer)

    assert set(calls_of(apply)) == {("outer", "tanh"), ("inner", "relu"), ("inner", "gelu")}


@pytest.mark.parametrize("which", ["train", "eval", "find_nonfinite"])
def test_steps_obey_pins(which):
    """The loss is the outer operations', the pinned layer's product its own."""

    def apply(outer, inner):
        model = layers.serial(layers.dense(3), layers.using(inner, layers.dense(2)))
        optimizer = optax.sgd(0.1)
        state = init_train_state(model, optimizer, KEY, X.shape)
        outer, inner = (ops._replace(relu=jax.nn.relu) for ops in (outer, inner))
        step = {
            "train": lambda: make_train_step(model, optimizer, ops=outer)(state, X, LABELS),
            "eval": lambda: make_eval_step(model, ops=outer)(state, X, LABELS),
            "find_nonfinite": lambda: find_nonfinite(model, state, X, LABELS, ops=outer),
        }
        step[which]()

    calls = calls_of(apply)
    assert set(calls) == {
        ("outer", "dense"),
        ("inner", "dense"),
        ("outer", "softmax_cross_entropy"),
    }
    assert calls["outer", "softmax_cross_entropy"] == 1


def test_a_pinned_layer_is_the_layer_that_it_was():
    """Name, entries, window, parts; and the values."""
    conv = layers.conv(2, 3)
    layer = layers.using(AUTODIFF, conv)
    assert layer._replace(ops=None, apply=conv.apply) == conv
    assert layer.ops is AUTODIFF
    x = jnp.ones((1, 4, 4, 1))
    params, state = layer.init(KEY, x.shape)
    np.testing.assert_array_equal(layer.apply(params, state, x)[0], conv.apply(params, state, x)[0])


def test_paths_of_pinned_layers():
    relu = layers.using(AUTODIFF, layers.relu())
    block = layers.residual(layers.serial(layers.dense(3), relu), relu)
    model = layers.serial(relu, layers.relu(), block, layers.using(EXPLICIT, block))
    inside = ("2_residual/inner/1_relu", "2_residual/shortcut")
    assert layers.pinned(model) == ("0_relu", *inside, "3_residual")
    assert layers.pinned(layers.serial(layers.relu())) == ()
    assert layers.pinned(relu) == ("",)


@both
@pytest.mark.parametrize("jit", [False, True], ids=["plain", "jit"])
def test_what_is_traced_tells_of_pins(ops, jit):
    """Under `jit` and in a `scan` as without them."""
    relu = layers.using(AUTODIFF, layers.relu())
    model = layers.serial(layers.dense(3), layers.residual(layers.serial(relu)), relu)
    params, state = model.init(KEY, X.shape)

    def loss(params, x):
        return jnp.sum(model.apply(params, state, x, ops=ops)[0])

    def scanned(params, x):
        return jax.lax.scan(lambda total, row: (total + loss(params, row[None]), None), 0.0, x)[0]

    paths = ("1_residual/inner/0_relu", "2_relu")
    for function in (loss, scanned):
        traced = jax.make_jaxpr(jax.jit(function) if jit else function)(params, X)
        assert set(pinned_in(traced)) == set(paths)


@pytest.mark.parametrize("jit", [False, True], ids=["plain", "jit"])
def test_certificate_names_what_it_did_not_compare(jit):
    half = EXPLICIT._replace(relu=lambda x: EXPLICIT.relu(x) / 2)
    pinned = layers.serial(layers.tanh(), layers.using(half, layers.relu()))
    free = layers.serial(layers.tanh(), layers.relu())
    x = jax.ShapeDtypeStruct((2, 3), "float32")

    def certified(model):
        def run(ops):
            apply = partial(model.apply, ops=ops)
            return (
                (lambda x: jax.jit(apply)({}, {}, x)[0]) if jit else lambda x: apply({}, {}, x)[0]
            )

        skip = ("jit", "vmap", "scan", "second order", "reference", "differences")
        return certify(run(EXPLICIT), run(AUTODIFF), [x], skip=skip)

    result = certified(pinned)
    assert result.passed
    assert result.not_compared == ("1_relu",)
    assert "not compared: layer '1_relu' keeps its own rules in both functions" in str(result)
    result = certified(free)
    assert result.not_compared == ()
    assert "not compared" not in str(result)


# Layers of one's own.


def own_layer(name: str = "own") -> layers.Layer:
    """Its `apply` takes no `ops`."""

    def init(key, input_shape):
        return {"scale": jnp.full(input_shape[-1], 2.0)}, {}

    def apply(params, state, x, *, train=False, key=None):
        return params["scale"] * x, state

    return layers.Layer(name, init, apply)


def test_a_layer_that_takes_no_ops_cannot_be_pinned():
    with pytest.raises(ValueError, match=r"takes ops, got the layer 'own', whose apply does not"):
        layers.using(AUTODIFF, own_layer())
    block = layers.using(AUTODIFF, layers.serial(own_layer(), layers.relu()))
    assert layers.pinned(block) == ("",), "a network of such layers can"


def test_a_layer_with_options_of_any_name_takes_ops():
    seen = []

    def apply(params, state, x, **options):
        seen.append(options["ops"])
        return x, state

    layer = layers.using(AUTODIFF, layers.Layer("own", lambda key, shape: ({}, {}), apply))
    layers.serial(layer).apply({}, {}, X)
    assert seen == [AUTODIFF]


@both
def test_a_layer_of_ones_own_works_wherever_layers_do(ops):
    model = layers.serial(
        layers.dense(3), own_layer(), layers.residual(own_layer(), own_layer()), layers.dense(2)
    )
    optimizer = optax.sgd(0.1)
    state = init_train_state(model, optimizer, KEY, X.shape)
    params = state.params
    y, _ = model.apply(params, {}, X, train=True, ops=ops)
    hidden = 2 * (X @ params["0_dense"]["w"])
    np.testing.assert_allclose(y, 4 * hidden @ params["3_dense"]["w"], rtol=1e-5)
    given = layers.outputs(model, params, {}, X, ops=ops)
    np.testing.assert_allclose(given["1_own"], hidden, rtol=1e-5)
    np.testing.assert_array_equal(given["3_dense"], y)
    assert find_nonfinite(model, state, X, LABELS, ops=ops) is None
    expected = np.asarray(make_eval_step(model, ops=ops)(state, X, LABELS)["loss"])
    state, metrics = make_train_step(model, optimizer, ops=ops)(state, X, LABELS)
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-6)
    assert np.all(np.asarray(state.params["1_own"]["scale"]) != 2)


@both
def test_a_layer_of_ones_own_alone(ops):
    model, optimizer = own_layer(), optax.sgd(0.1)
    state = init_train_state(model, optimizer, KEY, X.shape)
    np.testing.assert_array_equal(layers.outputs(model, state.params, {}, X, ops=ops)[""], 2 * X)
    _, metrics = make_train_step(model, optimizer, ops=ops)(state, X, LABELS)
    assert metrics["finite"]
