"""Which methods PORTABLE and AUTO take, and that it makes no difference."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.ops.convolution.methods import AUTO, LAX, Method, Problem
from jaxcnn.ops.convolution.methods.onednn_depthwise import of_a_volume
from jaxcnn.ops.convolution.methods.rules import RULES, Seen, choose, rule_of
from jaxcnn.padding import make_window


def names(*args, **options):
    problem = Problem.of(*args, **options)
    return [choose(problem, name).name for name in Method._fields]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.maps[-1]}-{rule.method}")
def test_each_rule_decides_its_example(rule):
    """With oneDNN where the rule is about it, else without."""
    x_shape, w_shape, options = rule.example
    problem = Problem.of(x_shape, w_shape, **options)
    for name in rule.maps:
        if not (name == "kernel_grad" and rule.method == "nhwc"):
            assert rule_of(Seen(name, problem, rule.method == "onednn")) is rule, name


@pytest.mark.parametrize(
    ("shapes", "options", "expected"),
    [
        (((8, 28, 28, 96), (7, 7, 1, 96)), {"groups": 96, "padding": 3}, ["onednn", "onednn"]),
        (((8, 28, 28, 96), (3, 3, 1, 96)), {"groups": 96, "padding": 1}, ["depthwise"] * 2),
        (((8, 28, 28, 3), (3, 3, 3, 64)), {"padding": 1}, ["onednn", "onednn"]),
        (((8, 28, 28, 64), (1, 1, 64, 64)), {}, ["im2col", "im2col"]),
        (((8, 28, 28, 64), (3, 3, 64, 64)), {"stride": 2}, ["onednn", "onednn"]),
        (((8, 28, 28, 64), (3, 3, 2, 64)), {"groups": 32}, ["onednn", "onednn"]),
    ],
)
def test_where_onednn_is_certain(shapes, options, expected):
    problem = Problem.of(*shapes, **options)
    found = [choose(problem, name, onednn=True).name for name in ("forward", "input_grad")]
    assert found == expected


@pytest.mark.parametrize(
    ("shapes", "options", "taken"),
    [
        (((8, 28, 28, 96), (3, 3, 1, 96)), {"groups": 96}, True),
        (((8, 28, 96), (3, 1, 96)), {"groups": 96, "dilation": 2}, True),
        (((8, 28, 28, 96), (3, 3, 1, 96)), {"groups": 96, "stride": 2}, False),
        (((8, 28, 28, 96), (3, 3, 1, 192)), {"groups": 96}, False),
        (((4, 6, 7, 8, 96), (3, 3, 3, 1, 96)), {"groups": 96}, False),
        (((8, 28, 28, 64), (3, 3, 2, 64)), {"groups": 32}, False),
    ],
)
def test_which_kernel_gradients_are_convolutions_of_onednn(shapes, options, taken):
    assert (of_a_volume(Problem.of(*shapes, **options)) is not None) == taken


@pytest.mark.parametrize(
    ("shapes", "options", "expected"),
    [
        (((8, 28, 28, 64), (9, 9, 64, 64)), {}, ["nhwc"]),  # too many taps to lay out
        (((8, 12, 12, 12, 8), (4, 5, 5, 8, 8)), {}, ["im2col"]),
        (((8, 12, 12, 12, 8), (6, 6, 6, 8, 8)), {}, ["lax"]),
        (((8, 28, 28, 1), (5, 5, 1, 16)), {"padding": "same"}, ["im2col"]),
        (((8, 28, 28, 1), (2, 2, 1, 16)), {"stride": 2}, ["im2col"]),
        (((8, 28, 28, 1), (5, 5, 1, 32)), {}, ["im2col"]),
        (((8, 28, 28, 128), (3, 3, 4, 128)), {"groups": 32}, ["im2col"]),
    ],
)
def test_kernel_gradients(shapes, options, expected):
    assert names(*shapes, **options)[2:] == expected


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    "x_shape",
    [
        (6, 4, 4, 16),
        *(
            pytest.param(x_shape, marks=pytest.mark.slow)
            for x_shape in ((1, 4, 4, 16), (7, 3, 5, 2), (6, 4, 16), (2, 2, 3, 2, 4))
        ),
    ],
)
def test_images_of_fewer_positions_than_taps(x_shape, stride):
    """Of whole numbers all methods give the same."""
    space = x_shape[1:-1]
    window = make_window(
        (5,) * len(space), space, padding="same", stride=(stride, *(1,) * (len(space) - 1))
    )
    problem = Problem(x_shape, (*window.size, x_shape[-1], 16), window)
    x, w, dy = (
        jnp.asarray(draw.integers(np.random.default_rng(0), shape), jnp.float32)
        for shape in (x_shape, problem.w_shape, problem.y_shape)
    )
    found = names(x_shape, problem.w_shape, padding="same", stride=window.stride)
    assert found[:2] == ["im2col", "im2col"]
    np.testing.assert_array_equal(AUTO.forward(x, w, problem), LAX.forward(x, w, problem))
    np.testing.assert_array_equal(AUTO.input_grad(dy, w, problem), LAX.input_grad(dy, w, problem))


def test_other_platforms_take_direct():
    choices = jaxcnn.explain_conv(
        (8, 4, 28, 28), (4, 4, 1, 1), layout="channels_first", platform="gpu"
    )
    assert {choice.name for choice in choices.values()} == {"lax"}
