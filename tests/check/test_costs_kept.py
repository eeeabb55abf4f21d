"""Costs: what is kept from the forward pass for the gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxcnn
from jaxcnn.check.costs import compare_costs, cost
from tests.check._costs import N, W, X, plain_conv, plain_max_pool, shape

IMAGE, KERNEL, CHANNEL = shape(2, 4, 4, 3), shape(3, 3, 3, 5), shape(3)
STATE = jaxcnn.BatchNormState(jnp.zeros(3), jnp.ones(3))


def multiply_twice(x):
    y = jnp.exp(x)
    return jax.jit(lambda y: y * y)(y) * y


KEPT = {
    # function, arguments, bytes computed and kept, bytes of arguments kept
    "relu: a mask": (jaxcnn.relu, [IMAGE], N, 0),
    "jax.nn.relu: a mask; zeros are no array": (jax.nn.relu, [IMAGE], N, 0),
    "relu in jit": (jax.jit(jaxcnn.relu), [IMAGE], N, 0),
    "autodiff of relu: zeros from an inner jit": (jaxcnn.AUTODIFF.relu, [IMAGE], N, 0),
    "tanh: x": (jaxcnn.tanh, [IMAGE], 0, 4 * N),
    "tanh, bfloat16": (jaxcnn.tanh, [shape(2, 4, 4, 3, dtype="bfloat16")], 0, 2 * N),
    "jnp.exp: y": (jnp.exp, [IMAGE], 4 * N, 0),
    "max pool: three bytes per output, and x": (
        lambda x: jaxcnn.max_pool(x, 2),
        [IMAGE],
        3 * N // 4,
        4 * N,
    ),
    "lax's max pool: x": (plain_max_pool, [IMAGE], 0, 4 * N),
    "convolution: x and w": (jaxcnn.conv, [IMAGE, KERNEL], 0, 4 * (N + 135)),
    "lax's convolution: x and w": (plain_conv, [IMAGE, KERNEL], 0, 4 * (N + 135)),
    "convolution in jit": (
        jax.jit(lambda x, w: 2 * jaxcnn.conv(x, w)),
        [IMAGE, KERNEL],
        0,
        4 * (N + 135),
    ),
    "convolution, channels first: a copy of each": (
        lambda x, w: jaxcnn.conv(x, w, layout="channels_first"),
        [shape(2, 3, 4, 4), shape(5, 3, 3, 3)],
        4 * (N + 135),
        0,
    ),
    "checkpoint: the argument": (jax.checkpoint(lambda x: jnp.sin(jnp.sin(x))), [IMAGE], 0, 4 * N),
    "an array twice": (lambda x: x * x, [IMAGE], 0, 4 * N),
    "an array three times, once in jit": (multiply_twice, [IMAGE], 8 * N, 0),
    "linear": (lambda x: 3 * x, [IMAGE], 0, 0),
    "a constant": (lambda x: jnp.arange(3.0) * x, [IMAGE], 0, 0),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept(name):
    function, args, computed, of_arguments = KEPT[name]
    result = cost(function, args)
    assert (result.residual_bytes, result.argument_bytes_kept) == (computed, of_arguments)


def test_a_scan_keeps_every_step():
    one, many = (
        cost(
            lambda x, steps=steps: lax.scan(
                lambda carry, _: (jnp.sin(carry), None), x, None, length=steps
            )[0],
            [IMAGE],
        )
        for steps in (1, 5)
    )
    assert many.residual_bytes == 5 * one.residual_bytes == 5 * 4 * N


def test_batch_norm_keeps_one_image():
    """Its argument; the rest is of a channel's size. Autodiff keeps three of its
    own."""
    result = compare_costs(
        *(
            lambda x, w, b, ops=ops: ops.batch_norm(x, w, b, STATE, train=True)[0]
            for ops in (jaxcnn.EXPLICIT, jaxcnn.AUTODIFF)
        ),
        [IMAGE, CHANNEL, CHANNEL],
    )
    assert result.explicit.residual_bytes <= 5 * 12
    assert 4 * N <= result.explicit.argument_bytes_kept <= 4 * N + 2 * 12
    assert result.reference.residual_bytes >= 12 * N


def test_dropout_keeps_a_key_or_a_mask():
    key = jax.random.key(0)
    result = cost(
        lambda x, key: jaxcnn.dropout(x, key, rate=0.5),
        [IMAGE, jax.ShapeDtypeStruct((), key.dtype)],
    )
    kept = result.residual_bytes, result.argument_bytes_kept
    assert kept in ((0, key.dtype.itemsize), (N, 0))


# Arguments.


def test_nothing_is_computed():
    """Data that is given stands for its shape and dtype."""
    given = [np.full(s.shape, np.nan, s.dtype) for s in (X, W)]
    assert cost(plain_conv, given) == cost(plain_conv, [X, W])
