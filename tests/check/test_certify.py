"""The checker itself: what it accepts and what it refuses, with which accuracy."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxcnn
from jaxcnn.check import certify
from jaxcnn.check.applicability import CHECKS
from tests.check._cube import X, cube, failed, rule


def test_accepts_a_right_rule():
    result = certify(rule(lambda x: 3 * x**2), cube, [X], integers=True, names=("x",))
    assert result.passed
    assert not result.failures
    assert {c.name for c in result.checks} == set(CHECKS) - {
        "linearity",
        "conservation",
        "unbiased",
        "bias",
    }
    assert set(result.left_out) == {"linearity", "conservation"}
    assert {c.data for c in result.checks if c.name == "integers"} == {"integers"}
    assert {c.data for c in result.checks if c.name == "differences"} == {"distinct"}


@pytest.mark.parametrize("factor", [2, 0, -1, 1 + 1e-4])
def test_refuses_a_constant_factor(factor):
    result = certify(rule(lambda x: factor * 3 * x**2), cube, [X], integers=True)
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
    assert failed(result) == {"second order"}


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


@pytest.mark.slow
def test_pytree_results():
    def both(x, y):
        return {"sum": x + y, "product": (x * y).sum(axis=0)}

    assert certify(both, both, [X, X], integers=True).passed
    assert not certify(lambda x, y: both(x, 2 * y), both, [X, X]).passed


def test_linearity_needs_no_reference():
    """<dy, f> = <g, x> fails for a wrong gradient even where the reference has the same
    one."""
    f = jax.custom_vjp(lambda x: 2 * x)
    f.defvjp(lambda x: (2 * x, None), lambda _, dy: (3 * dy,))
    assert "linearity" in failed(certify(f, f.fun, [X], linear_in=(0,)))


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (
            [jnp.arange(3)],
            {},
            "args must hold a floating array to differentiate, got dtypes \\['int32'\\]",
        ),
        ([jnp.array([1.0, jnp.nan])], {}, "argument 0 must be finite"),
        (["x"], {}, "argument 0 must be an array, a number or a jax.ShapeDtypeStruct, got str"),
        (
            [X],
            {"linear_in": (1,)},
            "linear_in must have numbers of floating arguments, \\(0,\\), got \\(1,\\)",
        ),
        ([X], {"names": ("x", "w")}, "names must have one entry per argument"),
        ([X], {"label": "right"}, "label must be 'exact', 'unbiased' or 'biased', got 'right'"),
        ([X], {"label": "unbiased"}, "needs a typed key among args"),
        ([X], {"skip": ("speed",)}, "skip must have names of checks, structure, .*; got 'speed'"),
    ],
)
def test_errors(args, options, message):
    with pytest.raises(ValueError, match=message):
        certify(cube, cube, args, **options)


def test_error_for_results_of_another_structure():
    with pytest.raises(ValueError, match="must return the same structure"):
        certify(lambda x: (cube(x), x), cube, [X])
    with pytest.raises(ValueError, match=r"must return floating arrays, .* got int"):
        certify(lambda x: jnp.argmax(x), lambda x: jnp.argmax(x), [X])


# Accuracy, beside that of autodiff.


def test_accuracy_is_given_beside_that_of_autodiff():
    result = certify(rule(lambda x: 3 * x**2), cube, [X], names=("x",))
    (row,) = (c for c in result.checks if c.name == "accuracy" and c.of == "x")
    assert 0 < row.error < 1e-6
    assert 0 < row.autodiff_error < 1e-6
    assert 0 < row.ulps < 4
    assert 0 < row.autodiff_ulps < 4
    assert not result.autodiff_wrong


@pytest.mark.slow
def test_refuses_less_accuracy_than_autodiff_has():
    """A rule in bfloat16 for float32 arguments passes no tolerance that autodiff does
    not need."""
    coarse = rule(lambda x: (3 * x.astype(jnp.bfloat16) ** 2).astype(x.dtype))
    assert "accuracy" in failed(certify(coarse, cube, [X]))
    slightly = rule(
        lambda x: 3 * x**2 * (1 + 4e-6)
    )  # 30 units in the last place; the limit for float32 is 2e-5
    assert "accuracy" in failed(certify(slightly, cube, [X], skip=("adjoint", "differences")))
    assert "accuracy" not in failed(certify(slightly, cube, [X], tolerance=1e-5))


def test_tells_that_autodiff_is_wrong():
    """In float32 the reference's gradient is off; in float64, by which the rule is
    judged, it is right."""

    def fault(x):  # stands for openxla/xla#48713, which changes from run to run
        return jnp.where(x.dtype == jnp.float64, 3 * x**2, 1e9 * x)

    result = certify(rule(lambda x: 3 * x**2), rule(fault), [X], names=("x",))
    assert result.passed
    assert {(c.name, c.of) for c in result.autodiff_wrong} == {("accuracy", "x")}
    assert "worst at" in result.autodiff_wrong[0].autodiff_detail
    assert "autodiff is wrong here" in str(result)
    assert "adjoint" in result.left_out, "this reference has no forward mode"


def test_refuses_a_reference_that_is_wrong_itself():
    both = rule(lambda x: 4 * x**2)
    assert "reference" in failed(certify(both, both, [X]))


@pytest.mark.slow
def test_negative_pads_where_autodiff_is_no_oracle():
    """Ours passes whatever lax's float32 gradient gives on this platform:
    openxla/xla#48713."""
    args = [jax.ShapeDtypeStruct(shape, "float32") for shape in ((2, 4, 4, 3), (2, 2, 3, 4))]
    pads = ((2, 0), (2, 0))

    def plain(x, w):
        return lax.conv_general_dilated(
            x, w, (1, 1), pads, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    result = certify(
        lambda x, w: jaxcnn.conv(x, w, padding=pads),
        plain,
        args,
        linear_in=(0, 1),
        names=("x", "w"),
    )
    assert result.passed, f"\n{result}"
    assert {c.of for c in result.autodiff_wrong} <= {"x"}


def test_table():
    text = str(certify(rule(lambda x: 2 * x), cube, [X], names=("x",)))
    assert "FAIL accuracy" in text
    assert "ok   zeros" in text
