"""Each argument of each function that makes or takes layers, and values that are none
of its kind: a ValueError that names it."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn import layers, models
from jaxcnn.receptive import receptive_field, receptive_fields
from tests.layers._slips import KEY, X, applied_alone, applied_in_serial, refuses

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


def applied_in_residual(ops):
    return layers.residual(layers.identity()).apply({}, {}, X, ops=ops)


def outputs(ops):
    return layers.outputs(layers.serial(layers.relu()), {}, {}, X, ops=ops)


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
    (layers.dense, "features", INT, {}),
    (layers.dense, "bias", FLAG, {"features": 4}),
    (layers.dense, "kernel_init", FUNCTION, {"features": 4}),
    (layers.batch_norm, "momentum", ("0",), {}),
    (layers.batch_norm, "epsilon", ("0", "a float", "a NumPy float", "beyond an int"), {}),
    (layers.layer_norm, "axes", ("0", "-1", "four entries", "one of them 0"), {}),
    (layers.layer_norm, "epsilon", ("0", "a float", "a NumPy float", "beyond an int"), {}),
    (layers.activation, "function", FUNCTION, {}),
    (layers.activation, "name", ("a word", "no"), {"function": jnp.sin}),
    (layers.activation, "window", ("None", *FUNCTION), {"function": jnp.sin}),
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
    (layers.avg_pool, "size", INT, {}),
    (layers.avg_pool, "count_include_pad", FLAG, {"size": 2}),
    (layers.dropout, "rate", ("0",), {}),
    (layers.residual, "inner", INT, {}),
    (layers.residual, "shortcut", ("None",), {"inner": layers.relu()}),
    *((make, "classes", INT, {}) for make in (*models.MODELS.values(), models.resnet)),
    (applied_alone, "ops", INT, {}),
    (applied_in_serial, "ops", INT, {}),
    (applied_in_residual, "ops", INT, {}),
    (outputs, "ops", INT, {}),
    (layers.using, "ops", INT, {"layer": layers.relu()}),
    (layers.using, "layer", INT, {"ops": jaxcnn.EXPLICIT}),
    (layers.pinned, "layer", INT, {}),
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
