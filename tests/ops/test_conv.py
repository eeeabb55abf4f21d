"""The convolution and its gradients, over one table of cases, against their definition
and the autodiff of the undecorated forward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.check import certify, draw
from jaxcnn.check.cases import CONV_CASES
from jaxcnn.ops.convolution.methods import LAX, Problem
from jaxcnn.window import Window
from tests import naive
from tests.daily import daily
from tests.ops._convolutions import CASES_AND_METHODS, METHODS, results, whole_numbers, window_of


@pytest.mark.parametrize(("case", "method"), CASES_AND_METHODS)
def test_equals_the_definition_bit_for_bit(case, method):
    x, w, b, dy = whole_numbers(case.id)
    y, dx, dw, db = naive.conv_and_gradients(
        x, w, dy, window_of(case), case.options.get("groups", 1)
    )
    for got, expected in zip(results(case.id, method), (y + b, dx, dw, db), strict=True):
        np.testing.assert_array_equal(got, expected)


BASE_DILATED = {
    "both axes": Window((3, 2), (1, 1), ((1, 2), (2, 1)), (1, 1), (2, 3)),
    "with stride and dilation": Window((2, 3), (3, 1), ((2, 0), (1, 3)), (2, 1), (2, 2)),
    "cropped": Window((2, 2), (1, 2), ((-1, 2), (3, -2)), (1, 2), (3, 2)),
    "first axis": Window((3, 2), (2, 1), ((1, 1), (0, 1)), (1, 1), (2, 1)),
}


@pytest.mark.parametrize("window", daily(BASE_DILATED, {"with stride and dilation"}))
@pytest.mark.parametrize(
    ("method", "groups"),
    [
        ("side_by_side", 1),
        ("depthwise", 4),
        ("groupwise", 2),
        pytest.param("groupwise", 4, marks=pytest.mark.slow),
        *(
            pytest.param(
                method, groups, marks=() if (method, groups) == ("auto", 2) else pytest.mark.slow
            )
            for method in ("lax", "nhwc", "im2col", "onednn", "auto")
            for groups in (1, 2, 4)
        ),
    ],
)
def test_base_dilation_equals_the_definition_bit_for_bit(method, groups, window):
    """An image with holes, lax's `lhs_dilation`: `conv` has none, but second
    derivatives and transposed convolutions have."""
    window = BASE_DILATED[window]
    problem = Problem((2, 3, 4, 4), (*window.size, 4 // groups, 4), window, groups)
    rng = np.random.default_rng(0)
    x, w, dy = (
        jnp.asarray(draw.integers(rng, shape), jnp.float32)
        for shape in (problem.x_shape, problem.w_shape, problem.y_shape)
    )
    y, dx, dw, _ = naive.conv_and_gradients(x, w, np.asarray(dy), window, groups)
    maps = METHODS[method]
    if method != "side_by_side" or window.base_dilation[-1] == window.stride[-1] == 1:
        np.testing.assert_array_equal(maps.forward(x, w, problem), y)
        np.testing.assert_array_equal(maps.input_grad(dy, w, problem), dx)
    np.testing.assert_array_equal(maps.kernel_grad(x, dy, problem), dw)


@pytest.mark.parametrize(
    "case",
    daily([pytest.param(case, id=case.id) for case in CONV_CASES], {"2d-oblong-everything"}),
)
def test_certificate(case):
    """Against the autodiff of the undecorated forward; adjoints; differences; second
    order: as users would."""
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (case.x, case.w)]
    result = certify(
        lambda x, w: jaxcnn.conv(x, w, **case.options),
        lambda x, w: jaxcnn.AUTODIFF.conv(x, w, method=LAX, **case.options),
        shapes,
        linear_in=(0, 1),
        names=("x", "w"),
        skip=("jit", "vmap", "scan"),  # `test_composition.py` has these
    )
    assert result.passed, f"\n{result}"


@pytest.mark.parametrize("dtype", daily(["bfloat16", "float16", "float64"], {"bfloat16"}))
@pytest.mark.parametrize("method", daily(METHODS, {"auto"}))
def test_dtypes(method, dtype):
    """Whole arrays in every dtype, with stride, uneven padding and groups; each
    cotangent in its primal's dtype."""
    options = {
        "stride": (2, 1),
        "padding": ((1, 2), (0, 1)),
        "groups": {"depthwise": 4, "side_by_side": 1}.get(method, 2),
    }
    result = certify(
        lambda x, w, b: jaxcnn.conv(x, w, b, method=METHODS[method], **options),
        lambda x, w, b: jaxcnn.AUTODIFF.conv(x, w, b, method=LAX, **options),
        [
            jax.ShapeDtypeStruct(shape, dtype)
            for shape in ((2, 5, 6, 4), (3, 2, 4 // options["groups"], 4), (4,))
        ],
        names=("x", "w", "b"),
        skip=("jit", "vmap", "scan", "second order"),
    )
    assert result.passed, f"\n{result}"


@pytest.mark.parametrize(
    ("groups", "method"),
    [
        (1, "side_by_side"),
        (4, "depthwise"),
        (2, "groupwise"),
        pytest.param(4, "groupwise", marks=pytest.mark.slow),
        *(
            pytest.param(g, m, marks=pytest.mark.slow if g > 1 else ())
            for g in (1, 2, 4)
            for m in ("lax", "nhwc", "im2col", "onednn", "auto")
        ),
    ],
)
def test_accumulation_dtype(method, groups):
    """bfloat16 operands with float32 sums: y is float32, cotangents are bfloat16,
    rounded once."""
    rng = np.random.default_rng(0)
    x, w = (
        jnp.asarray(draw.distinct(rng, s), jnp.bfloat16)
        for s in ((2, 5, 5, 4), (3, 3, 4 // groups, 4))
    )
    dy = jnp.asarray(draw.distinct(rng, (2, 3, 3, 4)), jnp.float32)

    def run(x, w, dy, **options):
        y, vjp = jax.vjp(
            lambda x, w: jaxcnn.conv(x, w, groups=groups, method=METHODS[method], **options), x, w
        )
        return y, *vjp(dy)

    y, dx, dw = run(x, w, dy, preferred_element_type=jnp.float32)
    assert (y.dtype, dx.dtype, dw.dtype) == (jnp.float32, jnp.bfloat16, jnp.bfloat16)
    exact = run(x.astype(jnp.float32), w.astype(jnp.float32), dy)
    np.testing.assert_allclose(y, exact[0], rtol=1e-5, atol=1e-5)
    for got, expected in zip(
        (dx, dw), exact[1:], strict=True
    ):  # half a unit in the last place of bfloat16, no more
        np.testing.assert_allclose(got.astype(jnp.float32), expected, rtol=2**-8, atol=1e-5)


def test_document_example():
    """The edge filter of the source document on a 45 degree edge, and the sum over
    images that its code forgets."""
    edge = np.array([[-1, -1, 2], [-1, 2, 1], [2, 1, 1]], np.float32)
    response = jaxcnn.conv(np.stack([edge, -edge])[..., None], edge[..., None, None])
    assert response.ravel().tolist() == [18, -18]
    x = np.ones((3, 3, 3, 1), np.float32)
    dw = jax.grad(lambda w: jaxcnn.conv(x, w).sum())(jnp.ones((3, 3, 1, 1)))
    assert np.all(np.asarray(dw) == 3), "one image's worth each: the batch must be summed"
