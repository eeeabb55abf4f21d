"""Gradients of a network, parameter by parameter, explicit against JAX's: right ones
pass, and wrong ones do not."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from certify_networks import wrong_kernel_gradient

from jaxcnn.models import MODELS
from jaxcnn.programs.certify.network.given import network, of_digits
from jaxcnn.programs.certify.network.gradients import LayerGradient, layer_gradients
from jaxcnn.programs.options import ConfigError


@pytest.mark.slow
def test_both_gradients_are_within_rounding_of_the_truth():
    """In the order of the layers, and with the same dropout masks in every column."""
    rows = layer_gradients(network("lenet"), batch_size=2)
    layers = ("0_conv", "3_conv", "8_dense", "11_dense", "13_dense")
    assert [row.path for row in rows] == [
        f"{layer}/{parameter}" for layer in layers for parameter in "bw"
    ]
    assert [row.shape for row in rows[:4]] == [(16,), (5, 5, 1, 16), (32,), (5, 5, 16, 32)]
    for row in rows:
        assert row.norm > 1e-3
        assert row.explicit64_error < 1e-13
        assert row.same_formula
        for error in (row.explicit_error, row.autodiff_error):
            assert 0 < error < 1e-5, "computed in float32, the truth in float64"
        for ulps in (row.explicit_ulps, row.autodiff_ulps):
            assert 0 < ulps < 100


@pytest.mark.slow
def test_a_wrong_gradient_is_seen_in_the_parameters_that_have_it():
    rows = {
        row.path: row
        for row in layer_gradients(
            network("cnn_basics"), batch_size=4, explicit=wrong_kernel_gradient(1.001)
        )
    }
    for path in ("0_conv/w", "3_conv/w"):
        assert rows[path].explicit_error == pytest.approx(1e-3, rel=1e-2)
        assert rows[path].explicit64_error == pytest.approx(1e-3, rel=1e-6)
        assert rows[path].explicit_ulps > 1000
        assert rows[path].autodiff_error < 1e-5
        assert not rows[path].same_formula
    for path in ("0_conv/b", "3_conv/b", "7_dense/b", "7_dense/w"):
        assert rows[path].explicit_error < 1e-5
        assert rows[path].same_formula


@pytest.mark.slow
def test_a_gradient_of_zeros_has_no_error():
    """A network that ignores its parameters."""
    whole = MODELS["cnn_basics"](10)
    model = whole._replace(
        apply=lambda params, state, x, **options: (jnp.zeros((len(x), 10), x.dtype), state)
    )
    for row in layer_gradients(of_digits("mine", model), batch_size=2):
        assert row[2:] == (0, 0, 0, 0, 0, 0)
        assert row.same_formula


def test_a_sum_that_cancels_is_no_other_formula():
    row = LayerGradient("1_batch_norm/scale", (16,), 1e-5, 1e-2, 9e-3, 1e5, 1e5, 2e-11)
    assert row.same_formula
    assert not row._replace(explicit64_error=1e-6).same_formula
    assert not row._replace(explicit64_error=math.nan).same_formula


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_network_takes_its_images(name):
    _, model, x, y = network(name)
    assert x.shape[0] == y.shape[0] == 1437
    assert x.shape[3] == 1
    params, state = jax.eval_shape(lambda: model.init(jax.random.key(0), (2, *x.shape[1:])))
    abstract = jax.ShapeDtypeStruct((2, *x.shape[1:]), jnp.float32)
    assert jax.eval_shape(model.apply, params, state, abstract)[0].shape == (2, 10)


def test_enlarged_images_repeat_each_pixel():
    small, large = network("lenet").x, network("vgg16").x
    assert (small.shape[1:], large.shape[1:]) == ((8, 8, 1), (32, 32, 1))
    for row, column in ((0, 0), (3, 1)):
        np.testing.assert_array_equal(large[:, row::4, column::4], small)


def test_what_is_no_network_is_refused():
    message = "^--model must be one of cnn_basics, lenet, .*identity_cnn, or .*, got 'alexnet'$"
    with pytest.raises(ConfigError, match=message):
        network("alexnet")
