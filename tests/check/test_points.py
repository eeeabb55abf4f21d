"""Where `certify` evaluates: near the arrays that came, inside the function's domain,
and what it says of kinks."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.check import certify
from jaxcnn.check.applicability import CHECKS
from tests.daily import daily

LINE = np.linspace(1, 2, 12, dtype=np.float32).reshape(3, 4)

X = jax.ShapeDtypeStruct((3, 4), "float32")
LOOPS = ("jit", "vmap", "scan")


def rule(f, derivative):
    """f of one argument with a rule of one's own."""
    g = jax.custom_vjp(f)
    g.defvjp(lambda x: (f(x), x), lambda x, dy: (derivative(x) * dy,))
    return g


def failed(result):
    return {check.name for check in result.failures}


# Domains.

DOMAINS = {
    "sqrt": (jnp.sqrt, [LINE]),
    "log of different scales": (jnp.log, [np.geomspace(1e-3, 1e3, 12, dtype=np.float32)]),
    "log of one number": (jnp.log, [np.float32(0.25)]),
    "a power, 0 included": (lambda x: x**1.5, [np.linspace(0, 1, 12, dtype=np.float32)]),
    "a power in bfloat16": (lambda x: x**1.5, [jnp.linspace(0.5, 1, 12, dtype=jnp.bfloat16)]),
    "arcsin up to the edge in float64": (jnp.arcsin, [np.linspace(-0.99999, 0.99999, 12)]),
    "reciprocal of both signs": (
        lambda x: 1 / x,
        [np.array([-2, -0.01, 1e-3, 0.5, 3], np.float32)],
    ),
    "several arrays and results": (
        lambda a, b: {"log": jnp.log(a - b), "quotient": a / b},
        [LINE + 1.5, LINE],
    ),
    "one came, the other is drawn": (lambda a, b: jnp.sqrt(a) * b, [LINE, X]),
}


@pytest.mark.parametrize(
    "case", daily(DOMAINS, {"sqrt", "a power, 0 included", "several arrays and results"})
)
def test_functions_of_a_restricted_domain_are_certified_where_the_arrays_lie(case):
    f, args = DOMAINS[case]
    some = (
        ()
        if case == "sqrt"
        else LOOPS
        if "edge" in case or "0 included" in case
        else (*LOOPS, "second order")
    )
    with jax.enable_x64(case.endswith("float64")):
        result = certify(f, f, args, skip=some)
    assert result.passed, f"\n{result}"
    applied = {
        "accuracy",
        "adjoint",
        "differences",
        "reference",
        "second order",
        "zeros",
        "repeats",
        *LOOPS,
    }
    assert applied - {*some} <= {c.name for c in result.checks}


def test_a_wrong_rule_fails_there_by_the_checks_that_should_see_it():
    near_0 = np.geomspace(1e-6, 1, 12, dtype=np.float32)
    result = certify(
        rule(jnp.sqrt, lambda x: 0.50005 / jnp.sqrt(x)), jnp.sqrt, [near_0], skip=LOOPS
    )
    assert failed(result) == {"accuracy", "adjoint", "differences", "second order"}, f"\n{result}"


def test_one_wrong_entry_among_different_scales_is_named():
    wrong = rule(jnp.sqrt, lambda x: (0.5 / jnp.sqrt(x)).at[11].multiply(1.001))
    result = certify(
        wrong, jnp.sqrt, [np.linspace(0.01, 2, 12, dtype=np.float32)], skip=(*LOOPS, "second order")
    )
    rows = [c for c in result.failures if c.name == "differences"]
    assert "worst at (11, 11)" in rows[0].detail


def test_a_reference_that_is_wrong_fails_near_the_arrays_too():
    both = rule(jnp.sqrt, lambda x: 1 / jnp.sqrt(x))
    assert {"reference", "differences"} <= failed(certify(both, both, [LINE], skip=LOOPS))


@pytest.mark.slow
def test_no_point_leaves_the_domain():
    """A function that says where it was called: everywhere near the arrays, in whatever
    check."""
    seen = []

    def look(x):
        seen.append((float(np.min(x)), float(np.max(x))))
        return np.zeros((), np.float32)

    def root(x, y):
        shape = jax.ShapeDtypeStruct((), np.float32)
        looked = jax.pure_callback(look, shape, jax.lax.stop_gradient(x), vmap_method="sequential")
        return jnp.sqrt(x) * y + looked.astype(x.dtype)

    wide = np.array([1, 2, 3, 50, 100], np.float32)
    result = certify(root, root, [wide, wide], integers=False, linear_in=(1,), skip=("adjoint",))
    assert not failed(result) - {"second order"}, f"\n{result}"
    assert len(seen) > 50
    assert min(least for least, _ in seen) > 0.9
    assert max(most for _, most in seen) < 101


def test_a_function_that_rounds_is_not_taken_for_exact_because_it_is_linear():
    def weighted(x, w):
        return jnp.sqrt(x) * w

    result = certify(
        weighted, weighted, [LINE, X], linear_in=(1,), skip=("jit", "scan", "second order")
    )
    assert result.passed, f"\n{result}"
    assert result.left_out["integers"].startswith(
        "the reference is not exact on whole numbers; kinks"
    )
    assert "linearity" in {c.name for c in result.checks}


def test_whole_numbers_are_those_of_the_domain():
    """Drawn from -4 to 4 as long as the function is finite there, or else in the range
    of what came."""

    def power(x):  # exact on whole numbers, from 0 on
        return jnp.where(x < 0, jnp.nan, x) ** 2

    for data in (LINE / 8, np.full((3, 4), 0.75, np.float32)):
        result = certify(
            power, power, [data], integers=True, skip=("jit", "scan", "second order", "differences")
        )
        assert result.passed, f"\n{result}"
        assert "integers" in {c.name for c in result.checks}
    relu1 = rule(jax.nn.relu, lambda x: jnp.where(x >= 0, 1, 0).astype(x.dtype))
    result = certify(relu1, jax.nn.relu, [LINE], integers=True, skip=LOOPS)
    assert "integers" in failed(result), "0 is looked at, though it did not come"


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (jnp.sqrt, [X]),
        (jnp.log, [np.linspace(-1, 1, 12, dtype=np.float32)]),
        (lambda x: jnp.log(x).sum(), [X]),
    ],
    ids=["drawn", "came", "scalar"],
)
def test_outside_the_domain_the_message_says_so(f, args):
    result = certify(f, f, args, skip=("scan",))
    assert not result.passed
    assert "evaluated outside its domain" in str(result)
    assert "nan, expected nan" not in str(result)
    assert "not finite" not in {check.diagnosis for check in result.failures}, (
        "that would be the rule's fault"
    )
    for check in result.failures:
        if check.name in ("accuracy", "adjoint"):
            assert "outside its domain" in check.detail


def test_at_the_edge_of_the_domain_the_message_says_so():
    """Where the slope is infinite there is nothing to certify."""
    result = certify(jnp.sqrt, jnp.sqrt, [np.linspace(0, 1, 5, dtype=np.float32)], skip=LOOPS)
    assert failed(result) == {"adjoint", "zeros"}, f"\n{result}"
    assert all(
        "at its edge; pass arrays that lie inside it" in check.detail for check in result.failures
    )
    assert "is not finite about it" in result.left_out["differences"]


def test_a_nan_of_the_rule_alone_is_told_as_before():
    result = certify(rule(jnp.sqrt, lambda x: x * jnp.nan), jnp.sqrt, [LINE])
    assert not result.passed
    assert "outside its domain" not in str(result)
    assert any(check.diagnosis == "not finite" for check in result.failures)
    assert "nan, expected 0." in str(result)


# Kinks.


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (jax.nn.relu, np.array([-2, 0, 0, 1, 3], np.float32)),
        (lambda x: jaxcnn.max_pool(x, 2), np.ones((1, 4, 4, 1), np.float32)),
        (lambda x: jaxcnn.relu(x) ** 2, np.array([[-1, 0.0], [0.0, 2]], np.float32)),
        (lambda x: jaxcnn.relu(x.sum(axis=1)), np.array([[1, -1], [2, -2], [1, 2]], np.float32)),
        (jnp.abs, np.zeros((3, 4), np.float32)),
    ],
    ids=["relu", "ties", "second derivative", "inner kink", "nothing but kinks"],
)
def test_arrays_that_lie_on_kinks_are_no_failure(f, x):
    """Central differences across a kink say nothing about a rule."""
    result = certify(f, f, [x], skip=(*LOOPS, "accuracy"))
    assert result.passed, f"\n{result}"


def test_a_wrong_rule_is_seen_beside_kinks():
    x = np.array([-2, 0, 0, 1, 3], np.float32)
    wrong = rule(jax.nn.relu, lambda x: jnp.where(x > 0, 1.001, 0).astype(x.dtype))
    assert {"differences", "adjoint", "accuracy"} <= failed(
        certify(wrong, jax.nn.relu, [x], skip=LOOPS)
    )


def test_without_whole_numbers_it_is_said_that_kinks_were_not_looked_at():
    at_kink = rule(jax.nn.relu, lambda x: jnp.where(x >= 0, 1, 0).astype(x.dtype))
    result = certify(at_kink, jax.nn.relu, [X], skip=(*LOOPS, "second order"))
    assert result.passed
    for words in ("kinks", "ties", "integers=True"):
        assert words in result.left_out["integers"]
    assert result.left_out["integers"] in str(result)
    assert (
        "kinks"
        in certify(at_kink, jax.nn.relu, [X], integers=True, skip=[*CHECKS]).left_out["integers"]
    )
    whole = certify(at_kink, jax.nn.relu, [X], integers=True, skip=(*LOOPS, "second order"))
    assert "integers" in failed(whole)
    assert "integers" not in whole.left_out


@pytest.mark.slow
def test_what_is_not_finite_at_zero_is_refused_where_the_reference_is():
    def wrong_at_0(x):
        return jnp.where(x == 0, jnp.nan, 2 * x)

    some = (*LOOPS, "second order", "differences")
    result = certify(rule(jnp.square, wrong_at_0), jnp.square, [X], names=("x",), skip=some)
    assert {(c.name, c.of, c.data) for c in result.failures} == {("zeros", "x", "zeros")}
    (row,) = result.failures
    assert row.detail == "worst at (0, 0), where arguments are 0: nan, expected 0"
    division = rule(lambda x: x**1.5, lambda x: 1.5 * x**1.5 / x)
    assert "zeros" in failed(
        certify(division, lambda x: x**1.5, [np.linspace(-0.1, 1, 12, dtype=np.float32)], skip=some)
    )
    assert certify(division, lambda x: x**1.5, [LINE], skip=some).passed, "0 is not near what came"
    sinc = certify(lambda x: jnp.sin(x) / x, jnp.sinc, [X], skip=some)
    assert ("zeros", "value") in {(c.name, c.of) for c in sinc.failures}


@pytest.mark.parametrize(
    "f", [lambda x: jnp.sqrt(jnp.sum(x * x)), lambda x: jnp.sum(x / jnp.abs(x))]
)
def test_a_reference_that_is_not_finite_at_zero_asks_for_nothing(f):
    assert "zeros" not in failed(
        certify(f, f, [X], skip=[name for name in CHECKS if name not in ("structure", "zeros")])
    )
