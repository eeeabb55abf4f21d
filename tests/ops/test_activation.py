"""Activations, against their definitions in NumPy, their autodiff twins and PyTorch."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn.ops.activation as ops
from tests.daily import daily
from tests.ops._activations import ACTIVATIONS, POINTS, each_activation
from tests.ops.naive_elementwise import (
    assert_close,
    broken,
    certified,
    compare_on_explicit_mesh,
    compare_with_definition,
    compare_with_twin,
    random_like,
    twin,
    value_and_gradients,
)


@each_activation
def test_definition(name):
    operation, definition = ACTIVATIONS[name]
    compare_with_definition(operation, definition, [POINTS])


@pytest.mark.parametrize(
    "name", daily(ACTIVATIONS, {"relu", "leaky_relu_0.3", "silu", "gelu_tanh"})
)
def test_twin(name):
    points = np.concatenate(
        [POINTS, np.zeros((1, 6)), 30 * POINTS[:1]]
    )  # the kink, and saturation, as well
    compare_with_twin(ACTIVATIONS[name][0], [points])


def test_certificate():
    certified(ops.gelu, [jnp.asarray(POINTS / 10, jnp.float32)])


@pytest.mark.parametrize("name", ["relu", "gelu_tanh"])
def test_transformations(name):
    """vmap of grad, inside scan, under checkpoint, against the twin outside of them."""
    operation = ACTIVATIONS[name][0]
    x = jnp.asarray(POINTS.ravel(), jnp.float32)

    def body(total, a):
        return total + jax.vmap(jax.grad(jax.checkpoint(operation)))(a), None

    total = jax.jit(lambda x: jax.lax.scan(body, jnp.zeros_like(x), jnp.stack([x, x]))[0])(x)
    expected = jax.jit(jax.vmap(jax.grad(twin(operation))))(x)
    assert_close(np.asarray(total) / 2, expected, 2e-6, "gradient")


def test_explicit_mesh():
    spec = jax.sharding.PartitionSpec("data")
    compare_on_explicit_mesh(ops.relu, [POINTS], [spec])
    compare_on_explicit_mesh(ops.gelu, [POINTS], [spec])


def test_a_slope_is_not_rounded_to_16_bits():
    """Nor infinite in float16."""
    x = jnp.array([0.0, -1e-2], jnp.float16)
    y, vjp = jax.vjp(partial(ops.leaky_relu, negative_slope=1e5), x)
    assert y.tolist() == [0, float(np.float16(1e5 * float(x[1])))]
    assert vjp(x)[0].tolist() == y.tolist()


def test_relu_keeps_a_bit_mask_only():
    _, vjp = jax.vjp(ops.relu, jnp.ones((3, 5)))
    assert [(a.shape, a.dtype) for a in jax.tree.leaves(vjp)] == [((3, 5), jnp.bool_)]


def test_empty():
    assert jax.grad(lambda x: ops.silu(x).sum())(jnp.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("relu", lambda f, x: f.relu(x)),
        ("leaky_relu", lambda f, x: f.leaky_relu(x)),
        ("silu", lambda f, x: f.silu(x)),
        ("gelu_tanh", lambda f, x: f.gelu(x, approximate="tanh")),
        ("gelu_erf", lambda f, x: f.gelu(x)),
    ],
)
def test_torch(name, reference):
    torch = pytest.importorskip("torch")
    points = np.concatenate([POINTS, np.zeros((1, 6))])
    x = torch.tensor(points, requires_grad=True)
    y = reference(torch.nn.functional, x)
    y.backward(torch.tensor(random_like(points)))
    with jax.enable_x64(True):
        actual, (dx,) = value_and_gradients(ACTIVATIONS[name][0], [jnp.asarray(points)])
    assert_close(actual, y.detach().numpy(), 1e-13, "value")
    assert_close(dx, x.grad.numpy(), 1e-13, "gradient")


# Each wrong rule must be seen by the comparison with the twin, or that comparison is
# worth nothing.

WRONG_RULES = {
    "relu_half_at_0": (
        "relu",
        ops._relu,
        lambda x, dy: (jnp.where(x == 0, dy / 2, jnp.where(x > 0, dy, 0)),),
    ),
    "relu_passes_all": ("relu", ops._relu, lambda x, dy: (dy,)),
    "relu_mask_inverted": ("relu", ops._relu, lambda x, dy: (jnp.where(x > 0, 0, dy),)),
    "leaky_relu_slope_lost": (
        "leaky_relu_0.3",
        ops._leaky_relu,
        lambda slope, x, dy: (jnp.where(x > 0, dy, 0),),
    ),
    "sigmoid_without_1_minus_y": ("sigmoid", ops._sigmoid, lambda x, dy: (dy * ops.sigmoid(x),)),
    "tanh_y_not_squared": ("tanh", ops._tanh, lambda x, dy: (dy * (1 - jnp.tanh(x)),)),
    "silu_second_term_lost": ("silu", ops._silu, lambda x, dy: (dy * ops.sigmoid(x),)),
    "gelu_of_the_other_form": (
        "gelu_tanh",
        ops._gelu,
        lambda approximate, x, dy: ops._gelu_bwd(not approximate, x, dy),
    ),
}


@pytest.mark.parametrize("case", WRONG_RULES)
def test_wrong_rules_are_seen(case):
    name, core, wrong_bwd = WRONG_RULES[case]
    forward = core.fun
    points = np.concatenate([POINTS, np.zeros((1, 6))])
    with (
        broken(core, wrong_bwd, lambda x, *static: (forward(x, *static), x)),
        pytest.raises(AssertionError, match="gradient to argument 0"),
    ):
        compare_with_twin(ACTIVATIONS[name][0], [points], ["float32"])
