"""Which methods PORTABLE and AUTO take, and that it makes no difference."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.ops.convolution.methods import AUTO, LAX, Method, Problem, portable
from jaxcnn.padding import make_window


def names(*args, **options):
    problem = Problem.of(*args, **options)
    return [portable.choose(problem, name).name for name in Method._fields]


def test_dispatch_is_the_list_of_its_docstring():
    image = (64, 28, 28)
    assert names((*image, 96), (3, 3, 1, 96), groups=96, padding=1) == ["depthwise"] * 3
    assert names((*image, 96), (3, 3, 1, 192), groups=96, padding=1) == ["depthwise"] * 3
    assert names((*image, 128), (3, 3, 4, 128), groups=32) == ["im2col", "im2col", "groupwise"]
    assert names((*image, 64), (3, 3, 16, 64), groups=4) == ["groupwise", "groupwise", "im2col"]
    assert names((*image, 64), (1, 1, 64, 128)) == ["im2col"] * 3
    assert names((*image, 64), (9, 9, 64, 64)) == [
        "side_by_side",
        "side_by_side",
        "nhwc",
    ]  # too many taps to lay out
    assert names((8, 12, 12, 12, 8), (4, 5, 5, 8, 8)) == ["lax", "lax", "im2col"]
    assert names((8, 12, 12, 12, 8), (6, 6, 6, 8, 8)) == ["lax"] * 3
    assert names((*image, 64), (1, 1, 64, 128), stride=2) == ["im2col"] * 3
    assert names((*image, 1), (5, 5, 1, 16), padding="same") == ["im2col", "im2col", "nhwc"]
    assert names((*image, 1), (5, 5, 1, 16), padding="same", stride=2) == [
        "im2col",
        "im2col",
        "nhwc",
    ]
    assert names((*image, 1), (2, 2, 1, 16), stride=2) == ["im2col"] * 3
    assert names((8, 8000, 1), (80, 1, 64), stride=4) == ["nhwc", "im2col", "im2col"]
    assert names((*image, 1), (5, 5, 1, 16), padding="same", dilation=2) == [
        "im2col",
        "im2col",
        "nhwc",
    ]
    assert names((*image, 1), (5, 5, 1, 32), padding="same") == ["nhwc", "im2col", "im2col"]
    assert names((32, 4, 4, 16), (5, 5, 16, 32), padding="same") == [
        "side_by_side",
        "side_by_side",
        "im2col",
    ]
    assert names((32, 5, 5, 16), (5, 5, 16, 32), padding="same") == [
        "nhwc",
        "nhwc",
        "im2col",
    ]
    assert names((32, 4, 4, 3), (5, 5, 3, 16), padding="same") == [
        "im2col",
        "side_by_side",
        "im2col",
    ]
    assert names((32, 4, 4, 16), (5, 5, 16, 32), stride=2, padding="same") == [
        "im2col",
        "im2col",
        "im2col",
    ]
    assert names((32, 6, 6, 16), (5, 5, 16, 32)) == ["nhwc", "side_by_side", "im2col"]  # y is 2x2
    assert names((32, 4, 16), (5, 16, 32), padding="same") == ["im2col", "im2col", "im2col"]
    assert names((*image, 3), (3, 3, 3, 64), padding="same") == ["im2col"] * 3
    assert names((*image, 3), (5, 5, 3, 32), padding="same") == ["nhwc", "im2col", "im2col"]
    assert names((*image, 32), (5, 5, 32, 3), padding="same") == ["side_by_side", "nhwc", "im2col"]
    assert names((*image, 64), (5, 5, 64, 3), padding="same") == ["side_by_side", "nhwc", "im2col"]
    assert names((*image, 32), (5, 5, 32, 17), padding="same") == [
        "side_by_side",
        "side_by_side",
        "im2col",
    ]
    assert names((*image, 6), (5, 5, 6, 16)) == ["nhwc", "nhwc", "im2col"]
    assert names((*image, 8), (5, 5, 8, 16)) == ["nhwc", "nhwc", "im2col"]
    assert names((*image, 8), (5, 5, 8, 32)) == ["side_by_side", "side_by_side", "im2col"]
    assert names((*image, 8), (3, 3, 8, 32)) == ["side_by_side", "im2col", "im2col"]
    assert names((64, 2000, 8), (3, 8, 32)) == ["nhwc", "im2col", "im2col"]
    assert names((8, *image[1:], 3, 1), (3, 3, 3, 1, 16)) == ["im2col", "im2col", "nhwc"]
    assert names((*image, 3), (7, 7, 3, 64), padding=3, stride=2) == [
        "nhwc",
        "im2col",
        "im2col",
    ]
    assert names((*image, 64), (2, 2, 64, 128), stride=2) == ["im2col"] * 3
    assert names((*image, 64), (3, 3, 64, 128), padding=1, stride=2) == ["im2col"] * 3
    assert names((*image, 128), (3, 3, 128, 128), padding=1, stride=2) == [
        "nhwc",
        "im2col",
        "im2col",
    ]
    assert names((4, 32, 32, 32), (3, 3, 32, 64), padding=1, stride=2) == [
        "nhwc",
        "im2col",
        "im2col",
    ]
    assert names((*image, 32), (3, 3, 32, 32), padding=1) == [
        "side_by_side",
        "side_by_side",
        "im2col",
    ]
    assert names((1, 28, 28, 32), (3, 3, 32, 32), padding=1) == [
        "nhwc",
        "nhwc",
        "im2col",
    ]
    assert names((2, 28, 28, 32), (3, 3, 32, 32), padding=1) == [
        "nhwc",
        "nhwc",
        "im2col",
    ]
    rows = names((16, 28, 28, 32), (3, 3, 32, 64), padding=1)  # of 224: enough for 64 outputs
    assert rows == ["side_by_side", "nhwc", "im2col"]
    assert names((4, 28, 28, 32), (3, 3, 32, 64), padding=1) == [
        "nhwc",
        "nhwc",
        "im2col",
    ]
    assert names((8, 100, 100, 64), (3, 3, 64, 32), padding=1) == [
        "side_by_side",
        "nhwc",
        "im2col",
    ]  # one of 100 is, too
    assert names((*image, 16), (3, 3, 16, 16), padding=1) == ["nhwc", "nhwc", "im2col"]


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
    assert set(names(x_shape, problem.w_shape, padding="same", stride=window.stride)[:2]) <= {
        "side_by_side",
        "im2col",
    }
    np.testing.assert_array_equal(AUTO.forward(x, w, problem), LAX.forward(x, w, problem))
    np.testing.assert_array_equal(AUTO.input_grad(dy, w, problem), LAX.input_grad(dy, w, problem))


def test_other_platforms_take_direct():
    choices = jaxcnn.explain_conv(
        (8, 4, 28, 28), (4, 4, 1, 1), layout="channels_first", platform="gpu"
    )
    assert {choice.name for choice in choices.values()} == {"lax"}
