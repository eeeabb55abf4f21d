"""Kernel gradients of volumes, whose taps are written one by one: the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from jaxcnn.ops._windows import unfold_along, unfold_at_once
from jaxcnn.ops.convolution.methods import IM2COL, LAX, Problem
from jaxcnn.padding import make_window
from tests.ops._kernel_gradients import assert_derivatives_of_a_batch, by, operands

CASES = {
    "plain": ((2, 4, 5, 3, 16), (3, 3, 3, 16, 16), {"padding": 1}),
    "pads": ((1, 4, 5, 3, 16), (3, 3, 3, 16, 16), {"padding": ((2, 0), (-1, 3), (0, 2))}),
    "stride": ((2, 7, 5, 6, 16), (3, 3, 3, 16, 16), {"stride": 2, "padding": 1}),
    "dilation": ((1, 7, 6, 5, 16), (3, 3, 3, 16, 16), {"dilation": 2, "padding": 2}),
    "groups": ((1, 4, 4, 5, 32), (3, 3, 3, 16, 32), {"padding": 1, "groups": 2}),
    "beside dy": ((1, 4, 4, 5, 64), (3, 3, 3, 64, 16), {"padding": 1}),
}


def written(problem, dtype):
    """The taps that the program writes one by one."""
    traced = by(IM2COL, problem).trace(*operands(problem, dtype))
    return str(traced.jaxpr).count("dynamic_update_slice")


@pytest.mark.parametrize("case", CASES)
def test_written_taps_give_what_lax_gives(case):
    """Bit for bit, of whole numbers."""
    x_shape, w_shape, options = CASES[case]
    problem = Problem.of(x_shape, w_shape, **options)
    x, dy = operands(problem)
    assert written(problem, "float32") in (8, 26)
    np.testing.assert_array_equal(by(IM2COL, problem)(x, dy), by(LAX, problem)(x, dy))


def test_derivatives_and_batches_of_written_taps():
    problem = Problem.of((1, 3, 4, 3, 16), (3, 3, 3, 16, 16), padding=1)
    assert_derivatives_of_a_batch(problem)


def test_each_device_writes_its_own_taps():
    problem = Problem.of((1, 3, 4, 3, 16), (3, 3, 3, 16, 16), padding=1)
    x, dy = operands(problem._replace(x_shape=(2, *problem.x_shape[1:])))
    mesh, specs = jax.make_mesh((2,), ("d",), (AxisType.Auto,)), PartitionSpec("d")

    def total(x, dy):
        return jax.lax.psum(IM2COL.kernel_grad(x, dy, problem), "d")

    shared = jax.shard_map(total, mesh=mesh, in_specs=specs, out_specs=PartitionSpec())
    expected = LAX.kernel_grad(x, dy, problem.of_images(2))
    np.testing.assert_array_equal(jax.jit(shared)(x, dy), expected)


def test_which_taps_are_copied_axis_by_axis():
    """Those of images, of few channels, few taps, and 16-bit floats."""
    x, w = (1, 6, 6, 6, 16), (3, 3, 3, 16, 16)
    others = [
        (Problem.of(x[1:], w[1:], padding=1), "float32"),
        (Problem.of((*x[:-1], 8), (3, 3, 3, 8, 16), padding=1), "float32"),
        (Problem.of(x, (2, 2, 2, 16, 16)), "float32"),
        (Problem.of(x, w, padding=1), "bfloat16"),
    ]
    assert [written(*other) for other in others] == [0, 0, 0, 0]


@pytest.mark.parametrize("axes", [(0, 1), (1, 2), (0, 1, 2), (2,)], ids=str)
def test_taps_at_once_lie_as_axis_by_axis(axes):
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 5, 6, 7, 3)), jnp.float32)
    options = {"stride": (1, 2, 1), "padding": ((1, 2), (0, 1), (-1, 1)), "dilation": (2, 1, 1)}
    window = make_window((2, 3, 2), x.shape[1:-1], **options)
    expected = x
    for axis in reversed(axes):
        expected = unfold_along(expected, window.along(axis), axis)
    np.testing.assert_array_equal(unfold_at_once(x, window.along(*axes)), expected)
