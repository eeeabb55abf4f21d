"""Bad input to a convolution: a ValueError while tracing that names the argument, what
came, what was needed, and the slip."""

import jax
import jax.numpy as jnp
import pytest

import jaxcnn

X, W = (2, 8, 9, 4), (3, 3, 4, 6)

BAD = {
    "kernel larger than its input": (
        X,
        (9, 3, 4, 6),
        {},
        r"w is larger than its padded input on spatial axis 0: it spans 9 \(9 taps",
    ),
    "dilated kernel larger": (
        X,
        W,
        {"dilation": (1, 5)},
        r"spatial axis 1: it spans 11 \(3 taps, dilation 5\), the input 9",
    ),
    "crop leaves too little": (X, W, {"padding": -3}, r"the input 2 \(8 with pads \(-3, -3\)\)"),
    "stride 0": (X, W, {"stride": 0}, "stride must be at least 1 on every axis, got 0"),
    "three strides": (
        X,
        W,
        {"stride": (1, 1, 1)},
        r"one int per spatial axis \(2 here\), got \(1, 1, 1\)",
    ),
    "negative dilation": (X, W, {"dilation": (1, -1)}, "dilation must be at least 1"),
    "channels": (
        X,
        (3, 3, 5, 6),
        {},
        r"x has 4 channels, but w takes 5 for each of 1 groups \(channels_last\)",
    ),
    "NCHW image": (
        (2, 4, 8, 9),
        W,
        {},
        "x has 9 channels, but w takes 4 .*is it NCHW\\? pass layout='channels_first'",
    ),
    "NCL sequence": ((2, 4, 9), (3, 4, 6), {}, "is it NCL\\? pass layout='channels_first'"),
    "NHWC image as channels first": (
        X,
        (6, 4, 3, 3),
        {"layout": "channels_first"},
        "is it NHWC\\? pass layout='channels_last'",
    ),
    "grouped kernel": (X, (3, 3, 2, 6), {}, "is it grouped\\? groups=2 would fit"),
    "groups that do not divide": (
        X,
        W,
        {"groups": 3},
        "groups must divide the channels of x and w, got groups=3, 4 inputs and 6",
    ),
    "no groups": (X, W, {"groups": 0}, "groups must be at least 1, got 0"),
    "unknown padding word": (
        X,
        W,
        {"padding": "sane"},
        "padding must be one of valid, same, .* got 'sane'",
    ),
    "one pad too few": (
        X,
        W,
        {"padding": (1,)},
        r"padding needs one entry per spatial axis \(2 here\), got \(1,\)",
    ),
    "causal image": (X, W, {"padding": "causal"}, "'causal' is for one spatial axis"),
    "unknown layout": (
        X,
        W,
        {"layout": "NHWC"},
        "layout must be 'channels_last' or 'channels_first', got 'NHWC'",
    ),
    "no batch axis": (X[1:], W, {}, "w must have as many axes as x"),
    "no batch axis, 1-D": (
        (8, 4),
        (3, 4, 6),
        {},
        r"got shape \(8, 4\); is the batch axis missing\? x\[None\] adds it",
    ),
    "method without strides": (
        X,
        W,
        {"method": jaxcnn.methods.SIDE_BY_SIDE, "stride": 2},
        "method SIDE_BY_SIDE has no groups and no step",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_shapes_and_options(name):
    x, w, options, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda x, w: jaxcnn.conv(x, w, **options), jnp.ones(x), jnp.ones(w))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (jnp.ones(X, jnp.uint8), jnp.ones(W)),
            r"x must have a floating dtype, got uint8: convert it, x.astype\(jnp.float32\)",
        ),
        (
            (jnp.ones(X), jnp.ones(W, jnp.bfloat16)),
            "x and w must have one dtype, got x of float32 and w of bfloat16",
        ),
        (
            (jnp.ones(X), jnp.ones(W), jnp.ones(4)),
            r"b must have one value per output channel, shape \(6,\), got \(4,\)",
        ),
        ((jnp.ones(X), jnp.ones(W), jnp.ones(6, jnp.int32)), "b must have a floating dtype"),
        (("image", jnp.ones(W)), "x must be an array, got str"),
    ],
)
def test_arrays(arguments, message):
    with pytest.raises(ValueError, match=message):
        jaxcnn.conv(*arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: jaxcnn.conv_input_grad(jnp.ones((2, 6, 6, 6)), jnp.ones(W), X),
            r"dy must have the shape of y, \(2, 6, 7, 6\)",
        ),
        (
            lambda: jaxcnn.conv_kernel_grad(jnp.ones(X), jnp.ones((2, 6, 7)), W),
            "dy must have as many axes as x",
        ),
        (
            lambda: jaxcnn.conv_kernel_grad(jnp.ones(X), jnp.ones((2, 6, 7, 6)), W[1:]),
            "w must have as many axes as x",
        ),
        (
            lambda: jaxcnn.conv_bias_grad(jnp.ones((2, 6))),
            "dy must have a batch, a channel and 1 to 3 spatial axes",
        ),
        (lambda: jaxcnn.conv_bias_grad(jnp.ones(X), layout="NCHW"), "layout must be"),
    ],
)
def test_gradient_functions(call, message):
    with pytest.raises(ValueError, match=message):
        call()
