"""oneDNN's depthwise kernel gradient of so many images that it takes them in blocks, on
one device and on two."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxcnn.check import draw
from jaxcnn.ops._onednn.certain import certain_dtypes
from jaxcnn.ops.convolution.methods import LAX, ONEDNN, Problem

pytestmark = pytest.mark.skipif(
    "float32" not in certain_dtypes(), reason="oneDNN is not certain to compute float32 here"
)
CALL = "__onednn$convolution"


def many_terms(images):
    """A depthwise problem whose images have 1,600 terms of each sum, and its x and
    dy."""
    problem = Problem.of((images, 40, 40, 4), (3, 3, 1, 4), groups=4, padding=1)
    rng = np.random.default_rng(0)
    shapes = problem.x_shape, problem.y_shape
    return problem, *(jnp.asarray(draw.integers(rng, s, 1), jnp.float32) for s in shapes)


def test_blocks_of_images():
    """A call adds up few images, so that its sums are short."""
    problem, x, dy = many_terms(6)
    run = jax.jit(partial(ONEDNN.kernel_grad, problem=problem))
    assert "while" in run.lower(x, dy).as_text()
    np.testing.assert_array_equal(run(x, dy), LAX.kernel_grad(x, dy, problem))


@pytest.mark.parametrize("divided_by", ["compiler", "shard_map"])
def test_each_device_has_blocks_of_its_own_images(divided_by):
    """Calls of two images on each device, and one sum of both devices behind the
    loop; nothing is gathered."""
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,))
    problem, x, dy = many_terms(8)
    expected = LAX.kernel_grad(x, dy, problem)
    x, dy = (jax.device_put(a, NamedSharding(mesh, P("batch"))) for a in (x, dy))

    def of_a_device(x, dy):
        return lax.psum(ONEDNN.kernel_grad(x, dy, problem.of_images(4)), "batch")

    kernel_grad = partial(ONEDNN.kernel_grad, problem=problem)
    if divided_by == "shard_map":
        kernel_grad = jax.shard_map(
            of_a_device, mesh=mesh, in_specs=(P("batch"), P("batch")), out_specs=P()
        )
    run = jax.jit(kernel_grad).lower(x, dy).compile()
    *inner, entry = run.as_text().split("\nENTRY ")
    assert entry.count(" while(") == entry.count(" all-reduce(") == 1
    assert not re.search(r" (all-|collective-|reduce-scatter)", "".join(inner))
    assert not re.search(r" (all-gather|all-to-all|collective-permute)", entry)
    assert "".join(inner).count(CALL) == 1
    assert "f32[1,2,40,40,4]" in "".join(inner)
    np.testing.assert_array_equal(run(x, dy), expected)
