"""Losses, against their definitions in NumPy and their autodiff twins, and under JAX's
transformations."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxcnn.ops.binary_cross_entropy import sigmoid_binary_cross_entropy
from jaxcnn.ops.cross_entropy import softmax_cross_entropy
from jaxcnn.ops.squared_error import mean_squared_error
from tests.ops._losses import CASES, normal, uniform
from tests.ops.naive_elementwise import (
    assert_close,
    certified,
    compare_on_explicit_mesh,
    compare_with_definition,
    compare_with_twin,
    twin,
    value_and_gradients,
)


@pytest.mark.parametrize("case", CASES)
def test_definition(case):
    compare_with_definition(*CASES[case])


@pytest.mark.parametrize(
    "case",
    [
        "softmax",
        "softmax_smooth",
        "softmax_uniform_target",
        "soft_smooth",
        "soft_one_hot",
        "sigmoid",
        "mean_squared",
    ],
)
def test_twin(case):
    operation, _, args = CASES[case]
    compare_with_twin(operation, args)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["softmax_smooth", "soft_smooth"])
def test_certificate(case):
    operation, _, args = CASES[case]
    certified(operation, [jnp.asarray(a, jnp.float32) for a in args])


@pytest.mark.parametrize(
    "labels",
    [
        [0, 4, 2],
        (0, 4, 2),
        range(0, 6, 2),
        [jnp.array(0), np.int8(4), 2],
        np.array([0, 4, 2], np.uint64),
    ],
)
def test_labels_that_are_no_array_of_jax(labels):
    z = jnp.asarray(normal(3, 5), jnp.float32)
    expected = softmax_cross_entropy(z, jnp.asarray(list(map(int, labels))))
    np.testing.assert_array_equal(softmax_cross_entropy(z, labels), expected)
    by_sigmoid = sigmoid_binary_cross_entropy(z[:, 0], [1, 0, 1])
    np.testing.assert_array_equal(
        by_sigmoid, sigmoid_binary_cross_entropy(z[:, 0], jnp.array([1.0, 0.0, 1.0]))
    )


def test_two_floats_of_different_width():
    """float64 beside float32, without an implicit promotion: the loss like the first,
    each gradient like its argument."""
    with jax.enable_x64(True):
        for operation in (sigmoid_binary_cross_entropy, mean_squared_error):
            for first, second in (
                ("float32", "float64"),
                ("float64", "float32"),
                ("float64", "bfloat16"),
            ):
                args = [jnp.asarray(normal(3, 2), first), jnp.asarray(uniform(3, 2), second)]
                loss, gradients = jax.eval_shape(
                    jax.value_and_grad(lambda *a, f=operation: jnp.sum(f(*a)), (0, 1)), *args
                )
                assert [loss.dtype, *(g.dtype for g in gradients)] == [first, first, second]


@pytest.mark.parametrize("operation", [sigmoid_binary_cross_entropy, mean_squared_error])
def test_mixed_precision(operation):
    """bfloat16 against float32: the loss like the first, each gradient like its
    argument."""
    args = [jnp.asarray(normal(3, 2), jnp.bfloat16), jnp.asarray(uniform(3, 2), jnp.float32)]
    loss, gradients = value_and_gradients(operation, args)
    assert [loss.dtype, *(g.dtype for g in gradients)] == [jnp.bfloat16, jnp.bfloat16, jnp.float32]
    _, exact = value_and_gradients(operation, [args[0].astype(jnp.float32), args[1]])
    for i, (actual, expected) in enumerate(zip(gradients, exact, strict=True)):
        assert_close(actual, expected, 2**-7, f"gradient to argument {i}")


def test_16_bit_squares_are_summed_in_float32():
    for dtype in ("float16", "bfloat16"):
        p = jnp.asarray(np.full(4096, 16.0), dtype)  # a sum of 2^20, more than float16 can hold
        assert float(jax.jit(mean_squared_error)(p, -p)) == 1024.0


# Transformations.


@pytest.mark.parametrize("case", ["softmax_smooth", "soft_smooth", "sigmoid", "mean_squared"])
def test_vmap(case):
    """A rule under vmap is the rule on each: gradients of the second of two."""
    operation, _, args = CASES[case]
    args = [jnp.asarray(a, jnp.float32) for a in args]
    gradients = jax.vmap(jax.grad(lambda *a: jnp.sum(operation(*a)), tuple(range(len(args)))))
    by_jax = jax.grad(lambda *a: jnp.sum(twin(operation)(*a)), tuple(range(len(args))))
    stacked, of_second = jax.jit(
        lambda *a: (gradients(*(jnp.stack([b, b / 2]) for b in a)), by_jax(*(b / 2 for b in a)))
    )(*args)
    for i, (actual, expected) in enumerate(zip(stacked, of_second, strict=True)):
        assert_close(actual[1], expected, 2e-6, f"gradient to argument {i}")


@pytest.mark.parametrize(
    ("case", "specs"),
    [
        ("softmax_smooth", [P("data")]),
        ("soft_smooth", [P("data"), P("data")]),
        ("soft_smooth", [P("data"), P(None, None, None)]),
        ("soft_even", [P(None, "data"), P(None, "data")]),
        ("sigmoid", [P("data"), P("data")]),
        ("sigmoid", [P("data"), P(None, None)]),
        ("mean_squared", [P(None, "data"), P(None, "data")]),
    ],
)
def test_explicit_mesh(case, specs):
    operation, _, args = CASES[case]
    compare_on_explicit_mesh(operation, args, specs)
