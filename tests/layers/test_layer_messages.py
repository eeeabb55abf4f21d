"""What does not fit is refused in `init`, and the message names the layer."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from jaxcnn import layers
from tests.layers._examples import KEY


@pytest.mark.parametrize(
    ("layer", "x_shape", "messages"),
    [
        pytest.param(
            layers.serial(
                layers.conv(4, 3), layers.residual(layers.serial(layers.relu(), layers.max_pool(4)))
            ),
            (1, 3, 3, 1),
            [
                "larger than the padded input",
                "in layer '1_max_pool'",
                "in layer 'inner'",
                r"in layer '1_residual', .*\(1, 3, 3, 4\)",
            ],
            id="nested layers, an image too small",
        ),
        pytest.param(
            layers.serial(layers.relu(), layers.conv(4, 3, groups=2)),
            (1, 3, 3, 3),
            ["groups.*3 channels", "1_conv"],
            id="groups",
        ),
        pytest.param(layers.conv(4, (3, 3)), (1, 3, 3), ["size.*1 here"], id="axes of the kernel"),
        pytest.param(
            layers.serial(layers.conv(4, 3)), (3, 3), ["must have a batch", "0_conv"], id="no batch"
        ),
        pytest.param(layers.layer_norm(axes=2), (1, 3), ["axes"], id="axes that are not there"),
        pytest.param(
            layers.residual(layers.dense(1)),
            (2, 3),
            [r"\(2, 1\) and \(2, 3\)"],
            id="residual does not broadcast",
        ),
    ],
)
def test_init_refuses_what_does_not_fit(layer, x_shape, messages):
    with pytest.raises(ValueError) as raised:
        layer.init(KEY, x_shape)
    for message in messages:
        assert raised.match(message)


def test_apply_says_which_layer_refused():
    model = layers.serial(layers.dense(4), layers.dropout(0.5))
    params, state = model.init(KEY, (1, 3))
    with pytest.raises(ValueError, match="in layer '1_dropout'") as raised:
        model.apply(params, state, jnp.ones((2, 3)), train=True)
    assert raised.match("key must be a JAX random key")
    with pytest.raises(ValueError, match=r"in layer '0_dense', given x of shape \(2, 5\)"):
        jax.jit(model.apply)(params, state, jnp.ones((2, 5)))
    with pytest.raises(ValueError, match=r"\(2, 1\) and \(2, 3\)"):
        layers.residual(layers.activation(lambda x: x[:, :1])).apply({}, {}, jnp.ones((2, 3)))
