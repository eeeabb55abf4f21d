"""Sizes that are not known yet: operations exported with symbolic batch and space."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import jaxcnn
from tests._export import IMAGES, STATE, check, conv, gradients
from tests.daily import daily


def activations(x):
    return sum(
        f(x)
        for f in (
            jaxcnn.relu,
            jaxcnn.leaky_relu,
            jaxcnn.gelu,
            jaxcnn.silu,
            jaxcnn.tanh,
            jaxcnn.sigmoid,
        )
    )


# Functions of arrays of these shapes.
OPERATIONS = {
    "conv": (conv(padding=1), IMAGES, (3, 3, 4, 4)),
    "conv same, stride 2": (conv(padding="same", stride=2), IMAGES, (3, 2, 4, 6)),
    "conv cropped, dilated": (conv(padding=((-1, 2), (0, -1)), dilation=2), IMAGES, (2, 3, 4, 2)),
    "conv 1x1": (conv(), IMAGES, (1, 1, 4, 6)),
    "conv 1x1, stride 2": (conv(stride=2), IMAGES, (1, 1, 4, 6)),
    "conv 5x5 of small images": (conv(padding=2), ("b", 4, 4, 16), (5, 5, 16, 4)),
    "conv depthwise": (conv(padding=1, groups=4), IMAGES, (3, 3, 1, 4)),
    "conv depthwise, many taps": (conv(padding="same", groups=4), IMAGES, (8, 8, 1, 4)),
    "conv depthwise, stride 2": (conv(padding=1, groups=4, stride=2), IMAGES, (3, 3, 1, 8)),
    "conv narrow groups": (conv(padding=1, groups=2), IMAGES, (3, 3, 2, 4)),
    "conv groups": (conv(padding=1, groups=2), ("b", 5, 4, 32), (3, 3, 16, 4)),
    "conv 1-D causal": (conv(padding="causal", dilation=2), ("b", 12, 4), (3, 4, 4)),
    "conv 3-D": (conv(padding=1), ("b", 4, 5, 3, 2), (3, 3, 3, 2, 4)),
    "conv channels first": (
        lambda x, w: jaxcnn.conv(x, w, layout="channels_first"),
        ("b", 4, 8, 9),
        (4, 4, 3, 3),
    ),
    "conv_general_dilated": (
        lambda x, w: jaxcnn.conv_general_dilated(x, w, (1, 2), "SAME"),
        ("b", 4, 8, 9),
        (6, 4, 3, 3),
    ),
    "max pool": (lambda x: jaxcnn.max_pool(x, 3, stride=2, padding=1), IMAGES),
    "max pool, many taps": (lambda x: jaxcnn.max_pool(x, 9, stride=1, padding=4), IMAGES),
    "mean pool": (
        lambda x: jaxcnn.avg_pool(x, 3, stride=2, padding=1, count_include_pad=False),
        IMAGES,
    ),
    "global max": (jaxcnn.global_max_pool, IMAGES),
    "global mean": (jaxcnn.global_avg_pool, IMAGES),
    "dense": (lambda x, w: jaxcnn.dense(x, w, w[0]), ("b", 4), (4, 3)),
    "activations": (activations, ("b", 4)),
    "batch norm": (
        lambda x: jaxcnn.batch_norm(x, jnp.ones(4), None, STATE, train=True)[0] * (1 + x),
        ("b", 8, 4),
    ),
    "batch norm, inference": (
        lambda x: jaxcnn.batch_norm(x, jnp.ones(4), None, STATE, train=False)[0],
        ("b", 8, 4),
    ),
    "layer norm": (lambda x: jaxcnn.layer_norm(x, jnp.ones(4), jnp.ones(4)) * (1 + x), ("b", 8, 4)),
    "dropout": (lambda x: jaxcnn.dropout(x, None, rate=0.5, train=False), ("b", 4)),
    "softmax cross-entropy": (
        lambda z: jaxcnn.softmax_cross_entropy(z, jnp.argmax(-z, -1), label_smoothing=0.1),
        ("b", 5),
    ),
    "binary cross-entropy": (jaxcnn.sigmoid_binary_cross_entropy, ("b", 5), ("b", 5)),
    "mean squared error": (jaxcnn.mean_squared_error, ("b", 5), ("b", 5)),
}


DAILY = {"conv 1x1", "conv same, stride 2", "conv depthwise", "max pool", "dense", "batch norm"}


@pytest.mark.parametrize("name", daily(OPERATIONS, DAILY))
def test_a_symbolic_batch(name):
    """Forward and gradients in one program."""
    function, *shapes = OPERATIONS[name]
    check(lambda *args: (function(*args), gradients(function)(*args)), *shapes)


IN_TWO = [name for name in OPERATIONS if len(OPERATIONS[name][1]) == 4]


@pytest.mark.parametrize("name", daily(IN_TWO, DAILY & {*IN_TWO}))
def test_symbolic_space(name):
    """Forward, whatever the stride."""
    function, x, *others = OPERATIONS[name]
    first = name in ("conv channels first", "conv_general_dilated")
    check(function, ("b", x[1], "h", "w") if first else ("b", "h", "w", x[3]), *others)


@pytest.mark.parametrize("name", ["ceil_mode", "same, stride 2"])
def test_symbolic_space_of_pools(name):
    options = {
        "ceil_mode": {"stride": 2, "ceil_mode": True},
        "same, stride 2": {"stride": 2, "padding": "same"},
    }[name]
    for operation in (jaxcnn.max_pool, jaxcnn.avg_pool):
        check(lambda x, operation=operation: operation(x, 3, **options), ("b", "h", "w", 2))


# lax has these gradients where space is symbolic; of a stride it has none, and here
# there are some.
WITH_GRADIENTS = {
    "conv, padding 1": (conv(padding=1), (3, 3, 4, 2)),
    "conv, valid": (conv(), (3, 3, 4, 2)),
    "conv, depthwise": (conv(padding="same", groups=4), (3, 3, 1, 4)),
    "conv, same, stride 2": (conv(padding="same", stride=2), (3, 3, 4, 2)),
    "max pool": (lambda x: jaxcnn.max_pool(x, 3, stride=1, padding=1),),
    "max pool, stride 2": (lambda x: jaxcnn.max_pool(x, 2),),
    "mean": (lambda x: jaxcnn.avg_pool(x, 3, stride=1, padding=1, count_include_pad=False),),
    "mean, stride 2": (lambda x: jaxcnn.avg_pool(x, 2),),
    "global": (lambda x: jaxcnn.global_max_pool(x) * jaxcnn.global_avg_pool(x),),
}


@pytest.mark.parametrize(
    "name", daily(WITH_GRADIENTS, {"conv, padding 1", "conv, depthwise", "max pool, stride 2"})
)
def test_gradients_of_symbolic_space(name):
    function, *others = WITH_GRADIENTS[name]
    check(gradients(function), ("b", "h", "w", 4), *others)


def test_for_a_platform_that_is_not_here():
    b, *_ = export.symbolic_shape("b")
    program = export.export(jax.jit(conv(padding=1)), platforms=("cpu", "tpu", "cuda"))(
        jax.ShapeDtypeStruct((b, 8, 8, 3), jnp.float32),
        jax.ShapeDtypeStruct((3, 3, 3, 4), jnp.float32),
    )
    assert program.platforms == ("cpu", "tpu", "cuda")
    x, w = jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 4))
    np.testing.assert_allclose(program.call(x, w), conv(padding=1)(x, w))


def test_scopes_do_not_mix():
    """Two programs, one after the other: sizes of the first must not be compared with
    those of the second."""
    for _ in range(2):
        check(gradients(conv(padding=1)), ("b", "h", 8, 2), (3, 3, 2, 2))


def test_what_is_not_known_is_said():
    """Sizes that decide how a program looks must be ints."""
    b, h = export.symbolic_shape("b, h")
    x = jax.ShapeDtypeStruct((b, h, 8, 2), jnp.float32)
    with pytest.raises(ValueError, match="size must be an int or one int per spatial axis"):
        jax.eval_shape(lambda x: jaxcnn.avg_pool(x, x.shape[1:3]), x)
