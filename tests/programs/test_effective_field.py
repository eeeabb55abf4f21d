"""The effective receptive field and the spread of equal weights, against numbers made
by hand."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from receptive_field_runs import init

from jaxcnn import layers
from jaxcnn.models import lenet, resnet
from jaxcnn.programs.receptive_field.picture import picture
from jaxcnn.programs.receptive_field.spread import (
    centre_output,
    effective_field,
    equal_weights_sd,
    sd,
)
from jaxcnn.programs.receptive_field.view import View
from jaxcnn.receptive import receptive_fields


def equal_weights(model, shape):
    params, state = init(model, shape)
    return jax.tree.map(jnp.ones_like, params), state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "path"), [(lenet(), "3_conv"), (resnet(features=(4, 8), blocks=1), "5_residual")]
)
def test_the_gradient_is_zero_outside_the_receptive_field(model, path):
    """Exactly, not nearly; and in these random networks it reaches the field's border,
    as far as that is in the image."""
    params, state = init(model, (1, 28, 28, 1))
    x = jnp.asarray(np.random.default_rng(1).random((3, 28, 28, 1), np.float32))
    field = receptive_fields(model, (28, 28))[path]
    for position in (centre_output(field), (0, 9)):
        effective = effective_field(model, params, state, x, path, position)
        (top, bottom), (first, last) = field.clipped(position)
        inside = effective[top : bottom + 1, first : last + 1]
        assert np.count_nonzero(effective) == np.count_nonzero(inside)
        assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
        assert effective.sum() == pytest.approx(1)


def test_with_equal_weights_the_measured_spread_is_the_theoretical():
    """Strides, dilations and oblong windows included; the centre is the theoretical one
    too."""
    model = layers.serial(
        layers.conv(2, (3, 5)),
        layers.avg_pool(2),
        layers.conv(2, (3, 2), dilation=(1, 2), padding="valid"),
        layers.conv(1, 3, stride=2, padding="valid"),
    )
    shape = (1, 60, 60, 1)
    params, state = equal_weights(model, shape)
    field = receptive_fields(model, (60, 60))["3_conv"]
    effective = effective_field(
        model, params, state, jnp.ones(shape), "3_conv", centre_output(field)
    )
    expected = [
        (9 - 1) + (4 - 1) + 4 * (9 - 1) + 4 * (9 - 1),
        (25 - 1) + (4 - 1) + 4 * 4 * (4 - 1) + 4 * (9 - 1),
    ]
    np.testing.assert_allclose(
        equal_weights_sd(model, (60, 60))["3_conv"], np.sqrt(np.divide(expected, 12)), rtol=1e-12
    )
    np.testing.assert_allclose(
        sd(effective), equal_weights_sd(model, (60, 60))["3_conv"], rtol=1e-5
    )
    mean = [effective.sum(axis=1 - axis) @ np.arange(60) for axis in (0, 1)]
    np.testing.assert_allclose(mean, field.centre(centre_output(field)), rtol=1e-5)


def test_of_branches_the_wider_one_counts():
    model = layers.serial(
        layers.residual(layers.conv(1, 3), layers.conv(1, 1)),
        layers.residual(layers.relu(), layers.conv(1, 5)),
    )
    found = {
        path: round(12 * rows**2) for path, (rows, _) in equal_weights_sd(model, (9, 9)).items()
    }
    assert found == {
        "0_residual/inner": 8,
        "0_residual/shortcut": 0,
        "0_residual": 8,
        "1_residual/inner": 8,
        "1_residual/shortcut": 32,
        "1_residual": 32,
    }
    assert equal_weights_sd(model, (9, 9)).keys() == receptive_fields(model, (9, 9)).keys()


def test_the_absolute_value_is_averaged_over_images_and_taken_after_the_sum_over_channels():
    """Two output channels of one tap, 1 and -3, and relu(-x) on images that are
    positive or not: of the first nothing is left."""
    model = layers.serial(layers.conv(2, (1, 2), padding="valid", bias=False), layers.relu())
    params = {"0_conv": {"w": jnp.array([[[[1.0, -3.0]], [[2.0, -2.0]]]])}}
    x = jnp.array([[[[1.0], [1.0]]], [[[-1.0], [-1.0]]]])
    np.testing.assert_allclose(
        effective_field(model, params, {}, x, "0_conv", (0, 0)), [[1, 0]]
    )  # |1 - 3| and |2 - 2|
    np.testing.assert_allclose(
        effective_field(model, params, {}, x, "1_relu", (0, 0)), [[0.5, 0.5]]
    )  # 1, 2 and then 3, 2


def test_no_gradient_is_told():
    model = layers.serial(layers.conv(1, 3, bias=False), layers.relu())
    params, state = equal_weights(model, (1, 5, 5, 1))
    effective = effective_field(model, params, state, -jnp.ones((1, 5, 5, 1)), "1_relu", (2, 2))
    assert not effective.any()
    assert all(map(math.isnan, sd(effective)))
    field = receptive_fields(model, (5, 5))["1_relu"]
    figure = picture(
        [View("1_relu", field, ((2, 2),), effective, (1.0, 1.0))], np.zeros((5, 5, 1)), "title"
    )
    assert figure.axes[1].get_title() == "gradient of output (2, 2): 0 for every image"
