"""Right rules are not refused, whatever the window: a few dozen drawn cases.
`jaxcnn.programs.certify` has hundreds."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import jaxcnn
from jaxcnn.check import certify

ONCE = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,  # the same cases in every run: what fails here fails for everybody
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
SKIP = ("jit", "vmap", "scan")  # `tests/ops/test_composition.py` has these


@st.composite
def windows(draw, axes: int):
    def per_axis(low: int, high: int):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    size, stride, dilation = per_axis(1, 3), per_axis(1, 3), per_axis(1, 2)
    pads = tuple(zip(per_axis(-1, 2), per_axis(-1, 2), strict=True))
    return size, {"stride": stride, "padding": pads, "dilation": dilation}


@st.composite
def images(draw, axes: int, channels: int):
    return (
        draw(st.integers(1, 2)),
        *(draw(st.integers(2, 7 - axes)) for _ in range(axes)),
        channels,
    )


def accepted(operation, *shapes):
    """The library refuses windows that do not fit; these are no cases."""
    try:
        jax.eval_shape(operation, *shapes)
    except ValueError:
        return False
    return True


def struct(shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


@pytest.mark.slow
@ONCE
@given(
    data=st.data(),
    axes=st.integers(1, 2),
    groups=st.integers(1, 3),
    per_group=st.integers(1, 2),
    outputs=st.integers(1, 2),
)
def test_convolutions(data, axes, groups, per_group, outputs):
    size, options = data.draw(windows(axes))
    x = struct(data.draw(images(axes, groups * per_group)))
    w = struct((*size, per_group, groups * outputs))

    def conv(x, w, ops=jaxcnn.EXPLICIT):
        return ops.conv(x, w, groups=groups, **options)

    assume(accepted(conv, x, w))
    result = certify(
        conv,
        lambda x, w: conv(x, w, jaxcnn.AUTODIFF),
        [x, w],
        linear_in=(0, 1),
        names=("x", "w"),
        skip=SKIP,
    )
    assert result.passed, f"\n{result}"


@pytest.mark.slow
@ONCE
@given(data=st.data(), axes=st.integers(1, 2), ceil_mode=st.booleans(), mean=st.booleans())
def test_pools(data, axes, ceil_mode, mean):
    size, options = data.draw(windows(axes))
    x = struct(data.draw(images(axes, 2)))

    def pool(x, ops=jaxcnn.EXPLICIT):
        operation = ops.avg_pool if mean else ops.max_pool
        return operation(x, size, ceil_mode=ceil_mode, **options)

    assume(accepted(pool, x))
    linear = (0,) if mean else ()
    result = certify(
        pool,
        lambda x: pool(x, jaxcnn.AUTODIFF),
        [x],
        linear_in=linear,
        integers=not mean,
        skip=SKIP,
    )
    assert result.passed, f"\n{result}"


@pytest.mark.slow
@ONCE
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    which=st.sampled_from(jaxcnn.Ops._fields),
    seed=st.integers(0, 99),
)
def test_operations_of_one_array(shape, which, seed):
    """On whatever shape, scalars of an axis included; what needs more than x gets
    it."""
    ops = {
        "layer_norm": lambda ops, x: ops.layer_norm(x, None, None, axes=tuple(range(x.ndim))),
        "dropout": lambda ops, x: ops.dropout(x, jax.random.key(seed), rate=0.25),
        "mean_squared_error": lambda ops, x: ops.mean_squared_error(x, jnp.flip(x)),
        "sigmoid_binary_cross_entropy": lambda ops, x: ops.sigmoid_binary_cross_entropy(
            x, jnp.full_like(x, 0.25)
        ),
        "softmax_cross_entropy": lambda ops, x: ops.softmax_cross_entropy(
            x, jnp.zeros(x.shape[:-1], jnp.int32)
        ),
        **{
            name: lambda ops, x, name=name: getattr(ops, name)(x)
            for name in ("relu", "leaky_relu", "sigmoid", "tanh", "silu", "gelu")
        },
    }
    assume(which in ops)
    call = ops[which]
    x = struct(tuple(shape))
    result = certify(
        lambda x: call(jaxcnn.EXPLICIT, x),
        lambda x: call(jaxcnn.AUTODIFF, x),
        [x],
        seed=seed,
        skip=SKIP,
    )
    assert result.passed, f"\n{result}"
