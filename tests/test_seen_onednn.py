"""What this library's own primitives see: the same as JAX's, which compute it
elsewhere."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.ops._onednn.products import product_p
from jaxcnn.ops.convolution.methods import PORTABLE, onednn, onednn_depthwise
from jaxcnn.ops.convolution.problem import Problem
from jaxcnn.seen import fields_of

PROBLEMS = {
    "plain": ((1, 7, 6, 2), (3, 2, 2, 3), {"padding": 1}),
    "strided, dilated": ((1, 11, 9, 2), (3, 3, 2, 3), {"stride": 2, "dilation": 2, "padding": 2}),
    "groups": ((1, 8, 4), (3, 2, 6), {"groups": 2, "padding": 1}),
}


def same(one, other, *arguments, **options):
    seen, expected = (fields_of(function, *arguments, **options) for function in (one, other))
    assert seen.exact
    assert (seen.whole() == expected.whole()).all()
    assert seen.whole().any()


@pytest.mark.parametrize(("x", "w", "options"), PROBLEMS.values(), ids=PROBLEMS)
def test_the_convolution(x, w, options):
    problem = Problem.of(x, w, **options)
    typed = problem._replace(accumulation_dtype=np.dtype(np.float32))
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (x, w)]
    same(
        lambda x, w: onednn.convolution_p.bind(x, w, problem=typed),
        lambda x, w: PORTABLE.forward(x, w, problem),
        *arrays,
    )
    kernel = jnp.ones(w).at[0].set(0)
    same(
        lambda x: onednn.convolution_p.bind(x, kernel, problem=typed),
        lambda x: PORTABLE.forward(x, kernel, problem),
        arrays[0],
    )


def test_the_depthwise_kernel_gradient():
    problem = Problem.of((2, 9, 8, 3), (3, 2, 1, 3), groups=3, padding=1)
    x, dy = (jax.ShapeDtypeStruct(s, jnp.float32) for s in (problem.x_shape, problem.y_shape))
    options = {"axes": (1, 2), "output_axes": (0, 1)}

    def by_jax(x, dy):
        _, back = jax.vjp(lambda w: PORTABLE.forward(x, w, problem), jnp.zeros(problem.w_shape))
        return back(dy)[0]

    same(lambda x, dy: onednn_depthwise.sums_p.bind(x, dy, problem=problem), by_jax, x, dy,
         **options)  # fmt: skip
    same(lambda dy, x: onednn_depthwise.sums_p.bind(x, dy, problem=problem),
         lambda dy, x: by_jax(x, dy), dy, x, **options)  # fmt: skip


def test_the_product():
    a, b = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((2, 4, 5), (2, 6, 5)))

    def bound(a, b):
        return product_p.bind(a, b, a_axis=2, b_axis=2, precision=None, dtype=np.dtype("float32"))

    for axes in ((0, 1), (1, 2)):
        same(bound, lambda a, b: jnp.einsum("dmk,dnk->dmn", a, b), a, b, axes=axes,
             output_axes=(0, 1))  # fmt: skip
