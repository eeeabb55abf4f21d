"""What is inside a layer: the windows it computes with, and what its parts give."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import layers
from tests.layers._examples import KEY


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
