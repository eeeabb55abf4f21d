"""Likely slips when a layer is made, each with what the message should say."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn import layers, models
from tests.layers._slips import applied_alone, applied_in_serial, refuses


def own_layer():
    """A layer of a person's own, whose `apply` takes no `ops`."""

    def apply(params, state, x, *, train=False, key=None):
        return x, state

    return layers.Layer("own", lambda key, input_shape: ({}, {}), apply)


@pytest.mark.parametrize(
    "make",
    [
        *(getattr(layers, name) for name in ("conv", "dense", "batch_norm", "layer_norm")),
        *(getattr(layers, name) for name in ("max_pool", "avg_pool", "dropout", "relu", "gelu")),
        *(getattr(layers, name) for name in ("global_avg_pool", "global_max_pool", "serial")),
        *models.MODELS.values(),
        models.resnet,
    ],
    ids=lambda make: make.__name__,
)
def test_who_differentiates_is_not_said_where_a_layer_is_made(make):
    """It is said to `apply`."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'ops'"):
        make(ops=jaxcnn.AUTODIFF)


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
        lambda: applied_alone(jaxcnn.EXPLICIT._replace(relu=3)),
        "ops",
        r"ops.relu = 3",
    ),
    "operations by their name": (lambda: applied_in_serial("explicit"), "ops", "EXPLICIT"),
    "operations pinned by their name": (
        lambda: layers.using("autodiff", layers.relu()),
        "ops",
        "AUTODIFF",
    ),
    "operations that are pinned and none": (
        lambda: layers.using(jaxcnn.EXPLICIT._replace(conv=None), layers.relu()),
        "ops",
        r"ops.conv = None",
    ),
    "a layer pinned that cannot be": (
        lambda: layers.using(jaxcnn.AUTODIFF, own_layer()),
        "layer",
        "an apply that takes ops, got the layer 'own'",
    ),
    "a layer pinned that was not made": (
        lambda: layers.using(jaxcnn.AUTODIFF, layers.relu),
        "layer",
        r"call it, relu\(\.\.\.\)",
    ),
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
