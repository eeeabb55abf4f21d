"""What the tests of the operations compare with, and how: NumPy in float64, central
differences, the autodiff twin."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.check import certify
from jaxcnn.ops import AUTODIFF, EXPLICIT

# By dtype: how far a rule may be from its autodiff twin, relative to the largest
# element of the array.
TOLERANCE = {"float64": 1e-13, "float32": 2e-6, "bfloat16": 2e-2}

erf = np.vectorize(math.erf)
erfc = np.vectorize(math.erfc)


def assert_close(actual, expected, tolerance: float, what: str) -> None:
    """Equal shapes, NaNs and infinities in the same places, and elsewhere equal within
    `tolerance` of the largest element."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, (
        f"{what}: shape {actual.shape}, expected {expected.shape}"
    )
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~finite], expected[~finite], err_msg=what)
    actual, expected = actual[finite], expected[finite]
    if actual.size:
        error = np.max(np.abs(actual - expected)) / (np.max(np.abs(expected)) or 1)
        assert error <= tolerance, f"{what}: relative error {error:.1e}, allowed {tolerance:.1e}"


def twin(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The same, differentiated by JAX: of an operation, of a `partial` of one, or of a
    function of these tests, which takes `ops`."""
    if isinstance(operation, partial):
        return partial(twin(operation.func), *operation.args, **operation.keywords)
    if operation in EXPLICIT:
        return AUTODIFF[EXPLICIT.index(operation)]
    return partial(operation, ops=AUTODIFF)


def random_like(y, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 1.5, np.shape(y))


def central_differences(function, args, dy, step: float = 1e-6) -> list[np.ndarray]:
    """The gradients of <dy, function(*args)> to each of `args`, by central differences
    in NumPy, one element at a time."""
    args = [np.array(a, np.float64) for a in args]
    gradients = []
    for a in args:
        gradient = np.zeros_like(a)
        for index in np.ndindex(a.shape):
            value = a[index]
            a[index] = value + step
            above = np.sum(dy * function(*args))
            a[index] = value - step
            below = np.sum(dy * function(*args))
            a[index] = value
            gradient[index] = (above - below) / (2 * step)
        gradients.append(gradient)
    return gradients


def value_and_gradients(operation, args):
    """The value, and the gradients for the cotangent `random_like(value)`, as NumPy
    arrays, from one compilation."""

    @jax.jit
    def compute(*args):
        y, vjp = jax.vjp(operation, *args)
        return y, vjp(jnp.asarray(random_like(y), y.dtype))

    return jax.tree.map(np.asarray, compute(*args))


def compare_with_definition(operation, definition, args) -> None:
    """Values and gradients of the rule, against a definition in NumPy and its central
    differences."""
    with jax.enable_x64(True):
        y, gradients = value_and_gradients(operation, [jnp.asarray(a, jnp.float64) for a in args])
    expected = definition(*args)
    dy = random_like(expected)
    assert_close(y, expected, 1e-12, "value")
    for i, (actual, by_differences) in enumerate(
        zip(gradients, central_differences(definition, args, dy), strict=True)
    ):
        assert_close(actual, by_differences, 1e-7, f"gradient to argument {i}")


def compare_with_twin(
    operation, args, dtypes: Sequence[str] = tuple(TOLERANCE), *, second_order: bool = True
) -> None:
    """Values, gradients and, in float64, second derivatives of the rule against those
    of the autodiff twin: one compilation."""
    with jax.enable_x64(True):
        by_dtype = {dtype: [jnp.asarray(a, dtype) for a in args] for dtype in dtypes}

        def derivatives(dtype, operation, args):
            def gradients(*args):
                y, vjp = jax.vjp(operation, *args)
                return vjp(jnp.asarray(random_like(y), y.dtype)), y

            first, y = gradients(*args)
            if dtype != "float64" or not second_order:
                return y, first, ()
            directions = tuple(jnp.asarray(random_like(a, seed=i)) for i, a in enumerate(args))
            # Forward over reverse, as jax.hessian does: only a rule of plain JAX can be
            # differentiated this way.
            return y, first, jax.jvp(lambda *a: gradients(*a)[0], tuple(args), directions)[1]

        both = jax.jit(
            lambda by_dtype: [
                {d: derivatives(d, f, a) for d, a in by_dtype.items()}
                for f in (operation, twin(operation))
            ]
        )
        explicit, by_jax = both(by_dtype)

    for dtype, tolerance in TOLERANCE.items():
        if dtype not in dtypes:
            continue
        (value, first, second), (twin_value, twin_first, twin_second) = (
            explicit[dtype],
            by_jax[dtype],
        )
        assert value.dtype == twin_value.dtype
        assert_close(value, twin_value, tolerance, f"{dtype} value")
        for i, (actual, expected) in enumerate(zip(first, twin_first, strict=True)):
            assert str(actual.dtype) == dtype, (
                f"gradient to argument {i} is {actual.dtype}, the argument {dtype}"
            )
            assert_close(actual, expected, tolerance, f"{dtype} gradient to argument {i}")
        for i, (actual, expected) in enumerate(zip(second, twin_second, strict=True)):
            assert_close(
                actual, expected, 20 * tolerance, f"{dtype} second derivative to argument {i}"
            )


@contextlib.contextmanager
def broken(core, wrong_bwd, wrong_fwd=None):
    """The rule of `core` replaced by a wrong one, and restored."""
    fwd, bwd = core.fwd, core.bwd
    core.defvjp(wrong_fwd or fwd, wrong_bwd)
    try:
        yield
    finally:
        core.defvjp(fwd, bwd)


def explicit_mesh():
    return jax.make_mesh((min(2, jax.device_count()),), ("data",))


def place(mesh, args, specs):
    return [
        jax.device_put(a, jax.sharding.NamedSharding(mesh, spec))
        for a, spec in zip(args, specs, strict=True)
    ]


def certified(operation, args, **options) -> None:
    """The certificate that users can get: second derivatives and central differences
    among it."""
    certificate = certify(operation, twin(operation), args, **options)
    assert certificate.passed, f"\n{certificate}"


def compare_on_explicit_mesh(operation, args, specs, dtype: str = "float32") -> None:
    """Gradients on a mesh of Explicit axes: the values of the plain ones, in the
    sharding of their arguments."""
    args = [jnp.asarray(a, dtype) for a in args]

    def gradients(*a):
        y, vjp = jax.vjp(operation, *a)
        return vjp(y)  # a cotangent with the sharding of y, as it comes from the next operation

    plain = jax.jit(gradients)(*args)
    mesh = explicit_mesh()
    with jax.set_mesh(mesh):
        placed = place(mesh, args, specs)
        sharded = jax.jit(gradients)(*placed)
    for i, (argument, actual, expected) in enumerate(zip(placed, sharded, plain, strict=True)):
        assert jax.typeof(actual).sharding == jax.typeof(argument).sharding, (
            f"sharding of the gradient to argument {i}"
        )
        assert_close(actual, expected, 2e-5, f"gradient to argument {i}")


def normalised(x, scale, bias, dy, axes, epsilon):
    """y = scale x_hat + bias with the statistics of x over `axes`, and its gradients to
    x, scale and bias, in float64: each sum over the axes along which the parameter has
    size 1. x is centred twice, so that nothing is lost far from 0.
    """
    x, scale, bias, dy = (np.asarray(a, np.float64) for a in (x, scale, bias, dy))
    d = x - x.mean(axes, keepdims=True)
    d -= d.mean(axes, keepdims=True)
    inv_std = 1 / np.sqrt((d**2).mean(axes, keepdims=True) + epsilon)
    x_hat, g = d * inv_std, scale * dy
    dx = inv_std * (g - g.mean(axes, keepdims=True) - x_hat * (g * x_hat).mean(axes, keepdims=True))
    along = tuple(axis for axis, size in enumerate(scale.shape) if size == 1)
    return scale * x_hat + bias, (dx, (dy * x_hat).sum(along), dy.sum(along))
