"""Likely slips in `init`, each with what the message should say."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import layers, models
from tests.layers._slips import KEY, X, refuses


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
