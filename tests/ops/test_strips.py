"""Kernel gradients of strips of images: the same numbers as of whole ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxcnn.ops.convolution.methods import IM2COL, LAX, Problem, im2col, strips
from jaxcnn.ops.convolution.methods.strips import in_strips
from tests.ops._kernel_gradients import assert_derivatives_of_a_batch, by, operands

CASES = {
    "plane": ((2, 8, 5, 3), (3, 3, 3, 4), {"padding": 1}),
    "rest": ((2, 7, 5, 3), (3, 2, 3, 4), {"padding": ((2, 0), (1, 0))}),
    "stride": ((2, 9, 6, 3), (3, 3, 3, 4), {"stride": 2, "padding": 1}),
    "stride that leaves rows out": ((2, 10, 6, 3), (2, 3, 3, 4), {"stride": 3}),
    "dilation": ((2, 9, 5, 3), (3, 2, 3, 4), {"dilation": 3, "padding": 3}),
    "negative pads": ((2, 11, 6, 3), (3, 3, 3, 4), {"padding": ((-1, -2), (1, 0))}),
    "window longer than a strip": ((2, 9, 5, 3), (7, 1, 3, 4), {"padding": ((3, 3), (0, 0))}),
    "groups": ((2, 8, 5, 6), (3, 3, 3, 4), {"padding": 1, "groups": 2}),
    "one axis": ((2, 11, 3), (3, 3, 4), {"padding": 1}),
    "volume": ((2, 6, 4, 5, 3), (3, 3, 3, 3, 4), {"padding": 1}),
}


@pytest.fixture
def three_strips(monkeypatch):
    """Any image in three."""

    def cut(x, dy, problem, image_bytes):
        monkeypatch.setattr(strips, "ENOUGH", image_bytes // 3)
        return in_strips(x, dy, problem, image_bytes)

    monkeypatch.setattr(im2col, "BLOCK_BYTES", 1)
    monkeypatch.setattr(im2col, "in_strips", cut)


@pytest.mark.parametrize("case", CASES)
def test_strips_give_what_images_give(case, three_strips):
    """Bit for bit, of whole numbers."""
    x_shape, w_shape, options = CASES[case]
    problem = Problem.of(x_shape, w_shape, **options)
    x, dy = operands(problem)
    np.testing.assert_array_equal(by(IM2COL, problem)(x, dy), by(LAX, problem)(x, dy))
    cut_x, cut_dy, of_strips = im2col.in_strips(x, dy, problem, 3000)
    rows = -(-problem.out_space[0] // 3)
    assert of_strips.x_shape == cut_x.shape
    assert of_strips.y_shape == cut_dy.shape == (6, rows, *problem.y_shape[2:])


def test_derivatives_and_batches_of_strips(three_strips):
    problem = Problem.of((2, 7, 5, 3), (3, 2, 3, 4), padding=1)
    assert_derivatives_of_a_batch(problem)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bits(dtype, three_strips):
    problem = Problem.of((2, 7, 5, 3), (3, 2, 3, 4), padding=1)
    x, dy = operands(problem, dtype)
    dw = by(IM2COL, problem)(x, dy)
    assert dw.dtype == dtype
    wide = by(LAX, problem)(x.astype(jnp.float32), dy.astype(jnp.float32))
    np.testing.assert_array_equal(dw, wide.astype(dtype))


def test_devices_cut_their_own_images(three_strips):
    problem = Problem.of((4, 7, 5, 3), (3, 2, 3, 4), padding=1)
    x, dy = operands(problem)
    mesh = jax.make_mesh((2,), ("d",), (AxisType.Auto,))
    shared = jax.device_put((x, dy), NamedSharding(mesh, PartitionSpec("d")))
    kernel_grad = by(IM2COL, problem)
    np.testing.assert_array_equal(kernel_grad(*shared), kernel_grad(x, dy))
    assert "all-gather(" not in kernel_grad.lower(*shared).compile().as_text()


def test_only_images_with_large_patches_are_cut():
    """Those of more than 8 MiB, whatever their size by as many operations."""

    def size(rows):
        """Lines of the program, and whether it has a loop."""
        problem = Problem.of((1, rows, 64, 64), (3, 3, 64, 64), padding=1)
        shapes = (jax.ShapeDtypeStruct(s, "float32") for s in (problem.x_shape, problem.y_shape))
        text = by(IM2COL, problem).lower(*shapes).as_text()
        return len(text.splitlines()), "while" in text

    (small, loop), (large, long_loop), (huge, _) = map(size, (32, 512, 2048))
    assert (loop, long_loop) == (False, True)
    assert large == huge > small
