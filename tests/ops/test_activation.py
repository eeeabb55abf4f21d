"""Activations, against their definitions in NumPy, their autodiff twins, PyTorch, and their conventions at kinks."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn.ops.activation as ops
from tests.ops.naive_elementwise import (
    assert_close,
    broken,
    certified,
    compare_on_explicit_mesh,
    compare_with_definition,
    compare_with_twin,
    erf,
    random_like,
    value_and_gradients,
)


def naive_sigmoid(x):
    return 1 / (1 + np.exp(-x))


def naive_gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS: dict[str, tuple] = {
    "relu": (ops.relu, lambda x: np.maximum(x, 0)),
    "leaky_relu": (ops.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
    "leaky_relu_0.3": (partial(ops.leaky_relu, negative_slope=0.3), lambda x: np.where(x > 0, x, 0.3 * x)),
    "sigmoid": (ops.sigmoid, naive_sigmoid),
    "tanh": (ops.tanh, np.tanh),
    "silu": (ops.silu, lambda x: x * naive_sigmoid(x)),
    "gelu_tanh": (ops.gelu, naive_gelu_tanh),
    "gelu_erf": (partial(ops.gelu, approximate=False), lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2)))),
}
# Both sides of every bend, and no point within a difference step of a kink.
POINTS = np.array([[-8.0, -3.0, -1.3, -0.7, -0.2, -0.01], [0.02, 0.3, 0.9, 1.7, 3.5, 9.0]])

each_activation = pytest.mark.parametrize("name", ACTIVATIONS)


@each_activation
def test_definition(name):
    operation, definition = ACTIVATIONS[name]
    compare_with_definition(operation, definition, [POINTS])


@each_activation
def test_twin(name):
    points = np.concatenate([POINTS, np.zeros((1, 6)), 30 * POINTS[:1]])  # the kink, and saturation, as well
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
    twin = jax.jit(jax.vmap(jax.grad(partial(operation, autodiff=True))))(x)
    assert_close(np.asarray(total) / 2, twin, 2e-6, "gradient")


def test_explicit_mesh():
    spec = jax.sharding.PartitionSpec("data")
    compare_on_explicit_mesh(ops.relu, [POINTS], [spec])
    compare_on_explicit_mesh(ops.gelu, [POINTS], [spec])


@pytest.mark.parametrize(
    ("operation", "x", "value", "gradient"),
    [
        pytest.param(ops.relu, 0.0, 0.0, 0.0, id="relu_at_0"),
        pytest.param(ops.relu, -0.0, 0.0, 0.0, id="relu_at_minus_0"),
        pytest.param(ops.relu, np.nan, np.nan, 1.0, id="relu_of_nan"),
        pytest.param(ops.relu, np.inf, np.inf, 1.0, id="relu_of_inf"),
        pytest.param(ops.relu, -np.inf, 0.0, 0.0, id="relu_of_minus_inf"),
        pytest.param(partial(ops.leaky_relu, negative_slope=0.25), 0.0, 0.0, 0.25, id="leaky_relu_at_0"),
        pytest.param(partial(ops.leaky_relu, negative_slope=0.25), np.nan, np.nan, 1.0, id="leaky_relu_of_nan"),
        pytest.param(ops.sigmoid, 1000.0, 1.0, 0.0, id="sigmoid_saturated"),
        pytest.param(ops.sigmoid, -1000.0, 0.0, 0.0, id="sigmoid_saturated_below"),
        pytest.param(ops.tanh, -1000.0, -1.0, 0.0, id="tanh_saturated"),
        pytest.param(ops.silu, -1000.0, 0.0, 0.0, id="silu_far_below"),
        pytest.param(ops.silu, 1000.0, 1000.0, 1.0, id="silu_far_above"),
        pytest.param(ops.gelu, -1000.0, 0.0, 0.0, id="gelu_far_below"),
        pytest.param(partial(ops.gelu, approximate=False), 1000.0, 1000.0, 1.0, id="gelu_erf_far_above"),
    ],
)
def test_conventions(operation, x, value, gradient):
    modes = [jax.value_and_grad(partial(operation, autodiff=autodiff)) for autodiff in (False, True)]
    explicit, twin = jax.jit(lambda x: [mode(x) for mode in modes])(jnp.float32(x))
    np.testing.assert_array_equal(explicit, (value, gradient))
    np.testing.assert_array_equal(twin, (value, gradient))


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


@pytest.mark.parametrize(
    ("x", "message"),
    [
        pytest.param(np.arange(3), r"x must have a floating dtype, got int32: convert it, x.astype", id="integers"),
        pytest.param("three", "x must be an array, got str", id="string"),
    ],
)
@each_activation
def test_errors(name, x, message):
    with pytest.raises(ValueError, match=message):
        ACTIVATIONS[name][0](x)


# Each wrong rule must be seen by the comparison with the twin, or that comparison is worth nothing.

WRONG_RULES = {
    "relu_half_at_0": ("relu", ops._relu, lambda x, dy: (jnp.where(x == 0, dy / 2, jnp.where(x > 0, dy, 0)),)),
    "relu_passes_all": ("relu", ops._relu, lambda x, dy: (dy,)),
    "relu_mask_inverted": ("relu", ops._relu, lambda x, dy: (jnp.where(x > 0, 0, dy),)),
    "leaky_relu_slope_lost": ("leaky_relu_0.3", ops._leaky_relu, lambda slope, x, dy: (jnp.where(x > 0, dy, 0),)),
    "sigmoid_without_1_minus_y": ("sigmoid", ops._sigmoid, lambda x, dy: (dy * ops.sigmoid(x),)),
    "tanh_y_not_squared": ("tanh", ops._tanh, lambda x, dy: (dy * (1 - jnp.tanh(x)),)),
    "silu_second_term_lost": ("silu", ops._silu, lambda x, dy: (dy * ops.sigmoid(x),)),
    "gelu_of_the_other_form": ("gelu_tanh", ops._gelu, lambda approximate, x, dy: ops._gelu_bwd(not approximate, x, dy)),
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
