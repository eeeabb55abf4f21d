"""The dense layer, against its definition in NumPy and its autodiff twin; its
identities, dtypes and shardings."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxcnn.ops import AUTODIFF, EXPLICIT, _bias
from jaxcnn.ops.fully_connected import _dense, dense
from tests.ops.naive_elementwise import (
    assert_close,
    broken,
    certified,
    compare_on_explicit_mesh,
    compare_with_definition,
    compare_with_twin,
    place,
    random_like,
    value_and_gradients,
)


def naive_dense(x, w, b=None):
    y = np.zeros((*x.shape[:-1], w.shape[1]))
    for n in np.ndindex(x.shape[:-1]):
        for o in range(w.shape[1]):
            for i in range(w.shape[0]):
                y[(*n, o)] += x[(*n, i)] * w[i, o]
            if b is not None:
                y[(*n, o)] += b[o]
    return y


def data(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in shapes]


CASES = {
    "matrix": data((4, 3), (3, 2)),
    "matrix_bias": data((4, 3), (3, 2), (2,)),
    "square_bias": data((3, 3), (3, 3), (3,)),
    "vector_bias": data((3,), (3, 2), (2,)),
    "leading_axes_bias": data((2, 3, 2, 3), (3, 4), (4,)),
    "one_example": data((1, 3), (3, 1), (1,)),
    "no_example": data((0, 3), (3, 2), (2,)),
    "no_feature": data((2, 0), (0, 2), (2,)),
}


each_case = pytest.mark.parametrize("case", CASES)


@each_case
def test_definition(case):
    compare_with_definition(dense, naive_dense, CASES[case])


@pytest.mark.parametrize("case", ["matrix", "vector_bias", "leading_axes_bias", "no_example"])
def test_twin(case):
    compare_with_twin(dense, CASES[case])


def test_certificate():
    """Bit-equal to the twin on whole numbers among others: sums of products have no
    roundings there."""
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in [(2, 5, 3), (3, 4), (4,)]]
    certified(dense, shapes, integers=True)


def test_adjoint_identities():
    """<dy, y> = <dx, x> = <dw, w>, without a bias."""
    x, w = CASES["matrix"]
    with jax.enable_x64(True):
        y, vjp = jax.vjp(dense, jnp.asarray(x), jnp.asarray(w))
        dx, dw = vjp(y)
        expected = float(jnp.vdot(y, y))
        np.testing.assert_allclose(
            [jnp.vdot(dx, x), jnp.vdot(dw, w)], [expected, expected], rtol=1e-14
        )


@pytest.mark.parametrize(
    ("dtype", "accumulated"),
    [("bfloat16", "float32"), ("float16", "float32"), ("float32", "bfloat16")],
)
def test_preferred_element_type(dtype, accumulated):
    x, w, b = (jnp.asarray(a, dtype) for a in CASES["leading_axes_bias"])
    operation = partial(dense, preferred_element_type=accumulated)
    y, gradients = value_and_gradients(operation, [x, w, b])
    assert [str(a.dtype) for a in (y, *gradients)] == [accumulated, dtype, dtype, dtype]
    wide = [np.asarray(a, np.float64) for a in (x, w, jnp.asarray(random_like(y), accumulated))]
    expected = [
        wide[2] @ wide[1].T,
        np.einsum("abci,abco->io", wide[0], wide[2]),
        wide[2].sum((0, 1, 2)),
    ]
    rounding = {"bfloat16": 2**-8, "float16": 2**-10, "float32": 1e-6}
    for name, actual, reference in zip(("dx", "dw", "db"), gradients, expected, strict=True):
        assert_close(actual, reference, rounding[dtype], name)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_sums_of_16_bit_floats_are_rounded_once(dtype):
    x, w = jnp.ones((1000, 2), dtype), jnp.ones((2, 3), dtype)
    dw = jax.jit(jax.grad(lambda w: jnp.sum(dense(x, w))))(w)
    np.testing.assert_array_equal(
        dw, np.full((2, 3), 1000)
    )  # a bfloat16 sum of ones would stop at 256


@pytest.mark.parametrize(
    "precision", ["highest", ("default", "highest"), ["default", "default"], jax.lax.Precision.HIGH]
)
def test_precision_reaches_every_product(precision):
    x, w = (jnp.asarray(a, jnp.float32) for a in CASES["matrix"])
    products = str(
        jax.make_jaxpr(jax.grad(lambda x, w: dense(x, w, precision=precision).sum(), (0, 1)))(x, w)
    )
    assert products.count("dot_general") == products.count("precision=") == 3


def test_explicit_mesh():
    compare_on_explicit_mesh(dense, CASES["matrix_bias"], [P("data", None), P(None, None), P(None)])
    compare_on_explicit_mesh(
        dense, CASES["matrix_bias"], [P(None, None), P(None, "data"), P("data")]
    )


def test_shard_map():
    """Replicated weights: their gradients are summed over the shards."""
    x, w, b = (jnp.asarray(a, jnp.float32) for a in CASES["matrix_bias"])
    mesh = jax.make_mesh(
        (min(2, jax.device_count()),), ("data",), axis_types=(jax.sharding.AxisType.Auto,)
    )

    def loss(x, w, b):
        return jax.lax.psum(jnp.sum(jnp.square(dense(x, w, b))), "data")

    specs = (P("data"), P(), P())
    sharded = jax.shard_map(loss, mesh=mesh, in_specs=specs, out_specs=P())
    gradients = jax.jit(jax.grad(sharded, (0, 1, 2)))(*place(mesh, (x, w, b), specs))
    plain = jax.jit(jax.grad(lambda *a: jnp.sum(jnp.square(AUTODIFF.dense(*a))), (0, 1, 2)))(
        x, w, b
    )
    for name, actual, expected in zip(("dx", "dw", "db"), gradients, plain, strict=True):
        assert_close(actual, expected, 2e-6, name)


def test_transformations():
    """vmap of grad, over examples and over weights, inside scan, under checkpoint."""
    x, w, b = (jnp.asarray(a, jnp.float32) for a in CASES["matrix_bias"])
    per_example = jax.vmap(
        jax.grad(lambda w, x: jnp.sum(jax.checkpoint(dense)(x, w, b))), (None, 0)
    )
    total, _ = jax.jit(
        lambda: jax.lax.scan(
            lambda total, _: (total + per_example(w, x), None), jnp.zeros((4, 3, 2)), length=2
        )
    )()
    assert_close(total, 2 * np.einsum("ni,o->nio", x, np.ones(2)), 1e-6, "dw per example")

    def gradient(w, ops):
        return jax.grad(lambda w: jnp.sum(jnp.sin(ops.dense(x, w, b))))(w)

    several, twin = jax.jit(
        lambda w: (
            jax.vmap(partial(gradient, ops=EXPLICIT))(jnp.stack([w, -w])),
            gradient(-w, AUTODIFF),
        )
    )(w)
    assert_close(several[1], twin, 1e-6, "dw of the second weights")


def test_residuals_are_the_arguments():
    keep = jax.make_jaxpr(lambda x, w: jax.vjp(dense, x, w)[1])(jnp.ones((4, 3)), jnp.ones((3, 2)))
    assert set(keep.jaxpr.outvars) == set(keep.jaxpr.invars)


# Each wrong rule must be seen by the comparison with the definition, or that comparison
# is worth nothing.


def _wrong(change):
    right = _dense.bwd

    def wrong_bwd(precision, preferred, residuals, dy):
        return change(*right(precision, preferred, residuals, dy), *residuals, dy)

    return _dense, wrong_bwd


def _wrong_bias(db):
    return _bias._add_bias, lambda b, dy: (dy, db(dy))


WRONG_RULES = {
    "mean_over_the_batch": ("matrix", 1, _wrong(lambda dx, dw, x, w, dy: (dx, dw / 4))),
    "last_example_only": (
        "matrix",
        1,
        _wrong(lambda dx, dw, x, w, dy: (dx, jnp.outer(x[-1], dy[-1]))),
    ),
    "leading_axis_forgotten": (
        "leading_axes_bias",
        1,
        _wrong(lambda dx, dw, x, w, dy: (dx, jnp.einsum("abi,abo->io", x[:, :, 0], dy[:, :, 0]))),
    ),
    "weights_not_transposed": ("square_bias", 0, _wrong(lambda dx, dw, x, w, dy: (dy @ w, dw))),
    "dw_transposed": ("square_bias", 1, _wrong(lambda dx, dw, x, w, dy: (dx, dw.T))),
    "bias_over_the_wrong_axis": ("square_bias", 2, _wrong_bias(lambda dy: dy.sum(1))),
    "bias_mean": ("matrix_bias", 2, _wrong_bias(lambda dy: dy.mean(0))),
    "bias_of_the_first_axis_only": (
        "leading_axes_bias",
        2,
        _wrong_bias(lambda dy: dy[:, 0, 0].sum(0)),
    ),
}


@pytest.mark.parametrize("name", WRONG_RULES)
def test_wrong_rules_are_seen(name):
    case, argument, (core, wrong_bwd) = WRONG_RULES[name]
    with (
        broken(core, wrong_bwd),
        pytest.raises(AssertionError, match=f"gradient to argument {argument}: relative error"),
    ):
        compare_with_definition(dense, naive_dense, CASES[case])
