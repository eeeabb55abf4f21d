"""Windows of many taps: programs that do not grow, and what they compute."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.check import draw
from jaxcnn.padding import make_window
from tests import naive
from tests.daily import daily


def equations(jaxpr) -> int:
    """Of a jaxpr and of all inside it."""
    count = 0
    for equation in jaxpr.eqns:
        count += 1
        for inner in jax.tree.leaves(
            list(equation.params.values()),
            is_leaf=lambda p: hasattr(p, "eqns") or hasattr(p, "jaxpr"),
        ):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                count += equations(inner)
    return count


def conv(stride, groups=1, channels=2):
    """A convolution of windows that stand `stride(k)` apart, of `channels` in each
    group."""

    def of(taps, size):
        w = jnp.ones((*taps, channels, channels * groups))
        options = {"stride": stride(taps[0]), "groups": groups}
        return lambda x, w: jaxcnn.conv(x, w, **options), (
            jnp.ones((2, *size, channels * groups)),
            w,
        )

    return of


def pool(operation, stride, **options):
    def of(taps, size):
        return lambda x: operation(x, taps, stride=stride(taps[0]), **options), (
            jnp.ones((2, *size, 2)),
        )

    return of


OVERLAPPING = {"one": lambda k: 1, "two": lambda k: 2, "half": lambda k: k // 2}


PROGRAMS = {
    **{
        f"conv, step {name}": conv(step)
        for name, step in {**OVERLAPPING, "whole": lambda k: k}.items()
    },
    **{
        f"conv of 16 channels, step {name}": conv(step, channels=16)
        for name, step in OVERLAPPING.items()
    },
    **{f"depthwise, step {name}": conv(step, 4, 1) for name, step in OVERLAPPING.items()},
    **{f"groups, step {name}": conv(step, 2, 4) for name, step in OVERLAPPING.items()},
    **{f"max pool, step {name}": pool(jaxcnn.max_pool, step) for name, step in OVERLAPPING.items()},
    "max pool, tiles": pool(jaxcnn.max_pool, lambda k: k),
    "max pool, padded": pool(jaxcnn.max_pool, lambda k: k, padding=1),
    **{f"mean, step {name}": pool(jaxcnn.avg_pool, step) for name, step in OVERLAPPING.items()},
    "mean, tiles": pool(jaxcnn.avg_pool, lambda k: k),
    "mean, padded": pool(jaxcnn.avg_pool, lambda k: k, padding=1, count_include_pad=False),
}


SIZES = {
    "one axis": ((64,), (1024,)),
    "two axes": ((8, 8), (32, 32)),
    "three axes": ((4, 4, 8), (8, 8, 16)),
}


IN_THREE = ("conv, step one", "depthwise, step one", "groups, step one", "mean, step one")


GROWING = [(name, axes) for axes in SIZES for name in (IN_THREE if "three" in axes else PROGRAMS)]


@pytest.mark.parametrize(
    ("name", "axes"),
    daily(
        [pytest.param(name, axes, id=f"{name}, {axes}") for name, axes in GROWING],
        {f"{name}, two axes" for name in PROGRAMS},
    ),
)
def test_the_program_does_not_grow(name, axes):
    """Forward and all gradients, traced: from 64 to 1,024 taps no equation more, except
    the few of another method that takes over."""

    def count(taps):
        operation, args = PROGRAMS[name](taps, [2 * k + 1 for k in taps])

        def gradients(*args):
            y, pull = jax.vjp(operation, *args)
            return y, pull(y)

        return equations(jax.make_jaxpr(gradients)(*args).jaxpr)

    few, many = map(count, SIZES[axes])
    assert many <= few + 10


MANY = {
    "depthwise 8x8": ((1, 9, 10, 2), (8, 8, 1, 2), {"groups": 2, "padding": 3}),
    "depthwise 9x7 with a stride": (
        (2, 12, 11, 2),
        (9, 7, 1, 2),
        {"groups": 2, "stride": (2, 3), "padding": ((4, 2), (-1, 3))},
    ),
    "depthwise 70 taps times 2, dilated": (
        (2, 150, 2),
        (70, 1, 4),
        {"groups": 2, "dilation": 2, "padding": ((5, 0),)},
    ),
    "depthwise 13x3, three axes": (
        (1, 13, 4, 3, 2),
        (13, 3, 2, 1, 2),
        {"groups": 2, "padding": (1, 1, 0)},
    ),
    "tiles 8x9": ((2, 16, 27, 3), (8, 9, 3, 5), {"stride": (8, 9)}),
    "70 taps, step 30": ((2, 175, 3), (70, 3, 4), {"stride": 30, "padding": ((7, -3),)}),
    "12x12, step 5": ((2, 20, 23, 2), (12, 12, 2, 3), {"stride": 5, "padding": ((3, 1), (0, 4))}),
    "12x12, step 5, groups": ((1, 20, 18, 4), (12, 12, 2, 4), {"stride": 5, "groups": 2}),
    "70 taps": ((2, 90, 2), (70, 2, 3), {"padding": 10}),
    "9x9, dilated": ((1, 20, 18, 2), (9, 9, 2, 2), {"dilation": 2}),
    "9x3x3": ((1, 10, 4, 5, 2), (9, 3, 3, 2, 2), {"padding": 1}),
}


@pytest.mark.parametrize(
    "case",
    daily(MANY, {"depthwise 9x7 with a stride", "12x12, step 5, groups", "70 taps", "9x3x3"}),
)
def test_convolutions_equal_the_definition(case):
    x_shape, w_shape, options = MANY[case]
    groups = options.get("groups", 1)
    window = make_window(
        w_shape[:-2],
        x_shape[1:-1],
        **{name: value for name, value in options.items() if name != "groups"},
    )
    rng = np.random.default_rng(0)
    y_shape = (x_shape[0], *window.output_size(x_shape[1:-1]), w_shape[-1])
    x, w, dy = (
        draw.integers(rng, shape).astype(np.float32) for shape in (x_shape, w_shape, y_shape)
    )
    expected = naive.conv_and_gradients(x, w, dy, window, groups)[:3]

    @jax.jit
    def run(x, w, dy):
        y, pull = jax.vjp(lambda x, w: jaxcnn.conv(x, w, **options), x, w)
        return y, *pull(dy)

    for got, want in zip(run(x, w, dy), expected, strict=True):
        np.testing.assert_array_equal(got, want)


MANY_POOLED = {
    "9 on 30": ((2, 30, 2), (9,), {"stride": 4, "padding": 3}),
    "130 on 150": ((1, 150, 1), (130,), {"stride": 7}),
    "12x3 dilated": ((1, 25, 7, 2), (12, 3), {"stride": (1, 2), "dilation": (2, 1)}),
    "10x9 tiles": ((2, 20, 18, 2), (10, 9), {}),
    "10x9 cropped": ((2, 21, 20, 2), (10, 9), {"stride": (5, 9), "padding": ((-1, 2), (4, -3))}),
}


@pytest.mark.parametrize("case", daily(MANY_POOLED, {"9 on 30", "10x9 cropped"}))
@pytest.mark.parametrize("special", [None, np.nan, -np.inf])
def test_max_pools_equal_the_definition(case, special):
    """Ties, NaNs and windows of -inf too."""
    shape, size, options = MANY_POOLED[case]
    rng = np.random.default_rng(0)
    x = draw.integers(rng, shape).astype(np.float32)
    if special is not None:
        x[rng.random(shape) < (0.1 if np.isnan(special) else 0.9)] = special
    window = make_window(size, shape[1:-1], **{"stride": size, **options})
    dy = draw.integers(rng, (shape[0], *window.output_size(shape[1:-1]), shape[-1])).astype(
        np.float32
    )
    y, pull = jax.vjp(jax.jit(lambda x: jaxcnn.max_pool(x, size, **options)), x)
    for got, want in zip((y, pull(dy)[0]), naive.max_pool_and_gradient(x, dy, window), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("case", daily(MANY_POOLED, {"9 on 30", "10x9 cropped"}))
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_mean_pools_equal_the_definition(case, count_include_pad):
    shape, size, options = MANY_POOLED[case]
    rng = np.random.default_rng(0)
    x = draw.distinct(rng, shape).astype(np.float32)
    window = make_window(size, shape[1:-1], **{"stride": size, **options})
    dy = draw.distinct(rng, (shape[0], *window.output_size(shape[1:-1]), shape[-1])).astype(
        np.float32
    )
    y, pull = jax.vjp(
        jax.jit(lambda x: jaxcnn.avg_pool(x, size, count_include_pad=count_include_pad, **options)),
        x,
    )
    expected = naive.avg_pool_and_gradient(
        x.astype(np.float64), dy.astype(np.float64), window, window.pads, count_include_pad
    )
    for got, want in zip((y, pull(dy)[0]), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_patches_of_many_taps_are_refused_by_name():
    with pytest.raises(
        ValueError, match=r"method IM2COL takes windows of up to 64 taps.* got size \(9, 9\)"
    ):
        jaxcnn.conv(jnp.ones((1, 9, 9, 1)), jnp.ones((9, 9, 1, 1)), method=jaxcnn.methods.IM2COL)
