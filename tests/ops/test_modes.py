"""JAX's stricter modes, 16-bit floats of large images, and eager calls: what each of
them must not disturb."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxcnn
from jaxcnn.check import draw
from tests.ops._operations import OPERATIONS, close, data, gradients

POOLS = {
    "max": lambda x: jaxcnn.max_pool(x, 2, padding=1),
    "max, many taps": lambda x: jaxcnn.max_pool(x, 9, stride=1, padding=4),
    "mean": lambda x: jaxcnn.avg_pool(x, 2, padding=1),
    "global max": jaxcnn.global_max_pool,
    "global mean": jaxcnn.global_avg_pool,
}


RANKS = {
    name: OPERATIONS[name]
    for name in OPERATIONS
    if "conv" in name or "norm" in name or name == "dense"
}
RANKS |= {name: lambda x, w, pool=pool: pool(x) + jnp.sum(w) for name, pool in POOLS.items()}


@pytest.mark.parametrize("name", RANKS)
def test_no_rank_is_promoted(name):
    x, w = data()
    with jax.numpy_rank_promotion("raise"):
        jax.eval_shape(
            jax.grad(lambda x, w: jnp.sum(jnp.square(RANKS[name](x, w))), argnums=(0, 1)), x, w
        )


@pytest.mark.parametrize("name", POOLS)
def test_pools_compute_nothing_that_is_not_finite(name):
    """The padding of a maximum is minus infinity: no user of the debugging modes may
    meet it."""
    x = data()[0]
    with jax.debug_nans(True), jax.debug_infs(True):
        y, pull = jax.vjp(POOLS[name], x)
        pull(y)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    "name", ["avg_pool", "global_avg_pool", "global_max_pool", "max_pool", "conv_bias_grad"]
)
def test_images_larger_than_a_16_bit_float_can_count(name, dtype):
    """Beyond 65,520 positions, and far from 0: against float64, to the precision of the
    dtype."""
    size = 272
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(8, 1, (1, size, size, 1)), dtype)
    dy = jnp.full((1, 1), 1024, dtype)
    exact = np.asarray(x, np.float64)
    eps = float(jnp.finfo(dtype).eps)
    if name == "conv_bias_grad":
        values = jnp.asarray(rng.normal(0.25, 0.01, (1, size, size, 1)), dtype)
        np.testing.assert_allclose(
            float(jaxcnn.conv_bias_grad(values)[0]), np.asarray(values, np.float64).sum(), rtol=eps
        )
        return
    run = {
        "avg_pool": lambda x: jaxcnn.avg_pool(x, size)[:, 0, 0],
        "max_pool": lambda x: jaxcnn.max_pool(x, size)[:, 0, 0],
    }
    y, pull = jax.vjp(jax.jit(run.get(name, getattr(jaxcnn, name))), x)
    dx = np.asarray(pull(dy)[0], np.float64)
    if "avg" in name:
        np.testing.assert_allclose(float(y[0, 0]), exact.mean(), rtol=eps)
        np.testing.assert_allclose(dx, 1024 / size**2, rtol=eps)
    else:
        np.testing.assert_equal(float(y[0, 0]), exact.max())
        assert (dx.sum(), np.argmax(dx)) == (1024, np.argmax(exact))


NAMED = ("LAX", "NHWC", "ONEDNN", "IM2COL", "DEPTHWISE", "GROUPWISE", "AUTO")


@pytest.mark.parametrize("name", NAMED)
def test_an_eager_call_is_compiled_once(name):
    """Also of a method that is named, and of all three maps: a second call compiles
    nothing."""
    groups = 4 if name in ("DEPTHWISE", "GROUPWISE") else 1
    x = jnp.asarray(draw.distinct(np.random.default_rng(0), (16, 10, 9, 4)), jnp.float32)
    w = jnp.ones((3, 3, 4 // groups, 4))
    options = {"groups": groups, "method": getattr(jaxcnn.methods, name)}

    def calls():
        y, pull = jax.vjp(lambda x, w: jaxcnn.conv(x, w, **options), x, w)
        return (
            y,
            pull(y),
            jaxcnn.conv_kernel_grad(x, y, w.shape, **options),
            jaxcnn.conv_input_grad(y, w, x.shape, **options),
        )

    calls()
    with jax.no_tracing():  # what is not in a cache would be traced anew
        calls()


@pytest.mark.parametrize("name", POOLS)
def test_an_eager_pool_is_compiled_once(name):
    x = data()[0]
    y, pull = jax.vjp(POOLS[name], x)
    pull(y)
    with jax.no_tracing():
        jax.vjp(POOLS[name], x)[1](y)


def test_volumes_on_an_explicit_mesh():
    """Three axes, the batch sharded by type: forward and gradients of one device."""
    rng = np.random.default_rng(0)
    x, w = (
        jnp.asarray(draw.integers(rng, shape), jnp.float32)
        for shape in ((4, 5, 5, 5, 2), (3, 3, 3, 2, 4))
    )
    g = gradients(lambda x, w: jaxcnn.conv(x, w, padding=1))
    expected = jax.jit(g)(x, w)
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        x, w = (
            jax.device_put(a, NamedSharding(mesh, spec)) for a, spec in ((x, P("data")), (w, P()))
        )
        assert jax.jit(lambda x, w: jaxcnn.conv(x, w, padding=1))(x, w).sharding.is_equivalent_to(
            x.sharding, x.ndim
        )
        got = jax.jit(g)(x, w)
    close(got, expected)


FORWARD = {
    "conv": lambda x: jaxcnn.conv(x, jnp.ones((3, 3, 4, 2))),
    "convolve": lambda x: jaxcnn.convolve(x, jnp.ones((3, 3, 4, 2))),
    "conv_input_grad": lambda x: jaxcnn.conv_input_grad(x, jnp.ones((3, 3, 2, 4)), (4, 8, 8, 2)),
    "conv_kernel_grad": lambda x: jaxcnn.conv_kernel_grad(x, jnp.ones((4, 4, 4, 2)), (3, 3, 4, 2)),
    "conv_general_dilated": lambda x: jaxcnn.conv_general_dilated(
        x, jnp.ones((4, 6, 1, 1)), (1, 1), "VALID"
    ),
    "max_pool": lambda x: jaxcnn.max_pool(x, 2),
    "avg_pool": lambda x: jaxcnn.avg_pool(x, 2),
    "global_max_pool": jaxcnn.global_max_pool,
    "global_avg_pool": jaxcnn.global_avg_pool,
}


@pytest.mark.parametrize("name", FORWARD)
def test_forward_mode_names_the_operation(name):
    x = data()[0]
    with pytest.raises(
        TypeError, match=f"^{name} is differentiated by an explicit rule.*not for forward-mode"
    ):
        jax.jvp(FORWARD[name], (x,), (x,))
