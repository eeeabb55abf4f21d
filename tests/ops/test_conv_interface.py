"""What a convolution is called with: layouts, methods, and its gradients by name."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.check.cases import CONV_CASES
from jaxcnn.ops.convolution.methods import DEPTHWISE, LAX
from tests.daily import daily
from tests.ops._convolutions import CASES_AND_METHODS, METHODS, results, whole_numbers


@pytest.mark.parametrize(
    "case",
    daily(
        [
            pytest.param(c, id=c.id)
            for c in CONV_CASES
            if c.id
            in (
                "1d",
                "2d-oblong-everything",
                "2d-groups-3-stride-2-padding",
                "3d-depthwise-pads",
            )
        ],
        {"1d", "2d-oblong-everything"},
    ),
)
def test_channels_first(case):
    """The other layout is the same operation with the axes moved."""
    x, w, b, dy = whole_numbers(case.id)

    def first(a):
        return np.moveaxis(a, -1, 1)

    options = {**case.options, "layout": "channels_first"}
    w_first = np.moveaxis(w, (-1, -2), (0, 1))
    y, vjp = jax.vjp(
        lambda x, w, b: jaxcnn.conv(x, w, b, **options),
        *(jnp.asarray(a, jnp.float32) for a in (first(x), w_first, b)),
    )
    dx, dw, db = vjp(jnp.asarray(first(dy), jnp.float32))
    expected = results(case.id, "auto")
    for got, want in zip(
        (y, dx, dw, db),
        (
            first(expected[0]),
            first(expected[1]),
            np.moveaxis(expected[2], (-1, -2), (0, 1)),
            expected[3],
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(got, want)
    dy_first = first(dy).astype(np.float32)
    np.testing.assert_array_equal(
        jaxcnn.conv_input_grad(dy_first, w_first.astype(np.float32), first(x).shape, **options), dx
    )
    np.testing.assert_array_equal(
        jaxcnn.conv_kernel_grad(first(x).astype(np.float32), dy_first, w_first.shape, **options), dw
    )
    np.testing.assert_array_equal(jaxcnn.conv_bias_grad(dy_first, layout="channels_first"), db)


@pytest.mark.parametrize(
    ("case", "method"),
    daily(
        [
            p
            for p in CASES_AND_METHODS
            if p.id.startswith(
                ("1d-remainder-2-", "2d-groups-3-stride-2-padding-", "2d-depthwise-crop-")
            )
        ],
        {
            "1d-remainder-2-im2col",
            "2d-depthwise-crop-depthwise",
            "2d-groups-3-stride-2-padding-auto",
        },
    ),
)
def test_gradient_functions(case, method):
    """conv_input_grad, conv_kernel_grad, conv_bias_grad are the maps that the rule
    uses; they are differentiable themselves."""
    x, w, _, dy = (jnp.asarray(a, jnp.float32) for a in whole_numbers(case.id))
    options = {**case.options, "method": METHODS[method]}
    _, dx, dw, db = results(case.id, method)
    np.testing.assert_array_equal(jaxcnn.conv_input_grad(dy, w, x.shape, **options), dx)
    np.testing.assert_array_equal(jaxcnn.conv_kernel_grad(x, dy, w.shape, **options), dw)
    np.testing.assert_array_equal(jaxcnn.conv_bias_grad(dy), db)

    # T(x, w, dy) = <dy, conv(x, w)> is linear in each argument, and its gradients are
    # the three maps.
    def by_kernel_grad(x, w, dy):
        return jnp.vdot(dw * 0 + w, jaxcnn.conv_kernel_grad(x, dy, w.shape, **options))

    def by_input_grad(x, w, dy):
        return jnp.vdot(x, jaxcnn.conv_input_grad(dy, w, x.shape, **options))

    got = jax.grad(by_kernel_grad, argnums=(0, 1, 2))(x, w, dy)
    for a, b in zip(got, (dx, dw, jaxcnn.conv(x, w, **options)), strict=True):
        np.testing.assert_array_equal(a, b)
    got = jax.grad(by_input_grad, argnums=(0, 1, 2))(x, w, dy)
    for a, b in zip(got, (dx, dw, jaxcnn.conv(x, w, **options)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (
            "side_by_side",
            {"stride": 2},
            "method SIDE_BY_SIDE has no groups and no step along the last axis",
        ),
        ("side_by_side", {"groups": 2}, "method SIDE_BY_SIDE has no groups"),
    ],
)
def test_what_a_method_has_not_is_refused(method, options, message):
    with pytest.raises(ValueError, match=message):
        jaxcnn.conv(
            jnp.ones((2, 5, 5, 4)),
            jnp.ones((3, 3, 4 // options.get("groups", 1), 4)),
            method=METHODS[method],
            **options,
        )


def test_gradients_of_shifted_are_depthwise():
    """Its forward takes groups of any number of channels."""
    x, w = jnp.ones((2, 5, 5, 4)), jnp.ones((3, 3, 2, 4))
    conv = partial(jaxcnn.conv, groups=2, method=DEPTHWISE)
    np.testing.assert_array_equal(conv(x, w), jaxcnn.conv(x, w, groups=2, method=LAX))
    with pytest.raises(ValueError, match="gradients of depthwise convolutions only"):
        jax.grad(lambda w: conv(x, w).sum())(w)
