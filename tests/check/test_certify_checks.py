"""The checks one by one, and gradients that mean to differ."""

from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.check import certify
from tests.check._cube import X, cube, failed, rule


def test_the_whole_jacobian_of_a_small_function_names_the_entry():
    wrong = rule(lambda x: (3 * x**2).at[2, 1].multiply(1.01))
    rows = [c for c in certify(wrong, cube, [X], names=("x",)).failures if c.name == "differences"]
    assert [c.of for c in rows] == ["x", "all"]
    assert "worst at (9, 9)" in rows[0].detail


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "caught"), [(1 + 2e-7, set()), (1.001, {"vmap"})])
def test_a_biased_gradient_of_whole_numbers_can_be_rounded(factor, caught):
    @jax.custom_batching.custom_vmap
    def change(dy):
        return jnp.sign(dy) / 3

    @change.def_vmap
    def _(_, batched, dy):
        return factor * jnp.sign(dy) / 3, batched[0]

    def twice(x):
        return 2 * x

    f = jax.custom_vjp(twice)
    f.defvjp(lambda x: (twice(x), None), lambda _, dy: (change(dy),))
    result = certify(f, twice, [X], integers=True, label="biased")
    assert failed(result) == caught, f"\n{result}"
