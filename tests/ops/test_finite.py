"""A value that is not finite reaches what its window reaches by the definition, and no
more, by the methods of the default."""

import itertools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.check.cases import CONV_CASES, POOL_CASES, ConvCase
from jaxcnn.ops.convolution.methods import AUTO, IM2COL, NHWC, PORTABLE, Problem
from jaxcnn.ops.convolution.methods.rules import choose
from jaxcnn.padding import make_window
from tests import naive
from tests.daily import daily

# Shapes for which the default takes a way that the small cases do not reach, and what
# it takes: forward, input gradient.
CHOSEN = (
    (
        ConvCase("rows of several images", (16, 6, 32, 16), (3, 3, 16, 24), {"padding": 1}),
        "side_by_side",
        "side_by_side",
    ),
    (
        ConvCase("small images", (2, 4, 4, 16), (5, 5, 16, 16), {"padding": 2}),
        "im2col",
        "im2col",
    ),
    (
        ConvCase("a first layer", (2, 8, 9, 1), (5, 5, 1, 8), {"padding": "same"}),
        "im2col",
        "nhwc",
    ),
    (ConvCase("few outputs", (2, 6, 7, 8), (3, 3, 8, 3), {"padding": 1}), "nhwc", "nhwc"),
    (
        ConvCase("causal", (2, 12, 3), (4, 3, 8), {"padding": "causal", "dilation": 2}),
        "im2col",
        "nhwc",
    ),
    (
        ConvCase("narrow groups", (1, 6, 6, 8), (3, 3, 2, 8), {"groups": 4, "padding": 1}),
        "im2col",
        "im2col",
    ),
    (
        ConvCase("groups", (1, 5, 6, 32), (3, 3, 16, 32), {"groups": 2, "padding": 1}),
        "groupwise",
        "groupwise",
    ),
    (
        ConvCase("a strided product", (8, 32, 32, 32), (3, 3, 32, 8), {"stride": 2, "padding": 1}),
        "nhwc",
        "im2col",
    ),
    (
        ConvCase("many taps, depthwise", (1, 12, 12, 2), (9, 8, 1, 2), {"groups": 2, "padding": 3}),
        "depthwise",
        "depthwise",
    ),
    (ConvCase("many taps", (1, 12, 10, 3), (9, 8, 3, 4), {"padding": 3}), "nhwc", "nhwc"),
)
CASES = [(case, None, None) for case in CONV_CASES if case.x[0]] + list(CHOSEN)


def places(shape):
    """Of a batch of images: a corner, an edge, the middle, each in another image and
    channel."""
    n, *space, c = shape
    middle = [size // 2 for size in space]
    yield (0, *(0 for _ in space), 0)
    yield (n - 1, space[0] - 1, *middle[1:], c - 1)
    yield (n // 2, *middle, c // 2)


def reached(shape, groups, pairs, place, here):
    """Of an array of that shape, where `place` of the other one meets it: in its group,
    by the pairs (j, i) of `window_taps`."""
    image, *at, channel = place
    group = channel * groups // here[-1]
    width = shape[-1] // groups
    found = np.zeros(shape, bool)
    for a, b in pairs:
        if a == tuple(at):
            found[(image, *b, slice(group * width, (group + 1) * width))] = True
    return found


def check(run, inputs, shape, groups, pairs):
    """With one value of the first input not finite, the result is not finite where that
    is met, and as it was elsewhere."""
    plain = np.asarray(run(*inputs))
    for place, value in itertools.product(places(inputs[0].shape), (np.nan, np.inf)):
        spoilt = inputs[0].copy()
        spoilt[place] = value
        got = np.asarray(run(spoilt, *inputs[1:]))
        expected = reached(shape, groups, pairs, place, inputs[0].shape)
        np.testing.assert_array_equal(~np.isfinite(got), expected, err_msg=f"{value} at {place}")
        np.testing.assert_array_equal(
            got[~expected], plain[~expected], err_msg=f"{value} at {place}"
        )


def pairs_of(window, space):
    """(i, j) and (j, i) of every tap that stands on the input, by the definition."""
    met = [(j, i) for j, _, i in naive.window_taps(window, space) if i is not None]
    return [(i, j) for j, i in met], met


POOLED = daily(
    [pytest.param(case, id=case.id) for case in POOL_CASES if case.x[0]],
    {"1d-overlap-padding", "2d-ceil-padding", "2d-dilated"},
)
DAILY = {
    "rows of several images",
    "a first layer",
    "causal",
    "narrow groups",
    "groups",
    "many taps",
    "2d-oblong-everything",
    "2d-depthwise-crop",
    "3d-stride-same",
}


@pytest.mark.parametrize(
    ("case", "forward", "input_grad"),
    daily([pytest.param(*row, id=row[0].id) for row in CASES], DAILY),
)
@pytest.mark.parametrize("method", [AUTO, PORTABLE], ids=["auto", "portable"])
def test_convolution(case, forward, input_grad, method):
    groups = case.options.get("groups", 1)
    window = make_window(
        case.w[:-2], case.x[1:-1], **{k: v for k, v in case.options.items() if k != "groups"}
    )
    rng = np.random.default_rng(0)
    y_shape = (case.x[0], *window.output_size(case.x[1:-1]), case.w[-1])
    x, w, dy = (draw.integers(rng, shape).astype(np.float32) for shape in (case.x, case.w, y_shape))
    w[w == 0] = 1
    if forward:
        problem = Problem.of(case.x, case.w, **case.options)
        chosen = [choose(problem, name).name for name in ("forward", "input_grad")]
        assert chosen == [forward, input_grad]

    of_x, of_dy = pairs_of(window, case.x[1:-1])
    options = {**case.options, "method": method}
    run = jax.jit(lambda x, w: jaxcnn.conv(x, w, **options))
    check(run, (x, w), y_shape, groups, of_x)
    run = jax.jit(lambda dy, w: jaxcnn.conv_input_grad(dy, w, case.x, **options))
    check(run, (dy, w), case.x, groups, of_dy)


@pytest.mark.parametrize("case", POOLED)
def test_mean(case):
    options = {"stride": case.size, **case.options}
    ceil = options.pop("ceil_mode", False)
    window = make_window(case.size, case.x[1:-1], **options)
    window = window.ceil(case.x[1:-1]) if ceil else window
    y_shape = (case.x[0], *window.output_size(case.x[1:-1]), case.x[-1])
    rng = np.random.default_rng(0)
    x, dy = (draw.integers(rng, shape).astype(np.float32) for shape in (case.x, y_shape))

    of_x, of_dy = pairs_of(window, case.x[1:-1])
    check(
        jax.jit(lambda x: jaxcnn.avg_pool(x, case.size, **case.options)),
        (x,),
        y_shape,
        case.x[-1],
        of_x,
    )
    gradient = jax.jit(
        lambda dy: jax.vjp(
            lambda x: jaxcnn.avg_pool(x, case.size, **case.options), jnp.zeros(case.x)
        )[1](dy)[0]
    )
    check(gradient, (dy,), case.x, case.x[-1], of_dy)


@pytest.mark.parametrize("case", POOLED)
def test_maximum(case):
    """Of y the windows that hold it; of dx the winner alone."""
    x = np.arange(math.prod(case.x), dtype=np.float32).reshape(case.x)

    def pull(x, dy):
        return jax.vjp(lambda x: jaxcnn.max_pool(x, case.size, **case.options), x)[1](dy)[0]

    pool = jax.jit(lambda x: jaxcnn.max_pool(x, case.size, **case.options))
    y = pool(x)
    count = jax.jit(lambda one: jaxcnn.avg_pool(one, case.size, **case.options))
    for place in places(case.x):
        spoilt = x.copy()
        spoilt[place] = np.nan
        one = np.zeros(case.x, np.float32)
        one[place] = 1
        np.testing.assert_array_equal(np.isnan(pool(spoilt)), np.asarray(count(one)) > 0)
    gradient = jax.jit(pull)
    for place in places(y.shape):
        one = np.zeros(y.shape, np.float32)
        one[place] = 1
        spoilt = np.ones(y.shape, np.float32)
        spoilt[place] = np.nan
        np.testing.assert_array_equal(
            np.isnan(gradient(x, spoilt)), np.asarray(gradient(x, one)) > 0
        )


@pytest.mark.parametrize("method", [NHWC, IM2COL])
def test_what_the_kernel_gradient_may_do_is_documented(method):
    """It may spoil taps that never met the value, and its docstring says so."""
    x = np.zeros((1, 4, 1), np.float32)
    x[0, 0, 0] = np.nan
    dw = jaxcnn.conv_kernel_grad(
        x, np.ones((1, 4, 1), np.float32), (3, 1, 1), padding=1, method=method
    )
    assert np.isnan(dw[1, 0, 0])
    text = " ".join(jaxcnn.conv_kernel_grad.__doc__.split())
    assert re.search("may be NaN (also|even) for taps that never met", text)
