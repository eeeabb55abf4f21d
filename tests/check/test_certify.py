"""The checker itself: what it accepts, what it refuses, and that its data is what it says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.check import certify, draw


def cube(x):
    return x**3


def rule(derivative):
    """x^3 with a rule of one's own."""
    f = jax.custom_vjp(cube)
    f.defvjp(lambda x: (cube(x), x), lambda x, dy: (derivative(x) * dy,))
    return f


X = jax.ShapeDtypeStruct((3, 4), "float32")


def failed(result):
    return {check.name for check in result.failures}


def test_accepts_a_right_rule():
    result = certify(rule(lambda x: 3 * x**2), cube, [X], exact=True, names=("x",))
    assert result.passed
    assert not result.failures
    assert {c.name for c in result.checks} == {
        "structure", "integers", "accuracy", "adjoint", "differences", "second order", "check_grads", "zeros",
    }  # fmt: skip


@pytest.mark.parametrize("factor", [2, 0, -1, 1 + 1e-4])
def test_refuses_a_constant_factor(factor):
    result = certify(rule(lambda x: factor * 3 * x**2), cube, [X], exact=True)
    assert {"integers", "accuracy", "adjoint", "differences"} <= failed(result)


def test_refuses_one_wrong_entry():
    """At n = 2000, where jax.test_util.check_grads may not see it."""
    wrong = rule(lambda x: (3 * x**2).at[1234].multiply(2))
    result = certify(wrong, cube, [jax.ShapeDtypeStruct((2000,), "float32")], names=("x",))
    assert "accuracy" in failed(result)
    detail = next(check.detail for check in result.failures if check.name == "accuracy")
    assert "worst at (1234,)" in detail
    assert "expected" in detail


def test_refuses_a_rule_that_is_right_but_for_a_constant():
    f = jax.custom_vjp(cube)
    f.defvjp(lambda x: (cube(x), x), lambda x, dy: (3 * x**2 * dy + 1e-3,))
    assert {"zeros", "accuracy"} <= failed(certify(f, cube, [X]))


def test_refuses_a_second_derivative_that_is_wrong():
    """A rule that hides its residual from differentiation."""
    result = certify(rule(lambda x: 3 * jax.lax.stop_gradient(x) ** 2), cube, [X])
    assert failed(result) == {"second order", "check_grads"}


def test_refuses_another_value():
    f = jax.custom_vjp(lambda x: cube(x) + x)
    f.defvjp(lambda x: (cube(x) + x, x), lambda x, dy: (3 * x**2 * dy,))
    result = certify(f, cube, [X])
    assert {"accuracy", "differences"} <= failed(result)
    assert "value" in {check.of for check in result.failures}


def test_refuses_another_dtype_or_shape():
    for other in (lambda x: cube(x).astype(jnp.bfloat16), lambda x: cube(x)[None]):
        result = certify(other, cube, [X])
        assert failed(result) == {"structure"}
        assert len(result.checks) == 2, "nothing more is compared"


def test_refuses_nan():
    assert not certify(rule(lambda x: x * jnp.nan), cube, [X]).passed


def test_arguments_that_are_given_are_used():
    """Whole arrays instead of shapes; labels are passed on."""
    labels = jnp.array([0, 2])
    x = jnp.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

    def pick(x, labels):
        return jnp.take_along_axis(x, labels[:, None], axis=1) ** 2

    result = certify(pick, pick, [x, labels], names=("x", "labels"))
    assert result.passed
    assert {check.of for check in result.checks} >= {"x"}
    assert "labels" not in {check.of for check in result.checks}


def test_pytree_results():
    def both(x, y):
        return {"sum": x + y, "product": (x * y).sum(axis=0)}

    assert certify(both, both, [X, X], exact=True).passed
    assert not certify(lambda x, y: both(x, 2 * y), both, [X, X]).passed


def test_linearity_needs_no_reference():
    """<dy, f> = <g, x> fails for a wrong gradient even where the reference has the same one."""
    f = jax.custom_vjp(lambda x: 2 * x)
    f.defvjp(lambda x: (2 * x, None), lambda _, dy: (3 * dy,))
    assert "linearity" in failed(certify(f, f.fun, [X], linear_in=(0,)))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([jnp.arange(3)], "args must hold a floating array to differentiate, got dtypes \\['int32'\\]"),
        ([jnp.array([1.0, jnp.nan])], "argument 0 must be finite"),
    ],
)
def test_errors(args, message):
    with pytest.raises(ValueError, match=message):
        certify(cube, cube, args)


def test_table():
    text = str(certify(rule(lambda x: 2 * x), cube, [X], names=("x",)))
    assert "FAIL accuracy" in text
    assert "ok   zeros" in text


@pytest.mark.parametrize("shape", [(), (1,), (7,), (4, 5), (0, 3)])
def test_distinct_data(shape):
    data = draw.distinct(np.random.default_rng(0), shape)
    assert data.shape == shape
    size = data.size
    assert np.all(np.abs(data) < 1)
    assert np.all(np.abs(data) > 0.4 / max(size, 1))
    assert np.all(np.diff(np.sort(data.ravel())) > 1.5 / max(size, 1))


def test_whole_numbers():
    data = draw.integers(np.random.default_rng(0), (1000,), largest=3)
    assert set(np.unique(data)) == set(range(-3, 4))
