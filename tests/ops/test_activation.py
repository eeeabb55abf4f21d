"""Activations, against their definitions in NumPy, their autodiff twins, PyTorch, and
their conventions at kinks."""

from __future__ import annotations

import math
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
    erfc,
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
    "leaky_relu_0.3": (
        partial(ops.leaky_relu, negative_slope=0.3),
        lambda x: np.where(x > 0, x, 0.3 * x),
    ),
    "sigmoid": (ops.sigmoid, naive_sigmoid),
    "tanh": (ops.tanh, np.tanh),
    "silu": (ops.silu, lambda x: x * naive_sigmoid(x)),
    "gelu_tanh": (ops.gelu, naive_gelu_tanh),
    "gelu_erf": (
        partial(ops.gelu, approximate=False),
        lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    ),
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
        pytest.param(
            partial(ops.leaky_relu, negative_slope=0.25), 0.0, 0.0, 0.25, id="leaky_relu_at_0"
        ),
        pytest.param(
            partial(ops.leaky_relu, negative_slope=0.25),
            np.nan,
            np.nan,
            1.0,
            id="leaky_relu_of_nan",
        ),
        *(
            pytest.param(f, np.nan, np.nan, np.nan, id=f"{f.__name__}_of_nan")
            for f in (ops.sigmoid, ops.tanh, ops.silu, ops.gelu)
        ),
        pytest.param(ops.sigmoid, 1000.0, 1.0, 0.0, id="sigmoid_saturated"),
        pytest.param(ops.sigmoid, -1000.0, 0.0, 0.0, id="sigmoid_saturated_below"),
        pytest.param(ops.tanh, -1000.0, -1.0, 0.0, id="tanh_saturated"),
        pytest.param(ops.silu, -1000.0, 0.0, 0.0, id="silu_far_below"),
        pytest.param(ops.silu, 1000.0, 1000.0, 1.0, id="silu_far_above"),
        pytest.param(ops.gelu, -1000.0, 0.0, 0.0, id="gelu_far_below"),
        pytest.param(
            partial(ops.gelu, approximate=False), 1000.0, 1000.0, 1.0, id="gelu_erf_far_above"
        ),
        pytest.param(
            partial(ops.leaky_relu, negative_slope=0.0),
            -np.inf,
            0.0,
            0.0,
            id="leaky_relu_without_slope",
        ),
        pytest.param(
            partial(ops.leaky_relu, negative_slope=1e6),
            0.0,
            0.0,
            1e6,
            id="leaky_relu_with_a_large_slope",
        ),
    ],
)
def test_conventions(operation, x, value, gradient):
    modes = [
        jax.value_and_grad(partial(operation, autodiff=autodiff)) for autodiff in (False, True)
    ]
    explicit, twin = jax.jit(lambda x: [mode(x) for mode in modes])(jnp.float32(x))
    np.testing.assert_array_equal(explicit, (value, gradient))
    np.testing.assert_array_equal(twin, (value, gradient))


# Of the value below and above, and of the gradient above; below that is 0.
LIMITS = {
    "sigmoid": (0, 1, 0),
    "tanh": (-1, 1, 0),
    **dict.fromkeys(("silu", "gelu_tanh", "gelu_erf"), (0, np.inf, 1)),
}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", LIMITS)
def test_far_away(name, dtype):
    """Squares, cubes and products overflow one after the other, but no infinity meets a
    0: value, gradient, second derivative."""
    below, above, slope = LIMITS[name]
    far = np.array([1e3, 1e4, np.inf] if dtype == "float16" else [1e3, 1e13, 1e20, 3e38, np.inf])
    x = jnp.asarray(np.concatenate([-far, far]), dtype)

    @jax.jit
    def derivatives(x):
        explicit, twin = (
            jax.value_and_grad(lambda x, m=m: ACTIVATIONS[name][0](x, autodiff=m))
            for m in (False, True)
        )
        return (
            jax.vmap(explicit)(x),
            jax.vmap(twin)(x),
            jax.vmap(jax.grad(lambda x: explicit(x)[1]))(x),
        )

    explicit, twin, second = derivatives(x)
    large = x[far.size :] if above == np.inf else np.full_like(far, above)
    for y, dx in (explicit, twin):
        np.testing.assert_array_equal(
            y, np.concatenate([np.full_like(far, below), np.asarray(large, np.float64)])
        )
        np.testing.assert_array_equal(dx, np.repeat([0, slope], far.size))
    np.testing.assert_array_equal(second, 0)


def _gelu_tanh_and_slope(x):
    u, du = (
        math.sqrt(2 / math.pi) * (x + 0.044715 * x**3),
        math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2),
    )
    return x * naive_sigmoid(2 * u), naive_sigmoid(2 * u) * (1 + x * naive_sigmoid(-2 * u) * 2 * du)


def _gelu_and_slope(x):
    distribution = erfc(-x / math.sqrt(2)) / 2
    return x * distribution, distribution + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


TAILS = {  # by how far from 0 there is something left in float32
    "sigmoid": (80, lambda x: (naive_sigmoid(x), naive_sigmoid(x) * naive_sigmoid(-x))),
    "tanh": (40, lambda x: (np.tanh(x), 1 / np.cosh(x) ** 2)),
    "silu": (80, lambda x: (x * naive_sigmoid(x), naive_sigmoid(x) * (1 + x * naive_sigmoid(-x)))),
    "gelu_tanh": (8, _gelu_tanh_and_slope),
    "gelu_erf": (10, _gelu_and_slope),
}


@pytest.mark.parametrize("name", TAILS)
def test_tails(name):
    """Value and gradient of each point to 2e-5 of themselves: what rounding an argument
    of that size does to its exponential."""
    reach, definition = TAILS[name]
    x = np.concatenate([np.linspace(-reach, -3, 12), np.linspace(3, reach, 12)]).astype(np.float32)
    y, vjp = jax.vjp(ACTIVATIONS[name][0], x)
    expected, slope = definition(x.astype(np.float64))
    np.testing.assert_allclose(y, expected, rtol=2e-5)
    np.testing.assert_allclose(vjp(jnp.ones_like(x))[0], slope, rtol=2e-5)


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


@pytest.mark.parametrize(
    ("x", "message"),
    [
        pytest.param(
            np.arange(3),
            r"x must have a floating dtype, got int32: convert it, x.astype",
            id="integers",
        ),
        pytest.param(True, "x must have a floating dtype, got bool", id="flag"),
        pytest.param(1j, "x must have a floating dtype, got complex64", id="complex"),
        pytest.param(jax.random.key(0), "x must have a floating dtype, got key", id="key"),
        pytest.param("three", "x must be an array, got str", id="string"),
        pytest.param(None, "x must be an array, got None", id="none"),
        pytest.param([[1.0], [1.0, 2.0]], "x must be an array, got list", id="ragged"),
        pytest.param(
            jax.ShapeDtypeStruct((3,), "float32"),
            "x must be an array, got ShapeDtypeStruct",
            id="shape",
        ),
    ],
)
@each_activation
def test_errors(name, x, message):
    with pytest.raises(ValueError, match=message):
        ACTIVATIONS[name][0](x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(
            lambda x: ops.relu(x, autodiff="yes"),
            "autodiff must be True or False, got 'yes'",
            id="autodiff",
        ),
        pytest.param(
            lambda x: ops.silu(x, autodiff=None),
            "autodiff must be True or False, got None",
            id="autodiff_none",
        ),
        pytest.param(
            lambda x: ops.gelu(x, "tanh"),
            r"approximate must be True \(PyTorch's 'tanh'\) or False",
            id="gelu_word",
        ),
        pytest.param(
            lambda x: ops.gelu(x, approximate=1),
            "approximate must be True or False, got 1",
            id="gelu_number",
        ),
        pytest.param(
            lambda x: ops.gelu(x, x > 0),
            "approximate must be True or False, got an array of bool",
            id="gelu_array",
        ),
        pytest.param(
            lambda x: ops.leaky_relu(x, "0.1"),
            "negative_slope must be a finite number, static, got '0.1'",
            id="slope_word",
        ),
        pytest.param(
            lambda x: ops.leaky_relu(x, None),
            "negative_slope must be a finite number, .* got None",
            id="slope_none",
        ),
        pytest.param(
            lambda x: ops.leaky_relu(x, True),
            "negative_slope must be a finite number, .* got True",
            id="slope_flag",
        ),
        pytest.param(
            lambda x: ops.leaky_relu(x, np.nan),
            "negative_slope must be a finite number, .* got nan",
            id="slope_nan",
        ),
        pytest.param(
            lambda x: ops.leaky_relu(x, np.inf),
            "negative_slope must be finite, got inf",
            id="slope_infinite",
        ),
        pytest.param(
            lambda x: ops.leaky_relu(x, x),
            "negative_slope must be .* got an array of float32",
            id="slope_array",
        ),
        pytest.param(
            lambda x: jax.jit(ops.leaky_relu)(x, 0.1),
            "negative_slope must be .*, static, got an array",
            id="slope_traced",
        ),
    ],
)
def test_wrong_options(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones(3, np.float32))


def test_options_of_numpy():
    x = jnp.array([-1.0, 2.0])
    assert (
        ops.leaky_relu(x, np.float16(0.5)).tolist()
        == ops.leaky_relu(x, jnp.array(0.5)).tolist()
        == [-0.5, 2]
    )
    np.testing.assert_array_equal(ops.gelu(x, np.False_), ops.gelu(x, False))


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
