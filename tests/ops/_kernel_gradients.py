"""Kernel gradients of a problem by a method, of whole numbers."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check import draw
from jaxcnn.ops.convolution.methods import IM2COL, LAX


def operands(problem, dtype=jnp.float32):
    rng = np.random.default_rng(0)
    shapes = problem.x_shape, problem.y_shape
    return tuple(jnp.asarray(draw.integers(rng, shape), dtype) for shape in shapes)


def by(method, problem):
    return jax.jit(lambda x, dy: method.kernel_grad(x, dy, problem))


def assert_derivatives_of_a_batch(problem):
    """Those of IM2COL, under vmap, are LAX's, bit for bit."""
    x, dy = operands(problem)

    def found(method):
        def total(x, dy):
            return jnp.sum(method.kernel_grad(x, dy, problem) ** 2)

        each = jax.vmap(jax.grad(total, (0, 1)))
        return jax.jit(each)(jnp.stack([x, x[::-1]]), jnp.stack([dy, -dy]))

    for one, other in zip(found(IM2COL), found(LAX), strict=True):
        np.testing.assert_array_equal(one, other)
