"""Pools and their gradients against NumPy loops, PyTorch, autodiff of the same forward,
and lax."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxcnn
from jaxcnn.check import certify, draw
from jaxcnn.check.cases import POOL_CASES, PoolCase, ids
from jaxcnn.ops import AUTODIFF, EXPLICIT
from jaxcnn.padding import make_window
from tests import naive
from tests.daily import daily


def window_of(case: PoolCase):
    """The window, and the pads before ceil_mode changed them."""
    options = {
        "stride": case.size,
        **{k: v for k, v in case.options.items() if k in ("stride", "padding", "dilation")},
    }
    window = make_window(case.size, case.x[1:-1], **options)
    return window.ceil(case.x[1:-1]) if case.options.get("ceil_mode") else window, window.pads


@cache
def whole_numbers(case_id: str):
    """x with many ties, and dy, as float64."""
    case = next(case for case in POOL_CASES if case.id == case_id)
    rng = np.random.default_rng(0)
    y = (case.x[0], *window_of(case)[0].output_size(case.x[1:-1]), case.x[-1])
    return draw.integers(rng, case.x, largest=2), draw.integers(rng, y)


# Daily, each number of axes and each option.
EVERY = daily(
    [pytest.param(case, id=case.id) for case in POOL_CASES],
    {"1d-overlap-padding", "2d-ceil-padding", "2d-crop", "2d-batch-0", "3d"},
)


def value_and_gradient(pool, x, dy):
    y, vjp = jax.vjp(jax.jit(pool), jnp.asarray(x, jnp.float32))
    return np.asarray(y), np.asarray(vjp(jnp.asarray(dy, jnp.float32))[0])


@pytest.mark.parametrize("case", EVERY)
def test_max_pool_equals_the_definition(case):
    x, dy = whole_numbers(case.id)
    got = value_and_gradient(lambda x: jaxcnn.max_pool(x, case.size, **case.options), x, dy)
    for a, b in zip(got, naive.max_pool_and_gradient(x, dy, window_of(case)[0]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("special", [np.nan, -np.inf, np.inf], ids=str)
@pytest.mark.parametrize(
    "case",
    **ids(
        [c for c in POOL_CASES if c.id in ("1d-overlap-padding", "2d-ceil-padding", "2d-dilated")]
    ),
)
def test_max_pool_of_nan_and_infinity(case, special):
    """The last NaN wins; a window of -inf gives its gradient to the first in-bounds
    tap; the padding gets none."""
    x, dy = whole_numbers(case.id)
    x = np.where(np.random.default_rng(1).random(x.shape) < 0.6, special, x)
    got = value_and_gradient(lambda x: jaxcnn.max_pool(x, case.size, **case.options), x, dy)
    expected = naive.max_pool_and_gradient(x, dy, window_of(case)[0])
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    if case.options.get("stride") != 1:
        return
    all_inf = np.full(x.shape, -np.inf)
    _, dx = value_and_gradient(lambda x: jaxcnn.max_pool(x, case.size, **case.options), all_inf, dy)
    assert dx.sum() == dy.sum(), "the gradient is conserved"


@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize("case", EVERY)
def test_avg_pool_equals_the_definition(case, count_include_pad):
    x, dy = whole_numbers(case.id)
    options = {**case.options, "count_include_pad": count_include_pad}
    got = value_and_gradient(lambda x: jaxcnn.avg_pool(x, case.size, **options), x, dy)
    window, pads = window_of(case)
    # Where padding is not counted a negative pad still crops.
    expected = naive.avg_pool_and_gradient(x, dy, window, pads, count_include_pad)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", EVERY)
def test_equals_pytorch(case):
    torch = pytest.importorskip("torch", reason="PyTorch is an optional peer")
    axes = len(case.size)
    window, pads = window_of(case)
    if case.x[0] == 0 or any(
        lo != hi or lo < 0 or lo > k // 2 for (lo, hi), k in zip(pads, case.size, strict=True)
    ):
        pytest.skip("PyTorch does not take this padding, or an empty batch")
    x, dy = whole_numbers(case.id)
    ceil = case.options.get("ceil_mode", False)
    padding = tuple(lo for lo, _ in pads)
    pools = [
        (
            jaxcnn.max_pool,
            f"max_pool{axes}d",
            (case.size, window.stride, padding, window.dilation, ceil),
            {},
        )
    ]
    if set(window.dilation) == {1}:
        for count in (True, False):
            options = {"count_include_pad": count}
            pools.append(
                (
                    jaxcnn.avg_pool,
                    f"avg_pool{axes}d",
                    (case.size, window.stride, padding, ceil, count),
                    options,
                )
            )
    for ours, name, args, options in pools:
        leaf = torch.tensor(x).movedim(-1, 1).contiguous().requires_grad_()
        y = getattr(torch.nn.functional, name)(leaf, *args)
        y.backward(torch.tensor(dy).movedim(-1, 1))
        got = value_and_gradient(
            lambda x, f=ours, o=options: f(x, case.size, **case.options, **o), x, dy
        )
        for a, b in zip(got, (y.detach(), leaf.grad), strict=True):
            np.testing.assert_allclose(a, b.movedim(1, -1).numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", **ids([c for c in POOL_CASES if c.id in ("2d", "2d-overlap")]))
def test_max_pool_equals_lax(case):
    """On finite data with ties, bit for bit: select-and-scatter has the same
    convention."""
    x, dy = whole_numbers(case.id)
    window, _ = window_of(case)

    def lax_pool(x):
        return lax.reduce_window(
            x,
            -jnp.inf,
            lax.max,
            (1, *window.size, 1),
            (1, *window.stride, 1),
            ((0, 0), *window.pads, (0, 0)),
        )

    got = value_and_gradient(lambda x: jaxcnn.max_pool(x, case.size, **case.options), x, dy)
    for a, b in zip(got, value_and_gradient(lax_pool, x, dy), strict=True):
        np.testing.assert_array_equal(a, b)


POOLS = {
    "max": lambda x, ops=EXPLICIT, **o: ops.max_pool(x, 3, stride=2, padding=1, **o),
    "max-dilated": lambda x, ops=EXPLICIT, **o: ops.max_pool(x, 2, stride=1, dilation=2, **o),
    "avg": lambda x, ops=EXPLICIT, **o: ops.avg_pool(x, 3, stride=2, padding=1, **o),
    "avg-uncounted": lambda x, ops=EXPLICIT, **o: ops.avg_pool(
        x, (2, 3), stride=1, padding=1, count_include_pad=False, **o
    ),
    "global-max": lambda x, ops=EXPLICIT, **o: ops.global_max_pool(x, **o),
    "global-avg": lambda x, ops=EXPLICIT, **o: ops.global_avg_pool(x, **o),
}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", daily(["float32", "bfloat16"], {"float32"}))
@pytest.mark.parametrize("name", daily(POOLS, {"max"}))
def test_certificate(name, dtype):
    pool = POOLS[name]
    shape = jax.ShapeDtypeStruct((2, 5, 6, 2), dtype)
    linear = () if "max" in name else (0,)
    exact = "max" in name and dtype == "float32"
    result = certify(
        pool,
        lambda x: pool(x, AUTODIFF),
        [shape],
        linear_in=linear,
        integers=exact,
        names=("x",),
    )
    assert result.passed, f"\n{result}"


@pytest.mark.parametrize("name", daily(POOLS, {"max"}))
def test_channels_first(name):
    x = jnp.asarray(draw.distinct(np.random.default_rng(0), (2, 5, 6, 3)), jnp.float32)
    y = POOLS[name](x)
    first = POOLS[name](jnp.moveaxis(x, -1, 1), layout="channels_first")
    np.testing.assert_array_equal(first, jnp.moveaxis(y, -1, 1) if y.ndim > 2 else y)


def test_global_pools_agree_with_a_window_over_all_of_space():
    """On data with ties and NaNs too."""
    rng = np.random.default_rng(0)
    x = draw.integers(rng, (3, 3, 4, 5), largest=1)
    x[0, rng.random((3, 4)) < 0.3] = np.nan
    dy = draw.integers(rng, (3, 5))
    for whole, pool in (
        (jaxcnn.global_max_pool, jaxcnn.max_pool),
        (jaxcnn.global_avg_pool, jaxcnn.avg_pool),
    ):
        got = value_and_gradient(whole, x, dy)
        want = value_and_gradient(lambda x, pool=pool: pool(x, (3, 4)).reshape(3, 5), x, dy)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_document_example():
    image = np.array([[1, 3, 2, 4], [5, 6, 7, 8], [9, 2, 3, 1], [4, 0, 1, 5]], np.float32)
    assert jaxcnn.max_pool(image[None, ..., None], 2).ravel().tolist() == [6, 8, 9, 5]


def test_max_pool_keeps_a_byte_per_axis():
    """The residuals are the winners' indices along each axis, the last one first: int8
    up to 128 taps. Before them stands x, which a TPU reads in their place."""
    for size, dtype in ((2, jnp.int8), (128, jnp.int8), (129, jnp.int16)):
        x = jax.ShapeDtypeStruct((1, 258, 258, 1), jnp.float32)
        vjp = jax.eval_shape(
            lambda x, size=size: jax.vjp(lambda x: jaxcnn.max_pool(x, size), x)[1], x
        )
        m = 258 // size
        kept = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(vjp) if leaf.ndim == 4]
        winners = [((1, 258, m, 1), dtype), ((1, m, m, 1), dtype)]
        assert kept == [(x.shape, x.dtype), *winners]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: jaxcnn.max_pool(x, 9), "window is larger than the padded input"),
        (
            lambda x: jaxcnn.max_pool(x, 2, padding=((3, 0), (0, 0))),
            "padding leaves window 0 of spatial axis 0 without any input",
        ),
        (lambda x: jaxcnn.avg_pool(x, 2, padding=3, count_include_pad=False), "without any input"),
        (
            lambda x: jaxcnn.avg_pool(x, 2, padding=((0, 0), (1, -1)), ceil_mode=True),
            "must not be negative at the high end with ceil_mode",
        ),
        (lambda x: jaxcnn.max_pool(x, 0), "size must be at least 1"),
        (
            lambda x: jaxcnn.max_pool(x, (2, 2, 2)),
            r"size must be an int or one int per spatial axis \(2 here\)",
        ),
        (lambda x: jaxcnn.avg_pool(x, 2, stride=0), "stride must be at least 1"),
        (lambda x: jaxcnn.max_pool(x[0, 0], 2), "is the batch axis missing"),
        (
            lambda x: jaxcnn.max_pool(x.astype(jnp.uint8), 2),
            "x must have a floating dtype, got uint8",
        ),
        (
            lambda x: jaxcnn.max_pool(x, 2, layout="NCHW"),
            "layout must be 'channels_last' or 'channels_first', got 'NCHW'",
        ),
        (lambda x: jaxcnn.global_max_pool(x[:, :0]), "at least one position to pool"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.ones((2, 4, 5, 3)))
