"""The depthwise kernel gradient, block by block."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.ops.convolution.methods import LAX, Problem, depthwise, depthwise_sums
from jaxcnn.padding import make_window
from tests.daily import daily


@pytest.mark.slow
def test_depthwise_kernel_gradient_in_blocks_of_rows():
    """Images too large for the running sums of `shifted` are added up block by
    block."""
    rng = np.random.default_rng(0)
    x, w, dy = (
        jnp.asarray(draw.integers(rng, s), jnp.float32)
        for s in ((2, 18, 40, 33), (3, 3, 1, 33), (2, 9, 40, 33))
    )
    options = {"stride": (2, 1), "padding": ((1, 0), (1, 1)), "groups": 33}
    window = make_window((3, 3), (18, 40), stride=(2, 1), padding=((1, 0), (1, 1)))
    assert depthwise_sums.block_size(window, (3, 900, 40, 33)) == (
        3,
        6,
    )  # 47,520 bytes a row: 22 rows of them
    assert depthwise_sums.block_size(window, (1, 900, 40, 33)) == (1, 20)
    assert depthwise_sums.block_size(window, (64, 9, 40, 99)) == (1, 3)
    for budget in (2**20, 2**18, 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(depthwise_sums, "SUMS_BYTES", budget)
            got = depthwise.kernel_grad(x, dy, Problem.of(x.shape, w.shape, **options))
        np.testing.assert_array_equal(
            got, jaxcnn.conv_kernel_grad(x, dy, w.shape, method=LAX, **options)
        )


@pytest.mark.parametrize("budget", daily([2**20, 2**12, 1], {"4096"}))
@pytest.mark.parametrize("options", [{}, {"dilation": 4}, {"stride": 2}])
def test_depthwise_kernel_gradient_in_blocks_of_positions(monkeypatch, budget, options):
    """One axis of space, whose positions are what rows are elsewhere; a block holds all
    channels of each."""
    rng = np.random.default_rng(0)
    options = {"padding": 3, "groups": 5} | options
    x, w = (jnp.asarray(draw.integers(rng, s), jnp.float32) for s in ((16, 90, 5), (3, 1, 5)))
    dy = jnp.asarray(
        draw.integers(rng, jax.eval_shape(lambda: jaxcnn.conv(x, w, **options)).shape), jnp.float32
    )
    monkeypatch.setattr(depthwise_sums, "SUMS_BYTES", budget)
    got = depthwise.kernel_grad(x, dy, Problem.of(x.shape, w.shape, **options))
    np.testing.assert_array_equal(
        got, jaxcnn.conv_kernel_grad(x, dy, w.shape, method=LAX, **options)
    )


@pytest.mark.parametrize(("images", "loop"), [(8, False), (16, True), (32, True)])
def test_two_blocks_of_a_depthwise_kernel_gradient_are_a_loop_still(images, loop):
    """XLA must not fuse the running sums with what it adds up; eight images are one
    block, which needs none."""
    x, w = (
        jax.ShapeDtypeStruct((images, 8, 8, 32), jnp.float32),
        jax.ShapeDtypeStruct((3, 3, 1, 32), jnp.float32),
    )
    problem = Problem.of(x.shape, w.shape, padding=1, groups=32)
    gradient = jax.jit(partial(depthwise.kernel_grad, problem=problem))
    assert (" while(" in gradient.lower(x, x).compile().as_text()) == loop
