"""Every operation under JAX's transformations, and on meshes of two devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxcnn
from tests.daily import daily
from tests.ops._operations import OPERATIONS, C, close, data, gradients, loss


def each_operation(*kept: str):
    """The test for all operations; daily for those that are kept."""
    return pytest.mark.parametrize("name", daily(OPERATIONS, kept))


@each_operation("conv-auto", "batch-norm")
def test_jit_scan_checkpoint_vmap(name):
    """One compiled program holds them all."""
    x, w = data()
    g = gradients(OPERATIONS[name])
    expected = jax.jit(g)(x, w)

    @jax.jit
    def transformed(x, w):
        scanned = lax.scan(lambda carry, w: (carry, g(x, w)), 0, jnp.stack([w, w]))[1]
        saved = gradients(jax.checkpoint(OPERATIONS[name]))(x, w)
        over_x = jax.vmap(g, in_axes=(0, None))(jnp.stack([x, 2 * x]), w)
        over_w = jax.vmap(g, in_axes=(None, 0))(x, jnp.stack([w, 2 * w]))
        over_both = jax.vmap(g)(jnp.stack([2 * x, x]), jnp.stack([2 * w, w]))
        return scanned, saved, over_x, over_w, over_both

    scanned, saved, over_x, over_w, over_both = transformed(x, w)
    close(jax.tree.map(lambda a: a[1], scanned), expected)
    close(saved, expected)
    close(jax.tree.map(lambda a: a[0], over_x), expected)
    close(jax.tree.map(lambda a: a[0], over_w), expected)
    close(jax.tree.map(lambda a: a[1], over_both), expected)


@each_operation("conv-grouped-lax", "max-pool")
def test_second_derivatives(name):
    """Reverse over reverse, and forward over reverse, against central differences of
    the first derivative."""
    x, w = data()
    operation = OPERATIONS[name]

    scale = jnp.ones(C)
    gradient = jax.jit(jax.grad(lambda scale: loss(operation(x * scale, w * scale[0]))))
    step = 1e-2
    if name in ("max-pool", "global-max-pool", "activations"):
        step = 1e-4  # no value may cross a kink
    differences = jnp.stack(
        [(gradient(scale + step * e) - gradient(scale - step * e)) / (2 * step) for e in jnp.eye(C)]
    )
    hessian = jax.jit(jax.jacrev(gradient))(scale)
    largest = float(jnp.abs(hessian).max())
    np.testing.assert_allclose(hessian, differences, atol=2e-2 * largest)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-4 * largest)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(gradient))(scale), hessian, atol=1e-4 * largest)


@each_operation("conv-nhwc", "conv-im2col", "dense")
def test_explicit_mesh(name):
    """A batch sharded over two devices by type: the gradients of one device, each
    sharded as its primal; or a clear refusal."""
    x, w = data()
    g = gradients(OPERATIONS[name])
    expected = jax.jit(g)(x, w)
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        x, w = (
            jax.device_put(a, NamedSharding(mesh, spec)) for a, spec in ((x, P("data")), (w, P()))
        )
        if name in ("conv-side_by_side", "conv-im2col"):
            with pytest.raises(
                ValueError,
                match="merges axes, and on a mesh with Explicit axes a sharded one cannot be",
            ):
                jax.jit(g)(x, w)
            return
        got = jax.jit(g)(x, w)
    assert got[0].sharding.is_equivalent_to(x.sharding, x.ndim)
    assert got[1].sharding.is_equivalent_to(w.sharding, w.ndim)
    close(got, expected)


@pytest.mark.parametrize("name", ["conv-auto", "conv-depthwise-auto", "dense", "batch-norm"])
def test_explicit_mesh_with_parameters_not_placed_on_it(name):
    """A jitted step gets parameters fresh from init: they count as replicated."""
    x, w = data()
    g = gradients(OPERATIONS[name])
    expected = jax.jit(g)(x, w)
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        got = jax.jit(g)(jax.device_put(x, NamedSharding(mesh, P("data"))), w)
    close(got, expected)


def test_bias_gradient_is_summed_in_float32():
    """A float32 bias added to 16-bit sums; a bfloat16 sum of ones would stop at 256."""
    x, w = jnp.ones((1, 20, 30, 1), jnp.bfloat16), jnp.ones((1, 1, 1, 2), jnp.bfloat16)
    db = jax.grad(lambda b: jnp.sum(jaxcnn.conv(x, w, b).astype(jnp.float32)))(jnp.zeros(2))
    assert db.dtype == jnp.float32
    assert db.tolist() == [600, 600]


def test_gelu_does_not_overflow_float16():
    x = jnp.array([-300.0, 300.0], jnp.float16)
    for operation in (jaxcnn.gelu, jaxcnn.AUTODIFF.gelu):
        y, vjp = jax.vjp(operation, x)
        assert (y.tolist(), vjp(jnp.ones_like(y))[0].tolist()) == ([0, 300], [0, 1])


@each_operation("conv-groupwise", "avg-pool")
def test_shard_map(name):
    """A batch sharded over two devices by hand: dx stays where x is, dw is the sum over
    the devices."""
    if name in ("batch-norm", "mean-squared-error", "dropout", "softmax-cross-entropy"):
        pytest.skip(
            "one device's result is not a part of the whole batch's: statistics, a mean, a mask,"
            " labels of the shard"
        )
    x, w = data()
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    g = gradients(OPERATIONS[name])
    sharded = jax.shard_map(g, mesh=mesh, in_specs=(P("data"), P()), out_specs=(P("data"), P()))
    close(jax.jit(sharded)(x, w), jax.jit(g)(x, w))


FORWARD_MODE = {
    "jvp": lambda f, x: jax.jvp(f, (x,), (x,)),
    "jacfwd": lambda f, x: jax.jacfwd(f)(x),
    "linear_transpose": lambda f, x: jax.linear_transpose(f, x)(f(x)),
}


@pytest.mark.parametrize("transform", FORWARD_MODE)
def test_forward_mode_raises(transform):
    """By JAX's own message: a custom_vjp has no forward mode."""
    x, w = data()
    for operation in (lambda x: jaxcnn.conv(x, w), lambda x: jaxcnn.avg_pool(x, 2)):
        with pytest.raises(
            (TypeError, NotImplementedError), match=r"forward-mode autodiff|custom_vjp"
        ):
            FORWARD_MODE[transform](operation, x)


def test_autodiff_has_forward_mode():
    x, w = data()
    y, dy = jax.jvp(lambda x: jaxcnn.AUTODIFF.relu(jaxcnn.AUTODIFF.conv(x, w)), (x,), (x,))
    np.testing.assert_allclose(dy, y, rtol=1e-5)


def test_numpy_arrays_and_lists():
    """Whatever JAX takes as an array."""
    x, w = (np.asarray(a) for a in data())
    np.testing.assert_array_equal(jaxcnn.conv(x, w), jaxcnn.conv(*data()))
    assert jaxcnn.relu([-1.0, 1.0]).tolist() == [0.0, 1.0]
