"""Batch and layer normalisation, against their definitions in NumPy, their autodiff
twins and PyTorch."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxcnn.ops import AUTODIFF
from jaxcnn.ops.batch_normalization import BatchNormState, batch_norm
from jaxcnn.ops.layer_normalization import layer_norm
from tests.daily import daily
from tests.ops._norms import CASES, EPSILON, data, inferred, norm, trained
from tests.ops.naive_elementwise import (
    assert_close,
    certified,
    compare_on_explicit_mesh,
    compare_with_definition,
    compare_with_twin,
    place,
    random_like,
    twin,
    value_and_gradients,
)

each_case = pytest.mark.parametrize("case", CASES)


@each_case
def test_definition(case):
    compare_with_definition(*CASES[case])


@pytest.mark.parametrize(
    "case",
    daily(
        ["train_images", "train_bias", "infer", "layer_images"], {"train_images", "layer_images"}
    ),
)
def test_twin(case):
    operation, _, args = CASES[case]
    compare_with_twin(
        operation, args, second_order=case in ("infer", "layer_images")
    )  # the certificate has that of "train"


@pytest.mark.slow
def test_certificate():
    operation, _, args = CASES["train"]
    certified(operation, [jnp.asarray(a, jnp.float32) for a in args])


def test_mixed_precision():
    """16-bit activations with float32 parameters and statistics: y like x, gradients
    like what they belong to."""
    x, scale, bias, mean, var = (
        jnp.asarray(a, jnp.float32) for a in data((4, 2), (2,), (2,), (2,), (2,))
    )
    args = (x.astype(jnp.bfloat16), mean, var, scale, bias)
    y, gradients = value_and_gradients(inferred, args)
    assert [y.dtype, *(g.dtype for g in gradients)] == [
        jnp.bfloat16,
        jnp.bfloat16,
        *[jnp.float32] * 4,
    ]
    _, exact = value_and_gradients(
        partial(inferred, ops=AUTODIFF), (args[0].astype(jnp.float32), *args[1:])
    )
    for i, (actual, expected) in enumerate(zip(gradients, exact, strict=True)):
        assert_close(actual, expected, 2**-7, f"gradient to argument {i}")


def test_what_a_set_cannot_change():
    """dx is orthogonal to a shift and, without epsilon, to a rescaling of the set:
    equation (8)."""
    with jax.enable_x64(True):
        x = jnp.asarray(data((3, 5))[0])
        _, (dx,) = value_and_gradients(lambda x: layer_norm(x, None, None, epsilon=0.0), [x])
        np.testing.assert_allclose(jnp.sum(dx, 1), 0, atol=1e-14)
        np.testing.assert_allclose(jnp.sum(dx * x, 1), 0, atol=1e-13)


@pytest.mark.parametrize("train", [False, True])
def test_residuals(train):
    """One array of x's size: x itself."""
    state = BatchNormState(jnp.zeros(3), jnp.ones(3))

    def y(x, scale):
        return batch_norm(x, scale, None, state, train=train)[0]

    keep = jax.make_jaxpr(lambda x, scale: jax.vjp(y, x, scale)[1])
    jaxpr = keep(jnp.zeros((4, 5, 3)), jnp.ones(3)).jaxpr
    assert [v for v in set(jaxpr.outvars) if v.aval.size > 3] == jaxpr.invars[:1]


def test_empty():
    """Nothing has no statistics, but running ones, and those of the features, do for no
    example."""
    three = jnp.ones(3)
    y, (dx, *of_parameters) = value_and_gradients(
        inferred, [jnp.zeros((0, 2, 3)), three, three, three, three]
    )
    assert y.shape == dx.shape == (0, 2, 3)
    np.testing.assert_array_equal(of_parameters, 0)
    _, (dx, dscale) = value_and_gradients(partial(norm, bias=None), [jnp.zeros((0, 3)), three])
    assert dx.shape == (0, 3) and dscale.tolist() == [0, 0, 0]


# Transformations.


@pytest.mark.parametrize("case", ["train", "layer"])
def test_vmap(case):
    """Over inputs, each with its own statistics, and over a parameter."""
    operation, _, (x, scale, bias) = CASES[case]
    args = [jnp.asarray(a, jnp.float32) for a in ([x, x**2, -x], scale, [bias, bias + 1, bias - 1])]

    def gradients(operation):
        gradient = jax.grad(lambda *a: jnp.sum(jnp.sin(operation(*a))), (0, 1, 2))
        return jax.vmap(gradient, (0, None, 0))

    explicit, by_jax = jax.jit(lambda *a: [gradients(f)(*a) for f in (operation, twin(operation))])(
        *args
    )
    for i in range(3):
        assert_close(explicit[i], by_jax[i], 5e-6, f"gradient to argument {i}")


@pytest.mark.parametrize("case", ["train_images", "infer", "layer"])
def test_explicit_mesh(case):
    operation, _, args = CASES[case]
    args = [np.concatenate([args[0]] * 2), *args[1:]]  # an even batch
    compare_on_explicit_mesh(operation, args, [P("data"), *[P()] * (len(args) - 1)])


def test_state_on_an_explicit_mesh():
    x, mean, var = (jnp.asarray(a, jnp.float32) for a in data((4, 3), (3,), (3,)))
    plain = batch_norm(x, None, None, BatchNormState(mean, var), train=True)
    mesh = jax.make_mesh((min(2, jax.device_count()),), ("data",))
    with jax.set_mesh(mesh):
        x, mean, var = place(mesh, (x, mean, var), (P("data"), P(), P()))
        y, new = jax.jit(lambda x, state: batch_norm(x, None, None, state, train=True))(
            x, BatchNormState(mean, var)
        )
    assert jax.typeof(new.mean).sharding == jax.typeof(mean).sharding
    assert jax.typeof(y).sharding == jax.typeof(x).sharding
    for actual, expected in zip(jax.tree.leaves((y, new)), jax.tree.leaves(plain), strict=True):
        assert_close(actual, expected, 1e-6, "over the whole batch")


def test_shard_map():
    """Each shard by its own statistics; gradients of replicated parameters are summed
    over the shards."""
    x, scale, bias = (jnp.asarray(a, jnp.float32) for a in data((4, 2), (2,), (2,)))
    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))

    def loss(x, scale, bias):
        return jax.lax.psum(jnp.sum(jnp.sin(trained(x, scale, bias))), "data")

    sharded = jax.shard_map(loss, mesh=mesh, in_specs=(P("data"), P(), P()), out_specs=P())
    gradients = jax.jit(jax.grad(sharded, (0, 1, 2)))(x, scale, bias)

    def by_halves(x, scale, bias):
        return sum(
            jnp.sum(jnp.sin(trained(half, scale, bias, AUTODIFF))) for half in (x[:2], x[2:])
        )

    for i, (actual, expected) in enumerate(
        zip(gradients, jax.jit(jax.grad(by_halves, (0, 1, 2)))(x, scale, bias), strict=True)
    ):
        assert_close(actual, expected, 5e-6, f"gradient to argument {i}")


# Other frameworks.


@pytest.mark.parametrize("train", [False, True], ids=["infer", "train"])
def test_torch_batch_norm(train):
    """Its momentum is 1 - ours, and its running variance is unbiased: M / (M - 1) of
    ours."""
    torch = pytest.importorskip("torch")
    x, mean, var, scale, bias = data((4, 3, 2, 2), (3,), (3,), (3,), (3,))
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, scale, bias)]
    running = [torch.tensor(mean), torch.tensor(var)]
    y = torch.nn.functional.batch_norm(
        tensors[0], *running, *tensors[1:], training=train, momentum=0.2, eps=EPSILON
    )
    y.backward(torch.tensor(random_like(x)))

    def ours(x, scale, bias):
        state = BatchNormState(jnp.asarray(mean), jnp.asarray(var))
        options = {"train": train, "momentum": 0.8, "epsilon": EPSILON, "layout": "channels_first"}
        return batch_norm(x, scale, bias, state, **options)

    with jax.enable_x64(True):
        args = [jnp.asarray(a) for a in (x, scale, bias)]
        actual, gradients = value_and_gradients(lambda *a: ours(*a)[0], args)
        new = ours(*args)[1]
    assert_close(actual, y.detach().numpy(), 1e-13, "y")
    for i, (gradient, tensor) in enumerate(zip(gradients, tensors, strict=True)):
        assert_close(gradient, tensor.grad.numpy(), 1e-12, f"gradient to argument {i}")
    unbiased = 0.2 * x.var((0, 2, 3)) / (16 - 1) if train else 0.0
    assert_close(new.mean, running[0].numpy(), 1e-13, "running mean")
    assert_close(np.asarray(new.var) + unbiased, running[1].numpy(), 1e-13, "running variance")


def test_torch_layer_norm():
    torch = pytest.importorskip("torch")
    operation, _, args = CASES["layer_images"]
    tensors = [torch.tensor(a, requires_grad=True) for a in args]
    y = torch.nn.functional.layer_norm(tensors[0], args[0].shape[1:], *tensors[1:], eps=EPSILON)
    y.backward(torch.tensor(random_like(args[0])))
    with jax.enable_x64(True):
        actual, gradients = value_and_gradients(operation, [jnp.asarray(a) for a in args])
    assert_close(actual, y.detach().numpy(), 1e-13, "y")
    for i, (gradient, tensor) in enumerate(zip(gradients, tensors, strict=True)):
        assert_close(gradient, tensor.grad.numpy(), 1e-12, f"gradient to argument {i}")
