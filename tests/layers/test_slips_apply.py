"""Likely slips in `apply` and `outputs`, each with what the message should say."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from jaxcnn import layers, models
from tests.layers._slips import KEY, X, refuses

MODEL = layers.serial(
    layers.conv(2, 3), layers.batch_norm(), layers.dropout(0.5), layers.flatten(), layers.dense(3)
)


PARAMS, STATE = jax.eval_shape(lambda key: MODEL.init(key, (1, 8, 8, 1)), KEY)
PARAMS, STATE = jax.tree.map(lambda p: jnp.ones(p.shape), (PARAMS, STATE))


def without(tree, entry, inner=None):
    rest = {name: value for name, value in tree.items() if name != entry}
    return rest if inner is None else rest | {entry: without(tree[entry], inner)}


def apply(params=PARAMS, state=STATE, x=X, model=MODEL, **options):
    return lambda: jax.eval_shape(lambda x: model.apply(params, state, x, **options), x)


APPLY = {
    "an entry missing": (
        apply(params=without(PARAMS, "4_dense")),
        "params",
        "'w' is missing.*another model",
        "4_dense",
    ),
    "a kernel missing": (
        apply(params=without(PARAMS, "0_conv", "w")),
        "params",
        "'w' is missing",
        "0_conv",
    ),
    "a bias missing": (
        apply(params=without(PARAMS, "0_conv", "b")),
        "params",
        "'b' is missing",
        "0_conv",
    ),
    "a bias too many": (
        apply(PARAMS["0_conv"], {}, model=layers.conv(2, 3, bias=False)),
        "params",
        "'b' is not one of them",
        "",
    ),
    "a scale missing": (
        apply(params=without(PARAMS, "1_batch_norm", "scale")),
        "params",
        "'scale' is missing",
        "1_batch_norm",
    ),
    "no state": (apply(state={}), "state", "'mean' is missing", "1_batch_norm"),
    "half a state": (
        apply(state=without(STATE, "1_batch_norm", "var")),
        "state",
        "'var' is missing",
        "1_batch_norm",
    ),
    "None for state": (apply(state=None), "state", "must be a dict", ""),
    "None for params": (apply(params=None), "params", "must be a dict", ""),
    "both in one": (apply(params=(PARAMS, STATE)), "params", r"init gives \(params, state\)", ""),
    "an array for params": (apply(X, {}, model=layers.dense(3)), "params", "must be a dict", ""),
    "an array for an entry": (
        apply(params=PARAMS | {"0_conv": X}),
        "params",
        "must be a dict",
        "0_conv",
    ),
    "params of other widths": (
        apply(PARAMS, model=layers.serial(layers.conv(4, 3))),
        "params",
        r"\(3, ..., c, 4\)",
        "0_conv",
    ),
    "params of other taps": (
        apply(PARAMS, model=layers.serial(layers.conv(2, (3, 5)))),
        "params",
        r"\(3, 5, c, 2\)",
        "0_conv",
    ),
    "a matrix of other widths": (
        apply({"w": jnp.ones((8, 3)), "b": jnp.ones(3)}, {}, X[:, 0, 0], layers.dense(4)),
        "params",
        r"\(c, 4\)",
        "",
    ),
    "params of another network": (
        apply(PARAMS, {}, model=models.lenet()),
        "params",
        "another model",
        "0_conv",
    ),
    "train by a word": (apply(train="False"), "train", "True or False, got 'False'", ""),
    "train by a number": (apply(train=1), "train", "True or False", ""),
    "train in a single layer": (
        apply({}, {}, model=layers.relu(), train="no"),
        "train",
        "True or False",
        "",
    ),
    "train traced": (
        lambda: jax.jit(MODEL.apply)(PARAMS, STATE, X, train=True),
        "train",
        "static_argnames",
        "",
    ),
    "a seed": (apply(train=True, key=0), "key", r"jax.random.key\(0\)", ""),
    "several keys": (apply(train=True, key=jax.random.split(KEY, 2)), "key", "jax.vmap", ""),
    "no key": (apply(train=True), "key", "", "2_dropout"),
    "a seed in a single layer": (
        apply({}, {}, model=layers.dropout(0.5), train=True, key=0),
        "key",
        "seed",
        "",
    ),
    "other channels": (apply(x=jnp.ones((2, 8, 8, 3))), "x", "3 channels", "0_conv"),
    "images without a channel": (
        apply({}, {}, X[..., 0], models.lenet()),
        "x",
        "is the channel axis missing",
        "",
    ),
    "images without a batch": (
        apply({}, {}, X[0], models.lenet()),
        "x",
        "is the batch axis missing",
        "",
    ),
    "no array": (lambda: MODEL.apply(PARAMS, STATE, "x"), "x", "an array", ""),
    "no array in a single layer": (
        lambda: layers.flatten().apply({}, {}, None),
        "x",
        "an array",
        "",
    ),
    "a number to flatten": (lambda: layers.flatten().apply({}, {}, 3.0), "x", "batch axis", ""),
    "outputs of no layer": (
        lambda: layers.outputs(jnp.sin, {}, {}, X),
        "layer",
        "layers.activation",
        "",
    ),
    "outputs without params": (
        lambda: layers.outputs(MODEL, None, STATE, X),
        "params",
        "must be a dict",
        "",
    ),
    "outputs of another model": (
        lambda: layers.outputs(MODEL, {}, STATE, X),
        "params",
        "'w' is missing",
        "0_conv",
    ),
    "outputs by a word": (
        lambda: layers.outputs(MODEL, PARAMS, STATE, X, train="True"),
        "train",
        "",
        "",
    ),
    "outputs by a seed": (
        lambda: layers.outputs(MODEL, PARAMS, STATE, X, train=True, key=3),
        "key",
        "seed",
        "",
    ),
    "outputs of no array": (
        lambda: layers.outputs(MODEL, PARAMS, STATE, [["x"]]),
        "x",
        "an array",
        "",
    ),
}


@pytest.mark.parametrize(("call", "name", "message", "entry"), APPLY.values(), ids=APPLY)
def test_slips_in_apply(call, name, message, entry):
    refuses(call, name, message)
    with pytest.raises(ValueError) as raised:
        call()
    assert not entry or f"in layer {entry!r}" in "\n".join(raised.value.__notes__)


def test_the_first_layers_of_a_network_take_its_params():
    part = layers.serial(*(layer for _, layer in MODEL.parts[:2]))
    y, new_state = jax.eval_shape(part.apply, PARAMS, STATE, X)
    assert (y.shape, new_state.keys()) == ((2, 8, 8, 2), {"1_batch_norm"})
