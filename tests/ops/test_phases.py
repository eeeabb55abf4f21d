"""The input gradient by the phases of the stride is that of lax."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.check import draw
from jaxcnn.ops.convolution.methods import LAX, Problem, phases
from jaxcnn.padding import make_window
from tests.daily import daily

# k, s, d, and pads: every common factor of s and d, phases without a tap, remainders,
# and crops.
AXES = list(
    itertools.product((1, 2, 3, 5), (2, 3, 4), (1, 2, 3), ((0, 0), (2, 1), (-1, 3), (1, -2)))
)
DAILY = {"3-2-1-2,1", "5-4-2--1,3", "2-3-3-0,0", "5-2-1-1,-2"}


def name(k, s, d, pads):
    return f"{k}-{s}-{d}-{pads[0]},{pads[1]}"


@pytest.mark.parametrize(
    ("k", "s", "d", "pads"), daily([pytest.param(*axis, id=name(*axis)) for axis in AXES], DAILY)
)
def test_one_axis(k, s, d, pads):
    window = make_window((k,), (14,), stride=s, dilation=d, padding=(pads,))
    agree(Problem((2, 14, 2), (k, 2, 3), window))


@pytest.mark.parametrize("groups", [1, 2])
def test_several_axes(groups):
    window = make_window((3, 4, 1), (5, 6, 4), stride=(2, 3, 2), padding=(1, 2, 0))
    agree(Problem((2, 5, 6, 4, 4), (3, 4, 1, 4 // groups, 6), window, groups))


def agree(problem):
    rng = np.random.default_rng(0)
    dy, w = (
        jnp.asarray(draw.integers(rng, shape), jnp.float32)
        for shape in (problem.y_shape, problem.w_shape)
    )
    run = jax.jit(lambda dy, w: phases.input_grad(dy, w, problem, LAX.forward))
    np.testing.assert_array_equal(run(dy, w), LAX.input_grad(dy, w, problem))
