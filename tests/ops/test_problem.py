"""The static description of a convolution: hashable, checked, and its own adjoint's."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jaxcnn.check import draw
from jaxcnn.ops.convolution.methods import LAX, Problem
from jaxcnn.window import Window

FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@st.composite
def problems(draw, longest: int = 9):
    axes = draw(st.integers(1, 3))

    def per_axis(low: int, high: int):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    pads = tuple(zip(per_axis(-1, 2), per_axis(-1, 2), strict=True))
    groups, c, o = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    window = Window(per_axis(1, 4), per_axis(1, 3), pads, per_axis(1, 2), per_axis(1, 2))
    x_shape = (draw(st.integers(1, 2)), *per_axis(1, longest), groups * c)
    problem = Problem(x_shape, (*window.size, c, groups * o), window, groups)
    assume(min(problem.out_space) > 0)
    return problem


@FEW
@given(problem=problems())
def test_the_adjoint_is_the_problem_of_the_input_gradient(problem):
    """It takes dy to an array like x, its kernel has the inputs and the outputs of a
    group exchanged, and its window's remainder is part of its pads."""
    adjoint = problem.adjoint
    assert adjoint.x_shape == problem.y_shape
    assert adjoint.y_shape == problem.x_shape
    assert adjoint.w_shape[:-2] == problem.w_shape[:-2]
    assert adjoint.c * problem.groups == problem.outputs
    assert adjoint.outputs == problem.x_shape[-1]
    assert adjoint.groups == problem.groups
    assert adjoint.taps == problem.taps


@pytest.mark.slow
@settings(FEW, max_examples=6)
@given(problem=problems(longest=5))
def test_the_forward_of_the_adjoint_is_the_input_gradient(problem):
    """Of dy, and of the kernel flipped, with inputs and outputs exchanged."""
    rng = np.random.default_rng(0)
    dy, w = (
        jnp.asarray(draw.integers(rng, shape), jnp.float32)
        for shape in (problem.y_shape, problem.w_shape)
    )
    flipped = jnp.flip(w, tuple(range(len(problem.space))))
    by_group = flipped.reshape(*w.shape[:-1], problem.groups, -1)  # (*t, c, g, o)
    exchanged = jnp.einsum("...cgo->...ogc", by_group).reshape(problem.adjoint.w_shape)
    np.testing.assert_array_equal(
        LAX.forward(dy, exchanged, problem.adjoint), LAX.input_grad(dy, w, problem)
    )


def test_a_problem_is_hashable_and_one_static_argument():
    """Of equal options, equal problems, whatever kind of ints they were said in."""
    first = Problem.of((2, 8, 9, 4), (3, 3, 2, 6), stride=2, padding=1, groups=2)
    second = Problem.of(
        (2, 8, 9, 4), (3, 3, 2, 6), stride=[2, np.int64(2)], padding=((1, 1), (1, 1)), groups=2
    )
    assert first == second and hash(first) == hash(second)
    other = first._replace(x_shape=(3, 8, 9, 4))
    assert len({first, second, other, first.of_images(3), first.adjoint}) == 3
    traced = []

    def forward(x, w, problem):
        traced.append(problem)
        return LAX.forward(x, w, problem)

    compiled = jax.jit(forward, static_argnums=2)
    for problem in (first, second):
        assert compiled(jnp.ones(first.x_shape), jnp.ones(first.w_shape), problem).shape == (
            first.y_shape
        )
    assert traced == [first]


@FEW
@given(problem=problems())
def test_what_a_problem_says_of_itself(problem):
    assert problem.n == problem.x_shape[0]
    assert problem.space == problem.x_shape[1:-1]
    assert problem.y_shape == (problem.n, *problem.out_space, problem.outputs)
    assert problem.x_shape[-1] == problem.c * problem.groups
    assert problem.depthwise == (problem.groups > 1 and problem.c == 1)
    assert problem.strided == any(s > 1 for s in problem.window.stride)
    assert problem.of_images(5).y_shape == (5, *problem.y_shape[1:])
    y = jax.eval_shape(
        lambda x, w: LAX.forward(x, w, problem),
        jax.ShapeDtypeStruct(problem.x_shape, jnp.float32),
        jax.ShapeDtypeStruct(problem.w_shape, jnp.float32),
    )
    assert y.shape == problem.y_shape


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "options", "message"),
    [
        ((2, 8, 8, 4), (3, 3, 2, 6), {}, r"is it grouped\? groups=2 would fit"),
        ((2, 8, 8, 4), (3, 3, 4, 6), {"groups": 3}, "groups must divide"),
        ((2, 2, 8, 4), (3, 3, 4, 6), {}, "w is larger than its padded input on spatial axis 0"),
        ((2, 8, 8, 4), (3, 3, 4, 6), {"precision": "hihgest"}, "precision must be"),
        ((2, 8, 8, 4), (3, 3, 4, 6), {"preferred_element_type": "int"}, "preferred_element_type"),
    ],
)
def test_a_problem_is_checked(x_shape, w_shape, options, message):
    with pytest.raises(ValueError, match=message):
        Problem.of(x_shape, w_shape, **options)
