"""What a person may pass to layers, networks, initialisation and receptive fields by
mistake: a ValueError that names it."""

from __future__ import annotations

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn import layers, models
from jaxcnn.receptive import receptive_field, receptive_fields

KEY = jax.random.key(0)
X = jnp.ones((2, 8, 8, 1))


def refuses(call, name, message=""):
    """That the call raises ValueError, and that its message names the argument."""
    with pytest.raises(ValueError) as raised:
        call()
    text = str(raised.value)
    assert re.search(rf"\b{re.escape(name)}\b", text), text
    assert re.search(message, text), text


# Each argument of each function, and values that are none of its kind. `right` are
# those that are, by their place in the table.

NONSENSE = {
    "None": None,
    "a word": "2",
    "True": True,
    "no": "no",
    "a set": {1, 2},
    "a dict": {1: 2},
    "a float": 2.0,
    "a NumPy float": np.float64(3),
    "nan": float("nan"),
    "an object": object(),
    "a function": len,
    "no entries": (),
    "floats": (1.0, 2.0),
    "an array of floats": np.ones(2),
    "an array on the device": jnp.ones(2),
    "a matrix of floats": np.ones((2, 2)),
    "four entries": (1, 2, 3, 4),
    "one of them 0": (2, 0),
    "a flag among them": (2, True),
    "0": 0,
    "-1": -1,
    "beyond an int": 2**70,
}
INT = ()
FLAG = ("True",)
FUNCTION = ("a function",)
SEVERAL = ("four entries",)

# A function, its argument, which values above are right, and what it needs besides.
ARGUMENTS = [
    (layers.conv, "features", INT, {"size": 3}),
    (layers.conv, "size", INT, {"features": 4}),
    (layers.conv, "stride", INT, {"features": 4, "size": 3}),
    (layers.conv, "dilation", INT, {"features": 4, "size": 3}),
    (layers.conv, "padding", ("0", "-1", "one of them 0"), {"features": 4, "size": 3}),
    (layers.conv, "groups", INT, {"features": 4, "size": 3}),
    (layers.conv, "bias", FLAG, {"features": 4, "size": 3}),
    (layers.conv, "kernel_init", FUNCTION, {"features": 4, "size": 3}),
    (layers.conv, "method", ("None",), {"features": 4, "size": 3}),
    (layers.conv, "ops", INT, {"features": 4, "size": 3}),
    (layers.dense, "features", INT, {}),
    (layers.dense, "bias", FLAG, {"features": 4}),
    (layers.dense, "kernel_init", FUNCTION, {"features": 4}),
    (layers.dense, "ops", INT, {"features": 4}),
    (layers.batch_norm, "momentum", ("0",), {}),
    (layers.batch_norm, "epsilon", ("0", "a float", "a NumPy float", "beyond an int"), {}),
    (layers.batch_norm, "ops", INT, {}),
    (layers.layer_norm, "axes", ("0", "-1", "four entries", "one of them 0"), {}),
    (layers.layer_norm, "epsilon", ("0", "a float", "a NumPy float", "beyond an int"), {}),
    (layers.activation, "function", FUNCTION, {}),
    (layers.activation, "name", ("a word", "no"), {"function": jnp.sin}),
    (layers.activation, "window", ("None", *FUNCTION), {"function": jnp.sin}),
    (layers.relu, "ops", INT, {}),
    (
        layers.leaky_relu,
        "negative_slope",
        ("0", "-1", "a float", "a NumPy float", "beyond an int"),
        {},
    ),
    (layers.gelu, "approximate", FLAG, {}),
    (layers.max_pool, "size", INT, {}),
    (layers.max_pool, "stride", ("None",), {"size": 2}),
    (layers.max_pool, "padding", ("0", "-1", "one of them 0"), {"size": 2}),
    (layers.max_pool, "dilation", INT, {"size": 2}),
    (layers.max_pool, "ceil_mode", FLAG, {"size": 2}),
    (layers.max_pool, "ops", INT, {"size": 2}),
    (layers.avg_pool, "size", INT, {}),
    (layers.avg_pool, "count_include_pad", FLAG, {"size": 2}),
    (layers.avg_pool, "ops", INT, {"size": 2}),
    (layers.global_max_pool, "ops", INT, {}),
    (layers.global_avg_pool, "ops", INT, {}),
    (layers.dropout, "rate", ("0",), {}),
    (layers.dropout, "ops", INT, {"rate": 0.5}),
    (layers.residual, "inner", INT, {}),
    (layers.residual, "shortcut", ("None",), {"inner": layers.relu()}),
    *((make, "classes", INT, {}) for make in (*models.MODELS.values(), models.resnet)),
    *((make, "ops", INT, {}) for make in (*models.MODELS.values(), models.resnet)),
    (models.lenet, "features", INT, {}),
    (models.lenet, "hidden", INT, {}),
    (models.lenet, "dropout_rate", ("0",), {}),
    (models.vgg, "features", INT, {}),
    (models.vgg, "hidden", ("no entries", *SEVERAL), {}),
    (models.vgg, "dropout_rate", ("0",), {}),
    (models.vgg, "with_batch_norm", FLAG, {}),
    (models.resnet, "features", SEVERAL, {}),
    (models.resnet, "blocks", INT, {}),
    (models.mobilenet, "stem", INT, {}),
    (models.mobilenet, "blocks", ("no entries",), {}),
    (receptive_field, "input_size", SEVERAL, {"model": layers.relu()}),
    (receptive_field, "model", ("no entries",), {"input_size": (8, 8)}),
    (receptive_fields, "input_size", SEVERAL, {"model": layers.relu()}),
    (receptive_fields, "model", INT, {"input_size": (8, 8)}),
    (receptive_field(layers.relu(), (8, 8)).interval, "position", ("one of them 0",), {}),
    (receptive_field(layers.relu(), (8, 8)).clipped, "position", ("one of them 0",), {}),
]


@pytest.mark.parametrize(
    ("function", "name", "right", "others"),
    [pytest.param(*row, id=f"{row[0].__name__} {row[1]}") for row in ARGUMENTS],
)
def test_nonsense_is_refused_where_it_is_passed(function, name, right, others):
    unknown = set(right) - set(NONSENSE)
    assert not unknown
    for kind, value in NONSENSE.items():
        call = partial(function, **others, **{name: value})
        if kind in right:
            call()
        else:
            refuses(call, name)


# What has an entry per axis, or several entries, is taken as an array too.


def test_arrays_of_ints_are_taken_where_tuples_are_meant():
    conv = layers.conv(
        np.int64(4),
        np.array([3, 2]),
        stride=jnp.array([2, 1]),
        padding=np.array([[1, 0], [0, 2]]),
        groups=np.int32(2),
    )
    params, _ = conv.init(KEY, np.array([1, 8, 8, 2]))
    assert params["w"].shape == (3, 2, 1, 4)
    assert conv.window((8, 8)) == jaxcnn.make_window(
        (3, 2), (8, 8), stride=(2, 1), padding=((1, 0), (0, 2))
    )
    assert layers.max_pool(np.array([2, 3])).window((8, 9)).size == (2, 3)
    assert layers.layer_norm(axes=np.array([1, -1])).init(KEY, (1, 4, 3))[0]["scale"].shape == (
        4,
        3,
    )
    assert receptive_field(layers.conv(1, 3), np.array([8, 9])) == receptive_field(
        layers.conv(1, 3), (8, 9)
    )
    assert receptive_field(layers.conv(1, 3), (8, 9)).interval(np.array([0, 1])) == (
        (-1, 1),
        (0, 2),
    )
    network = models.mobilenet(
        np.int64(3), stem=np.array([4, 1]), blocks=np.array([[8, 2], [8, 1]])
    )
    assert len(network.parts) == 3 + 2 * 6 + 2
    assert len(models.lenet(features=np.array([2, 3]), hidden=[4, 5]).parts) == 14


# The likely slips, each with what the message should say.

MADE = {
    "a function for a layer": (
        lambda: layers.serial(layers.conv(2, 3), jax.nn.relu),
        "layer 1 of serial",
        r"wrap it, layers.activation\(relu\)",
    ),
    "a list of layers": (
        lambda: layers.serial([layers.relu()]),
        "layer 0 of serial",
        r"write serial\(\*layers\)",
    ),
    "a generator of layers": (
        lambda: layers.serial(layers.relu() for _ in "ab"),
        "layer 0 of serial",
        r"serial\(\*layers\)",
    ),
    "a layer that was not made": (
        lambda: layers.serial(layers.relu),
        "layer 0 of serial",
        r"call it, relu\(\.\.\.\)",
    ),
    "a network that was not made": (
        lambda: layers.serial(models.lenet),
        "layer 0 of serial",
        r"call it, lenet\(\.\.\.\)",
    ),
    "a list in residual": (
        lambda: layers.residual([layers.relu()]),
        "inner",
        r"serial\(\*layers\)",
    ),
    "a layer without functions": (
        lambda: layers.serial(layers.Layer("own", 3, None)),
        "layer 0 of serial",
        "two functions",
    ),
    "a method by its name": (
        lambda: layers.conv(4, 3, method="im2col"),
        "method",
        "pass jaxcnn.methods.IM2COL",
    ),
    "no such method": (lambda: layers.conv(4, 3, method="fft"), "method", "LAX.*got 'fft'"),
    "a misspelt padding": (
        lambda: layers.conv(4, 3, padding="sane"),
        "padding",
        "same.*got 'sane'",
    ),
    "padding of one axis and size of two": (
        lambda: layers.conv(4, (3, 3), padding=(1,)),
        "padding",
        "2 of size and 1 of padding",
    ),
    "stride of three axes": (
        lambda: layers.max_pool((2, 2), stride=(1, 1, 1)),
        "stride",
        "2 of size and 3 of stride",
    ),
    "causal images": (
        lambda: layers.conv(4, (3, 3), padding="causal"),
        "padding",
        "one spatial axis",
    ),
    "pairs of three": (lambda: layers.conv(4, 3, padding=((1, 1, 1), (1, 1, 1))), "padding", ""),
    "pads of floats": (lambda: layers.conv(4, 3, padding=((1.0, 1),)), "padding", ""),
    "a cropping pool with ceil_mode": (
        lambda: layers.max_pool(2, padding=-1, ceil_mode=True),
        "padding",
        "ceil_mode",
    ),
    "groups that do not divide": (
        lambda: layers.conv(4, 3, groups=3),
        "groups",
        "groups=3 and 4 features",
    ),
    "operations that are none": (
        lambda: layers.relu(ops=jaxcnn.EXPLICIT._replace(relu=3)),
        "ops",
        r"ops.relu = 3",
    ),
    "operations by their name": (lambda: layers.dense(4, ops="explicit"), "ops", "EXPLICIT"),
    "axes twice": (lambda: layers.layer_norm(axes=(1, 1)), "axes", "distinct"),
    "a layer for a function": (
        lambda: layers.activation(layers.relu()),
        "function",
        "the layer 'relu': a layer is not wrapped",
    ),
    "a layer that was not made for a function": (
        lambda: layers.activation(layers.relu),
        "function",
        "relu, which makes one",
    ),
    "a function of nothing": (lambda: layers.activation(lambda: 3), "function", "of x alone"),
    "a function of two": (lambda: layers.activation(jnp.dot), "function", "of x alone"),
    "everything dropped": (lambda: layers.dropout(1), "rate", "multiply by 0"),
    "a percentage": (lambda: models.vgg(dropout_rate=50), "dropout_rate", r"\[0, 1\)"),
    "momentum 2": (lambda: layers.batch_norm(momentum=2), "momentum", r"\[0, 1\]"),
    "an infinite epsilon": (lambda: layers.batch_norm(epsilon=np.inf), "epsilon", "finite"),
    "an infinite slope": (lambda: layers.leaky_relu(np.inf), "negative_slope", "finite"),
    "one width of two": (lambda: models.lenet(features=(6,)), "features", r"2 ints, got \(6,\)"),
    "three widths of two": (lambda: models.lenet(hidden=(1, 2, 3)), "hidden", "2 ints"),
    "stages that are not": (lambda: models.vgg(features=(64, 64)), "features", "for each stage"),
    "an empty stage": (lambda: models.vgg(features=((4,), ())), "features", "for each stage"),
    "blocks without strides": (
        lambda: models.mobilenet(blocks=(32, 64)),
        "blocks",
        "a pair of ints",
    ),
    "a stride of 0": (lambda: models.mobilenet(blocks=((32, 0),)), "blocks", "at least 1"),
}


@pytest.mark.parametrize(("call", "name", "message"), MADE.values(), ids=MADE)
def test_slips_when_a_layer_is_made(call, name, message):
    refuses(call, name, message)


# Initialisation.


def own_init(result):
    return layers.conv(4, 3, kernel_init=lambda key, shape: result).init(KEY, (1, 8, 8, 1))


def init(layer, shape, key=KEY):
    return lambda: layer.init(key, shape)


INIT = {
    "images without a channel axis": (
        init(models.lenet(), (1, 28, 28)),
        "input_shape",
        "is the channel axis missing",
    ),
    "images without a batch axis": (
        init(models.resnet20(), (28, 28, 1)),
        "input_shape",
        "is the batch axis missing",
    ),
    "volumes": (init(models.mobilenet(), (1, 8, 8, 8, 1)), "input_shape", "images"),
    "no images at all": (init(models.vgg(), ()), "input_shape", ""),
    "a convolution of vectors": (
        init(layers.conv(4, 3), (8, 8)),
        "input_shape",
        "1 to 3 spatial axes.*batch axis missing",
    ),
    "a pool of vectors": (init(layers.max_pool(2), (8, 8)), "input_shape", "1 to 3 spatial axes"),
    "a mean over no space": (
        init(layers.global_avg_pool(), (8, 8)),
        "input_shape",
        "1 to 3 spatial axes",
    ),
    "a mean over no position": (
        init(layers.global_avg_pool(), (8, 0, 8)),
        "input_shape",
        "one position",
    ),
    "a batch norm of one axis": (
        init(layers.batch_norm(), (8,)),
        "input_shape",
        "0 to 3 spatial axes",
    ),
    "a kernel larger than the image": (
        init(layers.conv(4, 9, padding="valid"), (1, 8, 8, 1)),
        "window",
        "it spans 9",
    ),
    "a pool larger than the image": (
        init(layers.max_pool(9), (1, 8, 8, 1)),
        "window",
        "it spans 9",
    ),
    "a kernel of other axes": (init(layers.conv(4, (3, 3)), (1, 8, 1)), "size", "1 here"),
    "strides of other axes": (
        init(layers.conv(4, 3, stride=(1, 1)), (1, 8, 1)),
        "stride",
        "1 here",
    ),
    "causal": (
        init(layers.conv(4, 3, padding="causal"), (1, 8, 8, 1)),
        "padding",
        "one spatial axis",
    ),
    "groups and channels": (
        init(layers.conv(4, 3, groups=2), (1, 8, 8, 3)),
        "groups",
        "3 channels",
    ),
    "no channels": (init(layers.conv(4, 3), (1, 8, 8, 0)), "input_shape", "at least 1"),
    "no features": (init(layers.dense(4), (1, 0)), "input_shape", "at least 1"),
    "axes that are not there": (init(layers.layer_norm(axes=(1, 4)), (1, 8)), "axes", ""),
    "floats": (init(layers.dense(4), (1, 28.0)), "input_shape", "ints"),
    "words": (init(layers.relu(), ("1", "28")), "input_shape", "ints"),
    "a word": (init(layers.serial(), "28"), "input_shape", "several ints"),
    "one int": (init(layers.dense(4), 28), "input_shape", "several ints"),
    "a negative size": (
        init(layers.residual(layers.relu()), (1, -28)),
        "input_shape",
        "at least 0",
    ),
    "a flag": (init(layers.dense(4), (True, 28)), "input_shape", "ints"),
    "None": (init(layers.dense(4), None), "input_shape", ""),
    "x itself": (init(models.lenet(), X), "input_shape", "pass its shape"),
    "an abstract x": (
        init(layers.serial(layers.relu()), jax.eval_shape(lambda: X)),
        "input_shape",
        "pass its shape",
    ),
    "a traced shape": (
        lambda: jax.jit(layers.dense(4).init)(KEY, (1, 28)),
        "input_shape",
        "traced",
    ),
    "a traced shape of a network": (
        lambda: jax.jit(models.lenet().init)(KEY, (1, 28, 28, 1)),
        "input_shape",
        "traced",
    ),
    "a seed": (init(models.lenet(), (1, 28, 28, 1), 0), "key", r"pass jax.random.key\(0\)"),
    "a NumPy seed": (
        init(layers.dense(4), (1, 28), np.int64(7)),
        "key",
        r"pass jax.random.key\(7\)",
    ),
    "a seed on the device": (init(layers.dense(4), (1, 28), jnp.array(7)), "key", "seed"),
    "a seed where none is needed": (init(layers.relu(), (1, 28), 0), "key", "seed"),
    "a word for a key": (init(layers.serial(layers.relu()), (1, 28), "key"), "key", "random key"),
    "no key": (init(layers.dense(4), (1, 28), None), "key", "None: pass jax.random.key"),
    "no key inside": (init(models.lenet(), (1, 28, 28, 1), None), "key", "None"),
    "several keys": (
        init(models.lenet(), (1, 28, 28, 1), jax.random.split(KEY, 3)),
        "key",
        "one of them.*jax.vmap",
    ),
    "several raw keys": (
        init(layers.dense(4), (1, 28), jnp.zeros((3, 2), jnp.uint32)),
        "key",
        "one of them.*jax.vmap",
    ),
    "raw keys of another kind": (
        init(layers.dense(4), (1, 28), jnp.zeros(3, jnp.uint32)),
        "key",
        "one JAX random key",
    ),
    "floats for a key": (init(layers.dense(4), (1, 28), jnp.zeros(2)), "key", "random key"),
    "a kernel of another shape": (
        lambda: own_init(jnp.ones((3, 3))),
        "kernel_init",
        r"\(3, 3, 1, 4\).*\(3, 3\)",
    ),
    "a kernel of ints": (lambda: own_init(jnp.ones((3, 3, 1, 4), int)), "kernel_init", "floating"),
    "a kernel that is none": (lambda: own_init(None), "kernel_init", "None"),
    "what makes an initialiser": (
        lambda: layers.dense(4, kernel_init=jax.nn.initializers.he_normal).init(KEY, (1, 3)),
        "kernel_init",
        r"pass he_normal\(\)",
    ),
    "an initialiser of one argument": (
        lambda: layers.dense(4, kernel_init=lambda key: key).init(KEY, (1, 3)),
        "kernel_init",
        "TypeError",
    ),
    "a layer of one's own that gives too little": (
        init(
            layers.serial(
                layers.Layer("own", lambda key, shape: {}, lambda *args, **options: args[2])
            ),
            (1, 3),
        ),
        "init",
        r"\(params, state\)",
    ),
    "a layer of one's own that gives no state": (
        init(
            layers.serial(
                layers.Layer("own", lambda key, shape: ({}, {}), lambda *args, **options: args[2])
            ),
            (1, 3),
        ),
        "apply",
        r"\(y, new_state\)",
    ),
    "a function that gives two arrays": (
        init(layers.serial(layers.activation(lambda x: (x, x)), layers.dense(2)), (1, 3)),
        "x",
        "one array",
    ),
    "a function that gives nothing": (
        init(layers.serial(layers.activation(lambda x: None)), (1, 3)),
        "function",
        "got None",
    ),
    "a function that gives a word": (
        init(layers.serial(layers.activation(lambda x: "y")), (1, 3)),
        "function",
        "got 'y'",
    ),
    "a branch of another dtype": (
        init(layers.residual(layers.activation(lambda x: x.astype(jnp.bfloat16))), (1, 3)),
        "inner",
        "got bfloat16 and float32",
    ),
    "a branch that gives two arrays": (
        init(layers.residual(layers.activation(lambda x: (x, x))), (1, 3)),
        "inner",
        "one array",
    ),
}


@pytest.mark.parametrize(("call", "name", "message"), INIT.values(), ids=INIT)
def test_slips_in_init(call, name, message):
    refuses(call, name, message)


def test_networks_take_sequences_and_volumes_where_that_is_said():
    for shape, kernel in (((2, 8, 1), (5, 1, 16)), ((2, 4, 4, 4, 1), (5, 5, 5, 1, 16))):
        refuses(init(models.lenet(), shape), "input_shape", "of_any_space")
        model = models.of_any_space(models.lenet())
        params, state = jax.eval_shape(lambda model=model, shape=shape: model.init(KEY, shape))
        assert params["0_conv"]["w"].shape == kernel
        y, _ = jax.eval_shape(model.apply, params, state, jax.ShapeDtypeStruct(shape, jnp.float32))
        assert y.shape == (2, 10)
    refuses(lambda: models.of_any_space(models.lenet), "model", "call it")


def test_keys_of_every_kind_are_taken():
    for key in (
        KEY,
        jax.random.PRNGKey(0),
        np.array([0, 0], np.uint32),
        jax.random.key(0, impl="rbg"),
    ):
        params, _ = jax.eval_shape(
            lambda key: layers.serial(layers.dense(4)).init(key, [1, 3]), key
        )
        assert params["0_dense"]["w"].shape == (3, 4)
    assert layers.serial(layers.relu(), layers.batch_norm()).init(None, (1, 3))[0].keys() == {
        "1_batch_norm"
    }


# Applying.

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


# Receptive fields.


def field_of(size=(3,), stride=(1,), pads=((0, 0),)):
    """The call with a window that a person made."""
    return lambda: receptive_field(jaxcnn.Window(size, stride, pads, (1,), (1,)), 8)


FIELDS = {
    "no windows at all": (lambda: receptive_field("", 8), "model", "Layer, a Window or several"),
    "a layer that was not made": (
        lambda: receptive_field(layers.relu, 8),
        "model",
        r"relu\(\.\.\.\)",
    ),
    "a network that was not made": (
        lambda: receptive_fields(models.lenet, 8),
        "model",
        r"lenet\(\.\.\.\)",
    ),
    "the class": (lambda: receptive_field(layers.Layer, 8), "model", "Layer"),
    "a list of layers": (lambda: receptive_field([layers.relu()], 8), "model", "Window"),
    "windows for every layer inside": (
        lambda: receptive_fields(jaxcnn.make_window((3,), (8,)), 8),
        "model",
        "receptive_field",
    ),
    "a generator of sizes": (
        lambda: receptive_field(layers.relu(), (n for n in (8, 8))),
        "input_size",
        "got <generator",
    ),
    "a size of 0": (lambda: receptive_field(layers.relu(), (8, 0)), "input_size", "at least 1"),
    "ints in a window": (
        lambda: receptive_field(jaxcnn.Window(3, 1, 0, 1, 1), 8),
        "window.size",
        "got 3",
    ),
    "no pads in a window": (field_of(pads=0), "window.pads", "pairs"),
    "single pads": (field_of(pads=(1,)), "window.pads", "pairs"),
    "a window without stride": (
        field_of(stride=(0,)),
        "window.stride",
        "",
    ),
    "a window of half a tap": (field_of(size=(0.5,)), "window.size", ""),
    "an empty window": (
        field_of(size=(0,)),
        "window.size",
        "at least 1",
    ),
    "a window of no axes": (
        lambda: receptive_field(jaxcnn.Window((), (), (), (), ()), 8),
        "window",
        "1 here",
    ),
    "uneven entries": (field_of(stride=(1, 1)), "window", "one entry"),
    "a function that gives no window": (
        lambda: receptive_field(layers.activation(len, "a", len), 8),
        "model",
        "Window",
    ),
    "a window that is no function": (
        lambda: receptive_field(layers.relu()._replace(window=3), 8),
        "window",
        "a function",
    ),
    "parts that are none": (
        lambda: receptive_field(layers.serial()._replace(parts=(layers.relu(),)), 8),
        "parts",
        "pairs",
    ),
    "parts that are an int": (
        lambda: receptive_fields(layers.serial()._replace(parts=3), 8),
        "parts",
        "pairs",
    ),
    "another number of axes": (
        lambda: receptive_field(layers.conv(1, (3, 3)), 8),
        "size",
        "1 here",
    ),
}


@pytest.mark.parametrize(("call", "name", "message"), FIELDS.values(), ids=FIELDS)
def test_slips_in_receptive_fields(call, name, message):
    refuses(call, name, message)
