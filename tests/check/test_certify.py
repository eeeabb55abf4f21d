"""The checker itself: what it accepts, what it refuses, and that its data is what it
says."""

from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxcnn
from jaxcnn.check import certify, draw
from jaxcnn.check.certificate import CHECKS


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


# The checks one by one.


def test_the_whole_jacobian_of_a_small_function_names_the_entry():
    wrong = rule(lambda x: (3 * x**2).at[2, 1].multiply(1.01))
    rows = [c for c in certify(wrong, cube, [X], names=("x",)).failures if c.name == "differences"]
    assert [c.of for c in rows] == ["x", "all"]
    assert "worst at (9, 9)" in rows[0].detail


def test_a_large_function_is_projected():
    args = [jax.ShapeDtypeStruct((40, 50), "float32")]
    rows = [c for c in certify(cube, cube, args).checks if c.name == "differences"]
    assert [(c.of, c.passed) for c in rows] == [("all", True)]
    assert "differences" in failed(
        certify(rule(lambda x: (3 * x**2).at[2, 1].multiply(2)), cube, args)
    )


def scaled(factor):
    """Rules of the mean and of a normalisation that are off by a factor."""

    def mean(x):
        return jnp.mean(x, axis=1)

    def centred(x):
        return x - jnp.mean(x, axis=1, keepdims=True)

    for f, derivative in (
        (mean, lambda dy: factor * jnp.broadcast_to(dy[:, None], (3, 4)) / 4),
        (centred, lambda dy: dy - factor * jnp.mean(dy, axis=1, keepdims=True)),
    ):
        g = jax.custom_vjp(f)
        g.defvjp(lambda x, f=f: (f(x), None), lambda _, dy, d=derivative: (d(dy),))
        yield g, f


def test_conservation():
    for g, f in scaled(1):
        result = certify(g, f, [X], linear_in=(0,), integers=False)
        assert result.passed, f"\n{result}"
        assert {c.data for c in result.checks if c.name == "conservation"} == {
            "distinct",
            "integers",
        }
    for g, f in scaled(0.5):
        assert "conservation" in failed(certify(g, f, [X]))


def test_composition_is_checked():
    """A rule that looks at values breaks under vmap and scan; one that is another
    function there is caught by its numbers."""

    @jax.custom_vjp
    def eager_only(x):
        return cube(x)

    eager_only.defvjp(
        lambda x: (cube(x), x), lambda x, dy: (3 * x**2 * dy if float(jnp.sum(dy)) >= -1e9 else dy,)
    )
    with pytest.raises(jax.errors.ConcretizationTypeError):
        certify(eager_only, cube, [X])

    @jax.custom_batching.custom_vmap
    def slope(x):
        return 3 * x**2

    @slope.def_vmap
    def _(size, batched, x):
        return 2 * x**2, True

    assert failed(certify(rule(slope), cube, [X])) == {
        "vmap",
        "second order",
    }, "such a slope has no derivative"


def test_runs_that_differ_are_refused():
    runs = count()

    def noise(x):
        shape = jax.ShapeDtypeStruct((), x.dtype)
        return jax.pure_callback(
            lambda: np.asarray(1 + 1e-7 * next(runs), x.dtype), shape, vmap_method="sequential"
        )

    result = certify(rule(lambda x: 3 * x**2 * noise(x)), cube, [X], tolerance=1e-3)
    assert "repeats" in failed(result)


def test_skipped_checks_are_told():
    result = certify(cube, cube, [X], skip=("vmap", "second order"))
    assert not {"vmap", "second order"} & {c.name for c in result.checks}
    assert result.left_out["vmap"] == "skipped"


# Gradients that mean to differ.


def stochastic(draw_dy):
    """A linear map whose cotangent is quantised with the help of a key."""

    @jax.custom_vjp
    def f(x, key):
        return 2 * x

    f.defvjp(lambda x, key: (2 * x, key), lambda key, dy: (2 * draw_dy(key, dy), None))
    return f


def up_or_down(key, dy):
    """Stochastic rounding to multiples of 1/4: its mean is dy."""
    low = jnp.floor(4 * dy)
    return (low + jax.random.bernoulli(key, 4 * dy - low, dy.shape).astype(dy.dtype)) / 4


def test_unbiased_gradient():
    args = [jax.ShapeDtypeStruct((5,), "float32"), jax.random.key(0)]

    def twice(x, key):
        return 2 * x

    result = certify(stochastic(up_or_down), twice, args, label="unbiased", names=("x", "key"))
    assert result.passed, f"\n{result}"
    assert {c.of for c in result.checks if c.name == "unbiased"} == {"x"}
    assert "adjoint" not in {c.name for c in result.checks}
    many = [jax.ShapeDtypeStruct((30, 40), "float32"), args[1]]
    result = certify(
        stochastic(up_or_down), twice, many, label="unbiased", skip=("vmap", "jit", "scan")
    )
    assert result.passed, f"some entries are rounded up once in hundreds of draws\n{result}"
    assert not certify(stochastic(up_or_down), twice, args).passed, "it is not exact"
    for wrong in (
        lambda key, dy: 1.05 * up_or_down(key, dy),
        lambda key, dy: jnp.round(4 * dy) / 4,
        lambda key, dy: up_or_down(key, dy) + 0.05,
    ):
        caught = failed(certify(stochastic(wrong), twice, args, label="unbiased"))
        assert "unbiased" in caught


def test_biased_gradient():
    def quantised(x):
        return rule_of(lambda dy: jnp.sign(dy) * jnp.mean(jnp.abs(dy)))(x)

    def rule_of(change):
        f = jax.custom_vjp(lambda x: 2 * x)
        f.defvjp(lambda x: (2 * x, None), lambda _, dy: (2 * change(dy),))
        return f

    result = certify(quantised, lambda x: 2 * x, [X], label="biased", names=("x",))
    assert result.passed, f"\n{result}"
    (row,) = (c for c in result.checks if c.name == "bias" and c.of == "x")
    assert 0.1 < row.error < 1
    assert "cosine 0." in row.detail
    uphill = certify(rule_of(lambda dy: -jnp.sign(dy)), lambda x: 2 * x, [X], label="biased")
    assert failed(uphill) == {"bias"}
    mislabelled = certify(rule_of(lambda dy: dy), lambda x: 2 * x, [X], label="biased")
    assert [(c.name, c.of) for c in mislabelled.failures] == [("bias", "label")]
    no_zero = rule_of(lambda dy: jnp.where(dy < 0, -1.0, 1.0).astype(dy.dtype))
    assert "zeros" in failed(certify(no_zero, lambda x: 2 * x, [X], label="biased"))


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


@pytest.mark.parametrize("shape", [(), (1,), (7,), (4, 5), (0, 3)])
def test_distinct_data(shape):
    data = draw.distinct(np.random.default_rng(0), shape)
    assert data.shape == shape
    size = data.size
    assert np.all(np.abs(data) < 1)
    assert np.all(np.abs(data) > 0.4 / max(size, 1))
    assert np.all(np.diff(np.sort(data.ravel())) > 0.9 / max(size, 1))
    if size > 4:
        assert abs(np.sum(data)) > 1e-3


def test_whole_numbers():
    data = draw.integers(np.random.default_rng(0), (1000,), largest=3)
    assert set(np.unique(data)) == set(range(-3, 4))
