"""LeNet: its parameters, counted by hand, and what it does with images."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.models import lenet
from tests._models import KEY, abstract_init


@pytest.mark.parametrize(
    ("options", "x_shape", "counts"),
    [
        pytest.param(
            {},
            (1, 8, 8, 1),
            {
                "0_conv": 5 * 5 * 1 * 16 + 16,
                "3_conv": 5 * 5 * 16 * 32 + 32,
                "8_dense": 2 * 2 * 32 * 128 + 128,
                "11_dense": 128 * 64 + 64,
                "13_dense": 64 * 10 + 10,
            },
            id="8x8x1",
        ),
        pytest.param(
            {"features": (6, 16), "hidden": (120, 84)},
            (1, 28, 28, 1),
            {
                "0_conv": 156,
                "3_conv": 2_416,
                "8_dense": 7 * 7 * 16 * 120 + 120,
                "11_dense": 10_164,
                "13_dense": 850,
            },
            id="the widths of the paper, 28x28x1",
        ),
        pytest.param(
            {"classes": 100, "features": (2, 3), "hidden": (4, 5)},
            (2, 33, 20, 3),
            {
                "0_conv": 152,
                "3_conv": 153,
                "8_dense": 8 * 5 * 3 * 4 + 4,
                "11_dense": 25,
                "13_dense": 600,
            },
            id="odd sizes, three channels, 100 classes",
        ),
    ],
)
def test_lenet_has_the_parameters_of_the_hand_count(options, x_shape, counts):
    model = lenet(**options)
    params, state = abstract_init(model, x_shape)
    assert {
        entry: sum(math.prod(p.shape) for p in leaves.values()) for entry, leaves in params.items()
    } == counts
    assert state == {}
    for batch in (0, 1, 7):
        x = jax.ShapeDtypeStruct((batch, *x_shape[1:]), jnp.float32)
        logits, _ = jax.eval_shape(partial(model.apply, train=True), params, state, x, key=KEY)
        assert logits.shape == (batch, options.get("classes", 10))


def test_an_image_too_small_names_the_layer():
    with pytest.raises(ValueError, match="in layer '5_max_pool'"):
        lenet().init(KEY, (1, 3, 3, 1))


def test_dropout_needs_a_key_in_training_only():
    x = jax.ShapeDtypeStruct((2, 8, 8, 1), jnp.float32)
    params, state = abstract_init(lenet(), x.shape)
    with pytest.raises(ValueError, match="in layer '7_dropout'"):
        jax.eval_shape(partial(lenet().apply, train=True), params, state, x)
    assert jax.eval_shape(lenet().apply, params, state, x)[0].shape == (2, 10)
    assert jax.eval_shape(partial(lenet(dropout_rate=0).apply, train=True), params, state, x)[
        0
    ].shape == (2, 10)


@pytest.mark.slow
def test_every_image_is_on_its_own():
    model = lenet(features=(3, 4), hidden=(8, 6))
    x = jnp.asarray(np.random.default_rng(0).uniform(size=(5, 8, 8, 1)), jnp.float32)
    params, _ = model.init(KEY, x.shape)
    together = jax.jit(lambda x: model.apply(params, {}, x)[0])(x)
    by_vmap = jax.jit(jax.vmap(lambda image: model.apply(params, {}, image[None])[0][0]))(x)
    np.testing.assert_allclose(by_vmap, together, rtol=1e-5, atol=1e-6)
    assert np.all(np.std(together, axis=0) > 0)  # the logits do depend on the image
